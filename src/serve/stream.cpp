#include "serve/stream.h"

#include <utility>

namespace monza::serve {

bool Stream::write(std::string_view text) {
  std::unique_lock lock(mutex_);
  if (left_ || ended_ || text_.size() + text.size() > most_) return false;
  text_ += text;
  wake_if_ready(lock);
  return true;
}

void Stream::end(int status) {
  std::unique_lock lock(mutex_);
  if (ended_) return;
  ended_ = true;
  status_ = status;
  wake_if_ready(lock);
}

void Stream::on_leave(std::function<void()> leave) {
  std::unique_lock lock(mutex_);
  if (!left_) {
    leave_ = std::move(leave);
    return;
  }
  lock.unlock();
  leave();
}

/// The reader may be gone as soon as it is woken: nothing of it is touched afterwards.
void Stream::wake_if_ready(std::unique_lock<std::mutex>& lock) {
  if (wake_ == nullptr || !ready()) return;
  const Wake wake = std::exchange(wake_, nullptr);
  woken_ = true;
  lock.unlock();
  wake(user_);
}

bool Stream::await(bool whole, Wake wake, void* user) {
  const std::lock_guard lock(mutex_);
  whole_ = whole;
  woken_ = false;
  if (ready()) return true;
  wake_ = wake;
  user_ = user;
  return false;
}

Stream::Taken Stream::take() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  return {std::exchange(text_, {}), ended_, status_};
}

bool Stream::leave() {
  std::unique_lock lock(mutex_);
  left_ = true;
  wake_ = nullptr;
  const bool woken = woken_;
  const auto leave = ended_ ? nullptr : std::exchange(leave_, nullptr);
  lock.unlock();
  if (leave) leave();
  return !woken;
}

}  // namespace monza::serve
