// A device of host memory and host code that is none the less elsewhere: its queues are threads, its memory is its own.
//
// It exists so that plans over several devices are tested on any machine: a copy that is missing reads poison, a wait
// that is missing is a race that the thread sanitizer sees. It runs the reference kernels.
#pragma once

#include "backend/device.h"

namespace monza::backend {

inline void (*before_reference_work)() = nullptr;  ///< of tests: a delay, so that what does not wait is early
inline const char* reference_chip = "";            ///< of tests: what it says that it is
inline const char* reference_missing = "";         ///< of tests: what it says that every kernel lacks

class ReferenceDevice final : public Device {
 public:
  DeviceKind kind() const noexcept override { return DeviceKind::reference; }
  std::string identity(int threads) const override;
  std::string chip() const override { return reference_chip; }
  std::string missing(const Kernel&) const override { return reference_missing; }
  /// Filled with kPoison, unless it is so large that most of it may never be touched.
  DeviceMemory allocate(std::int64_t bytes, const RegionOptions& options) override;
  std::unique_ptr<Queue> make_queue(const QueueOptions& options) override;
  std::unique_ptr<Event> make_event() override;
  std::optional<double> time(const Kernel& kernel, const KernelContext& context) override;

  static constexpr std::byte kPoison{0xCB};
};

}  // namespace monza::backend
