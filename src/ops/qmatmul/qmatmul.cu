// Integer matrix products on a GPU, plainly: a thread an output element, exact (sums wrap at 32 bits); any strides.
#include <cmath>

#include "ops/qmatmul/qmatmul.params.h"
#include "ops/shared/gpu.cuh"
#include "ops/shared/gpu_activation.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

/// An 8-bit operand, or a list of numbers of which one may stand for all.
struct Bytes {
  const void* data = nullptr;  ///< null: absent, zeros
  bool is_signed = false, one = false;
  Bytes() = default;
  explicit Bytes(const TensorView& v) : data(v.data), is_signed(v.dtype == DType::i8), one(v.shape.numel() == 1) {}
  __device__ __forceinline__ std::int32_t operator[](std::int64_t i) const {
    return is_signed ? static_cast<const std::int8_t*>(data)[i] : static_cast<const std::uint8_t*>(data)[i];
  }
  __device__ __forceinline__ std::int32_t of(std::int64_t n) const {
    return data == nullptr ? 0 : (*this)[one ? 0 : n];
  }
};
struct Scale {
  const void* data = nullptr;
  DType dtype = DType::invalid;
  bool one = false;
  Scale() = default;
  explicit Scale(const TensorView& v) : data(v.data), dtype(v.dtype), one(v.shape.numel() == 1) {}
  __device__ __forceinline__ float of(std::int64_t n) const {
    if (one) n = 0;
    if (dtype == DType::f32) return static_cast<const float*>(data)[n];
    return dtype == DType::f16 ? __half2float(static_cast<const __half*>(data)[n])
                               : __bfloat162float(static_cast<const __nv_bfloat16*>(data)[n]);
  }
};

/// a [batch, m, k] times b [batch, k, n]. Strides count elements, 0 where an operand lacks an axis.
struct Problem {
  Bytes a, b, a_zero, b_zero;
  int batch_rank = 0;
  std::int64_t extent[kMaxRank] = {}, a_batch[kMaxRank] = {}, b_batch[kMaxRank] = {}, out_batch[kMaxRank] = {},
               more_batch[kMaxRank] = {};
  std::int64_t count = 0, m = 1, n = 1, k = 0;
  std::int64_t am = 0, ak = 0, bk = 0, bn = 0, om = 0, on = 0, more_m = 0, more_n = 0;
};

/// What becomes of an accumulator: Requantize, with its numbers where they lie.
struct Finish {
  Activation act;
  bool residual_after = false, quantized = false, out_signed = false, has_mid = false, integer_bias = false,
       one_bias = false, scaled_residual = false;
  Scale x_scale, w_scale, y_scale, r_scale, mid_scale;
  Bytes y_zero, r_zero, mid_zero, residual;
  const void* bias = nullptr;
  void* out = nullptr;

  __device__ Requantize requantize() const {
    Requantize q;
    if (!quantized) return q;
    const float y = y_scale.of(0);
    q = requantize_of(act, y, y_zero.of(0), out_signed);
    if (has_mid) requantize_mid(q, mid_scale.of(0), mid_zero.of(0), mid_zero.data != nullptr && mid_zero.is_signed, y);
    if (scaled_residual) {
      q.r_over_y = r_scale.of(0) / y;
      q.r_zero = r_zero.of(0);
    }
    return q;
  }

  __device__ static float clamp(float v, float low, float high) {
    v = v > low ? v : low;
    return v < high ? v : high;
  }

