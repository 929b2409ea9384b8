// Plain integer convolution on a GPU: a thread an element of the output, exact (sums wrap at 32 bits); any strides.
// What operands of quantisation hold is read by the kernel: they lie in the GPU's memory.
#include "ops/qconv/qconv.params.h"
#include "ops/shared/gpu_activation.cuh"
#include "ops/shared/gpu_any.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

/// One spatial axis; axes that the operands lack have extent 1.
struct Axis {
  std::int64_t in = 1, k = 1, out = 1, stride = 1, dilation = 1, pad = 0, xs = 0, ws = 0, os = 0, rs = 0;
};

/// An operand of one element or one an output channel, dense; absent: null.
struct Vector {
  const void* data = nullptr;
  DType type = DType::invalid;
  bool one = true;

  Vector() = default;
  explicit Vector(const KernelContext& c, int i) {
    if (!c.has_input(i)) return;
    data = c.in[i].data;
    type = c.in[i].dtype;
    one = c.in[i].shape.numel() == 1;
  }
  __device__ bool present() const { return data != nullptr; }
  __device__ float real(std::int64_t n) const { return static_cast<float>(load_float(data, type, one ? 0 : n)); }
  __device__ std::int32_t whole(std::int64_t n) const {
    return data == nullptr ? 0 : static_cast<std::int32_t>(load_integer(data, type, one ? 0 : n));
  }
};

struct Plan {
  Axis axis[3];
  std::int64_t filters = 0, filters_of_group = 0, channels = 0;
  std::int64_t x_image = 0, x_channel = 0, w_filter = 0, w_channel = 0, out_image = 0, out_channel = 0;
  std::int64_t r_image = 0, r_channel = 0;
  bool x_signed = false, w_signed = false, r_signed = false;
  Activation act;
  bool residual_after = false;
  DType out_type = DType::invalid;
  Vector x_zero, w_zero, x_scale, w_scale, y_scale, y_zero, bias, r_scale, r_zero, mid_scale, mid_zero;
};

Plan plan_of(const KernelContext& c, int w_index) {
  const auto& p = c.params_as<QConvParams>();
  const TensorView &x = c.in[0], &w = c.in[w_index], &out = c.out[0];
  Plan s;
  for (int i = 0; i < p.spatial; ++i) {
    Axis& a = s.axis[3 - p.spatial + i];
    a = {.in = x.shape[i + 2],
         .k = w.shape[i + 2],
         .out = out.shape[i + 2],
         .stride = p.stride[i],
         .dilation = p.dilation[i],
         .xs = x.stride[i + 2],
         .ws = w.stride[i + 2],
         .os = out.stride[i + 2]};
    a.pad = conv_pad_begin(p, i, a.in, a.k, a.out);
  }
  s.filters = out.shape[1];
  s.filters_of_group = s.filters / p.group;
  s.channels = w.shape[1];
  s.x_image = x.stride[0];
  s.x_channel = x.stride[1];
  s.w_filter = w.stride[0];
  s.w_channel = w.stride[1];
  s.out_image = out.stride[0];
  s.out_channel = out.stride[1];
  s.x_signed = x.dtype == DType::i8;
  s.w_signed = w.dtype == DType::i8;
  s.act = p.act;
  s.residual_after = p.residual_after != 0;
  s.out_type = out.dtype;
  return s;
}

__device__ std::int32_t byte_at(const std::uint8_t* p, std::int64_t i, bool is_signed) {
  return is_signed ? static_cast<std::int32_t>(static_cast<std::int8_t>(p[i])) : static_cast<std::int32_t>(p[i]);
}
__device__ float clamp_up_down(float v, float low, float high) {
  v = v > low ? v : low;
  return v < high ? v : high;
}

