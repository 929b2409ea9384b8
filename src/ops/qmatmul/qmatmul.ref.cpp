// Plain integer matrix products: one output element at a time, exact (sums wrap at 32 bits); any strides.
#include <cmath>

#include "kernel/kernel.h"
#include "ops/qmatmul/qmatmul.params.h"
#include "ops/shared/operands.params.h"

namespace monza {

void QFinish::store(const TensorView& out, std::int64_t offset, std::uint32_t acc_bits, std::int64_t n,
                    std::int64_t residual_at) const {
  const auto acc =
      static_cast<float>(static_cast<std::int32_t>(acc_bits + static_cast<std::uint32_t>(operands.bias_i32(n))));
  const bool has_residual = operands.has(QInput::residual);
  const auto clamp = [](float v, float low, float high) {
    v = v > low ? v : low;
    return v < high ? v : high;
  };
  if (!quantized) {
    const float r = has_residual ? operands.in[QInput::residual].as<float>()[residual_at] : 0.0F;
    float v = std::fma(acc, operands.unit(n), operands.bias_f32(n));
    if (!residual_after) v += r;
    v = static_cast<float>(activate(act, v));
    if (residual_after) v += r;
    out.as<float>()[offset] = v;
    return;
  }
  float v = std::fma(acc, operands.unit(n) / q.first, operands.bias_f32(n) / q.first);
  if (!only_bounds(act)) v = static_cast<float>(activate(act, v)) * q.first_over_y;
  if (operands.has(QInput::mid_scale)) v = std::nearbyint(clamp(v, q.mid_low, q.mid_high));
  if (has_residual) {
    const TensorView& r = operands.in[QInput::residual];
    const std::int32_t value =
        r.dtype == DType::u8 ? r.as<std::uint8_t>()[residual_at] : r.as<std::int8_t>()[residual_at];
    v = std::fma(static_cast<float>(value - q.r_zero), q.r_over_y, v * q.first_over_y);
  } else if (operands.has(QInput::mid_scale)) {
    v = v * q.first_over_y;
  }
  const auto y = static_cast<std::int32_t>(std::nearbyint(clamp(v, q.low, q.high))) + q.y_zero;
  if (out.dtype == DType::u8) out.as<std::uint8_t>()[offset] = static_cast<std::uint8_t>(y);
  else out.as<std::int8_t>()[offset] = static_cast<std::int8_t>(y);
}

namespace ops {
namespace {

/// Where one output element lies.
struct Place {
  const std::int64_t* index;  ///< of the batch axes
  int batch_rank;
  std::int64_t m, n, offset;
};

/// Calls store(place, accumulator) for every element of a (batched) product of a - zero_a(m) and b - zero_b(n).
template <typename ZeroA, typename ZeroB, typename Store>
void product(const KernelContext& c, const TensorView& a, const TensorView& b, bool trans_b, ZeroA zero_a, ZeroB zero_b,
             Store store) {
  const TensorView& out = c.out[0];
  const bool vector_a = a.shape.rank == 1, vector_b = b.shape.rank == 1;
  const int ak = a.shape.rank - 1, am = a.shape.rank - 2;
  const int bk = vector_b ? 0 : b.shape.rank - (trans_b ? 1 : 2), bn = vector_b ? -1 : b.shape.rank - (trans_b ? 2 : 1);
  const std::int64_t rows = vector_a ? 1 : a.shape[am], columns = vector_b ? 1 : b.shape[bn], depth = a.shape[ak];
  const int batch_rank = out.shape.rank - (vector_a ? 0 : 1) - (vector_b ? 0 : 1);
  const std::int64_t out_m = vector_a ? 0 : out.stride[batch_rank],
                     out_n = vector_b ? 0 : out.stride[out.shape.rank - 1];
  parallel_for(*c.parallel, out.shape.count(0, batch_rank) * rows, [&](std::int64_t task, int) {
    const std::int64_t m = task % rows;
    std::int64_t rest = task / rows, at_a = vector_a ? 0 : m * a.stride[am], at_b = 0, at_out = m * out_m;
    std::int64_t index[kMaxRank] = {};
    for (int i = batch_rank - 1; i >= 0; --i) {
      index[i] = rest % out.shape[i];
      rest /= out.shape[i];
      const int ia = i - (batch_rank - (a.shape.rank - 2)), ib = i - (batch_rank - (b.shape.rank - 2));
      if (!vector_a && ia >= 0 && a.shape[ia] != 1) at_a += index[i] * a.stride[ia];
      if (!vector_b && ib >= 0 && b.shape[ib] != 1) at_b += index[i] * b.stride[ib];
      at_out += index[i] * out.stride[i];
    }
    const std::int32_t za = zero_a(m);
    for (std::int64_t n = 0; n < columns; ++n) {
      const std::int32_t zb = zero_b(n);
      const std::int64_t column = vector_b ? at_b : at_b + n * b.stride[bn];
      std::uint32_t acc = 0;
      for (std::int64_t k = 0; k < depth; ++k)
        acc += static_cast<std::uint32_t>((byte_element(a, at_a + k * a.stride[ak]) - za) *
                                          (byte_element(b, column + k * b.stride[bk]) - zb));
      store(Place{index, batch_rank, m, n, at_out + n * out_n}, acc);
    }
  });
}

Status run_matmul_integer(const KernelContext& c) noexcept {
  const QOperands o{c.in, c.in_count};
  product(
      c, c.in[0], c.in[1], c.params_as<QMatMulParams>().trans_b != 0, [&](std::int64_t m) { return o.zero(2, m); },
      [&](std::int64_t n) { return o.zero(3, n); },
      [&](const Place& at, std::uint32_t acc) {
        c.out[0].as<std::int32_t>()[at.offset] = static_cast<std::int32_t>(acc);
      });
  return {};
}

Status run_qmatmul(const KernelContext& c) noexcept {
  const auto& p = c.params_as<QMatMulParams>();
  const QFinish finish(c.in, c.in_count, c.out[0], p.act, p.residual_after != 0);
  const QOperands& o = finish.operands;
  product(
      c, c.in[QInput::x], c.in[QInput::w], p.trans_b != 0, [&](std::int64_t) { return o.zero(QInput::x_zero, 0); },
      [&](std::int64_t n) { return o.zero(QInput::w_zero, n); },
      [&](const Place& at, std::uint32_t acc) {
        std::int64_t residual = 0;
        if (o.has(QInput::residual)) {
          const TensorView& r = c.in[QInput::residual];
          for (int i = 0; i < at.batch_rank; ++i) residual += at.index[i] * r.stride[i];
          int axis = at.batch_rank;
          if (c.in[QInput::x].shape.rank > 1) residual += at.m * r.stride[axis++];
          if (c.in[QInput::w].shape.rank > 1) residual += at.n * r.stride[axis];
        }
        finish.store(c.out[0], at.offset, acc, at.n, residual);
      });
  return {};
}

}  // namespace

extern const Kernel matmul_integer_ref{.name = "matmul_integer_ref",
                                       .op = "MatMulInteger",
                                       .arithmetic = {Precision::int8, DType::i32},
                                       .reference = true,
                                       .in{Port::strided, Port::strided, Port::dense},
                                       .out{Port::strided},
                                       .run = run_matmul_integer};
extern const Kernel qmatmul_ref{.name = "qmatmul_ref",
                                .op = "QMatMul",
                                .arithmetic = {Precision::int8, DType::i32},
                                .reference = true,
                                .in{Port::strided, Port::dense, Port::dense, Port::strided, Port::dense, Port::dense,
                                    Port::dense, Port::dense, Port::dense, Port::strided, Port::dense},
                                .out{Port::strided},
                                .run = run_qmatmul};

}  // namespace ops
}  // namespace monza
