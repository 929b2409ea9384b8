// Jinja's filters: what stands behind "|".
#pragma once

#include <string_view>

#include "jinja/arguments.h"

namespace monza::jinja {

class Evaluator;
using Filter = Value (*)(Evaluator& evaluator, const Value& subject, const Arguments& arguments);
/// Throws Error where there is none of that name.
Filter find_filter(std::string_view name);

}  // namespace monza::jinja
