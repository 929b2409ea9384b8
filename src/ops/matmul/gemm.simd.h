// C (+)= A * B on a block, written once over Vec.
//
// Register tile: rows x vectors = 14x2 or 9x3 of 32 AVX-512 registers, 6x2 or 4x3 of 16 AVX2 registers; each step of
// k broadcasts an element of A per row and loads one row of the B panel. The ceiling is the two FMA ports (32 or 64
// FLOP a cycle); loads take (rows + vectors) / 2 cycles, about half of it. A's block lies in L2, its current rows
// (14 * 1 KB) and B's panel (256 * 128 bytes) in L1. Rows of A have a pitch known at compile time because indexed
// addressing of broadcasts halves the rate of FMA issue on Zen 5.
// Measured on one Zen 5 core at 3.9 GHz: 235 of 250 GFLOP/s inside the tile (AVX-512).
#pragma once

#include "ops/matmul/finish.simd.h"

namespace monza::ops {
namespace {

constexpr int kTileRows1 = Vec::kRegisters == 32 ? 14 : 8;
constexpr int kTileRows2 = Vec::kRegisters == 32 ? 14 : 6;
constexpr int kTileRows3 = Vec::kRegisters == 32 ? 9 : 4;

/// acc + a b: one product a lane, or, in files compiled for bf16, the sum of two: there a lane of a and b is a pair of
/// bf16 values, neighbours along K, and kc counts pairs.
MONZA_INLINE Vec product(Vec a, Vec b, Vec acc) {
#if defined(__AVX512BF16__)
  return {_mm512_dpbf16_ps(acc.v, reinterpret_cast<__m512bh>(a.v), reinterpret_cast<__m512bh>(b.v))};
#else
  return fma(a, b, acc);
#endif
}

/// One register tile. A null bias or residual is none.
struct Tile {
  const float* a;
  const float* b;
  std::int64_t kc;
  float* c;
  std::int64_t ldc;
  const float* bias;
  const float* residual;
  std::int64_t ldr;
  Vec alpha, low, high;
  Vec::Mask tail;  // lanes of the last vector that exist
  bool first, last, residual_after;
};

template <int kRows, int kVecs>
__attribute__((noinline)) void tile(const Tile& t) {
  Vec acc[kRows][kVecs];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kVecs; ++j) acc[i][j] = Vec::zero();
  const float* a = t.a;
  const float* b = t.b;
  // The panel that follows in memory: weights come from L3 or memory, and each panel serves a few tiles only.
  const float* next = b + t.kc * kVecs * Vec::kWidth;
  const auto step = [&](int u) __attribute__((always_inline)) {
    Vec bv[kVecs];
#pragma GCC unroll 4
    for (int j = 0; j < kVecs; ++j) {
      bv[j] = Vec::load(b + (u * kVecs + j) * Vec::kWidth);
      __builtin_prefetch(next + (u * kVecs + j) * Vec::kWidth, 0, 2);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const Vec av = Vec::set(a[i * kPitch + u]);
#pragma GCC unroll 4
      for (int j = 0; j < kVecs; ++j) acc[i][j] = product(av, bv[j], acc[i][j]);
    }
  };
  std::int64_t k = t.kc;
  for (; k >= 4; k -= 4) {
    step(0);
    step(1);
    step(2);
    step(3);
    a += 4;
    b += 4 * kVecs * Vec::kWidth;
    next += 4 * kVecs * Vec::kWidth;
  }
  for (; k > 0; --k) {
    step(0);
    ++a;
    b += kVecs * Vec::kWidth;
    next += kVecs * Vec::kWidth;
  }
  const auto each = [&](auto&& f) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < kVecs; ++j) f(i, j);
  };
  const auto read = [&](const float* p, int j) __attribute__((always_inline)) {
    return j + 1 == kVecs ? Vec::load(p + j * Vec::kWidth, t.tail) : Vec::load(p + j * Vec::kWidth);
  };
  if (!t.first)
    each([&](int i, int j) __attribute__((always_inline)) { acc[i][j] = acc[i][j] + read(t.c + i * t.ldc, j); });
  if (t.last) {
    if (t.bias != nullptr) {
#pragma GCC unroll 4
      for (int j = 0; j < kVecs; ++j) {
        const Vec bias = read(t.bias, j);
#pragma GCC unroll 16
        for (int i = 0; i < kRows; ++i) acc[i][j] = fma(acc[i][j], t.alpha, bias);
      }
    } else {
      each([&](int i, int j) __attribute__((always_inline)) { acc[i][j] = acc[i][j] * t.alpha; });
    }
    if (t.residual != nullptr && !t.residual_after)
      each([&](int i, int j)
               __attribute__((always_inline)) { acc[i][j] = acc[i][j] + read(t.residual + i * t.ldr, j); });
    each([&](int i, int j) __attribute__((always_inline)) { acc[i][j] = min(t.high, max(t.low, acc[i][j])); });
    if (t.residual != nullptr && t.residual_after)
      each([&](int i, int j)
               __attribute__((always_inline)) { acc[i][j] = acc[i][j] + read(t.residual + i * t.ldr, j); });
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    float* c = t.c + i * t.ldc;
#pragma GCC unroll 4
    for (int j = 0; j + 1 < kVecs; ++j) acc[i][j].store(c + j * Vec::kWidth);
    acc[i][kVecs - 1].store(c + (kVecs - 1) * Vec::kWidth, t.tail);
  }
}

