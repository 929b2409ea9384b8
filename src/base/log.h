// Logging: one process-wide level, messages to stderr. Nothing on the run path logs.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace monza {

enum class LogLevel { debug, info, warning, error, off };

/// Sets the level; the default is warning, or what MONZA_LOG names (debug|info|warning|error|off).
void set_log_level(LogLevel level);
bool log_enabled(LogLevel level);
void log_write(LogLevel level, std::string_view text);

template <typename... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_write(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace monza