/// One accumulator's output: QFinish::store and the factors of requantize.params.h, each operation rounded once.
__device__ void finish(const Plan& s, const void* residual, void* out, std::int64_t offset, std::uint32_t bits,
                       std::int64_t n, std::int64_t residual_at) {
  const bool integer_bias = s.bias.present() && s.bias.type == DType::i32;
  if (integer_bias) bits += static_cast<std::uint32_t>(s.bias.whole(n));
  const float acc = static_cast<float>(static_cast<std::int32_t>(bits));
  const float real_bias = s.bias.present() && !integer_bias ? s.bias.real(n) : 0.0F;
  const float unit = __fmul_rn(s.x_scale.real(0), s.w_scale.real(n));
  if (!s.y_scale.present()) {
    const float r = residual != nullptr ? static_cast<const float*>(residual)[residual_at] : 0.0F;
    float v = fmaf(acc, unit, real_bias);
    if (!s.residual_after) v = __fadd_rn(v, r);
    v = static_cast<float>(gpu::activate<double>(s.act, v));
    if (s.residual_after) v = __fadd_rn(v, r);
    static_cast<float*>(out)[offset] = v;
    return;
  }
  const float y_scale = s.y_scale.real(0);
  Requantize q = requantize_of(s.act, y_scale, s.y_zero.whole(0), s.out_type == DType::i8);
  const bool mid = s.mid_scale.present();
  if (mid) requantize_mid(q, s.mid_scale.real(0), s.mid_zero.whole(0), s.mid_zero.type == DType::i8, y_scale);
  float v = fmaf(acc, __fdiv_rn(unit, q.first), __fdiv_rn(real_bias, q.first));
  if (!only_bounds(s.act)) v = __fmul_rn(static_cast<float>(gpu::activate<double>(s.act, v)), q.first_over_y);
  if (mid) v = rintf(clamp_up_down(v, q.mid_low, q.mid_high));
  if (residual != nullptr) {
    const float r_over_y = s.r_scale.present() ? __fdiv_rn(s.r_scale.real(0), y_scale) : q.r_over_y;
    const std::int32_t r_zero = s.r_scale.present() ? s.r_zero.whole(0) : q.r_zero;
    const std::int32_t value = byte_at(static_cast<const std::uint8_t*>(residual), residual_at, s.r_signed);
    v = fmaf(static_cast<float>(value - r_zero), r_over_y, __fmul_rn(v, q.first_over_y));
  } else if (mid) {
    v = __fmul_rn(v, q.first_over_y);
  }
  const std::int32_t y = static_cast<std::int32_t>(rintf(clamp_up_down(v, q.low, q.high))) + q.y_zero;
  static_cast<std::uint8_t*>(out)[offset] = static_cast<std::uint8_t>(y);
}

template <bool kInteger>
__global__ void qconv_kernel(Plan s, std::int64_t count, const std::uint8_t* x, const std::uint8_t* w,
                             const void* residual, void* out) {
  const std::int32_t zero_x = s.x_zero.whole(0);
  for_each(count, [&](std::int64_t i) {
    std::int64_t at[3], to = 0, r_at = 0;
#pragma unroll
    for (int a = 2; a >= 0; --a) {
      const Axis& axis = s.axis[a];
      const std::int64_t rest = i / axis.out, o = i - rest * axis.out;
      i = rest;
      at[a] = o * axis.stride - axis.pad;
      to += o * axis.os;
      r_at += o * axis.rs;
    }
    const std::int64_t n = i / s.filters, m = i - n * s.filters;
    const std::int64_t x_at = n * s.x_image + m / s.filters_of_group * s.channels * s.x_channel, w_at = m * s.w_filter;
    const std::int32_t zero_w = s.w_zero.whole(m);
    std::uint32_t acc = 0;
    for (std::int64_t d = 0; d < s.axis[0].k; ++d) {
      const std::int64_t z = at[0] + d * s.axis[0].dilation;
      if (z < 0 || z >= s.axis[0].in) continue;
      for (std::int64_t h = 0; h < s.axis[1].k; ++h) {
        const std::int64_t y = at[1] + h * s.axis[1].dilation;
        if (y < 0 || y >= s.axis[1].in) continue;
        for (std::int64_t v = 0; v < s.axis[2].k; ++v) {
          const std::int64_t u = at[2] + v * s.axis[2].dilation;
          if (u < 0 || u >= s.axis[2].in) continue;
          const std::int64_t xe = x_at + z * s.axis[0].xs + y * s.axis[1].xs + u * s.axis[2].xs;
          const std::int64_t we = w_at + d * s.axis[0].ws + h * s.axis[1].ws + v * s.axis[2].ws;
          for (std::int64_t ch = 0; ch < s.channels; ++ch)
            acc += static_cast<std::uint32_t>((byte_at(x, xe + ch * s.x_channel, s.x_signed) - zero_x) *
                                              (byte_at(w, we + ch * s.w_channel, s.w_signed) - zero_w));
        }
      }
    }
    const std::int64_t offset = n * s.out_image + m * s.out_channel + to;
    if constexpr (kInteger) static_cast<std::int32_t*>(out)[offset] = static_cast<std::int32_t>(acc);
    else finish(s, residual, out, offset, acc, m, n * s.r_image + m * s.r_channel + r_at);
  });
}

