// Chat templates of models as Jinja 3.1.6 renders them, and the language that they are written in.
#include "jinja/template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "jinja/json.h"
#include "monza/error.h"
#include "support/data.h"
#include "support/error_text.h"

namespace monza::jinja {
namespace {

std::string rendered(std::string_view source, std::string_view variables = "{}") {
  std::tm now{};
  now.tm_year = 126, now.tm_mday = 15, now.tm_hour = 12;
  return Template(source).render(*read_json(variables).dict(), now);
}
std::string refusal(std::string_view source, std::string_view variables = "{}") {
  return test::error_of([&] { (void)rendered(source, variables); });
}

std::string read_file(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Template, RendersTheTemplatesOfModels) {
  MONZA_NEED_SHARED(folder, "data/llm/templates");
  const Value vectors = read_json(read_file(folder.parent_path() / "chat_template_vectors.json"));
  const Dict &cases = *vectors.dict()->find("cases")->dict(), &expected = *vectors.dict()->find("expected")->dict();
  int compared = 0;
  for (const auto& [key, results] : expected.items) {
    const std::string& name = *key.text();
    const std::string source = read_file(folder / (name + ".jinja"));
    for (const auto& [which, result] : results.dict()->items) {
      SCOPED_TRACE(name + "/" + *which.text());
      Dict variables = *cases.find(which)->dict();
      variables.set("bos_token", "<s>");
      variables.set("eos_token", "</s>");
      ++compared;
      const Value* text = result.dict()->find("text");
      const std::string given = write_json(make_dict(variables));
      if (text != nullptr) {
        std::string mine;
        const std::string error = test::error_of([&] { mine = rendered(source, given); });
        EXPECT_EQ(error, "");
        EXPECT_EQ(mine, *text->text());
      } else {
        const std::string said = refusal(source, given);
        EXPECT_NE(said.find(": " + *result.dict()->find("message")->text()), said.npos) << said;
      }
    }
  }
  EXPECT_EQ(compared, 630);
}

TEST(Template, WhiteSpaceOfTags) {
  EXPECT_EQ(rendered("a\n  {% if true %}\nb\n  {% endif %}\nc\n"), "a\nb\nc");
  EXPECT_EQ(rendered("a  {%- if true -%}  b  {%- endif +%}\nc"), "ab\nc");
  EXPECT_EQ(rendered("  {{ 1 }}\n  {# no #}\n{{- 2 }}  {{+ 3 }}"), "  1\n2  3");
  EXPECT_EQ(rendered("a {%+ if true %}b{% endif %}\r\nc"), "a bc");
  EXPECT_EQ(rendered("{% raw %}{{ x }} {% if %}{% endraw %}!"), "{{ x }} {% if %}!");
  EXPECT_EQ(rendered("{{ {'a': {'b': 2}}['a']['b'] }}"), "2");
}

TEST(Template, Expressions) {
  EXPECT_EQ(rendered("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1.5 + 1 }} {{ 1e20 }}"),
            "3 -4 2 3.5 1024 2.5 1e+20");
  EXPECT_EQ(rendered("{{ 'a' 'b' ~ 1 ~ none }} {{ 'x' * 3 }} {{ [1] + [2, 'q'] }} {{ {'k': (1,)} }}"),
            "ab1None xxx [1, 2, 'q'] {'k': (1,)}");
  EXPECT_EQ(rendered("{{ 1 < 2 < 3 }} {{ 1 == 1.0 }} {{ 'b' in 'abc' }} {{ 3 not in [1] }} {{ not 1 or 'x' }}"),
            "True True True True x");
  EXPECT_EQ(rendered("{{ s[1:] }}{{ s[::-1] }}{{ s[-1] }}{{ s|length }}{{ s[5:1:-2] }}", R"({"s": "añb€c"})"),
            "ñb€cc€bñac5cb");
  EXPECT_EQ(rendered("{{ 'yes' if x is defined else 'no' }}{{ y.z is undefined }}{{ 1 if 0 }}", R"({"y": {}})"),
            "noTrue");
  EXPECT_EQ(rendered(R"({{ 'A\n\x41B\q' }})"), "A\nAB\\q");
  EXPECT_EQ(rendered("{{ [3,1,2]|sort|join(',') }}{{ 'a b'.split() }}{{ 'x'|default('d') }}{{ u|default('d') }}"),
            "1,2,3['a', 'b']xd");
  EXPECT_EQ(rendered("{{ {'b': [1, null], 'a': 'é'}|tojson }}{{ [1]|tojson(indent=2) }}", R"({"null": null})"),
            "{\"b\": [1, null], \"a\": \"é\"}[\n  1\n]");
  EXPECT_EQ(rendered("{{ strftime_now('%d %b %Y') }} {{ 'éa'|upper }} {{ 'ÉA'|lower }}"), "15 Jan 2026 ÉA éa");
}

TEST(Template, Statements) {
  EXPECT_EQ(rendered("{% for k, v in d.items() if v %}{{ loop.index }}{{ k }}{{ ',' if not loop.last }}{% endfor %}",
                     R"({"d": {"b": 1, "x": 0, "a": 2}})"),
            "1b,2a");
  EXPECT_EQ(
      rendered("{% for i in [] %}x{% else %}none{% endfor %}{% for i in range(9) %}"
               "{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}"),
      "none02");
  // What a loop sets is forgotten; what a namespace is told is not.
  EXPECT_EQ(rendered("{% set a = 1 %}{% set n = namespace(x=1) %}{% for i in [1] %}{% set a = 2 %}{% set n.x = 2 %}"
                     "{% endfor %}{{ a }}{{ n.x }}"),
            "12");
  EXPECT_EQ(rendered("{% macro m(a, b='-') %}{{ a }}{{ b }}{% if a %}{{ m(a - 1) }}{% endif %}{% endmacro %}"
                     "{{ m(2) }}{{ m(b='x', a=0) }}"),
            "2-1-0-0x");
  EXPECT_EQ(rendered("{% set t %} a {% endset %}[{{ t|trim }}]{% filter upper %}x{{ t }}{% endfilter %}"), "[a]X A ");
  EXPECT_EQ(rendered("{% set a, b = [1, 2] %}{{ b }}{{ a }}"), "21");
}

TEST(Template, SaysWhatIsWrong) {
  EXPECT_EQ(refusal("a\n{{ x.y }}"), "line 2: 'x' is undefined");
  EXPECT_EQ(refusal("{{ d.x.y }}", R"({"d": {}})"), "line 1: 'dict object' has no attribute 'x'");
  EXPECT_EQ(refusal("{{ raise_exception('no\nway') }}"), "line 1: no\\nway");
  EXPECT_EQ(refusal("{{ [].append(1) }}"), "line 1: access to attribute 'append' of 'list' object is unsafe.");
  EXPECT_EQ(refusal("{% for x in y %}"), "line 1: there is no endfor for what begins here");
  EXPECT_EQ(refusal("{% include 'x' %}"),
            "line 1: the statement 'include' is not supported\n  try: a template of if, for, set, macro, filter, "
            "break, continue and raw");
  EXPECT_EQ(refusal("{{ 1 + }}"), "line 1: there is the end of a tag where an expression should be");
  EXPECT_EQ(refusal("{{ 1|nothing }}"), "line 1: there is no filter 'nothing'");
  EXPECT_EQ(refusal("{% break %}"), "line 1: 'break' stands in no loop");
  EXPECT_EQ(refusal("\xff"), "the template is not UTF-8");
  EXPECT_EQ(refusal("{{ 'a"), "line 1: a text has no end");
  EXPECT_EQ(refusal("{{ 9223372036854775807 + 1 }}"), "line 1: an integer has more than 64 bits");
}

TEST(Template, IsBounded) {
  EXPECT_EQ(refusal("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"),
            "line 1: the template takes more than 4000000 steps");
  EXPECT_EQ(refusal("{{ 'x' * 9999999999 }}"), "line 1: a text or list has more than 67108864 bytes");
  EXPECT_EQ(
      refusal("{% set n = namespace(t='xxxxxxxx') %}{% for i in range(99) %}{% set n.t = n.t + n.t %}{% endfor %}"),
      "line 1: a text has more than 67108864 bytes");
  EXPECT_EQ(refusal("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
            "line 1: the template nests more than 200 deep");
  EXPECT_EQ(refusal("{{ " + std::string(5000, '(') + "1" + std::string(5000, ')') + "}}"),
            "line 1: an expression nests more than 100 deep");
  EXPECT_EQ(refusal("{{ 1" + std::string(5000, '+') + "1 }}"), "line 1: an expression nests more than 100 deep");
  EXPECT_EQ(refusal("{% set n = namespace(x=[]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}"),
            "line 1: a list or dictionary has more than 67108864 bytes");
  EXPECT_EQ(refusal("{% set n = namespace(x=[]) %}{% for i in range(99) %}{% set n.x = [n.x] %}{% endfor %}"),
            "line 1: lists and dictionaries are nested more than 64 deep");
  std::string nested;
  for (int i = 0; i < 60; ++i) nested += "{% if 1 %}";
  EXPECT_EQ(refusal(nested), "line 1: statements nest more than 50 deep");
}

}  // namespace
}  // namespace monza::jinja
