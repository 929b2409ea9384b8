// What copies between the host and a device cost a run, and what is left without them.
#pragma once

#include <optional>
#include <vector>

#include "monza/engine.h"
#include "tools/measure/statistics.h"

namespace monza::tool {

struct Transfers {
  double to_device_ms = 0, to_host_ms = 0;  ///< of all copies of one run, each alone: the best of several runs
  std::size_t to_device_bytes = 0, to_host_bytes = 0;
  /// Of runs whose inputs and outputs lie in the device's memory; none where the engine needs them on the host.
  std::optional<Summary> without;
};

/// Measures for `seconds` with a context of its own, on the inputs given. Throws RunError. For engines with a device
/// beside the host.
Transfers measure_transfers(const Engine& engine, const ContextOptions& options, const std::vector<Tensor>& inputs,
                            double seconds);

/// The tensors in memory that the engine's devices copy from at full speed; strings and engines of the host alone as
/// they are.
std::vector<Tensor> in_fast_memory(const Engine& engine, std::vector<Tensor> tensors);

}  // namespace monza::tool
