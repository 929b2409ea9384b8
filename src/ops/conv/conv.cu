// Plain convolution on a GPU: a thread an element of the output, summed in double; any strides, groups and spatial
// axes.
#include "ops/conv/conv.params.h"
#include "ops/shared/gpu_activation.cuh"
#include "ops/shared/gpu_any.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

/// One spatial axis: extents and strides of input, kernel, output and residual.
struct Axis {
  std::int64_t in, k, out, stride, dilation, pad;
  std::int64_t xs, ws, os, rs;
};

struct Plan {
  int axes = 0;
  Axis axis[kConvAxes] = {};
  std::int64_t batch = 0, filters = 0, filters_of_group = 0, channels = 0, taps = 1;
  std::int64_t x_image = 0, x_channel = 0, w_filter = 0, w_channel = 0, out_image = 0, out_channel = 0;
  std::int64_t bias = 0, r_image = 0, r_channel = 0, slope = 0;
  DType type = DType::invalid;
  Activation act;
  bool residual_after = false;
};

/// Elements of a slope tensor of any shape with one or `count` elements: the stride between them.
std::int64_t slope_stride(const TensorView& slope) {
  for (int i = 0; i < slope.shape.rank; ++i)
    if (slope.shape[i] > 1) return slope.stride[i];
  return 0;
}

Plan plan_of(const KernelContext& c) {
  const auto& p = c.params_as<ConvParams>();
  const TensorView &x = c.in[0], &w = c.in[1], &out = c.out[0];
  Plan s;
  s.axes = p.spatial;
  for (int i = 0; i < p.spatial; ++i) {
    Axis& a = s.axis[i];
    a = {.in = x.shape[i + 2],
         .k = w.shape[i + 2],
         .out = out.shape[i + 2],
         .stride = p.stride[i],
         .dilation = p.dilation[i]};
    a.pad = conv_pad_begin(p, i, a.in, a.k, a.out);
    a.xs = x.stride[i + 2];
    a.ws = w.stride[i + 2];
    a.os = out.stride[i + 2];
    a.rs = c.has_input(3) ? c.in[3].stride[i + 2] : 0;
    s.taps *= a.k;
  }
  s.batch = out.shape[0];
  s.filters = out.shape[1];
  s.filters_of_group = s.filters / p.group;
  s.channels = w.shape[1];
  s.x_image = x.stride[0];
  s.x_channel = x.stride[1];
  s.w_filter = w.stride[0];
  s.w_channel = w.stride[1];
  s.out_image = out.stride[0];
  s.out_channel = out.stride[1];
  if (c.has_input(2)) s.bias = c.in[2].stride[0];
  if (c.has_input(3)) s.r_image = c.in[3].stride[0], s.r_channel = c.in[3].stride[1];
  if (c.has_input(4)) s.slope = slope_stride(c.in[4]);
  s.type = x.dtype;
  s.act = p.act;
  s.residual_after = p.residual_after != 0;
  return s;
}

/// Absent operands are null.
template <typename T>
__global__ void conv_kernel(Plan s, std::int64_t count, const T* x, const T* w, const T* bias, const T* residual,
                            const T* slope, T* out) {
  for_each(count, [&](std::int64_t i) {
    std::int64_t at[kConvAxes], to = 0, r_at = 0;
    for (int a = s.axes - 1; a >= 0; --a) {
      const Axis& axis = s.axis[a];
      const std::int64_t rest = i / axis.out, o = i - rest * axis.out;
      i = rest;
      at[a] = o * axis.stride - axis.pad;
      to += o * axis.os;
      r_at += o * axis.rs;
    }
    const std::int64_t n = i / s.filters, m = i - n * s.filters;
    const T* xg = x + n * s.x_image + m / s.filters_of_group * s.channels * s.x_channel;
    const T* wm = w + m * s.w_filter;
    double sum = 0;
    for (std::int64_t t = 0; t < s.taps; ++t) {
      std::int64_t rest = t;
      const T *xe = xg, *we = wm;
      bool inside = true;
      for (int a = s.axes - 1; a >= 0; --a) {
        const Axis& axis = s.axis[a];
        const std::int64_t next = rest / axis.k, k = rest - next * axis.k, place = at[a] + k * axis.dilation;
        rest = next;
        inside = inside && place >= 0 && place < axis.in;
        xe += place * axis.xs;
        we += k * axis.ws;
      }
      if (!inside) continue;
      for (std::int64_t ch = 0; ch < s.channels; ++ch)
        sum += static_cast<double>(load(xe + ch * s.x_channel)) * static_cast<double>(load(we + ch * s.w_channel));
    }
    if (bias != nullptr) sum += static_cast<double>(load(bias + m * s.bias));
    const double r =
        residual != nullptr ? static_cast<double>(load(residual + n * s.r_image + m * s.r_channel + r_at)) : 0;
    const double along = slope != nullptr ? static_cast<double>(load(slope + m * s.slope)) : 0;
    store_float(out, s.type, n * s.out_image + m * s.out_channel + to,
                s.residual_after ? gpu::activate(s.act, sum, along) + r : gpu::activate(s.act, sum + r, along));
  });
}

Status run_conv(const KernelContext& c) noexcept {
  const std::int64_t count = c.out[0].shape.numel();
  if (count == 0) return {};
  const Plan plan = plan_of(c);
  const bool known = with_float(c.in[0].dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const auto data = [&](int i) { return c.has_input(i) ? c.in[i].as<const T>() : nullptr; };
    conv_kernel<T><<<blocks_for(count), kThreads, 0, stream_of(c)>>>(plan, count, data(0), data(1), data(2), data(3),
                                                                     data(4), c.out[0].as<T>());
  });
  return known ? launched() : kOtherType;
}

Refusal accepts_conv(const KernelQuery& q) noexcept {
  return is_stored_float(q.in[0].dtype) ? nullptr : "its element type has no CUDA kernel";
}

}  // namespace

extern const Kernel conv_cuda{.name = "conv_cuda",
                              .op = "Conv",
                              .device = DeviceKind::cuda,
                              .in{Port::strided},
                              .out{Port::strided},
                              .accepts = accepts_conv,
                              .run = run_conv};

}  // namespace monza::ops