  __device__ void store(const Requantize& q, std::int64_t offset, std::uint32_t acc_bits, std::int64_t n,
                        std::int64_t residual_at) const {
    const std::int64_t channel = one_bias ? 0 : n;
    const std::uint32_t start = integer_bias ? static_cast<const std::uint32_t*>(bias)[channel] : 0;
    const float real = bias != nullptr && !integer_bias ? static_cast<const float*>(bias)[channel] : 0.0F;
    const auto acc = static_cast<float>(static_cast<std::int32_t>(acc_bits + start));
    // Rounded here: no product below may be fused into a sum that the reference rounds twice.
    const float unit = __fmul_rn(x_scale.of(0), w_scale.of(n));
    if (!quantized) {
      const float r = residual.data != nullptr ? static_cast<const float*>(residual.data)[residual_at] : 0.0F;
      float v = __fmaf_rn(acc, unit, real);
      if (!residual_after) v = __fadd_rn(v, r);
      v = static_cast<float>(activate<double>(act, v));
      if (residual_after) v = __fadd_rn(v, r);
      static_cast<float*>(out)[offset] = v;
      return;
    }
    float v = __fmaf_rn(acc, __fdiv_rn(unit, q.first), __fdiv_rn(real, q.first));
    if (!only_bounds(act)) v = __fmul_rn(static_cast<float>(activate<double>(act, v)), q.first_over_y);
    if (has_mid) v = rintf(clamp(v, q.mid_low, q.mid_high));
    if (residual.data != nullptr)
      v = __fmaf_rn(static_cast<float>(residual[residual_at] - q.r_zero), q.r_over_y, __fmul_rn(v, q.first_over_y));
    else if (has_mid) v = __fmul_rn(v, q.first_over_y);
    const std::int32_t y = static_cast<std::int32_t>(rintf(clamp(v, q.low, q.high))) + q.y_zero;
    static_cast<std::uint8_t*>(out)[offset] = static_cast<std::uint8_t>(y);
  }
};

/// Calls store(offset of the output, accumulator, n, offset of the residual) for every element.
template <typename Store>
__device__ __forceinline__ void product(const Problem& p, Store&& store) {
  for_each(p.count, [&](std::int64_t i) {
    const std::int64_t n = i % p.n, m = i / p.n % p.m;
    std::int64_t rest = i / p.n / p.m, a = m * p.am, b = n * p.bn, out = m * p.om + n * p.on,
                 more = m * p.more_m + n * p.more_n;
    for (int axis = 0; axis < p.batch_rank; ++axis) {
      const std::int64_t whole = rest / p.extent[axis], index = rest - whole * p.extent[axis];
      rest = whole;
      a += index * p.a_batch[axis];
      b += index * p.b_batch[axis];
      out += index * p.out_batch[axis];
      more += index * p.more_batch[axis];
    }
    const std::int32_t za = p.a_zero.of(m), zb = p.b_zero.of(n);
    std::uint32_t acc = 0;
    for (std::int64_t k = 0; k < p.k; ++k, a += p.ak, b += p.bk)
      acc += static_cast<std::uint32_t>((p.a[a] - za) * (p.b[b] - zb));
    store(out, acc, n, more);
  });
}

__global__ void matmul_integer_kernel(Problem p, std::int32_t* to) {
  product(p, [&](std::int64_t out, std::uint32_t acc, std::int64_t, std::int64_t) {
    to[out] = static_cast<std::int32_t>(acc);
  });
}
__global__ void qmatmul_kernel(Problem p, Finish finish) {
  const Requantize q = finish.requantize();
  product(p, [&](std::int64_t out, std::uint32_t acc, std::int64_t n, std::int64_t more) {
    finish.store(q, out, acc, n, more);
  });
}

Problem problem_of(const KernelContext& c, int b_input, int a_zero, int b_zero, int residual) {
  const TensorView &a = c.in[0], &b = c.in[b_input], &out = c.out[0];
  const bool trans_b = c.params_as<QMatMulParams>().trans_b != 0;
  const TensorView* more = residual != 0 && c.has_input(residual) ? &c.in[residual] : nullptr;
  const bool vector_a = a.shape.rank == 1, vector_b = b.shape.rank == 1;
  const int bk = vector_b ? 0 : b.shape.rank - (trans_b ? 1 : 2), bn = vector_b ? -1 : b.shape.rank - (trans_b ? 2 : 1);
  Problem p;
  p.a = Bytes(a);
  p.b = Bytes(b);
  if (c.has_input(a_zero)) p.a_zero = Bytes(c.in[a_zero]);
  if (c.has_input(b_zero)) p.b_zero = Bytes(c.in[b_zero]);
  p.k = a.shape[a.shape.rank - 1];
  p.ak = a.stride[a.shape.rank - 1];
  p.bk = b.stride[bk];
  const int outer = out.shape.rank - (vector_a ? 0 : 1) - (vector_b ? 0 : 1);
  int axis = outer;
  if (!vector_a) {
    p.m = a.shape[a.shape.rank - 2];
    p.am = a.stride[a.shape.rank - 2];
    p.om = out.stride[axis];
    if (more != nullptr) p.more_m = more->stride[axis];
    ++axis;
  }
  if (!vector_b) {
    p.n = b.shape[bn];
    p.bn = b.stride[bn];
    p.on = out.stride[axis];
    if (more != nullptr) p.more_n = more->stride[axis];
  }
  p.count = p.m * p.n;
  for (int i = outer - 1; i >= 0; --i) {  // the innermost first
    const int ia = i - (outer - (a.shape.rank - 2)), ib = i - (outer - (b.shape.rank - 2)), at = p.batch_rank++;
    p.count *= out.shape[i];
    p.extent[at] = out.shape[i];
    if (!vector_a && ia >= 0 && a.shape[ia] != 1) p.a_batch[at] = a.stride[ia];
    if (!vector_b && ib >= 0 && b.shape[ib] != 1) p.b_batch[at] = b.stride[ib];
    p.out_batch[at] = out.stride[i];
    if (more != nullptr) p.more_batch[at] = more->stride[i];
  }
  return p;
}

