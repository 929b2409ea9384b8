// Plain convolution: one output element at a time, summed in double; any strides.
#include "kernel/kernel.h"
#include "ops/conv/conv.params.h"
#include "tensor/float_convert.h"

namespace monza::ops {
namespace {

struct F16 {
  std::uint16_t bits;
};
struct BF16 {
  std::uint16_t bits;
};
double load(float v) { return v; }
double load(double v) { return v; }
double load(F16 v) { return f16_to_f32(v.bits); }
double load(BF16 v) { return bf16_to_f32(v.bits); }
void store(float& to, double v) { to = static_cast<float>(v); }
void store(double& to, double v) { to = v; }
void store(F16& to, double v) { to.bits = f32_to_f16(static_cast<float>(v)); }
void store(BF16& to, double v) { to.bits = f32_to_bf16(static_cast<float>(v)); }

/// Extents and strides of the spatial axes, padded at the front to three.
struct Spatial {
  std::int64_t in[3], k[3], out[3], stride[3], dilation[3], pad[3];
  std::int64_t xs[3], ws[3], os[3], rs[3];
};

Spatial spatial_of(const KernelContext& c) {
  const auto& p = c.params_as<ConvParams>();
  Spatial s;
  for (int i = 0; i < 3; ++i) {
    const int axis = i - (3 - p.spatial);
    if (axis < 0) {
      s.in[i] = s.k[i] = s.out[i] = s.stride[i] = s.dilation[i] = 1;
      s.pad[i] = s.xs[i] = s.ws[i] = s.os[i] = s.rs[i] = 0;
      continue;
    }
    s.in[i] = c.in[0].shape[axis + 2];
    s.k[i] = c.in[1].shape[axis + 2];
    s.out[i] = c.out[0].shape[axis + 2];
    s.stride[i] = p.stride[axis];
    s.dilation[i] = p.dilation[axis];
    s.pad[i] = conv_pad_begin(p, axis, s.in[i], s.k[i], s.out[i]);
    s.xs[i] = c.in[0].stride[axis + 2];
    s.ws[i] = c.in[1].stride[axis + 2];
    s.os[i] = c.out[0].stride[axis + 2];
    s.rs[i] = c.has_input(3) ? c.in[3].stride[axis + 2] : 0;
  }
  return s;
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
    std::int64_t o[3];
    for (o[0] = 0; o[0] < s.out[0]; ++o[0])
      for (o[1] = 0; o[1] < s.out[1]; ++o[1])
        for (o[2] = 0; o[2] < s.out[2]; ++o[2]) {
          double sum = 0;
          std::int64_t k[3], i[3];
          for (k[0] = 0; k[0] < s.k[0]; ++k[0])
            for (k[1] = 0; k[1] < s.k[1]; ++k[1])
              for (k[2] = 0; k[2] < s.k[2]; ++k[2]) {
                bool inside = true;
                for (int a = 0; a < 3; ++a) {
                  i[a] = o[a] * s.stride[a] + k[a] * s.dilation[a] - s.pad[a];
                  inside = inside && i[a] >= 0 && i[a] < s.in[a];
                }
                if (!inside) continue;
                const T* xe = xg + i[0] * s.xs[0] + i[1] * s.xs[1] + i[2] * s.xs[2];
                const T* we = wm + k[0] * s.ws[0] + k[1] * s.ws[1] + k[2] * s.ws[2];
                for (std::int64_t ch = 0; ch < channels; ++ch)
                  sum += load(xe[ch * x.stride[1]]) * load(we[ch * w.stride[1]]);
              }
          double residual = 0;
          if (c.has_input(3)) {
            const TensorView& r = c.in[3];
            residual =
                load(r.as<T>()[n * r.stride[0] + m * r.stride[1] + o[0] * s.rs[0] + o[1] * s.rs[1] + o[2] * s.rs[2]]);
          }
          sum += bias;
          const double y =
              p.residual_after ? activate(p.act, sum, slope) + residual : activate(p.act, sum + residual, slope);
          store(out.as<T>()[n * out.stride[0] + m * out.stride[1] + o[0] * s.os[0] + o[1] * s.os[1] + o[2] * s.os[2]],
                y);
        }
  });
}

Status run(const KernelContext& c) noexcept {
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

extern const Kernel conv_ref;
const Kernel conv_ref{
    .name = "conv_ref", .op = "Conv", .reference = true, .in{Port::strided}, .out{Port::strided}, .run = run};

}  // namespace monza::ops
