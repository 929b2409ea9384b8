// What is said of grammars and schemas that are none, or ask for what cannot be held.
#include <gtest/gtest.h>

#include "base/error.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/matcher.h"
#include "grammar/token_masks.h"
#include "support/error_text.h"

namespace monza::grammar {
namespace {

struct Refused {
  std::string source;
  const char* text;  ///< a part of what is said
};

std::string nested(const char* open, const char* inner, const char* close, int times) {
  std::string text = inner;
  for (int i = 0; i < times; ++i) text = open + text + close;
  return text;
}

TEST(Refusals, OfGrammars) {
  const Refused kCases[] = {
      {"root ::= \"\xFF\"", "line 1, column 11: this is not UTF-8"},
      {"start ::= \"a\"", "a rule root ::= ...: it is what a text is read by"},
      {"root ::= \"a\"\n= x", "line 2, column 1: a rule's name is missing"},
      {"root := \"a\"", "'::=' is missing"},
      {"root ::= (\"a\"", "')' is missing"},
      {"root ::= !<think>", "tokens are not supported: a grammar is of texts, whatever tokens these are cut into"},
      {"root ::= \"a\"{2", "'}' is missing"},
      {"root ::= \"a\"{3,2}", "a repetition's limits are the wrong way round"},
      {"root ::= \"a\"{9999999}", "a number of repetitions above 1000000"},
      {"root ::= \"a\"{x}", "a number is missing"},
      {"root ::= [a-z", "a set is not closed"},
      {"root ::= \"\\u00g\"", "4 hexadecimal digits are missing"},
      {"root ::= \"\\ud800\"", "a code point that is none"},
      {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 5: rule 'root' is defined twice"},
      {"root ::= root \"a\" | \"b\"", "rule 'root' begins with itself"},
      {"root ::= root \"a\" | \"b\"", "recursion on the right: items ::= item items?, or a repetition: item+"},
      {"root ::= " + nested("(", "\"a\"", ")", 300), "groups are nested too deep"},
  };
  for (const auto& [source, text] : kCases)
    EXPECT_NE(test::error_of([&, &of = source] { (void)parse_gbnf(of); }).find(text), std::string::npos)
        << source << "\n"
        << test::error_of([&, &of = source] { (void)parse_gbnf(of); });
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 3000; ++i) chain += fmt::format("r{} ::= r{}\n", i, i + 1);
  EXPECT_NE(test::error_of([&] {
              (void)parse_gbnf(chain + "r3000 ::= \"a\"");
            }).find("rules begin with each other over more than 2000 steps"),
            std::string::npos);
}

TEST(Refusals, OfSchemas) {
  const Refused kCases[] = {
      {"{", "a schema is no JSON: "},
      {"3", "a schema is an object, true or false"},
      {nested("{\"items\":", "{}", "}", 300), "a schema is nested more than 200 deep"},
      {R"({"items":3})", "#/items: this is no schema"},
      {R"({"$ref":3})", "it is no string"},
      {R"({"$at":7})", "this keyword is not one of schemas"},
      {R"({"minItems":-1})", "it is no whole number from 0 to 1000000000"},
      {R"({"minimum":"1"})", "it is no number"},
      {R"({"multipleOf":"1"})", "it is no number"},
      {R"({"multipleOf":0})", "it is not above 0"},
      {R"({"multipleOf":0.123456789})", "multiples of a number with so many digits are not supported"},
      {R"({"enum":[1e-5],"multipleOf":1e15})", "a multiple of too many digits"},
      {R"({"required":"a"})", "it is no list of names"},
      {R"({"required":[1]})", "it is no list of names"},
      {R"({"properties":[]})", "it is no object"},
      {R"({"anyOf":{}})", "it is no array"},
      {R"({"oneOf":[]})", "#/oneOf: it is empty"},
      {R"({"pattern":1})", "it is no string"},
      {R"({"unevaluatedItems":false})", "this keyword is not supported"},
      {R"({"enum":[[1]],"unevaluatedItems":false})", "this keyword is not supported"},
      {R"({"format":"iri"})", "#/format: 'iri' is not supported"},
      {R"({"enum":["a"],"format":"iri"})", "this format is not supported"},
      {R"({"not":{"format":"iri"}})", "this format is not supported"},
      {R"({"not":{"const":[1]}})", "the opposite of an array or object is not supported"},
      {R"({"not":{"items":[true]}})", "the opposite of a list is not supported"},
      {R"({"not":{"multipleOf":2}})", "#/not/multipleOf: its opposite (in 'not', 'if' or 'oneOf') is not supported"},
      {R"({"not":{"additionalProperties":false}})", "its opposite (in 'not', 'if' or 'oneOf') is not supported"},
      {R"({"not":{"$ref":"#/$defs/a"},"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"}]}}})",
       "a schema that holds itself cannot be negated"},
      {R"({"not":3})", "this is no schema"},
      {R"({"enum":[1],"$ref":"#"})", "schemas hold each other without end"},
      {R"({"minProperties":2})", "above 1 it is not supported where names are free"},
      {R"({"allOf":[{"contains":true},{"contains":{}}]})", "several of them at once are not supported"},
      {R"J({"pattern":"a(?=b)"})J", "a pattern looks ahead elsewhere than at its beginning, which is not supported"},
      {R"({"pattern":"(?<=a)b"})", "look-behind is not supported"},
      {R"({"pattern":"a{100001}"})", "a number of repetitions above 100000"},
      {R"({"pattern":"^(?=a)*"})", "a quantifier of look-ahead"},
      {R"({"pattern":"\\c1"})", "\\c needs a letter"},
      {R"({"pattern":"\\bx"})", "borders of words are not supported"},
      {R"({"pattern":"\\ud800\\u0041"})", "half a character"},
      {R"J({"pattern":"(a"})J", "a group that is not closed"},
      {R"({"pattern":"*"})", "a quantifier of nothing"},
      {R"({"pattern":"(?i)a"})", "this kind of group is not supported"},
      {R"({"pattern":"\\p{Greek}"})", "this property is not supported"},
      {R"({"pattern":"^.{99999}$"})", "shorter repetitions, fewer alternatives, simpler patterns"},
      {R"({"pattern":"^.{99999}$"})", "automata of this grammar take more than 10000000 steps"},
      {R"({"allOf":[{"patternProperties":{"^a":{"$ref":"#/$defs/n"}}}],"$defs":{"n":{"type":"object","required":["n"],"properties":{"n":{"$ref":"#/$defs/n"}}}}})",
       "members are allowed whose value no text can be"},
  };
  for (const auto& [source, text] : kCases)
    EXPECT_NE(test::error_of([&, &of = source] { (void)compile_schema(of); }).find(text), std::string::npos)
        << source << "\n"
        << test::error_of([&, &of = source] { (void)compile_schema(of); });
}

TEST(Refusals, OfWhatIsTooLarge) {
  std::string deep = "{\"$ref\":\"#/$defs/0\",\"$defs\":{\"300\":{}";
  for (int i = 0; i < 300; ++i) deep += fmt::format(",\"{}\":{{\"items\":{{\"$ref\":\"#/$defs/{}\"}}}}", i, i + 1);
  EXPECT_EQ(test::error_of([&] { (void)compile_schema(deep + "}}"); }), "a schema takes more than 200 levels");
  Limits small;
  small.nodes = 10;
  EXPECT_EQ(test::error_of([&] {
              (void)parse_gbnf("root ::= \"a\" \"b\" \"c\" \"d\" \"e\" \"f\" \"g\" \"h\" \"i\" \"j\" \"k\"", small);
            }),
            "this grammar has more than 10 nodes");
  small.source_bytes = 8;
  EXPECT_EQ(test::error_of([&] { (void)parse_gbnf("root ::= \"a\"", small); }), "a grammar has 12 bytes, more than 8");
  EXPECT_EQ(test::error_of([&] { (void)compile_schema("{\"a\":true}", {true, small}); }),
            "a schema has 10 bytes, more than 8");
  std::string many = "{\"required\":[\"0\"";
  for (int i = 1; i < 5000; ++i) many += fmt::format(",\"{}\"", i);
  EXPECT_NE(test::error_of([&] { (void)compile_schema(many + "]}"); }).find("5000 names of members are more than 4096"),
            std::string::npos);
  EXPECT_NE(test::error_of([] {
              (void)TokenTrie(std::vector<std::string>((1 << 24) + 1));
            }).find("a vocabulary of 16777217 tokens is too large"),
            std::string::npos);
  // Each "a" may end any of the iterations that are open: the ways to read it grow with the text.
  const GrammarPtr ways = parse_gbnf("root ::= \"a\" root* root* \"b\"?");
  const std::string said = test::error_of([&] {
    Matcher m(ways);
    (void)m.advance(std::string(100'000, 'a'));
  });
  EXPECT_NE(said.find("a grammar is read in more than 200000 ways at once"), std::string::npos) << said;
  EXPECT_NE(said.find("a grammar that can read a text in fewer ways"), std::string::npos);
}

}  // namespace
}  // namespace monza::grammar
