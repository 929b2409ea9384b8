// An answer that is made while it is sent, or made elsewhere: what a task hands out instead of a body.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace monza::serve {

/// A text with a writer and a reader. Thread-safe.
class Stream {
 public:
  /// `most`: bytes that may wait for a slow reader; what is written beyond them is refused.
  explicit Stream(std::size_t most = std::size_t{1} << 20) : most_(most) {}

  // --- the writer

  /// False when nobody reads any more, or the reader is too slow.
  bool write(std::string_view text);
  /// All is written. `status`: of the answer, where nothing was given out before its end.
  void end(int status = 200);
  /// Called once, when the reader has left before the end; at once where it has.
  void on_leave(std::function<void()> leave);

  // --- the reader

  using Wake = void (*)(void* user) noexcept;
  /// True when there is something to take, or with `whole` all of it. Otherwise `wake` is called once there is, on any
  /// thread, unless the reader leaves first.
  bool await(bool whole, Wake wake, void* user);
  struct Taken {
    std::string text;
    bool ended = false;
    int status = 200;
  };
  Taken take();
  /// Reads no more. False when `wake` has been called, or is being called, for what was not taken.
  bool leave();

 private:
  bool ready() const { return ended_ || (!whole_ && !text_.empty()); }
  void wake_if_ready(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  const std::size_t most_;
  std::string text_;
  int status_ = 200;
  bool ended_ = false, left_ = false, whole_ = false, woken_ = false;
  std::function<void()> leave_;
  Wake wake_ = nullptr;
  void* user_ = nullptr;
};

}  // namespace monza::serve
