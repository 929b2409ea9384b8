#include "base/log.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace monza {
namespace {

constexpr std::string_view kLevels[] = {"debug", "info", "warning", "error", "off"};

LogLevel initial_level() {
  if (const char* text = std::getenv("MONZA_LOG"))
    for (int i = 0; i < 5; ++i)
      if (kLevels[i] == text) return static_cast<LogLevel>(i);
  return LogLevel::warning;
}
std::atomic<LogLevel>& level() {
  static std::atomic<LogLevel> value{initial_level()};
  return value;
}

}  // namespace

void set_log_level(LogLevel value) { level().store(value, std::memory_order_relaxed); }
bool log_enabled(LogLevel value) { return value >= level().load(std::memory_order_relaxed); }

void log_write(LogLevel value, std::string_view text) {
  // One write, so that lines of several threads do not mix.
  const std::string line = fmt::format("monza {}: {}\n", kLevels[static_cast<int>(value)], text);
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace monza
