// What the GPU does at most: the figures that measured layers are held against.
#pragma once

#include "monza/status.h"

namespace monza::backend {

/// In 10^9 a second. 0: not measured.
struct CudaCeilings {
  double f32_flops = 0;   ///< fused multiply-adds in registers, two operations each
  double half_flops = 0;  ///< products of f16 on tensor cores, sums in f32
  double read_bytes = 0;  ///< memory far larger than the caches, read once
};

/// Measures on the first GPU, within about a tenth of a second; the status says why it cannot.
Status measure_cuda_ceilings(CudaCeilings& ceilings) noexcept;

}  // namespace monza::backend
