// Texts in, texts out: on a tiny model of random weights with a vocabulary of letters.
#include "llm/text_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "llm/model_file.h"
#include "support/data.h"
#include "support/error_text.h"
#include "support/gguf_writer.h"
#include "support/letters_model.h"
#include "support/memory_file.h"
#include "support/model_folder.h"
#include "support/temporary.h"

namespace monza::llm {
namespace {

TokenModelOptions quick() {
  TokenModelOptions o;
  o.build.io_types["state"] = DType::f32;
  o.build.tune = false;
  o.threads = o.build.threads = 1;
  o.positions = 128;
  return o;
}

class Letters : public ::testing::Test {
 protected:
  const std::string bytes_ = test::letters_model();
  const test::MemoryFile file_{std::as_bytes(std::span(bytes_))};
  TextModel model_{file_.path(), quick()};
};

TEST_F(Letters, WriteOn) {
  GenerateOptions o;
  o.max_tokens = 20;
  o.to_the_end = true;
  std::string streamed;
  const Generated made = model_.generate("hello", o, [&](std::string_view text) {
    streamed += text;
    return true;
  });
  EXPECT_EQ(made.prompt_tokens, 5u);
  EXPECT_EQ(made.tokens.size(), 20u);
  EXPECT_EQ(made.reason, Generated::Reason::length);
  EXPECT_EQ(made.text, streamed);
  EXPECT_EQ(made.text, model_.tokenizer().decode(made.tokens));
  // The same again, and what was written is part of what can be written on from.
  EXPECT_EQ(model_.generate("hello", o).tokens, made.tokens);
  o.sampling = {.temperature = 1, .seed = 3};
  const Generated drawn = model_.generate("hello", o);
  EXPECT_EQ(model_.generate("hello", o).tokens, drawn.tokens);
  EXPECT_NE(drawn.tokens, made.tokens);
}

TEST_F(Letters, StopWhereTheyAreTold) {
  GenerateOptions o;
  o.max_tokens = 30;
  o.to_the_end = true;
  const std::string all = model_.generate("abc", o).text;
  ASSERT_GT(all.size(), 12u);
  o.stop = {"never there", all.substr(7, 3)};
  std::string streamed;
  const Generated stopped = model_.generate("abc", o, [&](std::string_view text) {
    streamed += text;
    return true;
  });
  EXPECT_EQ(stopped.reason, Generated::Reason::stop);
  EXPECT_EQ(stopped.text, all.substr(0, all.find(o.stop[1])));
  EXPECT_EQ(streamed, stopped.text);
  o.stop.clear();
  int given = 0;
  const Generated cancelled = model_.generate("abc", o, [&](std::string_view) { return ++given < 3; });
  EXPECT_EQ(cancelled.reason, Generated::Reason::cancelled);
  EXPECT_EQ(cancelled.tokens.size(), 3u);
  o.to_the_end = false;
  o.sampling.bias[39] = 100;
  const Generated ended = model_.generate("abc", o);
  EXPECT_EQ(ended.reason, Generated::Reason::end);
  EXPECT_EQ(ended.tokens.size(), 0u);
}

TEST_F(Letters, AreScored) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>('a' + i * i % 26);
  const Score all = model_.score(text, 128, 0);
  EXPECT_EQ(all.tokens, 99);
  EXPECT_NEAR(all.perplexity(), std::exp(all.nll / 99), 1e-9);
  // Pieces of 40: the second half of each of two.
  const Score pieces = model_.score(text, 40, 0);
  EXPECT_EQ(pieces.tokens, 2 * 19);
  EXPECT_EQ(model_.score(text, 128, 30).tokens, 29);
  const auto said = [&](std::string_view t, std::size_t context) {
    return test::error_of([&] { (void)model_.score(t, context, 0); });
  };
  EXPECT_EQ(said("a", 40), "the text has 1 tokens, and the first one counts for nothing\n  try: a longer text");
  EXPECT_EQ(said("abc", 500), "pieces of 500 tokens are not 2 to 128, which a sequence may have");
  EXPECT_EQ(test::error_of([&] { (void)model_.generate("", {}); }),
            "the prompt has no tokens\n  try: a prompt of a character at least");
}

TEST(TextModel, NeedsATokenizer) {
  const std::string bytes = test::tiny_decoder("llama").bytes();
  const test::MemoryFile file(std::as_bytes(std::span(bytes)));
  EXPECT_NE(test::error_of([&] { TextModel model(file.path(), quick()); }).find("lacks 'tokenizer.ggml.tokens'"),
            std::string::npos);
}

TEST(TextModel, TinyStories) {
  MONZA_NEED_SHARED(path, "models/llm/TinyStories-656K-Q8_0.gguf");
  TextModel model(path.string(), quick());
  // The text of token_model.test.cpp, whose tokens all have one score: of equal merges the leftmost is made.
  const std::string text =
      "Once upon a time, there was a little girl named Lily. She liked to play outside in the park. One day, she saw a "
      "big red ball.";
  const std::vector<Token> want = {1,    80,   147,  201,  282, 215, 286, 158, 420,  177,
                                   1168, 1662, 1083, 1584, 872, 615, 242, 614, 1714, 10};
  EXPECT_EQ(model.tokenizer().encode(text).tokens, want);
  EXPECT_EQ(model.tokenizer().decode(want), text);
  EXPECT_NEAR(model.score(text, 128, 0).nll, 78.51, 0.4);
}

TEST_F(Letters, AreTheSameFromAnEngineFile) {
  const test::TemporaryFolder folder;
  const std::string engine = folder / "letters.engine";
  model_.tokens().engine().save(engine);
  TextModel loaded(engine, quick());
  EXPECT_EQ(loaded.tokenizer().encode("hello").tokens, model_.tokenizer().encode("hello").tokens);
  GenerateOptions o;
  o.max_tokens = 8;
  o.to_the_end = true;
  EXPECT_EQ(loaded.generate("hello", o).tokens, model_.generate("hello", o).tokens);
  EXPECT_EQ(open_tokenizer(engine).ends, open_tokenizer(file_.path()).ends);
}

TEST(TextModel, OfAModelFolder) {
  const test::TemporaryFolder folder;
  test::FamilyModel model = test::family_model("llama");
  model.config["eos_token_id"] = {39, 2};
  test::write_model_folder(folder.path(), model);
  nlohmann::json vocabulary, tokenizer;
  for (int i = 0; i < 40; ++i) vocabulary[std::string(1, static_cast<char>('A' + i))] = i;
  tokenizer["model"] = {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}};
  tokenizer["decoder"] = {{"type", "Fuse"}};
  std::ofstream(folder / "tokenizer.json") << tokenizer.dump();
  std::ofstream(folder / "tokenizer_config.json") << R"({"chat_template":"{{ messages }}"})";
  TextModel text(folder.path(), quick());
  const std::vector<Token> given = text.tokenizer().encode("ABC").tokens;
  EXPECT_EQ(given, (std::vector<Token>{0, 1, 2}));
  GenerateOptions o;
  o.max_tokens = 4;
  o.to_the_end = true;
  const Generated made = text.generate("DKRY", o);  // the first tokens of the prompt whose logits are known
  ASSERT_EQ(made.tokens.size(), 4u);
  const std::vector<float>& logits = model.logits[3];
  EXPECT_EQ(made.tokens[0], std::max_element(logits.begin(), logits.end()) - logits.begin());
  EXPECT_EQ(open_tokenizer(folder.path()).ends, (std::vector<Token>{39, 2}));

  text.tokens().engine().save(folder / "m.engine");
  TextModel loaded(folder / "m.engine", quick());
  EXPECT_EQ(loaded.generate("DKRY", o).tokens, made.tokens);
  EXPECT_EQ(carried_gguf(loaded.tokens().engine(), "m.engine")->text("tokenizer.chat_template"), "{{ messages }}");
}

TEST(LanguageModelFile, SaysWhatAnotherFileIs) {
  const test::TemporaryFolder folder;
  const auto said = [&](const std::string& bytes) {
    std::ofstream(folder / "m", std::ios::binary) << bytes;
    const std::string text = test::error_of([&] { require_language_model(folder / "m"); });
    return text.substr(text.find("' is ") + 5, text.find('\n') - text.find("' is ") - 5);
  };
  EXPECT_EQ(said("PK\3\4 and more"), "a zip archive, as PyTorch writes models, no language model");
  EXPECT_EQ(said("{\"model\": 1}"), "a text, no language model");
  EXPECT_EQ(said(std::string("\x10\0\0\0\0\0\0\0{", 9)), "a safetensors file, no language model");
  EXPECT_EQ(said("\x08\x07\x12\x03"), "an ONNX file or another one, no language model");
}

}  // namespace
}  // namespace monza::llm
