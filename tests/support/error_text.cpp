#include "support/error_text.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <vector>

#include "monza/error.h"

namespace monza::test {

std::string error_of(const std::function<void()>& f, const std::string& folder) {
  try {
    f();
  } catch (const Error& e) {
    std::string text = e.what();
    for (std::size_t at; !folder.empty() && (at = text.find(folder)) != std::string::npos;)
      text.replace(at, folder.size(), "FOLDER");
    return text;
  }
  return {};
}

std::string error_under_limit(int resource, rlim_t limit, const std::function<void()>& f, const std::string& folder) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);  // the write that does not fit says so
    const rlimit both{limit, limit};
    ::setrlimit(resource, &both);
    const std::string text = error_of(f, folder);
    ::_exit(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string text;
  char block[4096];
  for (ssize_t n; (n = ::read(ends[0], block, sizeof block)) > 0;) text.append(block, static_cast<std::size_t>(n));
  ::close(ends[0]);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0) return "the process failed: " + text;
  return text;
}

#ifdef __SANITIZE_ADDRESS__
namespace {

/// Allocates at so many depths: the address sanitizer keeps each stack, and dies where the limit refuses it room.
__attribute__((noinline)) void allocate_at_depths(int depth) {
  const auto made = std::make_unique<std::vector<int>>(1, depth);
  if (depth > 0) allocate_at_depths(depth - 1);
  if ((*made)[0] != depth) std::abort();
}

}  // namespace
#endif

bool address_space_is_limited() {
  const std::string text = error_under_limit(RLIMIT_AS, 1 << 20, [] {
#ifdef __SANITIZE_ADDRESS__
    allocate_at_depths(256);
#endif
    if (::mmap(nullptr, 1 << 22, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) throw Error("it is");
  });
  return text == "it is";
}

}  // namespace monza::test
