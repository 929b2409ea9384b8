// Plain squeeze and excite: an image at a time, in double; any strides.
#include "kernel/kernel.h"
#include "ops/excite/excite.params.h"
#include "ops/shared/halves.ref.h"

namespace monza::ops {
namespace {

/// Of each worker: a mean and a factor for each channel, and what lies between.
std::int64_t doubles_of(const Shape& squeeze) { return 2 * squeeze[1] + squeeze[0]; }
std::size_t scratch_excite(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.threads * doubles_of(q.input(1).shape)) * sizeof(double);
}

/// Calls f(offset in a, offset in b) for all positions of the axes from 2 on.
template <typename F>
void each_pixel(const TensorView& a, const TensorView& b, F&& f) {
  std::int64_t index[kMaxRank] = {}, total = a.shape.count(2, a.shape.rank);
  for (; total > 0; --total) {
    std::int64_t of_a = 0, of_b = 0;
    for (int i = 2; i < a.shape.rank; ++i) of_a += index[i] * a.stride[i], of_b += index[i] * b.stride[i];
    f(of_a, of_b);
    for (int i = a.shape.rank - 1; i >= 2 && ++index[i] == a.shape[i]; --i) index[i] = 0;
  }
}

template <typename T>
void run_typed(const KernelContext& c) {
  const auto& p = c.params_as<SqueezeExciteParams>();
  const TensorView &x = c.in[0], &squeeze = c.in[1], &excite = c.in[3], &out = c.out[0];
  const std::int64_t channels = x.shape[1], between = squeeze.shape[0];
  const auto pixels = static_cast<double>(x.shape.count(2, x.shape.rank));
  const auto factor = [](const TensorView& v, std::int64_t i, std::int64_t j) {
    return load(v.as<T>()[i * v.stride[0] + j * v.stride[1]]);
  };
  const auto bias = [&c](int i, std::int64_t at) {
    return c.has_input(i) ? load(c.in[i].as<T>()[at * c.in[i].stride[0]]) : 0;
  };
  parallel_for(*c.parallel, x.shape[0], [&](std::int64_t n, int worker) {
    double* const mean = reinterpret_cast<double*>(c.scratch) + worker * doubles_of(squeeze.shape);
    double *const inner = mean + channels, *const scale = inner + between;
    const T* const from = x.as<T>() + n * x.stride[0];
    T* const to = out.as<T>() + n * out.stride[0];
    for (std::int64_t ch = 0; ch < channels; ++ch) {
      double sum = 0;
      each_pixel(x, out, [&](std::int64_t at, std::int64_t) { sum += load(from[ch * x.stride[1] + at]); });
      mean[ch] = sum / pixels;
    }
    for (std::int64_t h = 0; h < between; ++h) {
      double sum = bias(2, h);
      for (std::int64_t ch = 0; ch < channels; ++ch) sum += factor(squeeze, h, ch) * mean[ch];
      inner[h] = activate(p.inner, sum);
    }
    for (std::int64_t ch = 0; ch < channels; ++ch) {
      double sum = bias(4, ch);
      for (std::int64_t h = 0; h < between; ++h) sum += factor(excite, ch, h) * inner[h];
      scale[ch] = activate(p.outer, sum);
    }
    for (std::int64_t ch = 0; ch < channels; ++ch)
      each_pixel(x, out, [&](std::int64_t at, std::int64_t at_out) {
        store(to[ch * out.stride[1] + at_out], load(from[ch * x.stride[1] + at]) * scale[ch]);
      });
  });
}

Status run_excite(const KernelContext& c) noexcept {
  if (c.in[0].dtype == DType::f32) run_typed<float>(c);
  else run_typed<F16>(c);
  return {};
}

}  // namespace

extern const Kernel squeeze_excite_ref{.name = "squeeze_excite_ref",
                                       .op = "SqueezeExcite",
                                       .reference = true,
                                       .in{Port::strided},
                                       .out{Port::strided},
                                       .scratch_bytes = scratch_excite,
                                       .run = run_excite};

}  // namespace monza::ops
