// A folder that is there for a while.
#pragma once

#include <string>

namespace monza {

/// Made in TMPDIR, removed with all that is in it at the end.
class TemporaryFolder {
 public:
  /// Throws Error, with what it is for: "the outputs that --metric is given".
  explicit TemporaryFolder(const std::string& purpose);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  /// The place of a file of that name in it.
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// In quotes, so that a shell takes it as one word as it is.
std::string shell_quoted(const std::string& text);

}  // namespace monza
