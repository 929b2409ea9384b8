// Formatting front end of monza::Error.
#pragma once

#include <fmt/core.h>

#include <string>
#include <utility>

#include "monza/error.h"

namespace monza {

/// Throws Error with a formatted fact.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws Error with a hint (what to try) and a formatted fact.
template <typename... Args>
[[noreturn]] void fail_hint(std::string hint, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...), std::move(hint));
}

}  // namespace monza
