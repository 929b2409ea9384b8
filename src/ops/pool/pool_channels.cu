// Max and average pooling of channels-last tensors on a GPU: a thread 16 bytes of channels of one window. Bound by
// memory: input and output once from DRAM at 4.2 TB/s, what windows share comes from the caches. One window over
// everything is summed by a block for each 128 bytes of channels: its threads take pixels in turn, and add up in a
// fixed order.
#include <cmath>
#include <type_traits>

#include "ops/pool/pool_gpu.cuh"
#include "ops/shared/gpu_channels.cuh"
#include "ops/shared/gpu_overlap.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

struct Plan {
  PoolWindow w;
  std::int64_t count = 0, channels = 0;  // count: pixels of the output, batch included
  std::int64_t x_image = 0, xs[3] = {}, out_pitch = 0, x_pitch = 0;
  bool count_include_pad = false;
};

Plan plan_of(const KernelContext& c) {
  const auto& p = c.params_as<PoolParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  Plan s;
  s.w = pool_window(p, x.shape.dim + 2, out.shape.dim + 2);
  s.channels = x.shape[1];
  s.count = out.shape.numel() / s.channels;
  s.x_image = x.stride[0];
  for (int i = 0; i < p.spatial; ++i) s.xs[i + 3 - p.spatial] = x.stride[i + 2];
  s.x_pitch = pixel_pitch(x);
  s.out_pitch = pixel_pitch(out);
  s.count_include_pad = p.count_include_pad != 0;
  return s;
}

/// The largest element, NaN if there is one; integers as they are, floats in float, in which f16 is exact.
template <typename T>
struct Max {
  using Value = std::conditional_t<std::is_integral_v<T>, int, float>;
  static __device__ __forceinline__ Value start() {
    if constexpr (std::is_integral_v<T>) return std::is_signed_v<T> ? -128 : 0;
    else return -INFINITY;
  }
  static __device__ __forceinline__ Value with(Value best, Value v) { return v > best || v != v ? v : best; }
};
template <typename T>
struct Sum {
  using Value = float;
  static __device__ __forceinline__ Value start() { return 0; }
  static __device__ __forceinline__ Value with(Value sum, Value v) { return sum + v; }
};

template <typename Op, typename T, int kEach>
__global__ void pool_channels_kernel(Plan s, const T* x, T* out) {
  using Vector = Channels<T, kEach>;
  using Value = typename Op::Value;
  const PoolWindow& w = s.w;
  const std::int64_t vectors = s.channels / kEach;
  for_each(s.count * vectors, [&](std::int64_t i) {
    const Division of_vector(i, vectors), of_u(of_vector.whole, w.out[2]), of_y(of_u.whole, w.out[1]),
        of_z(of_y.whole, w.out[0]);
    const Cover c[3] = {cover_of(w, 0, of_z.rest), cover_of(w, 1, of_y.rest), cover_of(w, 2, of_u.rest)};
    const T* from = x + of_z.whole * s.x_image + of_vector.rest * kEach;
    Value value[kEach];
#pragma unroll
    for (int j = 0; j < kEach; ++j) value[j] = Op::start();
    for (std::int64_t d = c[0].begin; d < c[0].end; ++d)
      for (std::int64_t h = c[1].begin; h < c[1].end; ++h) {
        const T* line = from + (c[0].start + d * w.dilation[0]) * s.xs[0] + (c[1].start + h * w.dilation[1]) * s.xs[1];
#pragma unroll 4
        for (std::int64_t v = c[2].begin; v < c[2].end; ++v) {
          const Vector a = *reinterpret_cast<const Vector*>(line + (c[2].start + v * w.dilation[2]) * s.xs[2]);
#pragma unroll
          for (int j = 0; j < kEach; ++j) value[j] = Op::with(value[j], static_cast<Value>(a.v[j]));
        }
      }
    if constexpr (std::is_same_v<Op, Sum<T>>) {
      float count = 1;
#pragma unroll
      for (int a = 0; a < 3; ++a)
        count *= static_cast<float>(s.count_include_pad ? c[a].padded : c[a].end - c[a].begin);
#pragma unroll
      for (int j = 0; j < kEach; ++j) value[j] /= count;
    }
    Vector result;
#pragma unroll
    for (int j = 0; j < kEach; ++j) result.v[j] = static_cast<T>(value[j]);
    *reinterpret_cast<Vector*>(out + of_vector.whole * s.out_pitch + of_vector.rest * kEach) = result;
  });
}

