// Plain deformable convolution on a GPU: a thread an element of the output, in double; any strides.
#include <cmath>

#include "ops/deform_conv/deform_conv.params.h"
#include "ops/shared/gpu_any.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

/// Bilinear value of the plane at `base`; elements outside of it count as 0.
__device__ double sample(const TensorView& x, std::int64_t base, double y, double xx) {
  if (!(y > -1 && xx > -1 && y < static_cast<double>(x.shape[2]) && xx < static_cast<double>(x.shape[3]))) return 0;
  const double fy = floor(y), fx = floor(xx);
  double sum = 0;
#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const std::int64_t row = static_cast<std::int64_t>(fy) + i, column = static_cast<std::int64_t>(fx) + j;
      if (row < 0 || column < 0 || row >= x.shape[2] || column >= x.shape[3]) continue;
      const double weight = (i == 0 ? 1 - (y - fy) : y - fy) * (j == 0 ? 1 - (xx - fx) : xx - fx);
      sum += weight * load_float(x.data, x.dtype, base + row * x.stride[2] + column * x.stride[3]);
    }
  return sum;
}

/// Absent operands have no data.
struct Operands {
  TensorView x, w, offset, bias, mask, out;
};

__global__ void deform_conv_kernel(DeformConvParams p, Operands v) {
  const TensorView &x = v.x, &w = v.w, &out = v.out;
  const DType type = x.dtype;
  const std::int64_t filters = out.shape[1], channels = w.shape[1], kh = w.shape[2], kw = w.shape[3];
  const std::int64_t per_offset = x.shape[1] / p.offset_group;
  for_each(out.shape.numel(), [&](std::int64_t e) {
    std::int64_t at[kMaxRank];
    unravel(out.shape, e, at);
    const std::int64_t n = at[0], m = at[1], oy = at[2], ox = at[3], first = m / (filters / p.group) * channels;
    const auto element = [&](const TensorView& t, std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) {
      return load_float(t.data, type, a * t.stride[0] + b * t.stride[1] + c * t.stride[2] + d * t.stride[3]);
    };
    double sum = v.bias.data != nullptr ? load_float(v.bias.data, type, m * v.bias.stride[0]) : 0;
    for (std::int64_t ch = 0; ch < channels; ++ch) {
      const std::int64_t og = (first + ch) / per_offset;
      for (std::int64_t i = 0; i < kh; ++i)
        for (std::int64_t j = 0; j < kw; ++j) {
          const std::int64_t tap = (og * kh + i) * kw + j;
          const double y = static_cast<double>(oy * p.stride[0] - p.pad_begin[0] + i * p.dilation[0]) +
                           element(v.offset, n, 2 * tap, oy, ox);
          const double xx = static_cast<double>(ox * p.stride[1] - p.pad_begin[1] + j * p.dilation[1]) +
                            element(v.offset, n, 2 * tap + 1, oy, ox);
          double value = sample(x, n * x.stride[0] + (first + ch) * x.stride[1], y, xx);
          if (v.mask.data != nullptr) value *= element(v.mask, n, tap, oy, ox);
          sum += value * element(w, m, ch, i, j);
        }
    }
    store_float(out.data, type, offset_of(out, at), sum);
  });
}

Status run_deform_conv(const KernelContext& c) noexcept {
  const std::int64_t count = c.out[0].shape.numel();
  if (count == 0) return {};
  Operands v{.x = c.in[0], .w = c.in[1], .offset = c.in[2], .out = c.out[0]};
  if (c.has_input(3)) v.bias = c.in[3];
  if (c.has_input(4)) v.mask = c.in[4];
  deform_conv_kernel<<<blocks_for(count, 128), 128, 0, stream_of(c)>>>(c.params_as<DeformConvParams>(), v);
  return launched();
}

Refusal accepts_deform_conv(const KernelQuery& q) noexcept {
  return is_stored_float(q.in[0].dtype) ? nullptr : "its element type has no CUDA kernel";
}

}  // namespace

extern const Kernel deform_conv_cuda{.name = "deform_conv_cuda",
                                     .op = "DeformConv",
                                     .device = DeviceKind::cuda,
                                     .in{Port::strided},
                                     .out{Port::strided},
                                     .accepts = accepts_deform_conv,
                                     .run = run_deform_conv};

}  // namespace monza::ops
