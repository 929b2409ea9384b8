// What the tool shows to people: progress on a terminal, notes, sizes.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/printable.h"

namespace monza::tool {

/// A progress line on standard error; silent when that is no terminal. Not thread-safe.
class Progress {
 public:
  explicit Progress(bool wanted = true);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// `fraction` in [0, 1]. Draws at most ten times a second.
  void update(std::string_view stage, double fraction);
  /// Removes the line, before other text is printed.
  void clear();

 private:
  bool enabled_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_{};
  std::string last_stage_;
};

/// Text to standard output. Throws Error when that cannot be written.
void write_output(std::string_view text);
/// What was printed leaves the process now. Throws Error when it cannot: a full disk is no success.
void flush_output();

/// The way to print: strings among the arguments are made printable (base/printable.h), so that a name out of a file
/// cannot steer the terminal or forge a line. A text of several lines is given as Lines. Throws as write_output does.
template <typename... Args>
void print(fmt::format_string<Shown<Args>...> format, const Args&... args) {
  write_output(message(format, args...));
}

/// "monza: TEXT" on standard error: for what a person should know and a program need not.
void note(std::string_view text);

/// "1 CPU", "2 CPUs".
std::string count_text(std::int64_t count, std::string_view what);
std::string bytes_text(double bytes);        ///< "12.3 MiB"
std::string time_text(double milliseconds);  ///< "812 us", "12.3 ms", "4.56 s"

/// Milliseconds since it was made.
class Stopwatch {
 public:
  double ms() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// The peak resident set of this process, and the present one, in bytes. Read from /proc/self/status: getrusage's
/// figure survives fork and exec from a larger process.
std::int64_t peak_resident_bytes();
std::int64_t resident_bytes();

}  // namespace monza::tool
