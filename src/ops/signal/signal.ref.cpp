// Plain Fourier sums in double, and the mel filter bank; any strides.
#include <algorithm>
#include <cmath>

#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/signal/signal.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

struct Complex {
  double re = 0, im = 0;
};

/// e^(sign * 2 pi i * k * t / n), the product reduced first so that large indices stay exact.
Complex turn(std::int64_t k, std::int64_t t, std::int64_t n, double sign) {
  const double angle = sign * 2 * M_PI * static_cast<double>((k * t) % n) / static_cast<double>(n);
  return {std::cos(angle), std::sin(angle)};
}

std::int64_t integer(const TensorView& v) { return element_access(v.dtype).load_int(v.data, 0); }

Status run_dft(const KernelContext& c) noexcept {
  const auto& p = c.params_as<DftParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const int axis = static_cast<int>(p.axis), last = x.shape.rank - 1;
  const bool complex = x.shape[last] == 2, real_inverse = p.inverse && p.onesided;
  const std::int64_t in_extent = x.shape[axis], out_extent = out.shape[axis];
  std::int64_t n = p.length == -2 ? integer(c.in[1]) : p.length;
  if (n < 0) n = real_inverse ? 2 * (in_extent - 1) : in_extent;
  // Between one and two input elements belong to an output element, zeros that fill up a longer transform included.
  if (n > 2 * out_extent + 1) return {StatusCode::invalid_argument, "DFT: the length does not fit the output"};
  if (n < 1)
    return out.shape.numel() == 0 ? Status{} : Status{StatusCode::invalid_argument, "DFT: the length is not positive"};
  Shape lines = x.shape;
  lines[axis] = lines[last] = 1;
  const auto element = [&](std::int64_t base, std::int64_t t) -> Complex {
    const std::int64_t at = base + t * x.stride[axis];
    return {access.load(x.data, at), complex ? access.load(x.data, at + x.stride[last]) : 0};
  };
  // What fills a longer transform up are zeros, which add nothing.
  const double sign = p.inverse ? 1 : -1, scale = p.inverse ? 1 / static_cast<double>(n) : 1;
  parallel_for(*c.parallel, lines.numel(), [&](std::int64_t line, int) {
    Walk<2> walk(lines, x.stride, out.stride);
    walk.seek(line);
    for (std::int64_t k = 0; k < out_extent; ++k) {
      Complex sum;
      const auto add = [&](Complex v, std::int64_t t) {
        const Complex w = turn(k, t, n, sign);
        sum.re += v.re * w.re - v.im * w.im;
        sum.im += v.re * w.im + v.im * w.re;
      };
      if (real_inverse) {
        // The other half of the spectrum is the conjugate of the one given; its first and middle bins count as real.
        for (std::int64_t t = 0; t <= std::min(n / 2, in_extent - 1); ++t) {
          Complex v = element(walk.offset[0], t);
          const bool own = t == 0 || 2 * t == n;
          if (own) v.im = 0;
          add(v, t);
          if (!own) add({v.re, -v.im}, n - t);
        }
      } else {
        for (std::int64_t t = 0; t < std::min(n, in_extent); ++t) add(element(walk.offset[0], t), t);
      }
      const std::int64_t to = walk.offset[1] + k * out.stride[axis];
      access.store(out.data, to, sum.re * scale);
      if (!real_inverse) access.store(out.data, to + out.stride[last], sum.im * scale);
    }
  });
  return {};
}

Status run_stft(const KernelContext& c) noexcept {
  const auto& p = c.params_as<StftParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const std::int64_t step = p.step > 0 ? p.step : integer(c.in[1]), n = p.length, bins = out.shape[2];
  const bool complex = x.shape[2] == 2;
  if (step < 1 || step > (std::int64_t{1} << 31) || (out.shape[1] - 1) * step + n > x.shape[1])
    return {StatusCode::invalid_argument, "STFT: a frame reaches over the signal"};
  parallel_for(*c.parallel, out.shape[0] * out.shape[1], [&](std::int64_t task, int) {
    const std::int64_t batch = task / out.shape[1], frame = task % out.shape[1];
    for (std::int64_t k = 0; k < bins; ++k) {
      Complex sum;
      for (std::int64_t t = 0; t < n; ++t) {
        const std::int64_t at = batch * x.stride[0] + (frame * step + t) * x.stride[1];
        const double window = c.has_input(2) ? access.load(c.in[2].data, t * c.in[2].stride[0]) : 1;
        const double re = window * access.load(x.data, at),
                     im = complex ? window * access.load(x.data, at + x.stride[2]) : 0;
        const Complex w = turn(k, t, n, -1);
        sum.re += re * w.re - im * w.im;
        sum.im += re * w.im + im * w.re;
      }
      const std::int64_t to = batch * out.stride[0] + frame * out.stride[1] + k * out.stride[2];
      access.store(out.data, to, sum.re);
      access.store(out.data, to + out.stride[3], sum.im);
    }
  });
  return {};
}

Status run_mel(const KernelContext& c) noexcept {
  const TensorView& out = c.out[0];
  const ElementAccess& access = element_access(out.dtype);
  const std::int64_t bins = out.shape[1], rows = out.shape[0], length = integer(c.in[1]);
  const double rate = static_cast<double>(integer(c.in[2]));
  const auto number = [&](int i) { return element_access(c.in[i].dtype).load(c.in[i].data, 0); };
  if (!(rate > 0) || length < 1 || length > (std::int64_t{1} << 40))
    return {StatusCode::invalid_argument, "MelWeightMatrix: the sample rate or the length is out of range"};
  const auto to_mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  const double low = to_mel(number(3)), step = (to_mel(number(4)) - low) / static_cast<double>(bins + 2);
  const auto bin = [&](std::int64_t i) {
    const double hertz = 700 * (std::pow(10.0, (low + step * static_cast<double>(i)) / 2595) - 1);
    // Bins beyond the spectrum stay there; so does NaN.
    constexpr double kFar = 1e15;
    const double at = std::floor(static_cast<double>(length + 1) * hertz / rate);
    return static_cast<std::int64_t>(at > -kFar ? std::min(at, kFar) : -kFar);
  };
  for (std::int64_t i = 0; i < bins; ++i) {
    const std::int64_t left = bin(i), center = bin(i + 1), right = bin(i + 2);
    for (std::int64_t j = 0; j < rows; ++j) {
      double v = 0;
      if (left == center && j == center) v = 1;
      if (left < center && j >= left && j <= center)
        v = static_cast<double>(j - left) / static_cast<double>(center - left);
      if (center < right && j >= center && j < right)
        v = static_cast<double>(right - j) / static_cast<double>(right - center);
      access.store(out.data, j * out.stride[0] + i * out.stride[1], v);
    }
  }
  return {};
}

}  // namespace

extern const Kernel dft_ref = reference_kernel("dft_ref", "DFT", run_dft);
extern const Kernel stft_ref = reference_kernel("stft_ref", "STFT", run_stft);
extern const Kernel mel_weight_matrix_ref = reference_kernel("mel_weight_matrix_ref", "MelWeightMatrix", run_mel);

}  // namespace monza::ops
