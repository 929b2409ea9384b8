// Plain quantised sums and averages: one output element at a time; any strides.
#include <cmath>

#include "kernel/kernel.h"
#include "ops/qeltwise/qeltwise.params.h"
#include "ops/shared/operands.params.h"

namespace monza::ops {
namespace {

void finish(const TensorView& out, std::int64_t at, float v, const Requantize& q) {
  v = v > q.low ? v : q.low;
  v = v < q.high ? v : q.high;
  const auto y = static_cast<std::int32_t>(std::nearbyint(v)) + q.y_zero;
  if (out.dtype == DType::u8) out.as<std::uint8_t>()[at] = static_cast<std::uint8_t>(y);
  else out.as<std::int8_t>()[at] = static_cast<std::int8_t>(y);
}

/// Offsets of element `i` (counted row-major over `shape`) in views of that shape.
template <int kViews>
void offsets(std::int64_t i, const Shape& shape, const TensorView* const (&views)[kViews], std::int64_t (&at)[kViews]) {
  for (std::int64_t& a : at) a = 0;
  for (int axis = shape.rank - 1; axis >= 0; --axis) {
    const std::int64_t index = i % shape[axis];
    i /= shape[axis];
    for (int k = 0; k < kViews; ++k) at[k] += index * views[k]->stride[axis];
  }
}

Status run_add(const KernelContext& c) noexcept {
  const QOperands o{c.in, c.in_count};
  const TensorView &a = c.in[0], &b = c.in[3], &y = c.out[0];
  const float y_scale = o.scale(6, 0);
  const Requantize q = requantize_of(c.params_as<QEltwiseParams>().act, y_scale, o.zero(7, 0), y.dtype == DType::i8);
  const float a_over_y = o.scale(1, 0) / y_scale, b_over_y = o.scale(4, 0) / y_scale;
  const std::int32_t a_zero = o.zero(2, 0), b_zero = o.zero(5, 0);
  const std::int64_t count = y.shape.numel();
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t at[3];
    offsets<3>(i, y.shape, {&a, &b, &y}, at);
    const float right = static_cast<float>(byte_element(b, at[1]) - b_zero) * b_over_y;
    finish(y, at[2], std::fma(static_cast<float>(byte_element(a, at[0]) - a_zero), a_over_y, right), q);
  }
  return {};
}

Status run_pool(const KernelContext& c) noexcept {
  const QOperands o{c.in, c.in_count};
  const TensorView &x = c.in[0], &y = c.out[0];
  const float y_scale = o.scale(3, 0);
  const Requantize q = requantize_of({}, y_scale, o.zero(4, 0), y.dtype == DType::i8);
  Shape window = x.shape;
  window[0] = window[1] = 1;
  const std::int64_t count = window.numel();
  const float factor = o.scale(1, 0) / (y_scale * static_cast<float>(count));
  const std::int32_t zero = o.zero(2, 0);
  parallel_for(*c.parallel, x.shape[0] * x.shape[1], [&](std::int64_t task, int) {
    const std::int64_t n = task / x.shape[1], ch = task % x.shape[1];
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t at[1];
      offsets<1>(i, window, {&x}, at);
      sum += byte_element(x, n * x.stride[0] + ch * x.stride[1] + at[0]) - zero;
    }
    finish(y, n * y.stride[0] + ch * y.stride[1], static_cast<float>(static_cast<std::int32_t>(sum)) * factor, q);
  });
  return {};
}

}  // namespace

extern const Kernel qadd_ref{.name = "qadd_ref",
                             .op = "QAdd",
                             .reference = true,
                             .in{Port::strided, Port::dense, Port::dense, Port::strided, Port::dense},
                             .out{Port::strided},
                             .run = run_add};
extern const Kernel qglobal_average_pool_ref{.name = "qglobal_average_pool_ref",
                                             .op = "QGlobalAveragePool",
                                             .reference = true,
                                             .in{Port::strided, Port::dense},
                                             .out{Port::strided},
                                             .run = run_pool};

}  // namespace monza::ops
