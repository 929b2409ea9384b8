// Plain transposed convolution on a GPU: a thread an element of the output, which gathers the inputs whose kernel
// reaches it; summed in double; any strides.
#include "ops/convtranspose/convtranspose.params.h"
#include "ops/shared/gpu_activation.cuh"
#include "ops/shared/gpu_any.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

/// Spatial axes, padded at the front to three; strides in elements.
struct Plan {
  std::int64_t in[3], k[3], out[3], stride[3], dilation[3], pad[3], xs[3], ws[3], os[3];
  std::int64_t filters, group_filters, group_channels;
  std::int64_t x_image, x_channel, w_channel, w_filter, out_image, out_channel, bias;
  DType type;
  Activation act;
};

Plan plan_of(const KernelContext& c) {
  const auto& p = c.params_as<ConvTransposeParams>();
  const TensorView &x = c.in[0], &w = c.in[1], &out = c.out[0];
  Plan s;
  for (int i = 0; i < 3; ++i) {
    const int axis = i - (3 - p.spatial);
    s.in[i] = axis < 0 ? 1 : x.shape[axis + 2];
    s.k[i] = axis < 0 ? 1 : w.shape[axis + 2];
    s.out[i] = axis < 0 ? 1 : out.shape[axis + 2];
    s.stride[i] = axis < 0 ? 1 : p.stride[axis];
    s.dilation[i] = axis < 0 ? 1 : p.dilation[axis];
    s.pad[i] = axis < 0 ? 0 : p.pad_begin[axis];
    s.xs[i] = axis < 0 ? 0 : x.stride[axis + 2];
    s.ws[i] = axis < 0 ? 0 : w.stride[axis + 2];
    s.os[i] = axis < 0 ? 0 : out.stride[axis + 2];
  }
  s.filters = out.shape[1];
  s.group_filters = w.shape[1];
  s.group_channels = x.shape[1] / p.group;
  s.x_image = x.stride[0];
  s.x_channel = x.stride[1];
  s.w_channel = w.stride[0];
  s.w_filter = w.stride[1];
  s.out_image = out.stride[0];
  s.out_channel = out.stride[1];
  s.bias = c.has_input(2) ? c.in[2].stride[0] : 0;
  s.type = x.dtype;
  s.act = p.act;
  return s;
}

template <typename T>
__global__ void convtranspose_kernel(Plan s, std::int64_t count, const T* x, const T* w, const T* bias, T* out) {
  for_each(count, [&](std::int64_t i) {
    std::int64_t reach[3], to = 0;  // reach: where kernel element 0 would have come from, times the stride
#pragma unroll
    for (int a = 2; a >= 0; --a) {
      const std::int64_t rest = i / s.out[a], o = i - rest * s.out[a];
      i = rest;
      reach[a] = o + s.pad[a];
      to += o * s.os[a];
    }
    const std::int64_t n = i / s.filters, m = i - n * s.filters, g = m / s.group_filters;
    const T* xg = x + n * s.x_image + g * s.group_channels * s.x_channel;
    const T* wm = w + g * s.group_channels * s.w_channel + (m - g * s.group_filters) * s.w_filter;
    double sum = 0;
    // The source index along axis a for kernel element t; -1 where it reaches no input.
    const auto source = [&](int a, std::int64_t t) -> std::int64_t {
      const std::int64_t position = reach[a] - t * s.dilation[a];
      if (position < 0) return -1;
      const std::int64_t at = position / s.stride[a];
      return position == at * s.stride[a] && at < s.in[a] ? at : -1;
    };
    for (std::int64_t d = 0; d < s.k[0]; ++d) {
      const std::int64_t z = source(0, d);
      if (z < 0) continue;
      for (std::int64_t h = 0; h < s.k[1]; ++h) {
        const std::int64_t y = source(1, h);
        if (y < 0) continue;
        for (std::int64_t v = 0; v < s.k[2]; ++v) {
          const std::int64_t u = source(2, v);
          if (u < 0) continue;
          const T* xe = xg + z * s.xs[0] + y * s.xs[1] + u * s.xs[2];
          const T* we = wm + d * s.ws[0] + h * s.ws[1] + v * s.ws[2];
          for (std::int64_t ch = 0; ch < s.group_channels; ++ch)
            sum += static_cast<double>(load(xe + ch * s.x_channel)) * static_cast<double>(load(we + ch * s.w_channel));
        }
      }
    }
    if (bias != nullptr) sum += static_cast<double>(load(bias + m * s.bias));
    store_float(out, s.type, n * s.out_image + m * s.out_channel + to, gpu::activate(s.act, sum));
  });
}

Status run_convtranspose(const KernelContext& c) noexcept {
  const std::int64_t count = c.out[0].shape.numel();
  if (count == 0) return {};
  const Plan plan = plan_of(c);
  const bool known = with_float(c.in[0].dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    convtranspose_kernel<T><<<blocks_for(count), kThreads, 0, stream_of(c)>>>(
        plan, count, c.in[0].as<const T>(), c.in[1].as<const T>(), c.has_input(2) ? c.in[2].as<const T>() : nullptr,
        c.out[0].as<T>());
  });
  return known ? launched() : kOtherType;
}

Refusal accepts_convtranspose(const KernelQuery& q) noexcept {
  return is_stored_float(q.in[0].dtype) ? nullptr : "its element type has no CUDA kernel";
}

}  // namespace

extern const Kernel convtranspose_cuda{.name = "convtranspose_cuda",
                                       .op = "ConvTranspose",
                                       .device = DeviceKind::cuda,
                                       .in{Port::strided},
                                       .out{Port::strided},
                                       .accepts = accepts_convtranspose,
                                       .run = run_convtranspose};

}  // namespace monza::ops
