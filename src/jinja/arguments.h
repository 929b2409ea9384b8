// What a function, filter or test is called with.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "jinja/value.h"

namespace monza::jinja {

struct Arguments {
  std::vector<Value> values;                         ///< by place
  std::vector<std::pair<std::string, Value>> named;  ///< by name

  /// The value of each parameter, null where none is given. Throws Error for one that is not known, or given twice.
  std::vector<const Value*> bind(std::string_view function, std::initializer_list<std::string_view> parameters) const {
    std::vector<const Value*> bound(parameters.size(), nullptr);
    if (values.size() > parameters.size())
      fail("{}() takes {} arguments, and {} are given", function, parameters.size(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) bound[i] = &values[i];
    for (const auto& [name, value] : named) {
      std::size_t at = 0;
      while (at < parameters.size() && parameters.begin()[at] != name) ++at;
      if (at == parameters.size()) fail("{}() has no argument '{}'", function, name);
      if (bound[at] != nullptr) fail("{}() is given '{}' twice", function, name);
      bound[at] = &value;
    }
    return bound;
  }
};

/// An argument's text or integer. Throws Error that names what it is of, for another value.
inline const std::string& text_argument(const Value* value, std::string_view function) {
  if (value == nullptr) fail("{}() lacks an argument", function);
  need_defined(*value);
  if (value->text() == nullptr) fail("{}() takes a text, not '{}'", function, type_name(*value));
  return *value->text();
}
inline std::int64_t integer_argument(const Value* value, std::string_view function, std::int64_t otherwise) {
  if (value == nullptr || value->is<None>()) return otherwise;
  need_defined(*value);
  if (const bool* flag = value->get<bool>()) return *flag ? 1 : 0;
  if (!value->is<std::int64_t>()) fail("{}() takes an integer, not '{}'", function, type_name(*value));
  return *value->get<std::int64_t>();
}

}  // namespace monza::jinja