Status run_conv_integer(const KernelContext& c) noexcept {
  const std::int64_t count = c.out[0].shape.numel();
  if (count == 0) return {};
  Plan s = plan_of(c, 1);
  s.x_zero = Vector(c, 2);
  s.w_zero = Vector(c, 3);
  qconv_kernel<true><<<blocks_for(count), kThreads, 0, stream_of(c)>>>(
      s, count, c.in[0].as<std::uint8_t>(), c.in[1].as<std::uint8_t>(), nullptr, c.out[0].data);
  return launched();
}

Status run_qconv(const KernelContext& c) noexcept {
  const std::int64_t count = c.out[0].shape.numel();
  if (count == 0) return {};
  Plan s = plan_of(c, QInput::w);
  s.x_scale = Vector(c, QInput::x_scale);
  s.x_zero = Vector(c, QInput::x_zero);
  s.w_scale = Vector(c, QInput::w_scale);
  s.w_zero = Vector(c, QInput::w_zero);
  s.y_scale = Vector(c, QInput::y_scale);
  s.y_zero = Vector(c, QInput::y_zero);
  s.bias = Vector(c, QInput::bias);
  s.r_scale = Vector(c, QInput::r_scale);
  s.r_zero = Vector(c, QInput::r_zero);
  s.mid_scale = Vector(c, QInput::mid_scale);
  s.mid_zero = Vector(c, QInput::mid_zero);
  const bool residual = c.has_input(QInput::residual);
  if (residual) {
    const TensorView& r = c.in[QInput::residual];
    const int spatial = c.params_as<QConvParams>().spatial;
    s.r_image = r.stride[0];
    s.r_channel = r.stride[1];
    for (int i = 0; i < spatial; ++i) s.axis[3 - spatial + i].rs = r.stride[i + 2];
    s.r_signed = r.dtype == DType::i8;
  }
  qconv_kernel<false><<<blocks_for(count), kThreads, 0, stream_of(c)>>>(
      s, count, c.in[QInput::x].as<std::uint8_t>(), c.in[QInput::w].as<std::uint8_t>(),
      residual ? c.in[QInput::residual].data : nullptr, c.out[0].data);
  return launched();
}

}  // namespace

extern const Kernel conv_integer_cuda{.name = "conv_integer_cuda",
                                      .op = "ConvInteger",
                                      .device = DeviceKind::cuda,
                                      .arithmetic = {Precision::int8, DType::i32},
                                      .in{Port::strided, Port::strided, Port::dense},
                                      .out{Port::strided},
                                      .run = run_conv_integer};
extern const Kernel qconv_cuda{.name = "qconv_cuda",
                               .op = "QConv",
                               .device = DeviceKind::cuda,
                               .arithmetic = {Precision::int8, DType::i32},
                               .in{Port::strided, Port::dense, Port::dense, Port::strided, Port::dense, Port::dense,
                                   Port::dense, Port::dense, Port::dense, Port::strided, Port::dense},
                               .out{Port::strided},
                               .run = run_qconv};

}  // namespace monza::ops
