// The f32 block product that convolution and matrix product are made of: types shared by their kernels, and the
// table of entry points that each instruction set fills.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/macros.h"
#include "ops/shared/activation.params.h"

namespace monza::ops {

/// Rows of A are copied to blocks of kKc elements at this pitch: known at compile time, so that a micro-kernel
/// addresses all of its rows from one register, and 33 * 32 bytes, so that rows spread over the sets of the L1 cache.
inline constexpr std::int64_t kKc = 256;
inline constexpr std::int64_t kPitch = kKc + 8;
/// Rows that one block of A holds at most: 224 * 1056 bytes = 237 KB of the L2 cache. Each panel of B is read once a
/// block.
inline constexpr std::int64_t kBlockRows = 224;

/// What happens to a finished sum, and where it goes. Pointers are to column 0 of row 0 of the whole product.
struct GemmOut {
  float* c = nullptr;  // [M, N], row pitch ldc
  std::int64_t ldc = 0;
  const float* bias = nullptr;      // [N] or null
  const float* residual = nullptr;  // [M, N], row pitch ldr, or null
  std::int64_t ldr = 0;
  const float* slope = nullptr;  // [N], stride slope_stride (0 or 1), prelu only
  std::int64_t slope_stride = 0;
  float alpha = 1;
  Activation act;
  bool residual_after = false;
};

/// One step of a block of C over one block of K: C[rows, n0..n1) (+)= A[rows, kc] * B[kc, n0..n1).
struct GemmStep {
  const float* a = nullptr;  // [rows, kc], row pitch kPitch
  const float* b = nullptr;  // packed panels of this K block, from column n0 on
  std::int64_t kc = 0;
  std::int64_t rows = 0;  // at most kBlockRows
  std::int64_t row0 = 0;  // first row in C
  std::int64_t n0 = 0, n1 = 0;
  bool first = false;  // C is not read
  bool last = false;   // the sum is complete: finish it as GemmOut says
};

/// B [K, N] in panels of one to three vectors of columns: for every block of kKc rows, panel after panel, row after
/// row. Columns are padded to whole vectors with zeros. The number of columns before a panel does not depend on K.
MONZA_INLINE std::int64_t padded_columns(std::int64_t n, int width) { return (n + width - 1) / width * width; }
/// Vectors in the panel that starts at vector v of `total`: pairs, with one panel of three when the count is odd
/// (one when it is all there is).
MONZA_INLINE int panel_vectors(std::int64_t v, std::int64_t total) {
  const std::int64_t left = total - v;
  return left == 1 ? 1 : left == 3 ? 3 : 2;
}
MONZA_INLINE std::size_t packed_b_bytes(std::int64_t k, std::int64_t n, int width) {
  return static_cast<std::size_t>(k * padded_columns(n, width)) * sizeof(float);
}
/// Where the panels of rows k0.. and columns n0.. begin, in floats. kc: rows of that K block.
MONZA_INLINE std::int64_t packed_b_offset(std::int64_t k0, std::int64_t kc, std::int64_t n0, std::int64_t n,
                                          int width) {
  return k0 * padded_columns(n, width) + kc * n0;
}

/// Rows of a block of K: at most kKc, as even as possible, whole steps of the unrolled loop.
MONZA_INLINE std::int64_t k_block(std::int64_t k) {
  const std::int64_t blocks = (k + kKc - 1) / kKc;
  return blocks == 0 ? kKc : ((k + blocks - 1) / blocks + 3) / 4 * 4;
}

/// How M x N is cut into tasks. Sums do not depend on it: each output is summed in one task over the same blocks of K.
struct GemmSplit {
  std::int64_t rows, columns;  // of a task; the last one of either may differ
  std::int64_t row_blocks, column_blocks;
  MONZA_INLINE std::int64_t tasks() const { return row_blocks * column_blocks; }
};
/// Tasks small enough to give `threads` workers a few each, large enough to reuse what they read.
MONZA_INLINE GemmSplit gemm_split(std::int64_t m, std::int64_t n, int width, std::int64_t outer_tasks, int threads) {
  const std::int64_t vectors = padded_columns(n, width) / width;
  const std::int64_t want = threads > 1 ? 3 * threads : 1;
  std::int64_t rows = kBlockRows, vecs = 256 / width;
  const auto blocks = [](std::int64_t total, std::int64_t each) {
    return total <= each ? 1 : (total + each - 1) / each;
  };
  // A panel of three vectors ends the columns when their number is odd, so a last range of one vector joins its
  // neighbour.
  const auto column_blocks = [&] { return blocks(vectors - 1, vecs); };
  while (outer_tasks * blocks(m, rows) * column_blocks() < want) {
    const bool can_rows = rows > 28 && m > 28, can_columns = vecs > 4 && vectors > 4;
    if (can_columns && (vecs * width >= m || !can_rows)) {
      vecs = vecs / 4 * 2;
    } else if (can_rows) {
      rows /= 2;
    } else {
      break;
    }
  }
  const std::int64_t row_blocks = blocks(m, rows);
  rows = (m + row_blocks - 1) / row_blocks;
  return {rows, vecs * width, blocks(m, rows), column_blocks()};
}
/// The columns of column block i: [n0, n1).
MONZA_INLINE void split_columns(const GemmSplit& s, std::int64_t i, std::int64_t n, std::int64_t& n0,
                                std::int64_t& n1) {
  n0 = i * s.columns;
  n1 = i + 1 == s.column_blocks ? n : n0 + s.columns;
}

/// One instruction set's entry points.
struct GemmTable {
  int width;  // floats in a vector
  void (*step)(const GemmStep&, const GemmOut&) noexcept;
  /// Packs rows [k0, k0 + kc) of all columns of B, element (k, n) at b[k * sk + n * sn], into the panels of that block.
  void (*pack_b)(const float* b, std::int64_t sk, std::int64_t sn, std::int64_t k0, std::int64_t kc, std::int64_t n,
                 float* packed) noexcept;
};
extern const GemmTable gemm_avx2;
extern const GemmTable gemm_avx512;
/// Pairs of bf16 instead of f32 elements in A and B: kc, kKc and packed rows count pairs, k0 of pack_b is even.
extern const GemmTable gemm_avx512bf16;

}  // namespace monza::ops
