// Resampling of the two image axes of dense pictures, plane by plane: nearest, linear and cubic. Rows are weighed
// first, into a row of the worker's own (whole vectors, bound by memory), then its elements are gathered, one or more
// for an output element; gathers from the L1 cache are what limits it: 8 to 12 cycles for eight elements. Positions are
// found once for a run. Pictures of few channels, which fill no vector channel by channel, are what it is for.
#include <immintrin.h>

#include "kernel/kernel.h"
#include "ops/resize/resize.params.h"

namespace monza::ops {
namespace {

constexpr int kMostTaps = 4;

/// Where an output index of one axis reads: up to four input indices and their weights.
struct Taps {
  std::int32_t at[kMostTaps];
  float weight[kMostTaps];
};

/// Of one input element alone: all taps are there, so that what lies beside it, an infinity, is not read.
MONZA_INLINE Taps only(std::int64_t at, int taps) {
  Taps t{};
  for (int k = 0; k < taps; ++k) {
    t.at[k] = static_cast<std::int32_t>(at);
    t.weight[k] = 1 / static_cast<float>(taps);
  }
  return t;
}

MONZA_INLINE double cubic_near(double x, double a) { return ((a + 2) * x - (a + 3)) * x * x + 1; }
MONZA_INLINE double cubic_far(double x, double a) { return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a; }

Taps taps_of(const ResizeParams& p, int axis, std::int64_t i, std::int64_t in, std::int64_t out, int taps) {
  const double scale =
      p.scales == ResizeParams::Scales::known ? p.scale[axis] : static_cast<double>(out) / static_cast<double>(in);
  if (in == out && scale == 1) return only(i, taps);
  const double x = resize_source(p.transform, i, in, out, scale, 0, 1);
  const double base = __builtin_floor(x), ratio = x - base;
  const auto low = static_cast<std::int64_t>(base);
  const auto inside = [&](std::int64_t at) { return at < 0 ? 0 : at >= in ? in - 1 : at; };
  if (p.mode == ResizeParams::Mode::nearest) {
    bool upper = false;
    switch (p.nearest) {
      case ResizeParams::Nearest::round_prefer_floor: upper = ratio > 0.5; break;
      case ResizeParams::Nearest::round_prefer_ceil: upper = ratio >= 0.5; break;
      case ResizeParams::Nearest::floor: break;
      case ResizeParams::Nearest::ceil: upper = ratio > 0; break;
    }
    return only(inside(upper ? low + 1 : low), taps);
  }
  if (ratio == 0) return only(inside(low), taps);
  Taps t{};
  const bool cubic = p.mode == ResizeParams::Mode::cubic;
  const double a = p.cubic_a;
  const double linear[] = {1 - ratio, ratio};
  const double four[] = {cubic_far(1 + ratio, a), cubic_near(ratio, a), cubic_near(1 - ratio, a),
                         cubic_far(2 - ratio, a)};
  for (int k = 0; k < taps; ++k) {
    t.at[k] = static_cast<std::int32_t>(inside(low + k - (cubic ? 1 : 0)));
    t.weight[k] = static_cast<float>(cubic ? four[k] : linear[k]);
  }
  return t;
}

MONZA_INLINE int taps_in(const ResizeParams& p) {
  return p.mode == ResizeParams::Mode::nearest ? 1 : p.mode == ResizeParams::Mode::linear ? 2 : 4;
}

/// Taps of rows, those of columns apart (indices, weights), and a row for each worker.
struct Scratch {
  Taps* rows;
  std::int32_t* at;  ///< [taps, width]
  float* weight;     ///< [taps, width]
  float* line;       ///< [workers, width of the input]
};
std::size_t scratch_planes(const KernelQuery& q) noexcept {
  const Shape &x = q.in[0].shape, &out = q.out[0].shape;
  return static_cast<std::size_t>(out[2]) * sizeof(Taps) +
         static_cast<std::size_t>(out[3]) * kMostTaps * (sizeof(std::int32_t) + sizeof(float)) +
         static_cast<std::size_t>(x[3]) * sizeof(float) * static_cast<std::size_t>(q.threads);
}

/// line[i] = the weighted sum of kTaps rows.
template <int kTaps>
MONZA_INLINE void weigh_rows(const float* plane, std::int64_t width, const Taps& t, float* line) {
  const float* row[kTaps];
  for (int k = 0; k < kTaps; ++k) row[k] = plane + t.at[k] * width;
  std::int64_t i = 0;
  for (; i + 8 <= width; i += 8) {
    __m256 sum = _mm256_mul_ps(_mm256_loadu_ps(row[0] + i), _mm256_set1_ps(t.weight[0]));
#pragma GCC unroll 4
    for (int k = 1; k < kTaps; ++k)
      sum = _mm256_fmadd_ps(_mm256_loadu_ps(row[k] + i), _mm256_set1_ps(t.weight[k]), sum);
    _mm256_storeu_ps(line + i, sum);
  }
  for (; i < width; ++i) {
    float sum = row[0][i] * t.weight[0];
    for (int k = 1; k < kTaps; ++k) sum = __builtin_fmaf(row[k][i], t.weight[k], sum);
    line[i] = sum;
  }
}

template <int kTaps>
MONZA_INLINE void gather_row(const float* line, const Scratch& s, std::int64_t width, float* to) {
  std::int64_t i = 0;
  for (; i + 8 <= width; i += 8) {
    __m256 sum = _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int k = 0; k < kTaps; ++k) {
      const __m256i at = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(s.at + k * width + i));
      const __m256 v = _mm256_i32gather_ps(line, at, 4), w = _mm256_loadu_ps(s.weight + k * width + i);
      sum = k == 0 ? _mm256_mul_ps(v, w) : _mm256_fmadd_ps(v, w, sum);
    }
    _mm256_storeu_ps(to + i, sum);
  }
  for (; i < width; ++i) {
    float sum = line[s.at[i]] * s.weight[i];
    for (int k = 1; k < kTaps; ++k) sum = __builtin_fmaf(line[s.at[k * width + i]], s.weight[k * width + i], sum);
    to[i] = sum;
  }
}

