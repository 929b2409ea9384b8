// Moving elements on a GPU between any strides.
#pragma once

#include "ops/shared/gpu_rows.cuh"

namespace monza::gpu {

/// Of what is read and what is written; an operator may split every axis in two.
using MoveAxes = Axes<2, 2 * kMaxRank>;

/// y[at 1] = x[at 0] at every position of the axes, in whatever order they are, for elements of `bits` (8 to 64) bits.
Status move_elements(const MoveAxes& axes, int bits, const void* x, void* y, cudaStream_t stream);

inline bool moves(int bits) { return bits >= 8 && bits <= 64; }

}  // namespace monza::gpu
