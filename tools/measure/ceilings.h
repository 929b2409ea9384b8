// What this machine can do at most: the figures that measured layers are held against.
#pragma once

#include <string>

#include "base/cpu.h"
#include "kernel/kernel.h"

namespace monza::tool {

/// Sums over all threads, or of the GPU. 0 where the instruction set lacks the operation.
struct Ceilings {
  DeviceKind device = DeviceKind::cpu;
  int threads = 1;
  double f32_gflops = 0;   ///< fused multiply-adds on full registers, two operations each
  double int8_gops = 0;    ///< vpdpbusd: 8-bit products summed in 32 bits
  double bf16_gflops = 0;  ///< vdpbf16ps
  double f16_gflops = 0;   ///< tensor cores of a GPU, sums in f32
  double read_gb_s = 0;    ///< sequential reads of memory far larger than the caches
};

/// Measures on `threads` threads, within about half a second. `isa` limits what is used.
Ceilings measure_ceilings(int threads, Isa isa);
/// Of the first GPU. Throws Error.
Ceilings measure_gpu_ceilings();
/// "2 threads", "the GPU".
std::string owner_of(const Ceilings& c);

}  // namespace monza::tool
