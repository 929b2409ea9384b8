// Plain separable convolution: the depthwise results of one pixel, then its outputs, summed in double; any strides.
#include "kernel/kernel.h"
#include "ops/sepconv/sepconv.params.h"

namespace monza::ops {
namespace {

std::int64_t slope_stride(const TensorView& slope) {
  for (int i = 0; i < slope.shape.rank; ++i)
    if (slope.shape[i] > 1) return slope.stride[i];
  return 0;
}

std::size_t scratch_sepconv(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.threads * q.input(1).shape[0]) * sizeof(double);
}

Status run_sepconv(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SeparableConvParams>();
  const TensorView &x = c.in[0], &depth = c.in[1], &w = c.in[3], &out = c.out[0];
  const std::int64_t channels = depth.shape[0], height = out.shape[2], width = out.shape[3];
  const auto at = [](const TensorView& v, std::int64_t n, std::int64_t m, std::int64_t h, std::int64_t w_) -> float& {
    return v.as<float>()[n * v.stride[0] + m * v.stride[1] + h * v.stride[2] + w_ * v.stride[3]];
  };
  std::int64_t pad[2];
  for (int i = 0; i < 2; ++i) pad[i] = conv_pad_begin(p.depth, i, x.shape[i + 2], depth.shape[i + 2], out.shape[i + 2]);
  parallel_for(*c.parallel, out.shape[0] * height, [&](std::int64_t task, int worker) {
    const std::int64_t n = task / height, oh = task % height;
    double* mid = reinterpret_cast<double*>(c.scratch) + worker * channels;
    for (std::int64_t ow = 0; ow < width; ++ow) {
      for (std::int64_t ch = 0; ch < channels; ++ch) {
        double sum = c.has_input(2) ? c.in[2].as<float>()[ch * c.in[2].stride[0]] : 0;
        for (std::int64_t kh = 0; kh < depth.shape[2]; ++kh)
          for (std::int64_t kw = 0; kw < depth.shape[3]; ++kw) {
            const std::int64_t ih = oh * p.depth.stride[0] + kh * p.depth.dilation[0] - pad[0],
                               iw = ow * p.depth.stride[1] + kw * p.depth.dilation[1] - pad[1];
            if (ih < 0 || ih >= x.shape[2] || iw < 0 || iw >= x.shape[3]) continue;
            sum += static_cast<double>(at(x, n, ch, ih, iw)) * static_cast<double>(at(depth, ch, 0, kh, kw));
          }
        mid[ch] = activate(p.depth.act, sum, 0);
      }
      for (std::int64_t m = 0; m < out.shape[1]; ++m) {
        double sum = c.has_input(4) ? c.in[4].as<float>()[m * c.in[4].stride[0]] : 0;
        for (std::int64_t ch = 0; ch < channels; ++ch) sum += mid[ch] * static_cast<double>(at(w, m, ch, 0, 0));
        const double residual = c.has_input(5) ? at(c.in[5], n, m, oh, ow) : 0;
        const double slope = c.has_input(6) ? c.in[6].as<float>()[m * slope_stride(c.in[6])] : 0;
        at(out, n, m, oh, ow) =
            static_cast<float>(p.point.residual_after ? activate(p.point.act, sum, slope) + residual
                                                      : activate(p.point.act, sum + residual, slope));
      }
    }
  });
  return {};
}

}  // namespace

extern const Kernel sepconv_ref{.name = "sepconv_ref",
                                .op = "SeparableConv",
                                .reference = true,
                                .in{Port::strided},
                                .out{Port::strided},
                                .scratch_bytes = scratch_sepconv,
                                .run = run_sepconv};

}  // namespace monza::ops