/// Max pooling of f16 with square windows of kTaps, as networks have them: elements of a window are all under way
/// together. Windows reach into the picture (`reaches_in`), so what lies outside of it may be replaced by the nearest
/// element inside, which the window has as well. kPairs: of channels, of a thread.
struct SmallWindow {
  int count, pairs;                      ///< count: outputs in vectors; pairs: vectors of a pixel
  int out[2], in[2], stride[2], pad[2];  ///< of height, width
  std::int64_t x_image, xs[2], out_pitch;
};
template <int kTaps, int kPairs>
__global__ void max_window_kernel(SmallWindow s, const __half* x, __half* out) {
  struct __align__(4 * kPairs) Vector {
    __half2 v[kPairs];
  };
  await_previous();
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < s.count;
       i += static_cast<int>(gridDim.x * blockDim.x)) {
    const int pixel = i / s.pairs, vector = i - pixel * s.pairs, row = pixel / s.out[1], u = pixel - row * s.out[1],
              image = row / s.out[0], y = row - image * s.out[0];
    const __half* const from = x + image * s.x_image + vector * 2 * kPairs;
    const int y0 = y * s.stride[0] - s.pad[0], u0 = u * s.stride[1] - s.pad[1];
    std::int64_t column[kTaps];
#pragma unroll
    for (int w = 0; w < kTaps; ++w) column[w] = min(max(u0 + w, 0), s.in[1] - 1) * s.xs[1];
    Vector best;
#pragma unroll
    for (int h = 0; h < kTaps; ++h) {
      const __half* const line = from + min(max(y0 + h, 0), s.in[0] - 1) * s.xs[0];
#pragma unroll
      for (int w = 0; w < kTaps; ++w) {
        const Vector here = *reinterpret_cast<const Vector*>(line + column[w]);
#pragma unroll
        for (int j = 0; j < kPairs; ++j) best.v[j] = h == 0 && w == 0 ? here.v[j] : __hmax2_nan(best.v[j], here.v[j]);
      }
    }
    *reinterpret_cast<Vector*>(out + pixel * s.out_pitch + vector * 2 * kPairs) = best;
  }
}
/// False where the windows are others, or channels no whole vectors.
bool run_small_windows(const Plan& plan, const KernelContext& c) {
  const PoolWindow& w = plan.w;
  const __half* const x = c.in[0].as<const __half>();
  __half* const out = c.out[0].as<__half>();
  bool fits = w.in[0] == 1 && w.out[0] == 1 && w.kernel[0] == 1 && w.pad[0] == 0 && w.kernel[1] == w.kernel[2] &&
              (w.kernel[1] == 2 || w.kernel[1] == 3 || w.kernel[1] == 5) && plan.count * plan.channels < 1LL << 30;
  SmallWindow s{.x_image = plan.x_image, .xs = {plan.xs[1], plan.xs[2]}, .out_pitch = plan.out_pitch};
  for (int i = 0; fits && i < 2; ++i) {
    const int a = i + 1;
    fits = w.dilation[a] == 1 && w.pad[a] >= 0 && w.pad[a] < w.kernel[a] &&
           (w.out[a] - 1) * w.stride[a] - w.pad[a] < w.in[a] && w.in[a] + w.kernel[a] < 1 << 24 &&
           w.out[a] * w.stride[a] < 1 << 24;
    s.out[i] = static_cast<int>(w.out[a]), s.in[i] = static_cast<int>(w.in[a]);
    s.stride[i] = static_cast<int>(w.stride[a]), s.pad[i] = static_cast<int>(w.pad[a]);
  }
  if (!fits) return false;
  const auto launch = [&](auto pairs) {
    constexpr int kPairs = decltype(pairs)::value;
    s.pairs = static_cast<int>(plan.channels) / (2 * kPairs);
    s.count = static_cast<int>(plan.count) * s.pairs;
    const auto kernel = w.kernel[1] == 2   ? max_window_kernel<2, kPairs>
                        : w.kernel[1] == 3 ? max_window_kernel<3, kPairs>
                                           : max_window_kernel<5, kPairs>;
    launch_early(c, kernel, blocks_for(s.count, 128), 128, 0, s, x, out);
    return true;
  };
  const auto in_pairs = [&](int each) {
    const auto whole = [&](const TensorView& v) {
      return pixel_pitch(v) % each == 0 && reinterpret_cast<std::uintptr_t>(v.data) % (2 * each) == 0;
    };
    return plan.channels % each == 0 && whole(c.in[0]) && whole(c.out[0]);
  };
  // Few outputs want many threads.
  if (in_pairs(8) && plan.count * plan.channels >= 8 * 132 * 512) return launch(std::integral_constant<int, 4>{});
  if (in_pairs(2)) return launch(std::integral_constant<int, 1>{});
  return false;
}

