// Plain transposed convolution: each output gathers the inputs whose kernel reaches it; summed in double; any strides.
#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/convtranspose/convtranspose.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

Status run_convtranspose(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ConvTransposeParams>();
  const TensorView &x = c.in[0], &w = c.in[1], &out = c.out[0];
  const ElementAccess& element = element_access(x.dtype);
  // Spatial axes, padded at the front to three.
  std::int64_t in[3], k[3], o[3], stride[3], dilation[3], pad[3], xs[3], ws[3], os[3];
  for (int i = 0; i < 3; ++i) {
    const int axis = i - (3 - p.spatial);
    in[i] = axis < 0 ? 1 : x.shape[axis + 2];
    k[i] = axis < 0 ? 1 : w.shape[axis + 2];
    o[i] = axis < 0 ? 1 : out.shape[axis + 2];
    stride[i] = axis < 0 ? 1 : p.stride[axis];
    dilation[i] = axis < 0 ? 1 : p.dilation[axis];
    pad[i] = axis < 0 ? 0 : p.pad_begin[axis];
    xs[i] = axis < 0 ? 0 : x.stride[axis + 2];
    ws[i] = axis < 0 ? 0 : w.stride[axis + 2];
    os[i] = axis < 0 ? 0 : out.stride[axis + 2];
  }
  const std::int64_t filters = out.shape[1], group_filters = w.shape[1], group_channels = x.shape[1] / p.group;
  parallel_for(*c.parallel, out.shape[0] * filters, [&](std::int64_t task, int) {
    const std::int64_t n = task / filters, m = task % filters, g = m / group_filters;
    const double bias = c.has_input(2) ? element.load(c.in[2].data, m * c.in[2].stride[0]) : 0;
    std::int64_t at[3];
    for (at[0] = 0; at[0] < o[0]; ++at[0])
      for (at[1] = 0; at[1] < o[1]; ++at[1])
        for (at[2] = 0; at[2] < o[2]; ++at[2]) {
          double sum = 0;
          std::int64_t t[3];
          for (t[0] = 0; t[0] < k[0]; ++t[0])
            for (t[1] = 0; t[1] < k[1]; ++t[1])
              for (t[2] = 0; t[2] < k[2]; ++t[2]) {
                std::int64_t x_at = n * x.stride[0] + g * group_channels * x.stride[1];
                std::int64_t w_at = g * group_channels * w.stride[0] + m % group_filters * w.stride[1];
                bool reached = true;
                for (int a = 0; a < 3; ++a) {
                  const std::int64_t position = at[a] + pad[a] - t[a] * dilation[a];
                  reached = reached && position >= 0 && position % stride[a] == 0 && position / stride[a] < in[a];
                  x_at += position / stride[a] * xs[a];
                  w_at += t[a] * ws[a];
                }
                if (!reached) continue;
                for (std::int64_t ch = 0; ch < group_channels; ++ch)
                  sum += element.load(x.data, x_at + ch * x.stride[1]) * element.load(w.data, w_at + ch * w.stride[0]);
              }
          element.store(out.data, n * out.stride[0] + m * out.stride[1] + at[0] * os[0] + at[1] * os[1] + at[2] * os[2],
                        activate(p.act, sum + bias));
        }
  });
  return {};
}

}  // namespace

extern const Kernel convtranspose_ref = reference_kernel("convtranspose_ref", "ConvTranspose", run_convtranspose);

}  // namespace monza::ops
