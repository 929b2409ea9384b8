// What most reference kernels have in common.
#pragma once

#include "kernel/kernel.h"

namespace monza {

/// The reference of `op`, which takes views with any strides and nothing else. `in_place_inputs` as in Kernel.
consteval Kernel reference_kernel(const char* name, const char* op, Status (*run)(const KernelContext&) noexcept,
                                  std::uint32_t in_place_inputs = 0) {
  return {.name = name,
          .op = op,
          .reference = true,
          .in{Port::strided},
          .out{Port::strided},
          .run = run,
          .in_place_inputs = in_place_inputs};
}

}  // namespace monza
