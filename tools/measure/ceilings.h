// What this machine can do at most: the figures that measured layers are held against.
#pragma once

#include "base/cpu.h"

namespace monza::tool {

/// Sums over all threads. 0 where the instruction set lacks the operation.
struct Ceilings {
  int threads = 1;
  double f32_gflops = 0;   ///< fused multiply-adds on full registers, two operations each
  double int8_gops = 0;    ///< vpdpbusd: 8-bit products summed in 32 bits
  double bf16_gflops = 0;  ///< vdpbf16ps
  double read_gb_s = 0;    ///< sequential reads of memory far larger than the caches
};

/// Measures on `threads` threads, within about half a second. `isa` limits what is used.
Ceilings measure_ceilings(int threads, Isa isa);

}  // namespace monza::tool
