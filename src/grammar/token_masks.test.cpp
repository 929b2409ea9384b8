// Masks against what the matcher says of each token, byte by byte.
#include "grammar/token_masks.h"

#include <gtest/gtest.h>

#include <random>

#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "support/error_text.h"

namespace monza::grammar {
namespace {

/// All single bytes, pieces of JSON, and words of random pieces: some twice, one without bytes.
std::vector<std::string> vocabulary(unsigned seed) {
  std::vector<std::string> tokens{"",     "\"",    "\"a\":", "\", \"",       "{\"",  "\"}", "},{",  "]",       "[[",
                                  "true", " true", "nul",    "null,",        "12",   "-1",  "0.",   "\\u00",   "\\\"",
                                  "\\\\", "\xC3",  "\xA9",   "\xF0\x9F\x98", "\n  ", ": ",  "name", "\"name\""};
  for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
  std::mt19937 random(seed);
  const std::size_t pieces = tokens.size();
  for (int i = 0; i < 700; ++i) {
    std::string token;
    for (unsigned n = 1 + random() % 4; n > 0; --n) token += tokens[random() % (random() % 3 != 0 ? 26 : pieces)];
    tokens.push_back(std::move(token));
  }
  return tokens;
}

constexpr const char* kSchemas[] = {
    "{}",
    R"({"type":"object","properties":{"a":{"type":"integer"},"name":{"type":"string","minLength":2,"maxLength":9},"n2":{"enum":["x",12,null]}},"required":["name"]})",
    R"({"type":"object","properties":{"a":{"type":"string","pattern":"^[a-z]+[0-9]{2}$","maxLength":6}},"additionalProperties":false,"minProperties":1})",
    R"({"type":"array","items":{"type":"number","minimum":-1,"maximum":12.5},"minItems":2,"maxItems":5})",
    R"({"type":"array","items":{"anyOf":[{"type":"string","maxLength":3},{"type":"string","format":"date"},{"$ref":"#"}]}})",
    R"({"type":"array","items":{"enum":[1,12,"a","\u00e9"]},"uniqueItems":true})",
};
constexpr const char* kGrammars[] = {
    "root ::= (\"a\" | \"ab\" | [0-9]+ \", \"?)* \"!\"",
    "root ::= item{2,4}\nitem ::= \"(\" [^()]* (item [^()]*)* \")\"",
    "root ::= . . .",
};

/// Draws tokens from the masks, and looks at every mask on the way.
void check(const GrammarPtr& grammar, const std::vector<std::string>& tokens, unsigned seed) {
  TokenMasks masks(grammar, std::make_shared<TokenTrie>(tokens));
  std::mt19937 random(seed);
  for (int text = 0; text < 12; ++text) {
    Matcher m(grammar);
    for (int step = 0; step < 40; ++step) {
      const TokenMask mask = masks.allowed(m);
      std::vector<std::size_t> allowed;
      for (std::size_t t = 0; t < tokens.size(); ++t) {
        Matcher copy = m;
        const bool may = !tokens[t].empty() && copy.advance(tokens[t]);
        ASSERT_EQ(mask.contains(static_cast<Token>(t)), may) << "token '" << tokens[t] << "' in step " << step;
        if (may) allowed.push_back(t);
      }
      ASSERT_EQ(mask.count(), allowed.size());
      ASSERT_TRUE(!allowed.empty() || m.can_end()) << "a dead end";
      if (allowed.empty()) break;
      ASSERT_TRUE(m.advance(tokens[allowed[random() % allowed.size()]]));
    }
  }
}

TEST(TokenMasks, SayWhatTheMatcherSays) {
  for (unsigned seed = 1; seed <= 3; ++seed) {
    const auto tokens = vocabulary(seed);
    for (const char* schema : kSchemas) {
      SCOPED_TRACE(schema);
      check(compile_schema(schema), tokens, seed);
    }
    for (const char* grammar : kGrammars) {
      SCOPED_TRACE(grammar);
      check(parse_gbnf(grammar), tokens, seed);
    }
  }
}

TEST(TokenMasks, OfAnotherGrammarAreRefused) {
  const GrammarPtr grammar = parse_gbnf("root ::= \"a\"");
  TokenMasks masks(grammar, std::make_shared<TokenTrie>(std::vector<std::string>{"a", "b", ""}));
  EXPECT_EQ(masks.allowed(Matcher(grammar)).count(), 1u);
  EXPECT_EQ(test::error_of([&] { (void)masks.allowed(Matcher(parse_gbnf("root ::= \"a\""))); }),
            "a matcher of another grammar");
}

TEST(TokenMasks, ForksGoTheirOwnWays) {
  const GrammarPtr grammar = parse_gbnf("root ::= \"ab\" | \"ac\"");
  Matcher m(grammar);
  ASSERT_TRUE(m.advance("a"));
  Matcher fork = m;
  EXPECT_TRUE(fork.advance("b"));
  EXPECT_TRUE(fork.is_complete());
  EXPECT_FALSE(m.can_end());
  EXPECT_TRUE(m.advance("c"));
}

}  // namespace
}  // namespace monza::grammar