constexpr int kVectorsOfBlock = 8, kRowsOfBlock = 32;

/// Means over all pixels of an image. Block (x, y): vectors x * kVectorsOfBlock and after of images y, y + gridDim.y,
/// ...
template <typename T, int kEach>
__global__ void __launch_bounds__(kVectorsOfBlock* kRowsOfBlock) mean_kernel(Plan s, const T* x, T* out) {
  using Vector = Channels<T, kEach>;
  __shared__ float sums[kRowsOfBlock][kVectorsOfBlock * kEach + 1];
  const int column = static_cast<int>(threadIdx.x) % kVectorsOfBlock,
            row = static_cast<int>(threadIdx.x) / kVectorsOfBlock;
  const std::int64_t vector = static_cast<std::int64_t>(blockIdx.x) * kVectorsOfBlock + column;
  const bool there = vector < s.channels / kEach;
  const std::int64_t pixels = s.w.in[0] * s.w.in[1] * s.w.in[2];
  for (std::int64_t n = blockIdx.y; n < s.count; n += gridDim.y) {
    float sum[kEach];
#pragma unroll
    for (int j = 0; j < kEach; ++j) sum[j] = 0;
    if (there) {
      const T* from = x + n * s.x_image + vector * kEach;
#pragma unroll 4
      for (std::int64_t p = row; p < pixels; p += kRowsOfBlock) {
        const Vector a = *reinterpret_cast<const Vector*>(from + p * s.x_pitch);
#pragma unroll
        for (int j = 0; j < kEach; ++j) sum[j] += static_cast<float>(a.v[j]);
      }
    }
#pragma unroll
    for (int j = 0; j < kEach; ++j) sums[row][column * kEach + j] = sum[j];
    __syncthreads();
    for (int half = kRowsOfBlock / 2; half > 0; half /= 2) {
      if (row < half) {
#pragma unroll
        for (int j = 0; j < kEach; ++j) sums[row][column * kEach + j] += sums[row + half][column * kEach + j];
      }
      __syncthreads();
    }
    if (row == 0 && there) {
      Vector result;
#pragma unroll
      for (int j = 0; j < kEach; ++j)
        result.v[j] = static_cast<T>(sums[0][column * kEach + j] / static_cast<float>(pixels));
      *reinterpret_cast<Vector*>(out + n * s.out_pitch + vector * kEach) = result;
    }
    __syncthreads();
  }
}

