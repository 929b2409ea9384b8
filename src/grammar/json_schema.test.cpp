// JSON Schemas as grammars: keyword by keyword. The whole test suite: tests/peers/grammar_test.py.
#include "grammar/json_schema.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "grammar/gbnf.h"
#include "grammar/matcher.h"
#include "support/data.h"
#include "support/error_text.h"

namespace monza::grammar {
namespace {

bool takes(const GrammarPtr& grammar, std::string_view text) {
  Matcher m(grammar);
  return m.advance(text) && m.can_end();
}
/// The texts of `wrong` that are taken and those of `right` that are not.
std::vector<std::string> wrong(std::string_view schema, const std::vector<std::string>& right_texts,
                               const std::vector<std::string>& wrong_texts) {
  const GrammarPtr grammar = compile_schema(schema);
  std::vector<std::string> found;
  for (const std::string& text : right_texts)
    if (!takes(grammar, text)) found.push_back("refused: " + text);
  for (const std::string& text : wrong_texts)
    if (takes(grammar, text)) found.push_back("taken: " + text);
  return found;
}
std::string schema_refusal(std::string_view schema) {
  return test::error_of([&] { (void)compile_schema(schema); });
}
using None = std::vector<std::string>;

TEST(JsonSchema, TakesAnyValue) {
  EXPECT_EQ(wrong("{}", {"{}", "[1,[2,{\"a\":null}]]", "\"\\u00e9\\ud83d\\ude00\xC3\xA9\"", "-0.5e+10", "true"},
                  {"", "{,}", "[1,]", "\"\n\"", "01", "+1", "\"\\ud83d\"", "nul", "{} ", "\"\\u0041\""}),
            None{});
  EXPECT_EQ(wrong("true", {"{\"a\": [1, 2], \"b\": {}}", "{\n  \"a\": [\n    1,\n    2\n  ]\n}"}, {"{\"a\" :1}"}),
            None{});
  SchemaOptions compact;
  compact.white_space = false;
  EXPECT_FALSE(takes(compile_schema("true", compact), "[1, 2]"));
  EXPECT_TRUE(takes(compile_schema("true", compact), "[1,2]"));
}

TEST(JsonSchema, TakesNumbersWithinBounds) {
  EXPECT_EQ(wrong(R"({"type":"integer","minimum":-12,"exclusiveMaximum":305})", {"-12", "-9", "0", "99", "304"},
                  {"-13", "305", "1000", "-0", "1.0", "007", "-100"}),
            None{});
  EXPECT_EQ(wrong(R"({"type":"number","exclusiveMinimum":0.05,"maximum":1.5})", {"0.051", "1", "1.5", "1.50", "0.1"},
                  {"0.05", "0.050", "1.51", "2", "-1", "0", "10", "0.0499"}),
            None{});
  EXPECT_EQ(
      wrong(R"({"type":"number","maximum":-2.5})", {"-2.5", "-3", "-10.01", "-2.50"}, {"-2.49", "-2", "0", "2.5"}),
      None{});
  EXPECT_EQ(wrong(R"({"type":"integer","multipleOf":7,"minimum":0})", {"0", "7", "700", "21"}, {"1", "8", "-7"}),
            None{});
  EXPECT_EQ(wrong(R"({"multipleOf":0.25,"type":"number"})", {"0.5", "1", "-2.250"}, {"0.3", "1.125"}), None{});
  // Every bound of a small range, against arithmetic.
  for (int low = -21; low <= 21; low += 6)
    for (int high = low; high <= 110; high += 13) {
      const GrammarPtr g = compile_schema(fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", low, high));
      for (int i = -130; i <= 1200; ++i)
        EXPECT_EQ(takes(g, std::to_string(i)), low <= i && i <= high) << low << " " << high << " " << i;
    }
}

TEST(JsonSchema, TakesStringsByLengthPatternAndFormat) {
  EXPECT_EQ(wrong(R"({"type":"string","minLength":2,"maxLength":3})",
                  {"\"ab\"", "\"\xC3\xA9\xF0\x9F\x98\x80\"", "\"\\u00e9\\n\\ud83d\\ude00\""},
                  {"\"a\"", "\"abcd\"", "\"\\n\""}),
            None{});
  EXPECT_EQ(wrong(R"({"type":"string","pattern":"b+$"})", {"\"b\"", "\"aab\""}, {"\"\"", "\"ba\""}), None{});
  EXPECT_EQ(wrong(R"({"type":"string","pattern":"^(?!ab)(?=.{2,3}$)[a-c]*"})", {"\"ac\"", "\"bab\""},
                  {"\"ab\"", "\"abc\"", "\"c\""}),
            None{});
  EXPECT_EQ(wrong(R"({"type":"string","pattern":"^\\S+\\s\"$","maxLength":4})", {"\"ab\\t\\\"\""}, {"\"abc\\t\\\"\""}),
            None{});
  EXPECT_EQ(wrong(R"({"type":"string","format":"date"})", {"\"2024-02-29\""}, {"\"2023-02-29\"", "\"2023-13-01\""}),
            None{});
  EXPECT_EQ(wrong(R"({"type":"string","format":"ipv6"})", {"\"::1\"", "\"1::8:1.2.3.4\""}, {"\"1::2::3\"", "\":1\""}),
            None{});
  EXPECT_EQ(wrong(R"({"type":"string","format":"no such format"})", {"\"any\""}, {"1"}), None{});
}

