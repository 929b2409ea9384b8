// A template as it was parsed.
#pragma once

#include <string>
#include <vector>

#include "jinja/value.h"

namespace monza::jinja {

struct Expression {
  enum class Kind : std::uint8_t {
    literal,    ///< `value`
    name,       ///< `text`
    list,       ///< of `parts`
    tuple,      ///< of `parts`
    dict,       ///< of `parts`: key, value, key, ...
    attribute,  ///< parts[0].text
    item,       ///< parts[0][parts[1]]
    slice,      ///< parts[0][parts[1]:parts[2]:parts[3]]
    call,       ///< parts[0] of the others; the last names.size() are given by name
    filter,     ///< `text` of parts[0], with arguments as those of a call
    test,       ///< the same
    negation,   ///< not parts[0]
    minus,
    plus,        ///< of parts[0]
    arithmetic,  ///< parts[0] text parts[1]
    comparison,  ///< parts[0] names[0] parts[1] names[1] ...
    both,
    either,    ///< and, or
    join,      ///< texts of `parts`, one behind the other
    condition  ///< parts[1] if parts[0] else parts[2]
  } kind;
  int line = 0;
  std::string text;
  Value value = None{};
  std::vector<Expression> parts;
  std::vector<std::string> names;
  int depth = 1;
};

struct Statement;
using Body = std::vector<Statement>;

struct Statement {
  enum class Kind : std::uint8_t {
    data,         ///< `text`
    output,       ///< expressions[0]
    condition,    ///< bodies[i] if expressions[i]; one body more is "else"
    loop,         ///< bodies[0] for `names` in expressions[0] (if expressions[1]), else bodies[1]
    set,          ///< `names`, or attribute `text` of names[0], becomes expressions[0]
    set_body,     ///< the same becomes what bodies[0] writes, through the filters of expressions[0], if any
    macro,        ///< `text` with parameters `names`, the last of which have defaults, and bodies[0]
    filter_body,  ///< what bodies[0] writes, through expressions[0]
    stop,
    go_on,  ///< break, continue
  } kind;
  int line = 0;
  std::string text;
  std::vector<std::string> names;
  std::vector<Expression> expressions;
  std::vector<Body> bodies;
};

/// The name under which a body's text is given to the filters behind it: no template can write it.
constexpr char kBodyName[] = "(body)";

/// Throws Error that names the line, for what is wrong and for what is not supported.
Body parse(std::string_view source);

}  // namespace monza::jinja