using TileFn = void (*)(const Tile&);
template <int kVecs>
MONZA_INLINE TileFn tile_of(int rows) {
  constexpr int kMost = kVecs == 1 ? kTileRows1 : kVecs == 2 ? kTileRows2 : kTileRows3;
#define MONZA_ROWS(r)                                \
  case r:                                            \
    if constexpr (r <= kMost) return tile<r, kVecs>; \
    break;
  switch (rows) {
    MONZA_ROWS(1)
    MONZA_ROWS(2)
    MONZA_ROWS(3)
    MONZA_ROWS(4)
    MONZA_ROWS(5)
    MONZA_ROWS(6)
    MONZA_ROWS(7)
    MONZA_ROWS(8)
    MONZA_ROWS(9)
    MONZA_ROWS(10)
    MONZA_ROWS(11)
    MONZA_ROWS(12)
    MONZA_ROWS(13)
    MONZA_ROWS(14)
    default: break;
  }
#undef MONZA_ROWS
  return nullptr;
}

void gemm_step(const GemmStep& s, const GemmOut& o) noexcept {
  const ActivationKind kind = o.act.kind;
  const bool in_tile = is_clamp(kind);
  Tile t;
  t.kc = s.kc;
  t.ldc = o.ldc;
  t.ldr = o.ldr;
  t.alpha = Vec::set(o.alpha);
  t.low = Vec::set(clamp_low(o.act));
  t.high = Vec::set(clamp_high(o.act));
  t.first = s.first;
  t.last = s.last;
  t.residual_after = o.residual_after;
  const bool tile_residual = o.residual != nullptr && (in_tile || !o.residual_after);
  const std::int64_t n0_vec = s.n0 / Vec::kWidth, end_vec = padded_columns(s.n1, Vec::kWidth) / Vec::kWidth;
  const float* b = s.b;
  for (std::int64_t v = n0_vec; v < end_vec;) {
    const int vecs = panel_vectors(v, end_vec);
    const std::int64_t n = v * Vec::kWidth, lanes = s.n1 - n - (vecs - 1) * Vec::kWidth;
    t.tail = Vec::mask(lanes < Vec::kWidth ? lanes : Vec::kWidth);
    t.b = b;
    t.bias = o.bias == nullptr ? nullptr : o.bias + n;
    const int most = vecs == 1 ? kTileRows1 : vecs == 2 ? kTileRows2 : kTileRows3;
    const std::int64_t tiles = (s.rows + most - 1) / most;
    std::int64_t row = 0;
    for (std::int64_t i = 0; i < tiles; ++i) {
      const int rows = static_cast<int>((s.rows - row + (tiles - i) - 1) / (tiles - i));  // as even as can be
      t.a = s.a + row * kPitch;
      t.c = o.c + (s.row0 + row) * o.ldc + n;
      t.residual = tile_residual ? o.residual + (s.row0 + row) * o.ldr + n : nullptr;
      (vecs == 1 ? tile_of<1>(rows) : vecs == 2 ? tile_of<2>(rows) : tile_of<3>(rows))(t);
      if (s.last && !in_tile) {
        const std::int64_t end = n + vecs * Vec::kWidth;
        finish_rows(o, t.c, rows, s.row0 + row, n, end < s.n1 ? end : s.n1);
      }
      row += rows;
    }
    b += s.kc * vecs * Vec::kWidth;
    v += vecs;
  }
}

}  // namespace
}  // namespace monza::ops
