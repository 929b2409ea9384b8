// GridSample of pictures in f32, linear and nearest: the places and weights of a block of points are found once and
// used for every channel.
//
// Bound by the gathers, four a point and channel; places cost one computation a point however many channels there are.
#include <immintrin.h>

#include "kernel/kernel.h"
#include "ops/resize/resize.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

constexpr std::int64_t kPoints = 256;  ///< of a task: places and weights are 8 KiB

Refusal accepts_pictures(const KernelQuery& q) noexcept {
  if (q.input(0).dtype != DType::f32 || q.input(1).dtype != DType::f32) return "an operand is not f32";
  if (q.input(0).shape.rank != 4) return "samples pictures";
  if (static_cast<const GridSampleParams*>(q.params)->mode == GridSampleParams::Mode::cubic) return "samples cubically";
  const Shape& x = q.input(0).shape;
  return x[2] * x[3] < std::int64_t{1} << 30 ? nullptr : "places that do not fit 32 bits";
}

/// Where each point's corners lie, -1 for a zero, and what they weigh.
struct Places {
  alignas(32) std::int32_t at[4][kPoints];
  alignas(32) float weight[4][kPoints];
};

void find_places(const GridSampleParams& p, const float* grid, std::int64_t count, std::int64_t height,
                 std::int64_t width, Places& places) {
  const SampledAxis rows{p, height}, columns{p, width};
  const bool nearest = p.mode == GridSampleParams::Mode::nearest;
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = columns.position(static_cast<double>(grid[2 * i])),
                 y = rows.position(static_cast<double>(grid[2 * i + 1]));
    const double left = std::floor(x), top = std::floor(y), right = nearest ? 0 : x - left, low = nearest ? 0 : y - top;
    const std::int64_t r[2] = {rows.pixel(static_cast<std::int64_t>(top)),
                               nearest ? -1 : rows.pixel(static_cast<std::int64_t>(top) + 1)};
    const std::int64_t c[2] = {columns.pixel(static_cast<std::int64_t>(left)),
                               nearest ? -1 : columns.pixel(static_cast<std::int64_t>(left) + 1)};
    for (int k = 0; k < 4; ++k) {
      const bool there = r[k / 2] >= 0 && c[k % 2] >= 0;
      places.at[k][i] = there ? static_cast<std::int32_t>(r[k / 2] * width + c[k % 2]) : -1;
      places.weight[k][i] = static_cast<float>((k / 2 ? low : 1 - low) * (k % 2 ? right : 1 - right));
    }
  }
}

void sample(const float* x, float* out, std::int64_t count, const Places& places) {
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m256 sum = _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const __m256i at = _mm256_load_si256(reinterpret_cast<const __m256i*>(places.at[k] + i));
      const __m256 there = _mm256_castsi256_ps(_mm256_xor_si256(at, _mm256_set1_epi32(-1)));  // by the sign
      const __m256 v = _mm256_mask_i32gather_ps(_mm256_setzero_ps(), x, at, there, 4);
      sum = _mm256_fmadd_ps(v, _mm256_load_ps(places.weight[k] + i), sum);
    }
    _mm256_storeu_ps(out + i, sum);
  }
  for (; i < count; ++i) {
    float sum = 0;
    for (int k = 0; k < 4; ++k)
      if (places.at[k][i] >= 0) sum += x[places.at[k][i]] * places.weight[k][i];
    out[i] = sum;
  }
}

Status run_grid_sample(const KernelContext& c) noexcept {
  const auto& p = c.params_as<GridSampleParams>();
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  const std::int64_t channels = x[1], plane = x[2] * x[3], points = out[2] * out[3];
  const std::int64_t blocks = (points + kPoints - 1) / kPoints;
  const auto *from = c.in[0].as<const float>(), *grid = c.in[1].as<const float>();
  auto* to = c.out[0].as<float>();
  if (out.numel() == 0) return {};
  parallel_for(*c.parallel, out[0] * blocks, [&](std::int64_t task, int) {
    const std::int64_t n = task / blocks, begin = task % blocks * kPoints;
    const std::int64_t count = points - begin < kPoints ? points - begin : kPoints;
    Places places;
    find_places(p, grid + (n * points + begin) * 2, count, x[2], x[3], places);
    for (std::int64_t channel = 0; channel < channels; ++channel)
      sample(from + (n * channels + channel) * plane, to + (n * channels + channel) * points + begin, count, places);
  });
  return {};
}

}  // namespace

extern const Kernel grid_sample_avx2{.name = "grid_sample_avx2",
                                     .op = "GridSample",
                                     .needs = Isa::avx2,
                                     .accepts = accepts_pictures,
                                     .run = run_grid_sample};

}  // namespace monza::ops
