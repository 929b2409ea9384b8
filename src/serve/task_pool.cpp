#include "serve/task_pool.h"

namespace monza::serve {

TaskPool::~TaskPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  news_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool TaskPool::add(Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= most_waiting_) return false;
    waiting_.push_back(std::move(work));
    if (idle_ < static_cast<int>(waiting_.size()) && static_cast<int>(threads_.size()) < most_threads_)
      threads_.emplace_back([this] { run(); });
  }
  news_.notify_one();
  return true;
}

void TaskPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    news_.wait(lock, [&] { return stop_ || !waiting_.empty(); });
    --idle_;
    if (waiting_.empty()) return;
    Work work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it holds is given back before the next wait
    lock.lock();
  }
}

}  // namespace monza::serve
