#include "serve/line_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/log.h"

namespace monza::serve {
namespace {

constexpr std::size_t kKept = 64 << 10;

}  // namespace

LineFile::~LineFile() {
  if (file_ < 0) return;
  flush();
  ::close(file_);
}

void LineFile::open(const std::string& path) {
  file_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (file_ < 0)
    fail_hint("a file that the server's user may write", "'{}' cannot be written: {}", path, std::strerror(errno));
  path_ = path;
}

void LineFile::add(std::string_view line) {
  const std::lock_guard lock(mutex_);
  kept_.append(line) += '\n';
  if (kept_.size() >= kKept) write();
}

void LineFile::flush() {
  const std::lock_guard lock(mutex_);
  if (file_ >= 0 && !kept_.empty()) write();
}

void LineFile::write() {
  std::string_view left = kept_;
  while (!left.empty()) {
    const ssize_t n = ::write(file_, left.data(), left.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      if (!failed_) log(LogLevel::warning, "serve: '{}' cannot be written: {}", path_, std::strerror(errno));
      failed_ = true;
      break;
    }
    failed_ = false;
    left.remove_prefix(static_cast<std::size_t>(n));
  }
  kept_.clear();
}

}  // namespace monza::serve
