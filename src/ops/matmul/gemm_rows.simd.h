// Copying rows of A into blocks for gemm_step, and the loop over blocks of K.
#pragma once

#include "kernel/kernel.h"
#include "ops/matmul/gemm_table.simd.h"
#include "simd/vec.h"

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

#if defined(__AVX512BF16__)
/// The same, rounded to bf16.
MONZA_INLINE void copy_run(std::uint16_t* to, const float* from, std::int64_t n) {
  const auto store = [&](std::int64_t i, Vec v) __attribute__((always_inline)) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v.v)));
  };
  std::int64_t i = 0;
  for (; i + Vec::kWidth <= n; i += Vec::kWidth) store(i, Vec::load(from + i));
  if (i < n) store(i, Vec::load(from + i, Vec::mask(n - i)));
}
MONZA_INLINE void zero_run(std::uint16_t* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += Vec::kWidth)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_setzero_si256());
}
/// What a block of A holds: one f32, or one bf16 of a pair.
using Element = std::uint16_t;
#else
using Element = float;
#endif
/// Elements of K in one lane of B, and from row to row of a block.
constexpr std::int64_t kLane = sizeof(float) / sizeof(Element);
constexpr std::int64_t kElementPitch = kPitch * kLane;

/// Sums one task's block of C over all of K. copy(k0, kc) fills `block` with its rows' elements [k0, k0 + kc).
template <typename Copy>
MONZA_INLINE void gemm_over_k(const GemmTable& table, const GemmOut& out, const float* packed, std::int64_t n,
                              std::int64_t k, std::int64_t row0, std::int64_t rows, std::int64_t n0, std::int64_t n1,
                              const Element* block, Copy&& copy) {
  const std::int64_t each = k_block((k + kLane - 1) / kLane) * kLane;
  std::int64_t k0 = 0;
  do {
    const std::int64_t kc = k - k0 < each ? k - k0 : each, lanes = (kc + kLane - 1) / kLane;
    copy(k0, kc);
    table.step({.a = reinterpret_cast<const float*>(block),
                .b = packed + packed_b_offset(k0 / kLane, lanes, n0, n, table.width),
                .kc = lanes,
                .rows = rows,
                .row0 = row0,
                .n0 = n0,
                .n1 = n1,
                .first = k0 == 0,
                .last = k0 + kc >= k},
               out);
    k0 += kc;
  } while (k0 < k);
}

}  // namespace
}  // namespace monza::ops