TEST(JsonSchema, TakesPropertiesInAnyOrderAndNoneTwice) {
  const char* closed = R"({"type":"object","properties":{"a":{"type":"integer"},"b":{},"cc":{"const":1}},
    "required":["a","cc"],"additionalProperties":false})";
  EXPECT_EQ(wrong(closed, {R"({"cc":1,"a":2})", R"({"a": 2, "b": [], "cc": 1})"},
                  {"{}", R"({"a":1})", R"({"a":1,"a":1,"cc":1})", R"({"a":1,"cc":1,"d":1})", R"({"a":"","cc":1})"}),
            None{});
  EXPECT_EQ(wrong(R"({"properties":{"ab":{"type":"null"}},"patternProperties":{"^x":{"type":"boolean"}},
    "additionalProperties":{"type":"integer"},"propertyNames":{"maxLength":3},"maxProperties":2})",
                  {"{}", R"({"ab":null,"a":1})", R"({"xy":true,"abc":3})", "[]"},
                  {R"({"ab":1})", R"({"xy":1})", R"({"abcd":1})", R"({"a":1,"b":2,"c":3})", R"({"a":null})"}),
            None{});
  EXPECT_EQ(wrong(R"({"type":"object","required":["a"],"maxProperties":2,"additionalProperties":true})",
                  {R"({"a":1})", R"({"b":1,"a":1})"}, {R"({"b":1,"c":1})", R"({"b":1})"}),
            None{});
  EXPECT_EQ(wrong(R"({"type":"object","dependentRequired":{"a":["b"]}})", {R"({"b":1})", R"({"b":1,"a":1})", "{}"},
                  {R"({"a":1})"}),
            None{});
}

TEST(JsonSchema, TakesArrays) {
  EXPECT_EQ(
      wrong(R"({"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":1,"maxItems":4})",
            {"[1]", "[1,2]", "[1,2,3]", "[1,2,3,3]"}, {"[]", "[2]", "[1,3]", "[1,2,3,3,3]"}),
      None{});
  EXPECT_EQ(
      wrong(R"({"type":"array","items":{"type":"integer"},"contains":{"minimum":5},"minContains":2,"maxItems":3})",
            {"[5,6]", "[1,7,8]", "[9,9,9]"}, {"[5]", "[1,2,5]", "[5,5,1,1]"}),
      None{});
  EXPECT_EQ(
      wrong(R"({"type":"array","contains":{"const":1},"maxContains":1})", {"[1]", "[2,1,3]"}, {"[]", "[1,1]", "[2]"}),
      None{});
  EXPECT_EQ(wrong(R"({"type":"array","items":{"enum":[1,12,"a"]},"uniqueItems":true,"minItems":1})",
                  {"[12]", "[\"a\", 1, 12]"}, {"[]", "[1,1]", "[2]"}),
            None{});
  EXPECT_EQ(wrong(R"({"type":"array","items":{"const":0},"maxItems":10000})",
                  {"[" +
                   [] {
                     std::string all = "0";
                     for (int i = 1; i < 10000; ++i) all += ",0";
                     return all;
                   }() +
                   "]"},
                  {}),
            None{});
}

