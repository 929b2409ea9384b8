// Depthwise convolution by tiles of outputs: a thread 4 channels of kRows x kColumns pixels. It reads each line of its
// window once and adds it to all rows of outputs that it belongs to, so that of the taps' overlap only the tile's rim
// is read twice, and a factor is converted to float once for a row of outputs.
#pragma once

#include "ops/conv/conv_gpu.cuh"
#include "ops/shared/gpu_overlap.cuh"

namespace monza::gpu {

template <typename T>
struct DepthwiseTiles {
  static constexpr int kEach = 4;  ///< channels of a thread
  const T* x;
  const T* w;  ///< [tap][channel]
  T* out;
  const T* bias;
  std::int64_t x_image, x_line, x_pitch, out_pitch;
  int width;  ///< of a packed tap
  int height_in, width_in, height_out, width_out, pad_y, pad_x;
  int vectors;         ///< of kEach channels
  int across, down;    ///< tiles of an image
  std::int64_t count;  ///< of tiles, in all images and vectors
  Activation act;
};

/// Four channels as they are read and written: of halves pairs, because elements of their own would be taken apart.
template <typename T>
struct FourChannels {
  float4 v;
  __device__ __forceinline__ void unpack(float (&to)[4]) const { to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w; }
  __device__ __forceinline__ void pack(const float (&from)[4]) { v = make_float4(from[0], from[1], from[2], from[3]); }
};
template <>
struct FourChannels<__half> {
  uint2 v;
  __device__ __forceinline__ void unpack(float (&to)[4]) const {
    const float2 a = __half22float2(*reinterpret_cast<const __half2*>(&v.x)),
                 b = __half22float2(*reinterpret_cast<const __half2*>(&v.y));
    to[0] = a.x, to[1] = a.y, to[2] = b.x, to[3] = b.y;
  }
  __device__ __forceinline__ void pack(const float (&from)[4]) {
    *reinterpret_cast<__half2*>(&v.x) = __floats2half2_rn(from[0], from[1]);
    *reinterpret_cast<__half2*>(&v.y) = __floats2half2_rn(from[2], from[3]);
  }
};

template <typename T, int kTaps, int kStride, int kRows, int kColumns>
__global__ void __launch_bounds__(128, kRows* kColumns*(kTaps == 5 || sizeof(T) == 4 ? 2 : 1) > 8 ? 3 : 4)
    depthwise_tiles_kernel(const DepthwiseTiles<T> job) {
  constexpr int kEach = DepthwiseTiles<T>::kEach;
  constexpr int kWide = (kColumns - 1) * kStride + kTaps, kHigh = (kRows - 1) * kStride + kTaps;
  using Vector = FourChannels<T>;
  const QuickActivation act(job.act);
  await_previous();
  for_each(job.count, [&](std::int64_t i) {
    const Division of_tile(i, job.vectors);
    const int channel = static_cast<int>(of_tile.rest) * kEach;
    int tile = static_cast<int>(of_tile.whole);
    const int u = tile % job.across * kColumns;
    tile /= job.across;
    const int v = tile % job.down * kRows, n = tile / job.down;
    const int x0 = u * kStride - job.pad_x, y0 = v * kStride - job.pad_y;

    constexpr bool kHeld = kRows > 1 && (kTaps == 3 || sizeof(T) == 2);
    Vector factor[kHeld ? kTaps * kTaps : 1];
    const auto load_factor = [&](int tap) {
      return *reinterpret_cast<const Vector*>(job.w + tap * job.width + channel);
    };
    if constexpr (kHeld) {
#pragma unroll
      for (int tap = 0; tap < kTaps * kTaps; ++tap) factor[tap] = load_factor(tap);
    }
    float bias[kEach];
#pragma unroll
    for (int j = 0; j < kEach; ++j) bias[j] = job.bias != nullptr ? load(job.bias + channel + j) : 0.0f;

    bool inside[kWide];
#pragma unroll
    for (int c = 0; c < kWide; ++c) inside[c] = static_cast<unsigned>(x0 + c) < static_cast<unsigned>(job.width_in);
    const T* const from = job.x + n * job.x_image + x0 * job.x_pitch + channel;
    const auto fetch = [&](Vector(&line)[kWide], int r) {
      const int y = y0 + r;
#pragma unroll
      for (int c = 0; c < kWide; ++c) line[c] = Vector{};
      if (static_cast<unsigned>(y) >= static_cast<unsigned>(job.height_in)) return;
      const T* const at = from + y * job.x_line;
#pragma unroll
      for (int c = 0; c < kWide; ++c)
        if (inside[c]) line[c] = *reinterpret_cast<const Vector*>(at + c * job.x_pitch);
    };

    float sum[kRows][kColumns][kEach];
    Vector line[kWide], next[kWide];
    fetch(next, 0);
#pragma unroll
    for (int r = 0; r < kHigh; ++r) {
#pragma unroll
      for (int c = 0; c < kWide; ++c) line[c] = next[c];
      if (r + 1 < kHigh) fetch(next, r + 1);  // under way while this one is added up
      float value[kWide][kEach];
#pragma unroll
      for (int c = 0; c < kWide; ++c) line[c].unpack(value[c]);
#pragma unroll
      for (int o = 0; o < kRows; ++o) {
        const int h = r - o * kStride;
        if (h >= 0 && h < kTaps) {
#pragma unroll
          for (int t = 0; t < kTaps; ++t) {
            const Vector here = kHeld ? factor[kHeld ? h * kTaps + t : 0] : load_factor(h * kTaps + t);
            float f[kEach];
            here.unpack(f);
#pragma unroll
            for (int c = 0; c < kColumns; ++c)
#pragma unroll
              for (int j = 0; j < kEach; ++j)
                sum[o][c][j] = fmaf(value[c * kStride + t][j], f[j], h == 0 && t == 0 ? bias[j] : sum[o][c][j]);
          }
        }
        if (h == kTaps - 1 && v + o < job.height_out) {
          T* const to = job.out + channel +
                        ((static_cast<std::int64_t>(n) * job.height_out + v + o) * job.width_out + u) * job.out_pitch;
          if (act.silu || act.hardswish) {
#pragma unroll
            for (int c = 0; c < kColumns; ++c)
#pragma unroll
              for (int j = 0; j < kEach; ++j) sum[o][c][j] = act(sum[o][c][j]);
          }
#pragma unroll
          for (int c = 0; c < kColumns; ++c) {
            Vector result;
#pragma unroll
            for (int j = 0; j < kEach; ++j) sum[o][c][j] = clamp_quickly(sum[o][c][j], act.low, act.high);
            result.pack(sum[o][c]);
            if (u + c < job.width_out) *reinterpret_cast<Vector*>(to + c * job.out_pitch) = result;
          }
        }
      }
    }
  });
}

/// Whether tiles do the layer: a square window of 3 or 5 that moves by 1 or 2, a short activation, whole vectors.
template <typename T>
bool fits_depthwise_tiles(const ConvGeometry& g, const ConvOut<T>& o, const T* x) {
  constexpr int kEach = DepthwiseTiles<T>::kEach;
  const auto vectors = [](const void* data, std::int64_t pitch) {
    return pitch % kEach == 0 && reinterpret_cast<std::uintptr_t>(data) % (kEach * sizeof(T)) == 0;
  };
  const bool quick = o.act.kind == ActivationKind::none || o.act.kind == ActivationKind::relu ||
                     o.act.kind == ActivationKind::clip || o.act.kind == ActivationKind::silu ||
                     o.act.kind == ActivationKind::hardswish;
  return g.in[0] == 1 && g.k[0] == 1 && g.out[0] == 1 && g.pad[0] == 0 && g.k[1] == g.k[2] &&
         (g.k[1] == 3 || g.k[1] == 5) && g.stride[1] == g.stride[2] && g.stride[1] <= 2 && g.dilation[1] == 1 &&
         g.dilation[2] == 1 && g.groups % kEach == 0 && o.residual == nullptr && quick && vectors(x, g.x_pitch) &&
         vectors(o.out, o.pitch);
}

template <typename T>
void run_depthwise_tiles(const ConvGeometry& g, const ConvOut<T>& o, const T* x, const T* w, int width,
                         const KernelContext& c) {
  DepthwiseTiles<T> job{.x = x,
                        .w = w,
                        .out = o.out,
                        .bias = o.bias,
                        .x_image = g.x_image,
                        .x_line = g.xs[1],
                        .x_pitch = g.xs[2],
                        .out_pitch = o.pitch,
                        .width = width,
                        .height_in = g.in[1],
                        .width_in = g.in[2],
                        .height_out = g.out[1],
                        .width_out = g.out[2],
                        .pad_y = g.pad[1],
                        .pad_x = g.pad[2],
                        .vectors = g.groups / DepthwiseTiles<T>::kEach,
                        .act = o.act};
  const std::int64_t images = g.pixels / (g.out[1] * g.out[2]);
  const auto cut = [&](int rows, int columns) {
    job.down = (g.out[1] + rows - 1) / rows;
    job.across = (g.out[2] + columns - 1) / columns;
    job.count = images * job.down * job.across * job.vectors;
    return job.count;
  };
  const auto launch = [&](auto kernel, int rows, int columns) {
    const unsigned blocks = blocks_for(cut(rows, columns), 128);
    launch_early(c, kernel, blocks, 128, 0, job);
  };
  // Few outputs want many threads instead: three blocks for each of 132 multiprocessors are the least for large tiles.
  const auto large = [&](int rows, int columns) { return cut(rows, columns) >= std::int64_t{3} * 132 * 128; };
  const bool two = g.stride[1] == 2;
  if (g.k[1] == 3 && two) {
    if (large(4, 2)) launch(depthwise_tiles_kernel<T, 3, 2, 4, 2>, 4, 2);
    else launch(depthwise_tiles_kernel<T, 3, 2, 2, 2>, 2, 2);
  } else if (g.k[1] == 3) {
    if (large(2, 4)) launch(depthwise_tiles_kernel<T, 3, 1, 2, 4>, 2, 4);
    else launch(depthwise_tiles_kernel<T, 3, 1, 2, 2>, 2, 2);
  } else if (two) {
    launch(depthwise_tiles_kernel<T, 5, 2, 2, 2>, 2, 2);
  } else {
    if (large(2, 4)) launch(depthwise_tiles_kernel<T, 5, 1, 2, 4>, 2, 4);
    else launch(depthwise_tiles_kernel<T, 5, 1, 2, 2>, 2, 2);
  }
}

}  // namespace monza::gpu
