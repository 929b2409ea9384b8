// Plain deformable convolution: one output element at a time, in double; any strides.
#include <cmath>

#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/deform_conv/deform_conv.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

/// Bilinear value of the plane at `base`; elements outside of it count as 0.
double sample(const TensorView& x, const ElementAccess& access, std::int64_t base, double y, double xx) {
  if (!(y > -1 && xx > -1 && y < static_cast<double>(x.shape[2]) && xx < static_cast<double>(x.shape[3]))) return 0;
  const double fy = std::floor(y), fx = std::floor(xx);
  double sum = 0;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      const auto row = static_cast<std::int64_t>(fy) + i, column = static_cast<std::int64_t>(fx) + j;
      if (row < 0 || column < 0 || row >= x.shape[2] || column >= x.shape[3]) continue;
      const double weight = (i == 0 ? 1 - (y - fy) : y - fy) * (j == 0 ? 1 - (xx - fx) : xx - fx);
      sum += weight * access.load(x.data, base + row * x.stride[2] + column * x.stride[3]);
    }
  return sum;
}

Status run_deform_conv(const KernelContext& c) noexcept {
  const auto& p = c.params_as<DeformConvParams>();
  const TensorView &x = c.in[0], &w = c.in[1], &offset = c.in[2], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const std::int64_t filters = out.shape[1], channels = w.shape[1], kh = w.shape[2], kw = w.shape[3];
  const std::int64_t per_offset = x.shape[1] / p.offset_group;
  parallel_for(*c.parallel, out.shape[0] * filters, [&](std::int64_t task, int) {
    const std::int64_t n = task / filters, m = task % filters, first = m / (filters / p.group) * channels;
    for (std::int64_t oy = 0; oy < out.shape[2]; ++oy)
      for (std::int64_t ox = 0; ox < out.shape[3]; ++ox) {
        double sum = c.has_input(3) ? access.load(c.in[3].data, m * c.in[3].stride[0]) : 0;
        for (std::int64_t ch = 0; ch < channels; ++ch) {
          const std::int64_t og = (first + ch) / per_offset;
          for (std::int64_t i = 0; i < kh; ++i)
            for (std::int64_t j = 0; j < kw; ++j) {
              const std::int64_t tap = (og * kh + i) * kw + j;
              const auto moved = [&](std::int64_t axis) {
                return access.load(offset.data, n * offset.stride[0] + (2 * tap + axis) * offset.stride[1] +
                                                    oy * offset.stride[2] + ox * offset.stride[3]);
              };
              const double y = static_cast<double>(oy * p.stride[0] - p.pad_begin[0] + i * p.dilation[0]) + moved(0);
              const double xx = static_cast<double>(ox * p.stride[1] - p.pad_begin[1] + j * p.dilation[1]) + moved(1);
              double v = sample(x, access, n * x.stride[0] + (first + ch) * x.stride[1], y, xx);
              if (c.has_input(4)) {
                const TensorView& mask = c.in[4];
                v *= access.load(mask.data,
                                 n * mask.stride[0] + tap * mask.stride[1] + oy * mask.stride[2] + ox * mask.stride[3]);
              }
              sum += v * access.load(w.data, m * w.stride[0] + ch * w.stride[1] + i * w.stride[2] + j * w.stride[3]);
            }
        }
        access.store(out.data, n * out.stride[0] + m * out.stride[1] + oy * out.stride[2] + ox * out.stride[3], sum);
      }
  });
  return {};
}

}  // namespace

extern const Kernel deform_conv_ref = reference_kernel("deform_conv_ref", "DeformConv", run_deform_conv);

}  // namespace monza::ops
