// The strip of input rows that a task of direct convolution reads: what it holds, and the scratch memory for it.
#pragma once

#include "kernel/kernel.h"
#include "ops/conv/conv.params.h"
#include "simd/vec.h"

namespace monza::ops {
namespace {

constexpr int kWidth = Vec::kWidth;
constexpr std::int64_t kStripFloats = (256 << 10) / 4;  // of a worker, within the L2 cache

/// How the rows of a task are copied.
struct Strip {
  std::int64_t phases, columns;  // of a row: `columns` pixels for each remainder of the column by the stride
  std::int64_t rows_out;         // output rows of a task at most
  MONZA_INLINE std::int64_t row() const { return phases * columns * kWidth; }
  MONZA_INLINE std::int64_t rows(std::int64_t rows_out_, std::int64_t stride, std::int64_t reach) const {
    return (rows_out_ - 1) * stride + reach;
  }
};
/// Extents along height and width; reach: elements from a kernel's first to its last tap.
MONZA_INLINE Strip strip_of(std::int64_t channels, const std::int64_t* out, const std::int64_t* k,
                            const std::int64_t* stride, const std::int64_t* dilation) {
  Strip s;
  const std::int64_t reach_h = (k[0] - 1) * dilation[0] + 1, reach_w = (k[1] - 1) * dilation[1] + 1;
  s.phases = stride[1] < reach_w ? stride[1] : reach_w;
  s.columns = out[1] + (reach_w - 1) / stride[1];
  const std::int64_t each = (channels + kWidth - 1) / kWidth * s.row();  // floats of a strip row
  const std::int64_t rows = each > 0 ? kStripFloats / each : out[0];
  s.rows_out = rows < reach_h ? 1 : (rows - reach_h) / stride[0] + 1;
  if (s.rows_out > out[0]) s.rows_out = out[0];
  if (s.rows_out < 1) s.rows_out = 1;
  return s;
}
/// Floats of a worker's strip, of these extents or, `bound`, of any that are not larger.
MONZA_INLINE std::int64_t strip_floats(const Strip& s, std::int64_t channels, std::int64_t stride, std::int64_t reach,
                                       bool bound = false) {
  const std::int64_t row = (channels + kWidth - 1) / kWidth * s.row();
  constexpr std::int64_t kSlack = 64;  // runs are copied in whole vectors
  if (!bound) return row * s.rows(s.rows_out, stride, reach) + kSlack;
  return (row * reach > kStripFloats ? row * reach : kStripFloats) + kSlack;
}

/// Scratch memory of direct convolution: a strip a worker.
MONZA_INLINE std::size_t direct_scratch(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape &w = q.input(1).shape, &o = q.out[0].shape;
  std::int64_t out[2] = {1, 1}, k[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1};
  for (int i = 0; i < p.spatial; ++i) {
    const int to = 2 - p.spatial + i;
    out[to] = o[2 + i];
    k[to] = w[2 + i];
    stride[to] = p.stride[i];
    dilation[to] = p.dilation[i];
  }
  const Strip s = strip_of(w[1], out, k, stride, dilation);
  const std::int64_t each = strip_floats(s, w[1], stride[0], (k[0] - 1) * dilation[0] + 1, q.out[0].dynamic);
  return static_cast<std::size_t>(q.threads * each) * sizeof(float);
}

}  // namespace
}  // namespace monza::ops
