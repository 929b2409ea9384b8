// What plain CUDA kernels have in common: any strides, and a thread an element or a row.
#pragma once

#include "kernel/kernel.h"

namespace monza::gpu {

/// Bit i of `in_place`: output 0 may lie exactly over input i.
consteval Kernel plain_kernel(const char* name, const char* op, decltype(Kernel::run) run,
                              decltype(Kernel::accepts) accepts, std::uint32_t in_place = 0,
                              decltype(Kernel::scratch_bytes) scratch = nullptr) {
  return {.name = name,
          .op = op,
          .device = DeviceKind::cuda,
          .in{Port::strided},
          .out{Port::strided},
          .accepts = accepts,
          .scratch_bytes = scratch,
          .run = run,
          .in_place_inputs = in_place};
}

}  // namespace monza::gpu
