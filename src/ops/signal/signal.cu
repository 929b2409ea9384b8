// Plain Fourier sums in double on a GPU, a thread an output element, and the mel filter bank; any strides.
#include <cmath>

#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_kernel.cuh"
#include "ops/signal/signal.params.h"

namespace monza::ops {
namespace {

using namespace gpu;

struct Complex {
  double re = 0, im = 0;
};

/// Adds v e^(sign * 2 pi i * k * t / n) to a sum; the product is reduced first so that large indices stay exact.
__device__ void add_turned(Complex& sum, Complex v, std::int64_t k, std::int64_t t, std::int64_t n, double sign) {
  double sine, cosine;
  sincos(sign * 2 * M_PI * static_cast<double>((k * t) % n) / static_cast<double>(n), &sine, &cosine);
  sum.re += v.re * cosine - v.im * sine;
  sum.im += v.re * sine + v.im * cosine;
}

__global__ void dft_kernel(DftParams p, TensorView x, TensorView length, TensorView y, Shape bins, std::int64_t count) {
  const int axis = static_cast<int>(p.axis), last = x.shape.rank - 1;
  const bool complex = x.shape[last] == 2, real_inverse = p.inverse && p.onesided;
  const std::int64_t extent = x.shape[axis];
  std::int64_t n = p.length == -2 ? load_integer(length.data, length.dtype, 0) : p.length;
  if (n < 0) n = real_inverse ? 2 * (extent - 1) : extent;
  if (n < 1) return;
  const double sign = p.inverse ? 1 : -1, scale = p.inverse ? 1 / static_cast<double>(n) : 1;
  for_each(count, [&](std::int64_t i) {
    std::int64_t index[kMaxRank];
    unravel(bins, i, index);
    const std::int64_t k = index[axis], to = offset_of(y, index);
    index[axis] = 0;
    const std::int64_t base = offset_of(x, index);
    const auto element = [&](std::int64_t t) -> Complex {
      const std::int64_t at = base + t * x.stride[axis];
      return {load_float(x.data, x.dtype, at), complex ? load_float(x.data, x.dtype, at + x.stride[last]) : 0};
    };
    Complex sum;
    if (real_inverse) {
      // The other half of the spectrum is the conjugate of the one given; its first and middle bins count as real.
      for (std::int64_t t = 0; t <= n / 2 && t < extent; ++t) {
        Complex v = element(t);
        const bool own = t == 0 || 2 * t == n;
        if (own) v.im = 0;
        add_turned(sum, v, k, t, n, sign);
        if (!own) add_turned(sum, {v.re, -v.im}, k, n - t, n, sign);
      }
    } else {
      for (std::int64_t t = 0; t < n && t < extent; ++t) add_turned(sum, element(t), k, t, n, sign);
    }
    store_float(y.data, y.dtype, to, sum.re * scale);
    if (!real_inverse) store_float(y.data, y.dtype, to + y.stride[last], sum.im * scale);
  });
}

Status run_dft(const KernelContext& c) noexcept {
  const auto& p = c.params_as<DftParams>();
  const TensorView& y = c.out[0];
  Shape bins = y.shape;
  bins[bins.rank - 1] = 1;
  const std::int64_t count = bins.numel();
  if (count == 0) return {};
  dft_kernel<<<blocks_for(count), kThreads, 0, stream_of(c)>>>(p, c.in[0], c.has_input(1) ? c.in[1] : TensorView{}, y,
                                                               bins, count);
  return launched();
}

__global__ void stft_kernel(StftParams p, TensorView x, TensorView step_at, TensorView window, TensorView y, Shape bins,
                            std::int64_t count) {
  const std::int64_t step = p.step > 0 ? p.step : load_integer(step_at.data, step_at.dtype, 0), n = p.length;
  if (step < 1 || step > (std::int64_t{1} << 31) || (y.shape[1] - 1) * step + n > x.shape[1]) return;
  const bool complex = x.shape[2] == 2;
  for_each(count, [&](std::int64_t i) {
    std::int64_t index[kMaxRank];
    unravel(bins, i, index);
    const std::int64_t base = index[0] * x.stride[0] + index[1] * step * x.stride[1];
    Complex sum;
    for (std::int64_t t = 0; t < n; ++t) {
      const std::int64_t at = base + t * x.stride[1];
      const double factor = window.data != nullptr ? load_float(window.data, window.dtype, t * window.stride[0]) : 1;
      const Complex v{factor * load_float(x.data, x.dtype, at),
                      complex ? factor * load_float(x.data, x.dtype, at + x.stride[2]) : 0};
      add_turned(sum, v, index[2], t, n, -1);
    }
    const std::int64_t to = offset_of(y, index);
    store_float(y.data, y.dtype, to, sum.re);
    store_float(y.data, y.dtype, to + y.stride[3], sum.im);
  });
}

Status run_stft(const KernelContext& c) noexcept {
  const TensorView& y = c.out[0];
  Shape bins = y.shape;
  bins[3] = 1;
  const std::int64_t count = bins.numel();
  if (count == 0) return {};
  const auto input = [&](int i) { return c.has_input(i) ? c.in[i] : TensorView{}; };
  stft_kernel<<<blocks_for(count), kThreads, 0, stream_of(c)>>>(c.params_as<StftParams>(), c.in[0], input(1), input(2),
                                                                y, bins, count);
  return launched();
}

__device__ double to_mel(double hertz) { return 2595 * log10(1 + hertz / 700); }

__global__ void mel_kernel(TensorView length_at, TensorView rate_at, TensorView low_at, TensorView high_at,
                           TensorView y, std::int64_t count) {
  const std::int64_t bins = y.shape[1], length = load_integer(length_at.data, length_at.dtype, 0);
  const double rate = static_cast<double>(load_integer(rate_at.data, rate_at.dtype, 0));
  if (!(rate > 0) || length < 1 || length > (std::int64_t{1} << 40)) return;
  const double low = to_mel(load_float(low_at.data, low_at.dtype, 0)),
               step = (to_mel(load_float(high_at.data, high_at.dtype, 0)) - low) / static_cast<double>(bins + 2);
  const auto bin = [&](std::int64_t i) {
    const double hertz = 700 * (pow(10.0, (low + step * static_cast<double>(i)) / 2595) - 1);
    // Bins beyond the spectrum stay there; so does NaN.
    constexpr double kFar = 1e15;
    const double at = floor(static_cast<double>(length + 1) * hertz / rate);
    return static_cast<std::int64_t>(at > -kFar ? (at < kFar ? at : kFar) : -kFar);
  };
  for_each(count, [&](std::int64_t e) {
    const std::int64_t j = e / bins, i = e - j * bins;
    const std::int64_t left = bin(i), center = bin(i + 1), right = bin(i + 2);
    double v = 0;
    if (left == center && j == center) v = 1;
    if (left < center && j >= left && j <= center)
      v = static_cast<double>(j - left) / static_cast<double>(center - left);
    if (center < right && j >= center && j < right)
      v = static_cast<double>(right - j) / static_cast<double>(right - center);
    store_number(y.data, y.dtype, j * y.stride[0] + i * y.stride[1], v);
  });
}

Status run_mel(const KernelContext& c) noexcept {
  const TensorView& y = c.out[0];
  const std::int64_t count = y.shape.numel();
  if (count == 0) return {};
  mel_kernel<<<blocks_for(count), kThreads, 0, stream_of(c)>>>(c.in[1], c.in[2], c.in[3], c.in[4], y, count);
  return launched();
}

Refusal accepts_dft(const KernelQuery& q) noexcept {
  if (q.has_input(1) && !integral(q.in[1].dtype)) return "its element types have no CUDA kernel";
  return is_stored_float(q.in[0].dtype) ? nullptr : "its element type has no CUDA kernel";
}
Refusal accepts_mel(const KernelQuery& q) noexcept {
  if (!integral(q.in[1].dtype) || !integral(q.in[2].dtype) || !is_stored_float(q.in[3].dtype) ||
      !is_stored_float(q.in[4].dtype) || !is_number(q.out[0].dtype))
    return "its element types have no CUDA kernel";
  return nullptr;
}

}  // namespace

extern const Kernel dft_cuda = gpu::plain_kernel("dft_cuda", "DFT", run_dft, accepts_dft);
extern const Kernel stft_cuda = gpu::plain_kernel("stft_cuda", "STFT", run_stft, accepts_dft);
extern const Kernel mel_weight_matrix_cuda =
    gpu::plain_kernel("mel_weight_matrix_cuda", "MelWeightMatrix", run_mel, accepts_mel);

}  // namespace monza::ops
