// Jinja's tests: what stands behind "is".
#pragma once

#include <string_view>

#include "jinja/arguments.h"

namespace monza::jinja {

using Predicate = bool (*)(const Value& subject, const Arguments& arguments);
/// Throws Error where there is none of that name.
Predicate find_predicate(std::string_view name);

}  // namespace monza::jinja
