// Copying rows of A into blocks for gemm_step, and the loop over blocks of K.
#pragma once

#include "kernel/kernel.h"
#include "ops/activation/vec.simd.h"
#include "ops/matmul/gemm_table.simd.h"

namespace monza::ops {
namespace {

/// Bytes of one worker's block of A. The slack takes whole-vector stores past the last row's end.
constexpr std::size_t kBlockBytes = static_cast<std::size_t>(kBlockRows * kPitch + 64) * sizeof(float);

/// Copies n floats; may store up to a vector past the end of `to` (later rows overwrite it), never loads past `from`'s.
MONZA_INLINE void copy_run(float* to, const float* from, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + Vec::kWidth <= n; i += Vec::kWidth) Vec::load(from + i).store(to + i);
  if (i < n) Vec::load(from + i, Vec::mask(n - i)).store(to + i);
}
MONZA_INLINE void zero_run(float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += Vec::kWidth) Vec::zero().store(to + i);
}

/// Sums one task's block of C over all of K. copy(k0, kc) fills `block` with its rows' elements [k0, k0 + kc).
template <typename Copy>
MONZA_INLINE void gemm_over_k(const GemmTable& table, const GemmOut& out, const float* packed, std::int64_t n, std::int64_t k,
                              std::int64_t row0, std::int64_t rows, std::int64_t n0, std::int64_t n1, const float* block, Copy&& copy) {
  const std::int64_t each = k_block(k);
  std::int64_t k0 = 0;
  do {
    const std::int64_t kc = k - k0 < each ? k - k0 : each;
    copy(k0, kc);
    table.step({.a = block, .b = packed + packed_b_offset(k0, kc, n0, n, table.width), .kc = kc, .rows = rows, .row0 = row0,
                .n0 = n0, .n1 = n1, .first = k0 == 0, .last = k0 + kc >= k}, out);
    k0 += kc;
  } while (k0 < k);
}

}  // namespace
}  // namespace monza::ops
