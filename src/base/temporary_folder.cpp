#include "base/temporary_folder.h"

#include <stdlib.h>

#include <filesystem>
#include <system_error>

#include "base/error.h"

namespace monza {

TemporaryFolder::TemporaryFolder(const std::string& purpose) {
  std::error_code none;
  path_ = (std::filesystem::temp_directory_path(none) / "monza-XXXXXX").string();
  if (none || ::mkdtemp(path_.data()) == nullptr)
    fail_hint("a folder that can be written to in TMPDIR", "there is no place for {}", purpose);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code none;
  std::filesystem::remove_all(path_, none);
}

std::string shell_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

}  // namespace monza