Status run_matmul_integer(const KernelContext& c) noexcept {
  const Problem p = problem_of(c, 1, 2, 3, 0);
  if (p.count == 0) return {};
  matmul_integer_kernel<<<blocks_for(p.count), kThreads, 0, stream_of(c)>>>(p, c.out[0].as<std::int32_t>());
  return launched();
}

Status run_qmatmul(const KernelContext& c) noexcept {
  using Q = QInput;
  const auto& params = c.params_as<QMatMulParams>();
  const Problem p = problem_of(c, Q::w, Q::x_zero, Q::w_zero, Q::residual);
  if (p.count == 0) return {};
  Finish f;
  f.act = params.act;
  f.residual_after = params.residual_after != 0;
  f.quantized = c.has_input(Q::y_scale);
  f.out_signed = c.out[0].dtype == DType::i8;
  f.has_mid = c.has_input(Q::mid_scale);
  f.scaled_residual = c.has_input(Q::residual) && c.has_input(Q::r_scale);
  f.out = c.out[0].data;
  const auto scale = [&](int i) { return c.has_input(i) ? Scale(c.in[i]) : Scale(); };
  const auto bytes = [&](int i) { return c.has_input(i) ? Bytes(c.in[i]) : Bytes(); };
  f.x_scale = scale(Q::x_scale);
  f.w_scale = scale(Q::w_scale);
  f.y_scale = scale(Q::y_scale);
  f.r_scale = scale(Q::r_scale);
  f.mid_scale = scale(Q::mid_scale);
  f.y_zero = bytes(Q::y_zero);
  f.r_zero = bytes(Q::r_zero);
  f.mid_zero = bytes(Q::mid_zero);
  f.residual = bytes(Q::residual);
  if (c.has_input(Q::bias)) {
    f.bias = c.in[Q::bias].data;
    f.integer_bias = c.in[Q::bias].dtype == DType::i32;
    f.one_bias = c.in[Q::bias].shape.numel() == 1;
  }
  qmatmul_kernel<<<blocks_for(p.count), kThreads, 0, stream_of(c)>>>(p, f);
  return launched();
}

}  // namespace

extern const Kernel matmul_integer_cuda{.name = "matmul_integer_cuda",
                                        .op = "MatMulInteger",
                                        .device = DeviceKind::cuda,
                                        .arithmetic = {Precision::int8, DType::i32},
                                        .in{Port::strided, Port::strided, Port::dense},
                                        .out{Port::strided},
                                        .run = run_matmul_integer};
extern const Kernel qmatmul_cuda{.name = "qmatmul_cuda",
                                 .op = "QMatMul",
                                 .device = DeviceKind::cuda,
                                 .arithmetic = {Precision::int8, DType::i32},
                                 .in{Port::strided, Port::dense, Port::dense, Port::strided, Port::dense, Port::dense,
                                     Port::dense, Port::dense, Port::dense, Port::strided, Port::dense},
                                 .out{Port::strided},
                                 .run = run_qmatmul};

}  // namespace monza::ops
