// A file that lines are added to, for as long as a server runs.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace monza::serve {

/// Lines are kept until there are many, or flush(). What cannot be written is lost, and said once in the log: requests
/// are answered all the same. Thread-safe.
class LineFile {
 public:
  LineFile() = default;
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /// Appends to `path`, which is made where it is missing (for its owner and group alone). Throws Error.
  void open(const std::string& path);
  bool is_open() const { return file_ >= 0; }
  const std::string& path() const { return path_; }
  void add(std::string_view line);
  void flush();

 private:
  void write();

  std::string path_;
  int file_ = -1;
  std::mutex mutex_;
  std::string kept_;
  bool failed_ = false;
};

}  // namespace monza::serve
