// What a device is to whoever plans for it and runs on it: memory, queues of work, and the time that a kernel takes.
//
// A backend implements these in src/backend/<name>; docs/howto/add-a-device.md tells how. The run side keeps its rules:
// what is called in a run is noexcept, allocates nothing and returns a Status; what sets up throws Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "kernel/kernel.h"
#include "kernel/parallel.h"
#include "memory/region.h"
#include "monza/status.h"

namespace monza::backend {

/// Memory of a device, given back with the last copy of this. The address is the device's: the host does not follow it.
struct DeviceMemory {
  std::byte* data = nullptr;
  std::int64_t bytes = 0;
  std::shared_ptr<const void> owner;
};

/// A point in a queue's work, recorded anew in every run. One that was never recorded counts as reached.
class Event {
 public:
  virtual ~Event() = default;
  /// The calling thread waits until the work before the last record is done: how the queue stands there.
  virtual Status wait() noexcept = 0;
};

/// Work that was recorded once, to be put into its queue as a whole.
class CapturedWork {
 public:
  virtual ~CapturedWork() = default;
};

struct QueueOptions {
  int most_operands = 16;        ///< of one launch
  Parallel* parallel = nullptr;  ///< what kernels of host code spread over; null: the queue's own thread
};

/// Work that runs in the order it was put in, beside the thread that puts it in and beside other queues. One thread
/// puts work in. After work has failed, what follows is skipped until synchronise() has said so; events are reached all
/// the same, so that nobody waits forever.
class Queue {
 public:
  enum class Direction { to_device, to_host, on_device };

  virtual ~Queue() = default;
  /// Runs the kernel. Arguments are copied: the context, its views and what else it points to on the host may change at
  /// once, except parameters and `context.extents`, which hold what the kernel reported after synchronise(). Views and
  /// scratch memory are the device's. A status that names no step gets `step`.
  virtual Status launch(const Kernel& kernel, const KernelContext& context, std::int32_t step) noexcept = 0;
  /// The same of an empty queue, and returns when the kernel is done: `us` is what it took on the device, without what
  /// the host takes to hand it out. What the kernel finds wrong is told here.
  virtual Status launch_timed(const Kernel& kernel, const KernelContext& context, std::int32_t step,
                              double& us) noexcept;
  /// Copies bytes between the host's memory and the device's, or within the device's; both must stay until it is done.
  virtual Status copy(void* to, const void* from, std::int64_t bytes, Direction direction) noexcept = 0;
  /// `event`, of the same device, is reached when all work put in before is done.
  virtual Status record(Event& event) noexcept = 0;
  /// Later work begins when `event` is reached. For events of another device the caller waits, which is always right.
  virtual Status wait(Event& event) noexcept { return event.wait(); }
  /// Returns when all work is done, with the first failure since the last call.
  virtual Status synchronise() noexcept = 0;

  /// Between the two, launches are recorded instead of run. Nothing else may be put in. Throws Error.
  virtual void begin_capture() = 0;
  virtual std::unique_ptr<CapturedWork> end_capture() = 0;
  virtual Status replay(CapturedWork& work) noexcept = 0;
};

/// Thread-safe.
class Device {
 public:
  virtual ~Device() = default;
  virtual DeviceKind kind() const noexcept = 0;
  /// What times on this device depend on beside the question: its model, what code is made for, and, where kernels are
  /// host code, how many threads they spread over. Part of the key of every timing; one line.
  virtual std::string identity(int threads) const = 0;
  /// What plans were timed for: an engine for another chip is planned anew. One line; "" where plans do not depend on
  /// it.
  virtual std::string chip() const { return {}; }
  /// What `kernel`, which runs on this device, needs and is not here ("cuDNN: ..."), empty if all is. An engine with
  /// such a kernel is planned anew.
  virtual std::string missing(const Kernel& kernel) const {
    (void)kernel;
    return {};
  }
  /// At least 64-byte aligned. Throws Error when there is no room.
  virtual DeviceMemory allocate(std::int64_t bytes, const RegionOptions& options = {}) = 0;
  /// Memory of the host, zero-filled and at least 64-byte aligned, that queues copy to and from without a detour.
  /// Throws Error when there is no room.
  virtual DeviceMemory allocate_on_host(std::int64_t bytes, const RegionOptions& options = {});
  /// Throws Error.
  virtual std::unique_ptr<Queue> make_queue(const QueueOptions& options) = 0;
  virtual std::unique_ptr<Event> make_event() = 0;
  /// Microseconds of one execution: the smallest of several after a warm-up. nullopt when the kernel fails. The
  /// context's memory is the device's.
  virtual std::optional<double> time(const Kernel& kernel, const KernelContext& context) = 0;
  /// The same of contexts whose turn comes one after the other, so that a kernel does not find in caches what it read
  /// when it ran last. There is at least one.
  virtual std::optional<double> time_in_turn(const Kernel& kernel, std::span<const KernelContext> contexts) {
    return time(kernel, contexts[0]);
  }
  /// Bytes that the device keeps near of what kernels read; 0: timings take no notice of it.
  virtual std::int64_t cache_bytes() const { return 0; }
};

/// The device of that kind; `code` is what an engine carries for it. Throws Error when this build or this machine has
/// none, or when it takes no such code.
std::shared_ptr<Device> open_device(DeviceKind kind, std::span<const std::byte> code = {});

}  // namespace monza::backend
