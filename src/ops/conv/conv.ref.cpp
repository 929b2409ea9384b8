// Plain convolution: one output element at a time, summed in double; any strides.
#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/conv/conv.params.h"
#include "ops/shared/halves.ref.h"

namespace monza::ops {
namespace {

/// One spatial axis: extents and strides of input, kernel, output and residual.
struct Axis {
  std::int64_t in, k, out, stride, dilation, pad;
  std::int64_t xs, ws, os, rs;
};

struct Spatial {
  int count;
  Axis axis[kConvAxes];
};

Spatial spatial_of(const KernelContext& c) {
  const auto& p = c.params_as<ConvParams>();
  Spatial s;
  s.count = p.spatial;
  for (int i = 0; i < p.spatial; ++i) {
    Axis& a = s.axis[i];
    a.in = c.in[0].shape[i + 2];
    a.k = c.in[1].shape[i + 2];
    a.out = c.out[0].shape[i + 2];
    a.stride = p.stride[i];
    a.dilation = p.dilation[i];
    a.pad = conv_pad_begin(p, i, a.in, a.k, a.out);
    a.xs = c.in[0].stride[i + 2];
    a.ws = c.in[1].stride[i + 2];
    a.os = c.out[0].stride[i + 2];
    a.rs = c.has_input(3) ? c.in[3].stride[i + 2] : 0;
  }
  return s;
}

/// Calls f(index) for every index below the axes' `extent`, the last axis fastest.
template <typename F>
void each_index(const Spatial& s, std::int64_t Axis::* extent, F&& f) {
  std::int64_t index[kConvAxes] = {}, total = 1;
  for (int a = 0; a < s.count; ++a) total *= s.axis[a].*extent;
  for (; total > 0; --total) {
    f(static_cast<const std::int64_t*>(index));
    for (int a = s.count - 1; a >= 0 && ++index[a] == s.axis[a].*extent; --a) index[a] = 0;
  }
}

/// Offset of an index by the axes' `stride`.
std::int64_t offset_of(const Spatial& s, std::int64_t Axis::* stride, const std::int64_t* index) {
  std::int64_t at = 0;
  for (int a = 0; a < s.count; ++a) at += index[a] * s.axis[a].*stride;
  return at;
}

/// Elements of a slope tensor of any shape with one or `count` elements: the stride between them.
std::int64_t slope_stride(const TensorView& slope) {
  for (int i = 0; i < slope.shape.rank; ++i)
    if (slope.shape[i] > 1) return slope.stride[i];
  return 0;
}

template <typename T>
void run_typed(const KernelContext& c) {
  const auto& p = c.params_as<ConvParams>();
  const TensorView &x = c.in[0], &w = c.in[1], &out = c.out[0];
  const Spatial s = spatial_of(c);
  const std::int64_t filters = out.shape[1], channels = w.shape[1];
  const std::int64_t filters_per_group = filters / p.group;
  parallel_for(*c.parallel, out.shape[0] * filters, [&](std::int64_t task, int) {
    const std::int64_t n = task / filters, m = task % filters, g = m / filters_per_group;
    const T* xg = x.as<T>() + n * x.stride[0] + g * channels * x.stride[1];
    const T* wm = w.as<T>() + m * w.stride[0];
    const double bias = c.has_input(2) ? load(c.in[2].as<T>()[m * c.in[2].stride[0]]) : 0;
    const double slope = c.has_input(4) ? load(c.in[4].as<T>()[m * slope_stride(c.in[4])]) : 0;
    each_index(s, &Axis::out, [&](const std::int64_t* o) {
      double sum = 0;
      each_index(s, &Axis::k, [&](const std::int64_t* k) {
        const T *xe = xg, *we = wm + offset_of(s, &Axis::ws, k);
        for (int a = 0; a < s.count; ++a) {
          const Axis& axis = s.axis[a];
          const std::int64_t i = o[a] * axis.stride + k[a] * axis.dilation - axis.pad;
          if (i < 0 || i >= axis.in) return;
          xe += i * axis.xs;
        }
        for (std::int64_t ch = 0; ch < channels; ++ch) sum += load(xe[ch * x.stride[1]]) * load(we[ch * w.stride[1]]);
      });
      double residual = 0;
      if (c.has_input(3)) {
        const TensorView& r = c.in[3];
        residual = load(r.as<T>()[n * r.stride[0] + m * r.stride[1] + offset_of(s, &Axis::rs, o)]);
      }
      sum += bias;
      store(out.as<T>()[n * out.stride[0] + m * out.stride[1] + offset_of(s, &Axis::os, o)],
            p.residual_after ? activate(p.act, sum, slope) + residual : activate(p.act, sum + residual, slope));
    });
  });
}

Status run_conv(const KernelContext& c) noexcept {
  switch (c.in[0].dtype) {
    case DType::f32: run_typed<float>(c); break;
    case DType::f64: run_typed<double>(c); break;
    case DType::f16: run_typed<F16>(c); break;
    case DType::bf16: run_typed<BF16>(c); break;
    default: return {StatusCode::internal, "Conv: element type"};
  }
  return {};
}

}  // namespace

extern const Kernel conv_ref = reference_kernel("conv_ref", "Conv", run_conv);

}  // namespace monza::ops
