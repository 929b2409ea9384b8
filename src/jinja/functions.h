// The functions that a template finds: raise_exception, namespace, range, dict and strftime_now.
#pragma once

#include <ctime>
#include <map>
#include <string>

#include "jinja/budget.h"
#include "jinja/value.h"

namespace monza::jinja {

void add_functions(std::map<std::string, Value, std::less<>>& names, const std::tm& now, Budget& budget);

}  // namespace monza::jinja