/// Calls f(plane, row, worker) for every row of the output's planes, on all threads.
template <typename F>
MONZA_INLINE void each_row(const KernelContext& c, const F& f) {
  const Shape& out = c.out[0].shape;
  constexpr std::int64_t kRows = 8;  // of a task
  const std::int64_t blocks = (out[2] + kRows - 1) / kRows;
  parallel_for(*c.parallel, out[0] * out[1] * blocks, [&](std::int64_t task, int worker) {
    const std::int64_t begin = task % blocks * kRows, end = begin + kRows < out[2] ? begin + kRows : out[2];
    for (std::int64_t y = begin; y < end; ++y) f(task / blocks, y, worker);
  });
}

template <typename T>
__attribute__((noinline)) void pick(const KernelContext& c, const Scratch& s) {
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  const std::int64_t width = out[3];
  each_row(c, [&](std::int64_t plane, std::int64_t y, int) {
    const T* from = c.in[0].as<const T>() + (plane * x[2] + s.rows[y].at[0]) * x[3];
    T* to = c.out[0].as<T>() + (plane * out[2] + y) * width;
    for (std::int64_t i = 0; i < width; ++i) to[i] = from[s.at[i]];
  });
}

template <int kTaps>
__attribute__((noinline)) void interpolate(const KernelContext& c, const Scratch& s) {
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  each_row(c, [&](std::int64_t plane, std::int64_t y, int worker) {
    const float* from = c.in[0].as<const float>() + plane * x[2] * x[3];
    float* line = s.line + worker * x[3];
    weigh_rows<kTaps>(from, x[3], s.rows[y], line);
    gather_row<kTaps>(line, s, out[3], c.out[0].as<float>() + (plane * out[2] + y) * out[3]);
  });
}

Status run_planes(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ResizeParams>();
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  if (out.numel() == 0) return {};
  if (x.numel() == 0)
    return {StatusCode::invalid_argument, "Resize: an empty tensor cannot be resized to one with elements"};
  const int taps = taps_in(p);
  Scratch s;
  s.rows = reinterpret_cast<Taps*>(c.scratch);
  s.at = reinterpret_cast<std::int32_t*>(s.rows + out[2]);
  s.weight = reinterpret_cast<float*>(s.at + kMostTaps * out[3]);
  s.line = s.weight + kMostTaps * out[3];
  for (std::int64_t i = 0; i < out[2]; ++i) s.rows[i] = taps_of(p, 2, i, x[2], out[2], taps);
  for (std::int64_t i = 0; i < out[3]; ++i) {
    const Taps t = taps_of(p, 3, i, x[3], out[3], taps);
    for (int k = 0; k < taps; ++k) {
      s.at[k * out[3] + i] = t.at[k];
      s.weight[k * out[3] + i] = t.weight[k];
    }
  }
  if (taps == 2) interpolate<2>(c, s);
  else if (taps == 4) interpolate<4>(c, s);
  else if (c.in[0].dtype == DType::f32 || c.in[0].dtype == DType::i32) pick<std::uint32_t>(c, s);
  else if (c.in[0].dtype == DType::u8 || c.in[0].dtype == DType::i8) pick<std::uint8_t>(c, s);
  else pick<std::uint16_t>(c, s);
  return {};
}

Refusal accepts_planes(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const ResizeParams*>(q.params);
  const OperandDesc &x = q.in[0], &out = q.out[0];
  if (x.shape.rank != 4) return "takes two image axes";
  if (x.shape[0] != out.shape[0] || x.shape[1] != out.shape[1] || p.scale[0] != 1 || p.scale[1] != 1)
    return "resizes no batch and no channels";
  if (p.scales == ResizeParams::Scales::read) return "needs scales that are known at build";
  if (p.transform == ResizeParams::Transform::tf_crop_and_resize) return "has no region of interest";
  if (p.antialias && p.mode != ResizeParams::Mode::nearest) return "has no antialias";
  if (p.exclude_outside) return "has no exclude_outside";
  if (x.shape[2] * x.shape[3] >= std::int64_t{1} << 31) return "places that do not fit 32 bits";
  if (p.mode != ResizeParams::Mode::nearest) return x.dtype == DType::f32 ? nullptr : "interpolates f32";
  switch (x.dtype) {
    case DType::f32:
    case DType::i32:
    case DType::f16:
    case DType::bf16:
    case DType::u8:
    case DType::i8: return nullptr;
    default: return "takes elements of 1, 2 and 4 bytes";
  }
}

}  // namespace

extern const Kernel resize_planes_avx2{.name = "resize_planes_avx2",
                                       .op = "Resize",
                                       .needs = Isa::avx2,
                                       .accepts = accepts_planes,
                                       .scratch_bytes = scratch_planes,
                                       .run = run_planes};

}  // namespace monza::ops
