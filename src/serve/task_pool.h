// Threads for what takes longer than a connection's turn and is no run of a model: pictures and texts before and after
// it.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace monza::serve {

/// Thread-safe.
class TaskPool {
 public:
  using Work = std::function<void()>;  ///< throws nothing
  /// Threads start with the first work. At most `most_waiting` wait for one.
  explicit TaskPool(int threads = 4, std::size_t most_waiting = 256)
      : most_threads_(threads), most_waiting_(most_waiting) {}
  /// Does what waits, then ends its threads.
  ~TaskPool();
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  /// False when too much waits.
  bool add(Work work);

 private:
  void run();

  const int most_threads_;
  const std::size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Work> waiting_;
  std::vector<std::thread> threads_;
  int idle_ = 0;
  bool stop_ = false;
};

}  // namespace monza::serve
