// Child processes that run cases: a crash, or a run without end, costs one case and not the whole.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "base/error.h"
#include "tools/conformance/conformance.h"

namespace monza::tool {
namespace {

using Clock = std::chrono::steady_clock;

void write_all(int fd, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) ::_exit(3);
    at += static_cast<std::size_t>(n);
  }
}

/// A child at work on every case of a list, in order. It says "S index" before one and "R index reason" after it.
struct Child {
  pid_t pid = -1;
  int fd = -1;
  std::string buffer;
  std::deque<std::size_t> todo;  ///< the front is at work, or next
  bool started = false;          ///< the front has begun
  Clock::time_point since;
};

void start(Child& child, const std::vector<Child>& others, const std::function<std::string(std::size_t)>& run) {
  int ends[2];
  if (::pipe(ends) != 0) fail("cannot make a pipe: {}", std::strerror(errno));
  child.pid = ::fork();
  if (child.pid < 0) fail("cannot start a process: {}", std::strerror(errno));
  if (child.pid == 0) {
    ::close(ends[0]);
    for (const Child& other : others)
      if (other.fd >= 0) ::close(other.fd);
    try {
      for (const std::size_t index : child.todo) {
        write_all(ends[1], "S " + std::to_string(index) + "\n");
        std::string reason = run(index);
        for (char& c : reason)
          if (c == '\n') c = ' ';
        write_all(ends[1], "R " + std::to_string(index) + " " + reason + "\n");
      }
    } catch (...) {
      ::_exit(4);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  child.fd = ends[0];
  child.buffer.clear();
  child.started = false;
  child.since = Clock::now();
}

std::string ending(int status) {
  if (WIFSIGNALED(status)) {
    const char* name = ::strsignal(WTERMSIG(status));
    return fmt::format("crashed: {}", name != nullptr ? name : "signal");
  }
  return WEXITSTATUS(status) == 4 ? "ran out of memory" : fmt::format("its process ended with {}", WEXITSTATUS(status));
}

}  // namespace

void run_isolated(std::size_t count, int jobs, double seconds, const std::function<std::string(std::size_t)>& run,
                  const std::function<void(const CaseResult&)>& done) {
  std::vector<Child> children(
      std::min<std::size_t>(static_cast<std::size_t>(std::max(jobs, 1)), std::max<std::size_t>(count, 1)));
  for (std::size_t i = 0; i < count; ++i) children[i % children.size()].todo.push_back(i);
  for (Child& child : children)
    if (!child.todo.empty()) start(child, children, run);

  const auto take_lines = [&](Child& child) {
    for (std::size_t end; (end = child.buffer.find('\n')) != std::string::npos; child.buffer.erase(0, end + 1)) {
      const std::string line = child.buffer.substr(0, end);
      child.since = Clock::now();
      child.started = line[0] == 'S';
      if (line[0] != 'R' || child.todo.empty()) continue;
      const std::size_t space = line.find(' ', 2);
      done({child.todo.front(), space == std::string::npos ? "" : line.substr(space + 1)});
      child.todo.pop_front();
    }
  };
  const auto finish = [&](Child& child, const char* killed) {
    ::close(child.fd);
    child.fd = -1;
    int status = 0;
    while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (child.todo.empty()) return;
    // The case at work takes the blame, even if the child died before it said so: else it would be tried for ever.
    done({child.todo.front(), killed != nullptr ? killed : ending(status)});
    child.todo.pop_front();
    if (!child.todo.empty()) start(child, children, run);
  };
  const std::string too_long = fmt::format("took longer than {:g} s", seconds);
  for (;;) {
    std::vector<pollfd> fds;
    std::vector<Child*> owners;
    for (Child& child : children)
      if (child.fd >= 0) {
        fds.push_back({child.fd, POLLIN, 0});
        owners.push_back(&child);
      }
    if (fds.empty()) return;
    ::poll(fds.data(), fds.size(), 200);
    for (std::size_t i = 0; i < fds.size(); ++i) {
      Child& child = *owners[i];
      if (fds[i].revents != 0) {
        char block[4096];
        const ssize_t n = ::read(child.fd, block, sizeof block);
        if (n > 0) {
          child.buffer.append(block, static_cast<std::size_t>(n));
          take_lines(child);
        } else if (n == 0 || errno != EINTR) {
          finish(child, nullptr);
          continue;
        }
      }
      if (child.started && std::chrono::duration<double>(Clock::now() - child.since).count() > seconds) {
        ::kill(child.pid, SIGKILL);
        finish(child, too_long.c_str());
      }
    }
  }
}

}  // namespace monza::tool
