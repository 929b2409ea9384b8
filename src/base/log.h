// Logging: one process-wide level, messages to stderr. Nothing on the run path logs.
#pragma once

#include <string_view>

#include <utility>
#include "base/printable.h"

namespace monza {

enum class LogLevel { debug, info, warning, error, off };

/// Sets the level; the default is warning, or what MONZA_LOG names (debug|info|warning|error|off).
void set_log_level(LogLevel level);
bool log_enabled(LogLevel level);
void log_write(LogLevel level, std::string_view text);

template <typename... Args>
void log(LogLevel level, fmt::format_string<Shown<Args>...> format, const Args&... args) {
  if (log_enabled(level)) log_write(level, message(format, args...));
}

}  // namespace monza