/// The only window of an image is all of it.
bool covers_all(const PoolWindow& w) {
  for (int a = 0; a < 3; ++a)
    if (w.out[a] != 1 || w.kernel[a] != w.in[a] || w.pad[a] != 0 || (w.dilation[a] != 1 && w.kernel[a] > 1) ||
        w.in[a] == 0)
      return false;
  return true;
}

template <typename T, typename F>
void with_vectors(const KernelContext& c, F&& f) {
  const std::int64_t channels = c.in[0].shape[1];
  constexpr int kEach = 16 / sizeof(T);
  if (in_vectors<T>(c.in[0], channels) && in_vectors<T>(c.out[0], channels)) f(std::integral_constant<int, kEach>{});
  else f(std::integral_constant<int, 1>{});
}

template <typename Op, typename T>
Status run_windows(const KernelContext& c) {
  const Plan plan = plan_of(c);
  if constexpr (std::is_same_v<Op, Max<__half>>)
    if (run_small_windows(plan, c)) return launched();
  with_vectors<T>(c, [&](auto each) {
    constexpr int kEach = decltype(each)::value;
    pool_channels_kernel<Op, T, kEach><<<blocks_for(plan.count * plan.channels / kEach), kThreads, 0, stream_of(c)>>>(
        plan, c.in[0].as<const T>(), c.out[0].as<T>());
  });
  return launched();
}

Status run_max_pool(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  switch (c.in[0].dtype) {
    case DType::f32: return run_windows<Max<float>, float>(c);
    case DType::f16: return run_windows<Max<__half>, __half>(c);
    case DType::i8: return run_windows<Max<std::int8_t>, std::int8_t>(c);
    case DType::u8: return run_windows<Max<std::uint8_t>, std::uint8_t>(c);
    default: return kOtherType;
  }
}

template <typename T>
Status run_average(const KernelContext& c) {
  const Plan plan = plan_of(c);
  if (!covers_all(plan.w)) return run_windows<Sum<T>, T>(c);
  with_vectors<T>(c, [&](auto each) {
    constexpr int kEach = decltype(each)::value;
    const std::int64_t across = (plan.channels / kEach + kVectorsOfBlock - 1) / kVectorsOfBlock;
    const dim3 blocks(static_cast<unsigned>(across), static_cast<unsigned>(plan.count < 65535 ? plan.count : 65535));
    mean_kernel<T, kEach>
        <<<blocks, kVectorsOfBlock * kRowsOfBlock, 0, stream_of(c)>>>(plan, c.in[0].as<const T>(), c.out[0].as<T>());
  });
  return launched();
}

Status run_average_pool(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  return c.in[0].dtype == DType::f32 ? run_average<float>(c) : run_average<__half>(c);
}

Refusal accepts_max_pool(const KernelQuery& q) noexcept {
  if (q.out_count > 1 && q.out[1].present()) return "the indices are asked for";
  const DType t = q.in[0].dtype;
  return t == DType::f32 || t == DType::f16 || t == DType::i8 || t == DType::u8 ? nullptr : "not f32, f16, i8 or u8";
}
Refusal accepts_average_pool(const KernelQuery& q) noexcept {
  return q.in[0].dtype == DType::f32 || q.in[0].dtype == DType::f16 ? nullptr : "neither f32 nor f16";
}

}  // namespace

extern const Kernel max_pool_channels_cuda{.name = "max_pool_channels_cuda",
                                           .op = "MaxPool",
                                           .device = DeviceKind::cuda,
                                           .in{Port::channels_last},
                                           .out{Port::channels_last, Port::strided},
                                           .accepts = accepts_max_pool,
                                           .run = run_max_pool};
extern const Kernel average_pool_channels_cuda{.name = "average_pool_channels_cuda",
                                               .op = "AveragePool",
                                               .device = DeviceKind::cuda,
                                               .in{Port::channels_last},
                                               .out{Port::channels_last},
                                               .accepts = accepts_average_pool,
                                               .run = run_average_pool};

}  // namespace monza::ops
