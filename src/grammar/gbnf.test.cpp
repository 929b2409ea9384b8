// GBNF: what grammars accept, and what is said of those that are none.
#include "grammar/gbnf.h"

#include <gtest/gtest.h>

#include "grammar/matcher.h"
#include "support/error_text.h"

namespace monza::grammar {
namespace {

bool accepts(const GrammarPtr& grammar, std::string_view text) {
  Matcher m(grammar);
  return m.advance(text) && m.can_end();
}
bool accepts(std::string_view grammar, std::string_view text) { return accepts(parse_gbnf(grammar), text); }
std::string refusal(std::string_view grammar) {
  return test::error_of([&] { (void)parse_gbnf(grammar); });
}

TEST(Gbnf, ReadsWhatLlamaCppDocuments) {
  const GrammarPtr chess = parse_gbnf(R"(# a game
root ::= "1. " move " " move "\n" ([1-9] [0-9]? ". " move " " move "\n")+
move ::= (pawn | nonpawn | castle) [+#]?
pawn ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
nonpawn ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
castle ::= "O-O" "-O"?)");
  EXPECT_TRUE(accepts(chess, "1. e4 e5\n2. Nf3 Nc6\n"));
  EXPECT_TRUE(accepts(chess, "1. e4 e5\n2. O-O-O+ exd8=Q\n"));
  EXPECT_FALSE(accepts(chess, "1. e4 e5\n"));
  EXPECT_FALSE(accepts(chess, "1. e9 e5\n2. Nf3 Nc6\n"));
  EXPECT_TRUE(accepts("root ::= [\\u4e00-\\u9fff]+ | \"\\x41\\U0001F600\"", "\xE4\xB8\xAD\xE6\x96\x87"));
  EXPECT_TRUE(accepts("root ::= [\\u4e00-\\u9fff]+ | \"\\x41\\U0001F600\"", "A\xF0\x9F\x98\x80"));
  EXPECT_TRUE(accepts("root ::= (\n  \"a\" |\n  \"b\"\n) \"c\"", "bc")) << "lines go on within groups";
  EXPECT_TRUE(accepts("root ::= \"a\" |\n\"b\"\nother ::= root", "b"));
  EXPECT_TRUE(accepts("root ::= \"a\"{2}{3}", "aaaaaa"));
  EXPECT_TRUE(accepts("root ::= \"ab\"{,2}", "abab"));
  EXPECT_FALSE(accepts("root ::= \"ab\"{,2}", "ababab"));
  EXPECT_TRUE(accepts("root ::= [^\"\\n]*", "\xC3\xA9t\xC3\xA9"));
  EXPECT_FALSE(accepts("root ::= .", "\xFF"));
}

TEST(Gbnf, RecursionNeedsNoStackOfOurs) {
  const GrammarPtr nested = parse_gbnf("root ::= \"(\" root? \")\"");
  const std::string deep(100'000, '('), closed(100'000, ')');
  EXPECT_TRUE(accepts(nested, deep + closed));
  EXPECT_FALSE(accepts(nested, deep + closed + ")"));
  EXPECT_TRUE(accepts("root ::= \"a\" root | \"\"", std::string(100'000, 'a')));
  EXPECT_TRUE(accepts("root ::= (\"a\"? \"b\"?)* \"c\"", "abbac"));
  EXPECT_TRUE(accepts("root ::= (\"a\"? \"b\"?){3,5}", ""));
  EXPECT_FALSE(accepts("root ::= (\"a\"? \"b\"?){3,5}", "aaaaaa"));
}

TEST(Gbnf, CountsRepetitionsWithoutNodes) {
  const GrammarPtr many = parse_gbnf("root ::= (\"a\" | \"b\" \"c\"){1000,2000}");
  EXPECT_FALSE(accepts(many, std::string(999, 'a')));
  EXPECT_TRUE(accepts(many, std::string(1000, 'a')));
  EXPECT_TRUE(accepts(many, std::string(2000, 'a')));
  EXPECT_FALSE(accepts(many, std::string(2001, 'a')));
}

TEST(Gbnf, SaysWhereAGrammarIsWrong) {
  EXPECT_EQ(refusal("root ::= \"a\n"), "grammar, line 1, column 12: a string is not closed");
  EXPECT_EQ(refusal("root ::= \"a\"\n\n  other ::= [b-a]"),
            "grammar, line 3, column 17: a range is the wrong way round");
  EXPECT_EQ(refusal("root ::= other"), "grammar, line 1, column 15: rule 'other' is not defined");
  EXPECT_EQ(refusal("root ::= \"a\" )"), "grammar, line 1, column 14: ')' has no place here");
  EXPECT_EQ(refusal("root ::= \"\\q\""),
            R"(grammar, line 1, column 13: this escape is none: \n \r \t \\ \" \[ \] \xHH \uHHHH \UHHHHHHHH)");
  EXPECT_NE(refusal("root ::= <think>").find("tokens are not supported"), std::string::npos);
  EXPECT_NE(refusal("start ::= \"a\"").find("a grammar has no rule 'root'"), std::string::npos);
  EXPECT_NE(refusal("root ::= a\na ::= \"x\"? b\nb ::= a \"y\"").find("begins with itself"), std::string::npos);
  EXPECT_EQ(refusal("root ::= \"a\" root"), "no text at all is in this grammar's language");
  EXPECT_NE(refusal("root ::= " + std::string(1000, '(')).find("nested too deep"), std::string::npos);
  EXPECT_NE(refusal("root ::= \"a\"{9999999}").find("above 1000000"), std::string::npos);
}

}  // namespace
}  // namespace monza::grammar
