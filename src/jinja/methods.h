// Methods of texts, lists and dictionaries.
#pragma once

#include <optional>
#include <string>

#include "jinja/budget.h"
#include "jinja/value.h"

namespace monza::jinja {

/// The method `name` of `subject` as a function; an undefined value that says so for one that would change it.
std::optional<Value> find_method(const Value& subject, const std::string& name, Budget& budget);

}  // namespace monza::jinja
