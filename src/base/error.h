// Formatting front end of monza::Error.
#pragma once

#include <string>
#include <utility>

#include "base/printable.h"
#include "monza/error.h"

namespace monza {

/// Throws Error with a formatted fact. Strings among the arguments are made printable (base/printable.h), so that a
/// stranger's attribute or name cannot add a line to what is said; a text of several lines is given as Lines.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Shown<Args>...> format, const Args&... args) {
  throw Error(message(format, args...));
}

/// Throws Error with a hint (what to try) and a formatted fact, as fail() does.
template <typename... Args>
[[noreturn]] void fail_hint(std::string hint, fmt::format_string<Shown<Args>...> format, const Args&... args) {
  throw Error(message(format, args...), std::move(hint));
}

}  // namespace monza
