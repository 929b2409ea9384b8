// What is said of templates that do what they may not, or what is not supported.
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "jinja/json.h"
#include "jinja/template.h"
#include "support/error_text.h"

namespace monza::jinja {
namespace {

TEST(TemplateRefusals, AreSaid) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ 'a'.lower2 }}{{ ''|default(1, 2, 3) }}", "line 1: default() takes 2 arguments, and 3 are given"},
      {"{{ ''|default(x=1) }}", "line 1: default() has no argument 'x'"},
      {"{{ ''|default('a', default_value='b') }}", "line 1: default() is given 'default_value' twice"},
      {"{{ 'a'.replace() }}", "line 1: replace() lacks an argument"},
      {"{{ 'a'.replace(1, 2) }}", "line 1: replace() takes a text, not 'int'"},
      {"{{ 'a'.split('b', 'c') }}", "line 1: split() takes an integer, not 'str'"},
      {"{% set n = namespace(t='x' * 9999999) %}{% for i in range(999) %}{% set a = n.t[1:] %}{% endfor %}",
       "line 1: the template takes more than 268435456 bytes that it goes through"},
      {"{{ 'a'() }}", "line 1: 'str' object is not callable"},
      {"{{ 'a'[1:2:3:4] }}", "line 1: there is the end of a tag where a slice of three parts at most should be"},
      {"{{ range(*[1]) }}", "line 1: arguments that are unpacked ('*') are not supported"},
      {"{{ dict(a=1, 2) }}",
       "line 1: there is a literal where an argument with its name, as the one before has it should be"},
      {"{{ 1|tojson(separators=1) }}", "line 1: tojson() takes two separators"},
      {"{{ 1|length }}", "line 1: object of type 'int' has no len()"},
      {"{{ 1|items }}", "line 1: Can only get item pairs from a mapping."},
      {"{{ 1|dictsort }}", "line 1: dictsort() takes a dictionary, not 'int'"},
      {"{{ [1]|map }}", "line 1: map requires a filter argument"},
      {"{{ [1]|selectattr }}", "line 1: Missing parameter for attribute name"},
      {"{{ 'a'|round }}", "line 1: round() takes a number, not 'str'"},
      {"{{ namespace({}, {}) }}", "line 1: namespace() takes one dictionary at most"},
      {"{{ namespace(1) }}", "line 1: namespace() takes a dictionary, not 'int'"},
      {"{{ namespace(a=namespace()) }}", "line 1: a namespace inside a namespace is not supported"},
      {"{{ dict(1) }}", "line 1: dict() takes one dictionary at most"},
      {"{{ range() }}", "line 1: range() lacks an argument"},
      {"{{ range(1, 2, 0) }}", "line 1: range() arg 3 must not be zero"},
      {"{{ range(100001) }}", "line 1: range() has more than 100000 items"},
      {"{{ strftime_now('%d' * 101) }}", "line 1: strftime_now() is given a format of 202 bytes"},
      {"{{ strftime_now('%1000d' * 9) }}", "line 1: strftime_now() is given a format whose text is too long"},
      {"{{ range|tojson }}", "line 1: Object of type function is not JSON serializable"},
      {"{# comment", "line 1: a comment has no end"},
      {"{{ 1", "line 1: a tag has no end"},
      {"{{ $ }}", "line 1: the character '$' has no place in a tag"},
      {"{{ 1e999 }}", "line 1: a number is none"},
      {"{{ '\\x1' }}", "line 1: an escape in a text has too few digits"},
      {"{{ '\\ud800' }}", "line 1: an escape in a text names no character"},
      {"{{ 'a'.split('') }}", "line 1: empty separator"},
      {"{{ 'a'.startswith() }}", "line 1: startswith() lacks an argument"},
      {"{{ 'a'.join() }}", "line 1: join() lacks an argument"},
      {"{{ 'a'.join([1]) }}", "line 1: join() takes texts, not 'int'"},
      {"{{ '}'.format() }}", "line 1: Single '}' encountered in format string"},
      {"{{ '{'.format() }}", "line 1: expected '}' before end of string"},
      {"{{ '{}'.format() }}", "line 1: format() has no value for '{}', or its form is not supported"},
      {"{{ {}.get() }}", "line 1: get() lacks an argument"},
      {"{{ [].index(1) }}", "line 1: index(): the value is not in the list"},
      {"{{ [].count() }}", "line 1: count() lacks an argument"},
      {"{{ 1 - 'a' }}", "line 1: unsupported operand type(s) for -: 'int' and 'str'"},
      {"{{ 'a' + 1 }}", "line 1: can only concatenate str (not \"int\") to str"},
      {"{{ 'a'['b':] }}", "line 1: slice indices must be integers or None"},
      {"{{ 'a'[::0] }}", "line 1: slice step cannot be zero"},
      {"{{ '%s' % 1 }}", "line 1: formatting a text with '%' is not supported"},
      {"{{ -'a' }}", "line 1: bad operand type for unary -: 'str'"},
      {"{{ 1 in 'a' }}", "line 1: 'in <string>' requires string as left operand, not int"},
      {"{{ 1 in 1 }}", "line 1: argument of type 'int' is not iterable"},
      {"{{ 1[:] }}", "line 1: 'int object' cannot be sliced"},
      {"{% for x in 1 %}{% endfor %}", "line 1: 'int' object is not iterable"},
      {"{% for x in y recursive %}{% endfor %}", "line 1: recursive loops are not supported"},
      {"{% macro m(a=1, b) %}{% endmacro %}",
       "line 1: there is ')' where a default, as the parameter before has one should be"},
      {"{{ 1 is eq }}", "line 1: a test that compares lacks what it compares with"},
      {"{{ 1 is what }}", "line 1: there is no test 'what'"},
      {"{% set a, b = [1] %}", "line 1: 1 values are unpacked to 2 names"},
      {"{% for x in [1] %}{{ loop.cycle() }}{% endfor %}", "line 1: no items for cycling given"},
      {"{% set x = 1 %}{% set x.y = 2 %}", "line 1: cannot assign attribute on non-namespace object"},
      {"{% set n = namespace() %}{% set n.x = namespace() %}",
       "line 1: a namespace inside a namespace is not supported"},
      {"{% macro m() %}{% endmacro %}{{ m(1) }}", "line 1: macro 'm' takes not more than 0 argument(s)"},
      {"{% macro m() %}{% endmacro %}{{ m(x=1) }}", "line 1: macro 'm' takes no keyword argument 'x'"},
      {"{% macro m(a) %}{% endmacro %}{{ m(1, a=1) }}", "line 1: macro 'm' is given 'a' twice"},
      {"{{ [namespace()] }}", "line 1: a namespace inside a list or a dictionary is not supported"},
      {"{{ {[]: 1} }}", "line 1: a dictionary's key is a 'list'; texts, numbers and None are supported"},
      {"{{ 1 < 'a' }}", "line 1: '<' not supported between instances of 'int' and 'str'"},
      {"{{ [][0].x }}", "line 1: 'list object' has no element 0"},
      {"{{ ([]|first).x }}", "line 1: there is no item in an empty sequence"},
      {"{{ (1 if 0).x }}", "line 1: the inline if-expression evaluated to false and no else section was defined."},
      {"{{ 1 // 0 }}", "line 1: division by zero"},
      {"{% endfor %}",
       "line 1: the statement 'endfor' is not supported\n  try: a template of if, for, set, macro, filter, break, "
       "continue and raw"},
      {"{% if 1 %}{% else %}", "line 1: there is no endif for what begins here"}};
  for (const auto& [source, said] : cases)
    EXPECT_EQ(test::error_of([&] { (void)Template(source).render({}, {}); }), said) << source;
}

TEST(TemplateRefusals, OfLengths) {
  const auto said = [](const std::string& source) { return test::error_of([&] { Template made(source); }); };
  EXPECT_EQ(said(std::string((1 << 20) + 1, 'x')), "the template has 1048577 bytes, more than 1048576");
  std::string words = "{{ 1";
  for (int i = 0; i < 100'000; ++i) words += ",1";
  EXPECT_EQ(said(words + "}}"), "the template has more than 200000 words");
  EXPECT_EQ(test::error_of([] { (void)read_json("{"); }), "what is read as JSON is none");
  EXPECT_EQ(test::error_of([] { (void)read_json(std::string(99, '[') + std::string(99, ']')); }),
            "the JSON is nested more than 64 deep");
}

}  // namespace
}  // namespace monza::jinja