TEST(JsonSchema, CombinesSchemas) {
  EXPECT_EQ(wrong(R"({"oneOf":[{"type":"integer","minimum":2},{"type":"integer","maximum":5}]})", {"1", "6"}, {"3"}),
            None{});
  EXPECT_EQ(wrong(R"({"allOf":[{"minLength":2},{"pattern":"^a"}],"type":"string","not":{"enum":["ab","ac"]}})",
                  {"\"ad\"", "\"abc\""}, {"\"ab\"", "\"a\"", "\"b\""}),
            None{});
  EXPECT_EQ(wrong(R"({"type":"object","required":["kind"],"if":{"properties":{"kind":{"const":"n"}}},
    "then":{"required":["value"]},"else":{"properties":{"value":false}}})",
                  {R"({"kind":"n","value":1})", R"({"kind":"m"})"}, {R"({"kind":"n"})", R"({"kind":"m","value":1})"}),
            None{});
  EXPECT_EQ(
      wrong(
          R"({"$defs":{"tree":{"type":"object","properties":{"left":{"$ref":"#/$defs/tree"}},"additionalProperties":false}},
    "$ref":"#/$defs/tree"})",
          {"{}", R"({"left":{"left":{}}})"}, {R"({"left":1})", R"({"right":{}})"}),
      None{});
  EXPECT_EQ(
      wrong(R"({"$id":"http://x/root","$defs":{"a":{"$anchor":"here","type":"null"}},"items":{"$ref":"root#here"}})",
            {"[null]", "1"}, {"[1]"}),
      None{});
}

TEST(JsonSchema, RefusesWhatItCannotHold) {
  EXPECT_EQ(schema_refusal(R"({"properties":{"a/b":{"type":"array","uniqueItems":true}}})"),
            "schema, #/properties/a~1b/uniqueItems: it is supported of items that are listed (enum) and no arrays or "
            "objects, "
            "without 'contains'");
  EXPECT_EQ(schema_refusal(R"({"type":"string","pattern":"(a)\\1"})"),
            R"(schema, #/pattern: pattern '(a)\1', byte 5: back-references are not supported)");
  EXPECT_EQ(schema_refusal(R"({"$ref":"#/$defs/none"})"), "schema, #/$ref: '#/$defs/none' is not in this schema");
  EXPECT_EQ(schema_refusal("false"), "no text at all is in this grammar's language");
  EXPECT_EQ(schema_refusal(R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})"),
            "no text at all is in this grammar's language");
  EXPECT_NE(schema_refusal("{").find("a schema is no JSON"), std::string::npos);
  EXPECT_NE(schema_refusal(R"({"type":"text"})").find("schema, #/type: this is no type"), std::string::npos);
  EXPECT_NE(schema_refusal(R"({"type":"string","pattern":"(a|b)*a(a|b){30}"})").find("take more than"),
            std::string::npos);
  EXPECT_NE(schema_refusal(std::string(1000, '[')).find("nested more than"), std::string::npos);
}

/// The cases of llama.cpp's tests. Strings that they refuse and the schema's standard does not are taken here: other
/// orders of properties, further properties, numbers of more digits.
TEST(JsonSchema, ReadsTheCasesOfLlamaCpp) {
  MONZA_NEED_SHARED(cases, "data/llm/gbnf_cases.json");
  std::ifstream file(cases);
  std::set<std::string> taken;
  int texts = 0;
  for (const auto& c : nlohmann::json::parse(file)) {
    const std::string source = c["source"];
    GrammarPtr g;
    try {
      g = c["kind"] == "schema" ? compile_schema(source) : parse_gbnf(source);
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find("uniqueItems"), std::string::npos) << e.what();
      continue;
    }
    for (const std::string text : c["accept"]) EXPECT_TRUE(takes(g, text)) << c["name"] << ": " << text;
    for (const std::string text : c["reject"])
      if (takes(g, text)) taken.insert(text);
    texts += static_cast<int>(c["accept"].size() + c["reject"].size());
  }
  EXPECT_EQ(texts, 358);
  EXPECT_EQ(taken, (std::set<std::string>{
                       "100000000000000000000000000000000", "12345678900000000", "1",
                       R"({ "street_name": "Pennsylvania", "number": 1600 })",
                       R"({ "number": 1600, "street_name": "Pennsylvania", "street_type":"Avenue", "direction":"NW"})",
                       R"({ "street_name": "Pennsylvania", "number": 1600, "street_type":"Avenue"})",
                       R"({ "street_type": "Avenue", "number": 1600 })", R"({"a": "foo", "b": "bar"})",
                       R"({"a":"foo", "b":"bar", "c":"baz", "d":"qux"})"}));
}

}  // namespace
}  // namespace monza::grammar
