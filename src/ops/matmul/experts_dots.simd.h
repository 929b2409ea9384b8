// ExpertMatMul with weights in floats, where they lie: dot products of rows, four of x with four of the weights at a
// time. An element is one chain of additions for each lane, whatever else is in the batch.
//
// Floor: with few rows an expert the weights' bytes over the memory bandwidth; with many the FMA ports: eight loads
// feed sixteen FMAs.
#pragma once

#include "ops/matmul/experts.simd.h"
#include "simd/convert.h"
#include "simd/lanes.h"

namespace monza::ops {
namespace {

constexpr std::int64_t kDotRows = 4, kDotOutputs = 4;
constexpr std::int64_t kTaskOutputs = 32;  ///< rows of a weight that a task has

/// sums[kM][kDotOutputs]: rows x[i] times four rows of the weight from `w` on.
template <int kM, int kBytes, typename Widen>
MONZA_INLINE void dot_tile(const float* const* x, const std::byte* w, std::int64_t k, float (*sums)[kDotOutputs],
                           Widen widen) {
  Vec acc[kM][kDotOutputs];
#pragma GCC unroll 4
  for (int i = 0; i < kM; ++i)
#pragma GCC unroll 4
    for (int o = 0; o < kDotOutputs; ++o) acc[i][o] = Vec::zero();
  for (std::int64_t at = 0; at < k; at += Vec::kWidth) {
    Vec of[kDotOutputs];
#pragma GCC unroll 4
    for (int o = 0; o < kDotOutputs; ++o) of[o] = widen(w + (o * k + at) * kBytes);
#pragma GCC unroll 4
    for (int i = 0; i < kM; ++i) {
      const Vec row = Vec::load(x[i] + at);
#pragma GCC unroll 4
      for (int o = 0; o < kDotOutputs; ++o) acc[i][o] = fma(row, of[o], acc[i][o]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < kM; ++i)
#pragma GCC unroll 4
    for (int o = 0; o < kDotOutputs; ++o) sums[i][o] = lane_sum(acc[i][o]);
}

/// An expert's rows times rows [first, end) of its weight.
template <int kBytes, typename Widen>
void expert_dots(const KernelContext& c, const ChoiceOrder& order, std::int64_t expert, std::int64_t first,
                 std::int64_t end, Widen widen) {
  const std::int64_t n = c.in[1].shape[1], k = c.in[1].shape[2];
  const std::byte* w = c.in[1].as<std::byte>() + expert * n * k * kBytes;
  for (std::int64_t at = order.begin[expert]; at < order.begin[expert + 1]; at += kDotRows) {
    const std::int64_t left = order.begin[expert + 1] - at, rows = left < kDotRows ? left : kDotRows;
    const float* x[kDotRows];
    for (std::int64_t i = 0; i < rows; ++i) x[i] = c.in[0].as<float>() + order.row_of(at + i) * k;
    for (std::int64_t o = first; o < end; o += kDotOutputs) {
      float sums[kDotRows][kDotOutputs];
      switch (rows) {
        case 1: dot_tile<1, kBytes>(x, w + o * k * kBytes, k, sums, widen); break;
        case 2: dot_tile<2, kBytes>(x, w + o * k * kBytes, k, sums, widen); break;
        case 3: dot_tile<3, kBytes>(x, w + o * k * kBytes, k, sums, widen); break;
        default: dot_tile<4, kBytes>(x, w + o * k * kBytes, k, sums, widen); break;
      }
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < kDotOutputs; ++j)
          c.out[0].as<float>()[order.choice[at + i] * n + o + j] = sums[i][j];
    }
  }
}

MONZA_INLINE Vec widen_f32(const std::byte* p) { return Vec::load(reinterpret_cast<const float*>(p)); }

Status run_expert_dots(const KernelContext& c) noexcept {
  if (const Status s = check_choices(c); !s) return s;
  const ChoiceOrder order = order_of(c, c.scratch);
  const std::int64_t n = c.in[1].shape[1], parts = (n + kTaskOutputs - 1) / kTaskOutputs;
  const DType type = c.in[1].dtype;
  parallel_for(*c.parallel, order.experts * parts, [&](std::int64_t task, int) {
    const std::int64_t expert = task / parts, first = task % parts * kTaskOutputs;
    if (order.begin[expert] == order.begin[expert + 1]) return;
    const std::int64_t end = n - first < kTaskOutputs ? n : first + kTaskOutputs;
    if (type == DType::f32) expert_dots<4>(c, order, expert, first, end, widen_f32);
    else if (type == DType::f16) expert_dots<2>(c, order, expert, first, end, widen_f16);
    else expert_dots<2>(c, order, expert, first, end, widen_bf16);
  });
  return {};
}

std::size_t expert_dots_scratch(const KernelQuery& q) noexcept {
  return order_bytes(q.input(2).shape.numel(), q.input(1).shape[0]);
}

Refusal accepts_expert_dots(const KernelQuery& q) noexcept {
  const OperandDesc& w = q.input(1);
  if (w.dtype != DType::f32 && w.dtype != DType::f16 && w.dtype != DType::bf16) return "the weights are not floats";
  if (w.shape[2] < 1 || w.shape[2] % 16 != 0) return "a row of the weights is no multiple of 16 elements";
  if (w.shape[1] % kDotOutputs != 0) return "the weights' rows are no multiple of 4";
  return nullptr;
}

consteval Kernel expert_dots_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "ExpertMatMul",
          .needs = needs,
          .accepts = accepts_expert_dots,
          .scratch_bytes = expert_dots_scratch,
          .run = run_expert_dots};
}

}  // namespace
}  // namespace monza::ops
