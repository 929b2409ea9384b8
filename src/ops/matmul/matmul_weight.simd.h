// The constant B of a matrix product, and its packed layouts.
#pragma once

#include "kernel/kernel.h"
#include "ops/matmul/gemm_table.simd.h"
#include "ops/matmul/matmul.params.h"

namespace monza::ops {

// Defined in matmul_packed.any.cpp.
extern const PackedFormat matmul_panels_8, matmul_panels_16;

namespace {

struct WeightShape {
  std::int64_t matrices, k, n, sk, sn;
};
MONZA_INLINE WeightShape weight_shape(const KernelQuery& q) {
  const auto& p = *static_cast<const MatMulParams*>(q.params);
  const Shape& b = q.input(1).shape;
  if (b.rank == 1) return {1, b[0], 1, 1, 1};
  const std::int64_t rows = b[b.rank - 2], columns = b[b.rank - 1];
  const std::int64_t matrices = b.count(0, b.rank - 2);
  if (p.trans_b) return {matrices, columns, rows, 1, columns};
  return {matrices, rows, columns, columns, 1};
}

}  // namespace
}  // namespace monza::ops
