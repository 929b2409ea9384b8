// Products of f32 rows with weights in block encodings. A row of A is rounded to signed bytes, each 32 elements with a
// scale of their own (largest magnitude / 127), as llama.cpp does; the bytes are multiplied with the codes of a panel
// of 16 weight rows exactly, in 32-bit integers, and a group's sum is scaled by both. What codes are offset by is taken
// off by the group's sum of bytes. A row's result is one chain of additions over the groups, whatever else is in the
// batch.
//
// Floor: with few rows, the panels' bytes over the memory bandwidth; with many, M N K / 64 cycles with VNNI at 512
// bits, of which a group of 32 takes 10 for 8: its sum is scaled and added where the products are computed, too.
#pragma once

// GCC 12's AVX-512 header reads undefined registers on purpose.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "kernel/kernel.h"
#include "ops/matmul/block_panels.simd.h"
#include "ops/matmul/finish.simd.h"
#include "ops/matmul/matmul.params.h"

namespace monza::ops {
namespace {

/// Integer lanes, one for each row of a panel or of half a panel.
struct Lanes {
#if defined(__AVX512F__)
  static constexpr int kLanes = 16, kRows = 4, kPanels = 2;  ///< rows of A and panels that a tile has at most
  using I = __m512i;
  static MONZA_INLINE I load(const std::byte* p) { return _mm512_loadu_si512(p); }
  static MONZA_INLINE I set(std::int32_t v) { return _mm512_set1_epi32(v); }
  static MONZA_INLINE I low_bits(I v) { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
  static MONZA_INLINE I high_bits(I v) { return low_bits(_mm512_srli_epi16(v, 4)); }
  /// acc + the products of four codes and four bytes of A, broadcast.
  template <int kBits>
  static MONZA_INLINE I dot(I acc, I codes, std::int32_t a) {
    return _mm512_dpbusd_epi32(acc, codes, set(a));
  }
  static MONZA_INLINE Vec to_float(I v) { return {_mm512_cvtepi32_ps(v)}; }
  static MONZA_INLINE Vec halves(const std::byte* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static MONZA_INLINE Vec unsigned_bytes(const std::byte* p) {
    return to_float(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static MONZA_INLINE Vec signed_bytes(const std::byte* p) {
    return to_float(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
#else
  static constexpr int kLanes = 8, kRows = 4, kPanels = 1;
  using I = __m256i;
  static MONZA_INLINE I load(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const I*>(p)); }
  static MONZA_INLINE I set(std::int32_t v) { return _mm256_set1_epi32(v); }
  static MONZA_INLINE I low_bits(I v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
  static MONZA_INLINE I high_bits(I v) { return low_bits(_mm256_srli_epi16(v, 4)); }
  template <int kBits>
  static MONZA_INLINE I dot(I acc, I codes, std::int32_t a) {
    const I bytes = set(a);
    if constexpr (kBits == 4) {  // two products of at most 15 * 127 fit 16 bits
      const I pairs = _mm256_maddubs_epi16(codes, bytes);
      return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    } else {
      const I even = _mm256_madd_epi16(_mm256_and_si256(codes, _mm256_set1_epi16(255)),
                                       _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8));
      const I odd = _mm256_madd_epi16(_mm256_srli_epi16(codes, 8), _mm256_srai_epi16(bytes, 8));
      return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
    }
  }
  static MONZA_INLINE Vec to_float(I v) { return {_mm256_cvtepi32_ps(v)}; }
  static MONZA_INLINE Vec halves(const std::byte* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static MONZA_INLINE Vec unsigned_bytes(const std::byte* p) {
    return to_float(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static MONZA_INLINE Vec signed_bytes(const std::byte* p) {
    return to_float(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
#endif
};

/// Rows of A in bytes, `block` of them side by side: for each group of 32 elements the bytes of these rows, then their
/// scales, their sums times their scales, and for both halves of a group what offsets of codes add to the product. So
/// a tile reads all that it needs of a group at fixed distances from one address.
struct ByteRows {
  static constexpr std::int64_t kNumbers = 4;  ///< of 4 bytes, for a row of a group
  std::int64_t groups = 0, block = 1;
  std::byte* data = nullptr;

  ByteRows(std::int64_t m, std::int64_t k, std::byte* data = nullptr)
      : groups(k / kCodeGroup),
        block(m > 4   ? 8
              : m > 2 ? 4
              : m > 1 ? 2
                      : 1),
        data(data) {}
  std::int64_t step() const { return block * (kCodeGroup + 4 * kNumbers); }  ///< bytes from group to group
  std::int64_t bytes(std::int64_t m) const { return (m + block - 1) / block * groups * step(); }
  std::byte* codes(std::int64_t row) const { return data + row / block * groups * step() + row % block * kCodeGroup; }
  /// The row's scale; the other numbers follow, `block` of 4 bytes apart.
  std::byte* numbers(std::int64_t row) const {
    return data + row / block * groups * step() + block * kCodeGroup + row % block * 4;
  }
};

/// Rounds one row, for codes that are unsigned by `offset`, with groups or halves of them as `halves` says. A group
/// with a NaN or an infinity gets a NaN as its scale.
void round_row(const float* from, std::int64_t stride, const ByteRows& rows, std::int64_t row, int offset, int halves) {
  std::byte *codes = rows.codes(row), *numbers = rows.numbers(row);
  float group[kCodeGroup];
  for (std::int64_t g = 0; g < rows.groups; ++g, codes += rows.step(), numbers += rows.step()) {
    float largest = 0;
    bool finite = true;
    for (int i = 0; i < kCodeGroup; ++i) {
      group[i] = from[(g * kCodeGroup + i) * stride];
      const float magnitude = __builtin_fabsf(group[i]);
      finite &= magnitude <= 3.4028234664e38f;
      largest = magnitude > largest ? magnitude : largest;
    }
    // Below that 127 / largest is not finite, and what is so small counts for nothing.
    const bool zero = largest < 1e-30f;
    const float inverse = zero || !finite ? 0.0f : 127.0f / largest;
    std::int32_t sum[2] = {0, 0};
    for (int i = 0; i < kCodeGroup; ++i) {
      const int q = finite ? static_cast<int>(__builtin_rintf(group[i] * inverse)) : 0;
      codes[i] = static_cast<std::byte>(q);
      sum[i / 16] += q;
    }
    const float scale = !finite ? __builtin_nanf("") : zero ? 0.0f : largest / 127.0f;
    const float scaled_sum = scale * static_cast<float>(sum[0] + sum[1]);
    const std::int32_t added[2] = {-offset * (halves == 2 ? sum[0] : sum[0] + sum[1]), -offset * sum[1]};
    const std::int64_t next = 4 * rows.block;
    __builtin_memcpy(numbers, &scale, 4);
    __builtin_memcpy(numbers + next, &scaled_sum, 4);
    __builtin_memcpy(numbers + 2 * next, &added[0], 4);
    __builtin_memcpy(numbers + 3 * next, &added[1], 4);
  }
}

/// What a group of a panel is scaled by, for the lanes from `lane` on.
template <const BlockForm& kForm>
struct GroupScales {
  const std::byte* at;  ///< of the panel
  int lane;
  Vec d, m;  ///< of the super-block

  MONZA_INLINE void enter(std::int64_t group) {
    if constexpr (kForm.super) {
      if (group % (kSuperBlock / kCodeGroup) != 0) return;
      const std::byte* halves = block(group) + kGroups * kPanelRows * (kForm.minimum ? 2 : 1) + 2 * lane;
      d = Lanes::halves(halves);
      if constexpr (kForm.minimum) m = Vec::zero() - Lanes::halves(halves + 2 * kPanelRows);
    }
  }
  /// Of 32 elements, or with groups of 16 of their half.
  MONZA_INLINE Vec scale(std::int64_t group, int half) const {
    if constexpr (!kForm.super) return Lanes::halves(at + group * scale_bytes(kForm) + 2 * lane);
    else {
      const std::byte* bytes = block(group) + in_block(group, half) * kPanelRows + lane;
      return d * (kForm.minimum ? Lanes::unsigned_bytes(bytes) : Lanes::signed_bytes(bytes));
    }
  }
  MONZA_INLINE Vec minimum(std::int64_t group) const {
    if constexpr (!kForm.super) return Lanes::halves(at + group * scale_bytes(kForm) + 2 * kPanelRows + 2 * lane);
    else return m * Lanes::unsigned_bytes(block(group) + (kGroups + in_block(group, 0)) * kPanelRows + lane);
  }

 private:
  static constexpr int kGroups = kSuperBlock / kForm.group;
  static MONZA_INLINE std::int64_t in_block(std::int64_t group, int half) {
    return group % (kSuperBlock / kCodeGroup) * (kCodeGroup / kForm.group) + half;
  }
  MONZA_INLINE const std::byte* block(std::int64_t group) const {
    return at + group / (kSuperBlock / kCodeGroup) * scale_bytes(kForm);
  }
};

/// Rows [row, row + kM) of A, of one block of rows, times the rows of kP panels from `lane` on, as many as there are
/// lanes: sums[kP][kM][kPanelRows].
template <const BlockForm& kForm, int kM, int kP>
void block_tile(const ByteRows& a, std::int64_t row, const std::byte* panel, std::int64_t panel_step, int lane,
                float* sums) {
  constexpr int kHalves = kCodeGroup / kForm.group;
  const std::byte *bytes = a.codes(row), *numbers = a.numbers(row), *codes = panel + 4 * lane;
  const std::int64_t next = 4 * a.block, step_bytes = a.step();
  const auto number = [&]<typename T>(int which, int i, T) {
    T value;
    __builtin_memcpy(&value, numbers + which * next + 4 * i, 4);
    return value;
  };
  Vec total[kP][kM];
  GroupScales<kForm> of[kP];
#pragma GCC unroll 2
  for (int p = 0; p < kP; ++p) {
    of[p] = {panel + p * panel_step + a.groups * code_bytes(kForm), lane, Vec::zero(), Vec::zero()};
#pragma GCC unroll 8
    for (int i = 0; i < kM; ++i) total[p][i] = Vec::zero();
  }
  for (std::int64_t g = 0; g < a.groups; ++g) {
#pragma GCC unroll 2
    for (int p = 0; p < kP; ++p) of[p].enter(g);
#pragma GCC unroll 2
    for (int half = 0; half < kHalves; ++half) {
      typename Lanes::I acc[kP][kM];
#pragma GCC unroll 8
      for (int i = 0; i < kM; ++i)
#pragma GCC unroll 2
        for (int p = 0; p < kP; ++p)
          acc[p][i] = Lanes::set(kForm.offset == 0 ? 0 : number(2 + half, i, std::int32_t{}));
#pragma GCC unroll 8
      for (int step = half * 8 / kHalves; step < (half + 1) * 8 / kHalves; ++step) {
        typename Lanes::I w[kP];
#pragma GCC unroll 2
        for (int p = 0; p < kP; ++p) {
          const std::byte* at = codes + p * panel_step;
          if constexpr (kForm.bits == 8) w[p] = Lanes::load(at + step * 64);
          else if (step < 4) w[p] = Lanes::low_bits(Lanes::load(at + step * 64));
          else w[p] = Lanes::high_bits(Lanes::load(at + (step - 4) * 64));
        }
#pragma GCC unroll 8
        for (int i = 0; i < kM; ++i) {
          std::int32_t four;
          __builtin_memcpy(&four, bytes + i * kCodeGroup + step * 4, 4);
#pragma GCC unroll 2
          for (int p = 0; p < kP; ++p) acc[p][i] = Lanes::dot<kForm.bits>(acc[p][i], w[p], four);
        }
      }
#pragma GCC unroll 2
      for (int p = 0; p < kP; ++p) {
        const Vec scale = of[p].scale(g, half);
#pragma GCC unroll 8
        for (int i = 0; i < kM; ++i)
          total[p][i] = fma(Lanes::to_float(acc[p][i]), scale * Vec::set(number(0, i, 0.0f)), total[p][i]);
      }
    }
    if constexpr (kForm.minimum)
#pragma GCC unroll 2
      for (int p = 0; p < kP; ++p) {
        const Vec minimum = of[p].minimum(g);
#pragma GCC unroll 8
        for (int i = 0; i < kM; ++i) total[p][i] = fma(minimum, Vec::set(number(1, i, 0.0f)), total[p][i]);
      }
    bytes += step_bytes;
    numbers += step_bytes;
    codes += code_bytes(kForm);
  }
#pragma GCC unroll 2
  for (int p = 0; p < kP; ++p)
#pragma GCC unroll 8
    for (int i = 0; i < kM; ++i) total[p][i].store(sums + (p * kM + i) * kPanelRows + lane);
}

/// A tile's sums to the output: alpha, bias, residual, activation.
void finish_block_tile(const GemmOut& o, const float* sums, std::int64_t row, std::int64_t rows, std::int64_t n0,
                       std::int64_t n1) {
  const bool before = o.residual != nullptr && !o.residual_after;
  for (std::int64_t i = 0; i < rows; ++i) {
    float* to = o.c + (row + i) * o.ldc + n0;
    for (std::int64_t n = 0; n < n1 - n0; n += Vec::kWidth) {
      const Vec::Mask mask = Vec::mask(n1 - n0 - n < Vec::kWidth ? n1 - n0 - n : Vec::kWidth);
      Vec y = Vec::load(sums + i * kPanelRows + n) * Vec::set(o.alpha);
      if (o.bias != nullptr) y = y + Vec::load(o.bias + n0 + n, mask);
      if (before) y = y + Vec::load(o.residual + (row + i) * o.ldr + n0 + n, mask);
      y.store(to + n, mask);
    }
  }
  if (o.act.kind != ActivationKind::none || o.residual_after) finish_rows(o, o.c + row * o.ldc + n0, rows, row, n0, n1);
}

/// Rows [m0, m1) of A times `panels` panels, 1 or kPanels of them, as many rows at a time as there are registers for.
template <const BlockForm& kForm>
void block_panel(const ByteRows& a, std::int64_t m0, std::int64_t m1, const std::byte* panel, std::int64_t panel_step,
                 int panels, const GemmOut& o, std::int64_t n0, std::int64_t n1) {
  alignas(64) float sums[Lanes::kPanels * Lanes::kRows * kPanelRows];
  const auto tile = [&]<int kM, int kP>(std::int64_t row, int first) {
    const std::int64_t from = n0 + first * kPanelRows;
    for (int lane = 0; lane < kPanelRows && from + lane < n1; lane += Lanes::kLanes)
      block_tile<kForm, kM, kP>(a, row, panel + first * panel_step, panel_step, lane, sums);
    for (int p = 0; p < kP; ++p) {
      const std::int64_t begin = from + p * kPanelRows, end = n1 - begin < kPanelRows ? n1 : begin + kPanelRows;
      finish_block_tile(o, sums + p * kM * kPanelRows, row, kM, begin, end);
    }
  };
  const auto rows = [&]<int kM>(std::int64_t row) {
    if (panels == Lanes::kPanels) return tile.template operator()<kM, Lanes::kPanels>(row, 0);
    for (int p = 0; p < panels; ++p) tile.template operator()<kM, 1>(row, p);
  };
  for (std::int64_t row = m0; row < m1;) {
    const std::int64_t in_block = a.block - row % a.block, left = m1 - row < in_block ? m1 - row : in_block;
    if (left >= Lanes::kRows) rows.template operator()<Lanes::kRows>(row), row += Lanes::kRows;
    else if (left >= 2) rows.template operator()<2>(row), row += 2;
    else rows.template operator()<1>(row), row += 1;
  }
}

using BlockPanelFn = void (*)(const ByteRows& a, std::int64_t m0, std::int64_t m1, const std::byte* panel,
                              std::int64_t panel_step, int panels, const GemmOut& o, std::int64_t n0, std::int64_t n1);
template <std::size_t... kIndex>
BlockPanelFn block_panel_of(DType type, std::index_sequence<kIndex...>) {
  BlockPanelFn found = nullptr;
  ((kBlockForms[kIndex].dtype == type ? void(found = block_panel<kBlockForms[kIndex]>) : void()), ...);
  return found;
}

constexpr std::int64_t kTaskPanels = 4;                        ///< panels that a task has
constexpr std::int64_t kCachedRows = std::int64_t{384} << 10;  ///< bytes of rows of A that stay in the L2 beside them

Status run_matmul_blocks(const KernelContext& c) noexcept {
  const TensorView &a = c.in[0], &w = c.in[1], &out = c.out[0];
  const auto& p = c.params_as<MatMulParams>();
  const std::int64_t m = a.shape[0], k = a.shape[1], n = w.shape[0];
  const BlockForm& form = *block_form(w.dtype);
  const ByteRows rows(m, k, c.scratch);
  parallel_for(*c.parallel, m, [&](std::int64_t row, int) {
    round_row(a.as<float>() + row * a.stride[0], a.stride[1], rows, row, form.offset, kCodeGroup / form.group);
  });
  GemmOut o;
  o.c = out.as<float>();
  o.ldc = out.stride[0];
  if (c.has_input(2)) o.bias = c.in[2].as<float>();
  if (c.has_input(3)) {
    o.residual = c.in[3].as<float>();
    o.ldr = c.in[3].shape.rank == 2 && c.in[3].shape[0] != 1 ? c.in[3].stride[0] : 0;
  }
  o.alpha = p.alpha;
  o.act = p.act;
  o.residual_after = p.residual_after != 0;
  const BlockPanelFn panel = block_panel_of(w.dtype, std::make_index_sequence<std::size(kBlockForms)>());
  const std::int64_t bytes = panel_bytes(form, k), panels = (n + kPanelRows - 1) / kPanelRows;
  const std::int64_t at_once = kCachedRows / (rows.groups * rows.step() / rows.block) / 8 * 8 + 8;
  parallel_for(*c.parallel, (panels + kTaskPanels - 1) / kTaskPanels, [&](std::int64_t task, int) {
    const std::int64_t end = (task + 1) * kTaskPanels < panels ? (task + 1) * kTaskPanels : panels;
    for (std::int64_t m0 = 0; m0 < m; m0 += at_once)
      for (std::int64_t i = task * kTaskPanels; i < end; i += Lanes::kPanels) {
        const int count = static_cast<int>(end - i < Lanes::kPanels ? end - i : Lanes::kPanels);
        const std::int64_t n0 = i * kPanelRows, n1 = n - n0 < count * kPanelRows ? n : n0 + count * kPanelRows;
        panel(rows, m0, m - m0 < at_once ? m : m0 + at_once, w.as<std::byte>() + i * bytes, bytes, count, o, n0, n1);
      }
  });
  return {};
}

std::size_t matmul_blocks_scratch(const KernelQuery& q) noexcept {
  const Shape& a = q.input(0).shape;
  return static_cast<std::size_t>(ByteRows(a[0], a[1]).bytes(a[0]));
}

Refusal accepts_matmul_blocks(const KernelQuery& q) noexcept {
  const OperandDesc &a = q.input(0), &w = q.input(1);
  if (block_form(w.dtype) == nullptr) return "the weight is in no encoding that has panels";
  if (!w.constant || w.dynamic) return "the weight is not constant";
  const auto& p = *static_cast<const MatMulParams*>(q.params);
  if (a.dtype != DType::f32 || a.shape.rank != 2 || w.shape.rank != 2 || p.trans_a != 0)
    return "not rows of f32 times one matrix";
  if (w.shape[1] < 1 || w.shape[1] % kCodeGroup != 0 || w.shape[1] % scale_step(*block_form(w.dtype)) != 0)
    return "a row of the weight is no number of blocks";
  if (q.has_input(2) && (q.input(2).shape.numel() != w.shape[0] || q.input(2).dynamic))
    return "the bias is not one row";
  if (q.has_input(3)) {
    const Shape& r = q.input(3).shape;
    if (r.rank < 1 || r.rank > 2 || r[r.rank - 1] != w.shape[0]) return "the residual broadcasts along the columns";
  }
  return nullptr;
}

constexpr Packing kBlockPacking{
    .input = 1, .bytes = block_panels_bytes, .pack = pack_block_panels, .format = &matmul_block_panels};

consteval Kernel matmul_blocks_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "MatMul",
          .needs = needs,
          .arithmetic = {Precision::int8, DType::f32},
          .in{Port::strided, Port::packed, Port::dense, Port::rows},
          .out{Port::rows},
          .packings = &kBlockPacking,
          .packing_count = 1,
          .accepts = accepts_matmul_blocks,
          .scratch_bytes = matmul_blocks_scratch,
          .run = run_matmul_blocks};
}

}  // namespace
}  // namespace monza::ops
