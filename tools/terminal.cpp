#include "tools/terminal.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace monza::tool {

Progress::Progress(bool wanted) : enabled_(wanted && ::isatty(STDERR_FILENO) == 1) {}

void Progress::update(std::string_view stage, double fraction) {
  if (!enabled_) return;
  const auto now = std::chrono::steady_clock::now();
  if (shown_ && stage == last_stage_ && now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  last_stage_ = stage;
  shown_ = true;
  constexpr int kWidth = 30;
  const double part = std::clamp(fraction, 0.0, 1.0);
  const int filled = static_cast<int>(part * kWidth);
  fmt::print(stderr, "\r\033[K  {:<12} [{:<{}}] {:3.0f} %", stage, std::string(std::size_t(filled), '#'), kWidth,
             part * 100);
  std::fflush(stderr);
}

void Progress::clear() {
  if (!shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

void note(std::string_view text) {
  std::fflush(stdout);
  fmt::print(stderr, "monza: {}\n", text);
}

std::string bytes_text(double bytes) {
  if (bytes < 10 * 1024) return fmt::format("{:.0f} B", bytes);
  if (bytes < 10.0 * (1 << 20)) return fmt::format("{:.1f} KiB", bytes / 1024);
  if (bytes < 10.0 * (1 << 30)) return fmt::format("{:.1f} MiB", bytes / (1 << 20));
  return fmt::format("{:.1f} GiB", bytes / (1 << 30));
}

std::string time_text(double ms) {
  if (ms < 1) return fmt::format("{:.0f} us", ms * 1000);
  if (ms < 1000) return fmt::format("{:.2f} ms", ms);
  return fmt::format("{:.2f} s", ms / 1000);
}

namespace {

std::int64_t status_bytes(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return std::strtoll(line.c_str() + key.size(), nullptr, 10) * 1024;
  return 0;
}

}  // namespace

std::int64_t peak_resident_bytes() { return status_bytes("VmHWM:"); }
std::int64_t resident_bytes() { return status_bytes("VmRSS:"); }

}  // namespace monza::tool
