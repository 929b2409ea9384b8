// A model of random weights whose texts are held to grammars.
#include "llm/grammar_mask.h"

#include <gtest/gtest.h>

#include <set>

#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/matcher.h"
#include "llm/text_model.h"
#include "support/error_text.h"
#include "support/gguf_writer.h"
#include "support/memory_file.h"

namespace monza::llm {
namespace {

/// 40 tokens, as letters of GPT-2's table: single bytes of JSON, pieces of it, and the end.
std::string json_model() {
  std::vector<std::string> tokens{"{", "}", "[",   "]",     "\"",   ",",    ":",  "0",   "1",  "2",
                                  "3", "4", "5",   "6",     "7",    "8",    "9",  "-",   ".",  "a",
                                  "b", "c", "d",   "e",     "l",    "n",    "s",  "t",   "u",  "r",
                                  "f", "Ġ", "\":", "\",\"", "true", "null", "]}", "{\"", "12", "<end>"};
  std::vector<std::int32_t> types(40, 1);
  types[39] = 3;
  return test::tiny_decoder(
             "llama",
             {.metadata =
                  [&](test::GgufWriter& w) {
                    w.set("tokenizer.ggml.model", "gpt2").set("tokenizer.ggml.tokens", tokens);
                    w.set("tokenizer.ggml.token_type", types).set("tokenizer.ggml.merges", std::vector<std::string>{});
                    w.set("tokenizer.ggml.eos_token_id", 39u);
                  }})
      .bytes();
}

class HeldToGrammars : public ::testing::Test {
 protected:
  static TokenModelOptions quick() {
    TokenModelOptions o;
    o.build.io_types["state"] = DType::f32;
    o.build.tune = false;
    o.threads = o.build.threads = 1;
    o.positions = 256;
    return o;
  }
  Generated write(const grammar::GrammarPtr& grammar, std::uint64_t seed, int max_tokens = 100) {
    GenerateOptions o;
    o.max_tokens = max_tokens;
    o.sampling.temperature = 1;
    o.sampling.seed = seed;
    o.mask = vocabulary_.masks(grammar);
    return model_.generate("abc", o);
  }

  const std::string bytes_ = json_model();
  const test::MemoryFile file_{std::as_bytes(std::span(bytes_))};
  TextModel model_{file_.path(), quick()};
  const GrammarVocabulary vocabulary_{model_.model_tokenizer()};
};

TEST_F(HeldToGrammars, EndWhereNothingMayFollow) {
  const grammar::GrammarPtr g = grammar::parse_gbnf("root ::= \"true\" | \"null\" [0-9]{2}");
  std::set<std::string> texts;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Generated made = write(g, seed);
    EXPECT_EQ(made.reason, EndReason::end);
    texts.insert(made.text.substr(0, 4));
    EXPECT_EQ(made.text.size(), made.text.starts_with("true") ? 4u : 6u) << made.text;
  }
  EXPECT_EQ(texts, (std::set<std::string>{"true", "null"}));
}

TEST_F(HeldToGrammars, EndOnlyWhereTheGrammarCan) {
  const grammar::GrammarPtr g = grammar::parse_gbnf("root ::= [a-e]{5,}");
  int ended = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Generated made = write(g, seed);
    grammar::Matcher m(g);
    EXPECT_TRUE(m.advance(made.text)) << made.text;
    EXPECT_EQ(m.can_end(), true);
    ended += made.reason == EndReason::end ? 1 : 0;
  }
  EXPECT_GT(ended, 10) << "the model's own end is one of six tokens";
}

TEST_F(HeldToGrammars, AreWhatASchemaAllows) {
  const grammar::GrammarPtr g = grammar::compile_schema(
      R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer","minimum":0,"maximum":130},"maxItems":4},
      "b":{"type":"string","maxLength":5},"c":{"type":["boolean","null"]}},"required":["a","b"],"additionalProperties":false})");
  int whole = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Generated made = write(g, seed, 200);
    grammar::Matcher m(g);
    EXPECT_TRUE(m.advance(made.text)) << made.text;
    if (made.reason == EndReason::end) ++whole;
    EXPECT_EQ(m.can_end(), made.reason == EndReason::end) << made.text;
  }
  EXPECT_EQ(whole, 50);
}

TEST_F(HeldToGrammars, SayWhenTheVocabularyCannotWriteThem) {
  EXPECT_EQ(test::error_of([&] { (void)write(grammar::parse_gbnf("root ::= \"a!\""), 0); }),
            "no token of the model's vocabulary can write what the grammar asks for next");
}

TEST_F(HeldToGrammars, TakeTheirOwnTokens) {
  const auto mask = vocabulary_.masks(grammar::parse_gbnf("root ::= \"true\""))();
  EXPECT_EQ(test::error_of([&] { mask->accept(0); }), "token 0 is not one of the grammar's");
  mask->accept(39);  // the end, wherever it comes
  EXPECT_FALSE(mask->complete());
  const ModelTokenizer words{text::Tokenizer::from_vocab("[UNK]\n[CLS]\n[SEP]\na\n##b\n", true, "vocab"), {}, {}};
  EXPECT_EQ(test::error_of([&] { GrammarVocabulary{words}; }),
            "grammars need a tokenizer whose tokens write the same wherever they stand");
}

TEST_F(HeldToGrammars, AreDrawnGreedily) {
  GenerateOptions o;
  o.mask = vocabulary_.masks(grammar::parse_gbnf("root ::= \"[\" [1-3] \",\" [1-3] \"]\""));
  const Generated first = model_.generate("abc", o), again = model_.generate("abc", o);
  EXPECT_EQ(first.text.size(), 5u) << first.text;
  EXPECT_EQ(first.text, again.text);
}

}  // namespace
}  // namespace monza::llm
