// Segments whose extents vary from run to run, captured for the shapes that were met last.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "backend/captured.h"
#include "backend/cpu/thread_pool.h"
#include "backend/device.h"

namespace monza::runtime {

/// A queue that captures and does nothing else: for one capture at a time, whoever's it is.
struct CaptureQueue {
  std::mutex mutex;
  std::unique_ptr<backend::Queue> queue;
};

/// What a device captured of one segment, by the values of the registers that its operands are placed and shaped by.
///
/// A shape that is new runs by plain launches, which are noted; a thread of the pool then captures them on a queue of
/// its own, so that no run waits for it, and later runs of that shape replay the result. The least recently used shape
/// makes room. One thread at a time, whose calls neither allocate nor throw.
class ShapeCaptures {
 public:
  struct Options {
    std::size_t shapes = 0;     ///< most that are kept
    std::size_t registers = 0;  ///< that make up a shape
    std::size_t launches = 0;   ///< of the segment, at most
    int most_operands = 16;     ///< of one launch
  };
  ShapeCaptures(std::shared_ptr<ThreadPool> pool, std::shared_ptr<CaptureQueue> queue, const Options& options);
  /// Waits for what is being captured.
  ~ShapeCaptures();
  ShapeCaptures(const ShapeCaptures&) = delete;
  ShapeCaptures& operator=(const ShapeCaptures&) = delete;

  /// The work of that shape; null when there is none (yet).
  backend::CapturedWork* find(std::span<const std::int64_t> shape) noexcept;

  /// From here on note() is told of the launches of a shape that find() did not know; false when this one is not noted:
  /// another is being captured, or it could not be captured before.
  bool begin(std::span<const std::int64_t> shape) noexcept;
  void note(const Kernel& kernel, const KernelContext& context, std::int32_t step) noexcept;
  /// Has what was noted captured; or forgets it, where the run failed.
  void end(bool complete) noexcept;

 private:
  enum class State : std::uint8_t { idle, noting, capturing, done };
  struct Entry {
    std::vector<std::int64_t> shape;
    std::unique_ptr<backend::CapturedWork> work;  ///< null where the device could not
    std::uint64_t used = 0;                       ///< the clock when it was; 0: the entry is free
  };

  Entry* entry_of(std::span<const std::int64_t> shape) noexcept;
  void capture() noexcept;
  void keep() noexcept;

  std::shared_ptr<ThreadPool> pool_;
  std::shared_ptr<CaptureQueue> queue_;
  std::vector<Entry> entries_;
  std::uint64_t clock_ = 0;
  // What is noted, and then captured: of the thread that runs, but of the pool's while the state is `capturing`.
  std::atomic<State> state_{State::idle};
  std::vector<std::int64_t> shape_;
  std::vector<backend::CapturedLaunch> launches_;
  std::size_t noted_ = 0;
  std::unique_ptr<backend::CapturedWork> work_;
  Errand errand_;
};

}  // namespace monza::runtime
