// Convolution in f32 on a GPU as a product of weights and gathered pixels ("implicit GEMM") over channels-last outputs.
// Floor: 2 * pixels * filters * taps * channels operations at 60 TFLOP/s (FP32 FMA); a tile of 128 filters by 128
// pixels reads 1 KiB of operands for 32 Ki operations, so that layers of more than some dozens of factors are bound by
// arithmetic.
//
// A block computes a tile of filters by pixels; a thread an 8x8 part of it in registers. Slices of 16 factors go
// through two buffers of shared memory: while one is multiplied the next is loaded.
#include <type_traits>

#include "ops/conv/conv_gpu.params.h"
#include "ops/conv/conv_tiles.cuh"
#include "ops/shared/gpu_tensor.cuh"

namespace monza::ops {

extern const Packing conv_gpu_columns_f32;

namespace {

using namespace gpu;

constexpr int kSlice = static_cast<int>(ConvColumns::kSlice);
constexpr ConvForm kForms[] = {{128, 128, 1.0}, {64, 128, 0.9}, {64, 64, 0.75}, {32, 128, 0.7}};
constexpr double kProducts = 128;  ///< of a multiprocessor in a cycle

/// kM filters by kN pixels a thread, in groups of 4 by 4; 8 by 4 threads a warp; kWarpsM by kWarpsN warps a block.
/// kChannels: channels-last pixels are read in vectors of 4 channels; else one element at a time, with any strides.
template <int kWarpsM, int kWarpsN, int kM, int kN, bool kChannels>
__global__ void __launch_bounds__(32 * kWarpsM * kWarpsN, 16 / (kWarpsM * kWarpsN))
    conv_gemm_kernel(const ConvJob<float> job) {
  constexpr int kThreadsOfBlock = 32 * kWarpsM * kWarpsN;
  constexpr int kTileM = kWarpsM * 8 * kM, kTileN = kWarpsN * 4 * kN;
  constexpr int kRow = kTileN + 4;  // floats; padded against bank conflicts
  __shared__ __align__(16) float pixel_slices[2][kSlice * kRow];
  __shared__ __align__(16) float weight_slices[2][kSlice * kTileM];
  __shared__ int4 places[kChannels ? kTileN : 1];             // of each pixel: first position, first pixel of its image
  __shared__ ConvFactor factors[kChannels ? 1 : 2 * kSlice];  // of two slices

  const ConvGeometry& s = job.g;
  const ConvTile tile = conv_tile(s, job.cut);
  const int tid = static_cast<int>(threadIdx.x), m0 = tile.filter, p0 = tile.pixel;

  // --- weights: rows of kTileM filters ---
  const float* weights = job.w + static_cast<std::int64_t>(tile.group) * job.cut.slices * kSlice * job.width;
  const auto load_weights = [&](int slice, int buffer) {
    constexpr int kVectors = kTileM / 4, kCount = kVectors * kSlice / kThreadsOfBlock;
    static_assert(kVectors * kSlice % kThreadsOfBlock == 0);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int at = tid + i * kThreadsOfBlock, k = at / kVectors, m = at % kVectors * 4;
      const bool there = m0 + m < job.width;
      const float* from =
          there ? weights + (static_cast<std::int64_t>(slice) * kSlice + k) * job.width + m0 + m : job.w;
      copy16(&weight_slices[buffer][k * kTileM + m], from, there ? 16 : 0);
    }
  };

  // --- pixels ---
  constexpr int kLoads = kTileN * kSlice / kThreadsOfBlock / (kChannels ? 4 : 1);
  using Loaded = std::conditional_t<kChannels, float4, float>;
  Loaded loaded[kLoads];
  // kChannels: the thread's factor (4 channels of a tap) of the slice that is loaded next, and its first pixel.
  constexpr int kVectorsOfRow = kSlice / 4;
  const int own_vector = tid % kVectorsOfRow, own_row = tid / kVectorsOfRow;
  ConvCursor cursor(s, tile.first_slice * kSlice + own_vector * 4);
  const float* x = job.x + static_cast<std::int64_t>(tile.group) * s.channels * (kChannels ? 1 : s.x_channel);
  // Else: the thread's pixel, and the first of its factors.
  const int own_pixel = tid % kTileN, own_factor = tid / kTileN;
  int4 place = make_int4(0, 0, 0, 0);
  // Into half `slice` % 2 of the table, by the first threads.
  const auto make_factors = [&](int slice) {
    if (tid < kSlice) factors[slice % 2 * kSlice + tid] = conv_factor(s, slice * kSlice + tid);
  };
  if constexpr (kChannels) {
    for (int i = tid; i < kTileN; i += kThreadsOfBlock) {
      int4 p = conv_place(s, p0 + i);
      p.w *= s.in[0] * s.in[1] * s.in[2];
      places[i] = p;
    }
  } else {
    place = conv_place(s, p0 + own_pixel);
    x += place.w * s.x_image;
    make_factors(tile.first_slice);
    make_factors(tile.first_slice + 1);
  }
  __syncthreads();

  const auto load_pixels = [&](int slice) {
    if constexpr (kChannels) {
      const bool tap = cursor.d < s.k[0];  // beyond the last lies padding
      const int d = cursor.d * s.dilation[0], h = cursor.h * s.dilation[1], w = cursor.w * s.dilation[2];
#pragma unroll
      for (int i = 0; i < kLoads; ++i) {
        const int4 p = places[own_row + i * (kThreadsOfBlock / kVectorsOfRow)];
        const int z = p.x + d, y = p.y + h, u = p.z + w;
        loaded[i] = make_float4(0, 0, 0, 0);
        if (tap && conv_inside(s, z, y, u)) {
          const int pixel = p.w + (z * s.in[1] + y) * s.in[2] + u;
          loaded[i] = __ldg(reinterpret_cast<const float4*>(x + pixel * s.x_pitch + cursor.channel));
        }
      }
      cursor.advance(s, kSlice);
    } else {
#pragma unroll
      for (int i = 0; i < kLoads; ++i) {
        const ConvFactor& f = factors[slice % 2 * kSlice + own_factor + i * (kThreadsOfBlock / kTileN)];
        const int z = place.x + f.d, y = place.y + f.h, u = place.z + f.w;
        loaded[i] = 0;
        if (conv_inside(s, z, y, u)) loaded[i] = __ldg(x + (z * s.xs[0] + y * s.xs[1] + u * s.xs[2] + f.channel));
      }
    }
  };
  const auto store_pixels = [&](int buffer) {
    float* to = pixel_slices[buffer];
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      if constexpr (kChannels) {
        const int row = own_row + i * (kThreadsOfBlock / kVectorsOfRow);
        to[(own_vector * 4 + 0) * kRow + row] = loaded[i].x;
        to[(own_vector * 4 + 1) * kRow + row] = loaded[i].y;
        to[(own_vector * 4 + 2) * kRow + row] = loaded[i].z;
        to[(own_vector * 4 + 3) * kRow + row] = loaded[i].w;
      } else {
        to[(own_factor + i * (kThreadsOfBlock / kTileN)) * kRow + own_pixel] = loaded[i];
      }
    }
  };

  // --- the product ---
  const int warp = tid / 32, lane = tid % 32;
  const int own_m = warp % kWarpsM * 8 * kM + lane % 8 * 4, own_n = warp / kWarpsM * 4 * kN + lane / 8 * 4;
  float sum[kN][kM];
#pragma unroll
  for (int n = 0; n < kN; ++n)
#pragma unroll
    for (int m = 0; m < kM; ++m) sum[n][m] = 0;

  load_weights(tile.first_slice, 0);
  load_pixels(tile.first_slice);
  store_pixels(0);
  commit_copies();
  await_copies<0>();
  __syncthreads();
  for (int slice = tile.first_slice; slice < tile.last_slice; ++slice) {
    const int buffer = (slice - tile.first_slice) % 2;
    const bool more = slice + 1 < tile.last_slice;
    if (more) {
      load_weights(slice + 1, buffer ^ 1);
      commit_copies();
      load_pixels(slice + 1);
      if constexpr (!kChannels) make_factors(slice + 2);  // over those of this slice, which all threads have read
    }
#pragma unroll
    for (int k = 0; k < kSlice; ++k) {
      float a[kM], b[kN];
#pragma unroll
      for (int m = 0; m < kM; m += 4)
        *reinterpret_cast<float4*>(a + m) =
            *reinterpret_cast<const float4*>(&weight_slices[buffer][k * kTileM + own_m + m * 8]);
#pragma unroll
      for (int n = 0; n < kN; n += 4)
        *reinterpret_cast<float4*>(b + n) =
            *reinterpret_cast<const float4*>(&pixel_slices[buffer][k * kRow + own_n + n * 4]);
#pragma unroll
      for (int n = 0; n < kN; ++n)
#pragma unroll
        for (int m = 0; m < kM; ++m) sum[n][m] = fmaf(a[m], b[n], sum[n][m]);
    }
    if (more) {
      store_pixels(buffer ^ 1);
      await_copies<0>();
    }
    __syncthreads();
  }

  // --- results: pixel own_n + n % 4 + n / 4 * 16 of the tile, filters own_m + m / 4 * 32 and the three after it ---
  if (job.cut.splits > 1) {
    float* to = job.sums + static_cast<std::int64_t>(blockIdx.x) * (kTileM * kTileN);
#pragma unroll
    for (int n = 0; n < kN; ++n)
#pragma unroll
      for (int m = 0; m < kM; m += 4)
        *reinterpret_cast<float4*>(to + (own_n + n % 4 + n / 4 * 16) * kTileM + own_m + m * 8) =
            make_float4(sum[n][m], sum[n][m + 1], sum[n][m + 2], sum[n][m + 3]);
    return;
  }
  const ConvOut<float>& o = job.o;
  const int first_m = tile.group * s.filters;
  const QuickActivation act(o.act);
  const bool at_once = o.vectors && act.quick;
#pragma unroll
  for (int m = 0; m < kM; m += 4) {
    const int f = m0 + own_m + m * 8;  // within the group
    float bias[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) bias[j] = at_once && f + j < s.filters ? o.bias_of(first_m + f + j) : 0;
#pragma unroll
    for (int n = 0; n < kN; ++n) {
      const int p = p0 + own_n + n % 4 + n / 4 * 16;
      if (p >= s.pixels || f >= s.filters) continue;
      float* to = o.out + p * o.pitch + first_m + f;
      if (at_once) {
        float4 more = make_float4(0, 0, 0, 0);
        if (o.residual != nullptr)
          more = *reinterpret_cast<const float4*>(o.residual + p * o.residual_pitch + first_m + f);
        const float add[4] = {more.x, more.y, more.z, more.w};
        float v[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          v[j] = sum[n][m + j] + bias[j];
          v[j] = o.residual_after ? act(v[j]) + add[j] : act(v[j] + add[j]);
        }
        *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
      } else {
#pragma unroll
        for (int j = 0; j < 4; ++j)
          if (f + j < s.filters) to[j] = sum[n][m + j];
      }
    }
  }
  if (at_once) return;
  // The thread reads its sums again: other activations are compiled once, and not for every element of a thread.
#pragma unroll 1
  for (int i = 0; i < kM * kN; ++i) {
    const int m = i % kM, n = i / kM;
    const int f = m0 + own_m + m / 4 * 32 + m % 4, p = p0 + own_n + n % 4 + n / 4 * 16;
    if (p >= s.pixels || f >= s.filters) continue;
    float* to = o.out + p * o.pitch + first_m + f;
    const float r = o.residual != nullptr ? o.residual[p * o.residual_pitch + first_m + f] : 0;
    *to = o.finish(*to + o.bias_of(first_m + f), r, first_m + f);
  }
}

template <bool kChannels>
void launch(int form, const ConvJob<float>& job, unsigned blocks, cudaStream_t stream) {
  switch (form) {
    case 0: conv_gemm_kernel<2, 4, 8, 8, kChannels><<<blocks, 256, 0, stream>>>(job); break;
    case 1: conv_gemm_kernel<1, 4, 8, 8, kChannels><<<blocks, 128, 0, stream>>>(job); break;
    case 2: conv_gemm_kernel<1, 4, 8, 4, kChannels><<<blocks, 128, 0, stream>>>(job); break;
    default: conv_gemm_kernel<1, 4, 4, 8, kChannels><<<blocks, 128, 0, stream>>>(job); break;
  }
}

/// kImage: the input has any strides.
template <bool kImage>
Status run_conv_gemm(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  ConvJob<float> job{.g = conv_geometry(c),
                     .o = conv_out<float>(c),
                     .x = c.in[0].as<float>(),
                     .w = c.in[1].as<float>(),
                     .width = static_cast<int>(ConvColumns(c.params_as<ConvParams>(), c.in[1].shape).width()),
                     .sums = reinterpret_cast<float*>(c.scratch)};
  const int form = cut_for(job.g, kForms, kSlice, kProducts, job.cut);
  const ConvCut& cut = job.cut;
  const auto blocks =
      static_cast<unsigned>(static_cast<std::int64_t>(cut.filter_tiles) * cut.pixel_tiles * job.g.groups * cut.splits);
  const cudaStream_t stream = stream_of(c);
  if (!kImage && in_vectors<float>(c.in[0], job.g.channels)) launch<true>(form, job, blocks, stream);
  else launch<false>(form, job, blocks, stream);
  if (cut.splits > 1) {
    const std::int64_t sums = static_cast<std::int64_t>(blocks) / cut.splits * cut.tile_filters * cut.tile_pixels;
    conv_sums_kernel<float><<<blocks_for(sums), kThreads, 0, stream>>>(job);
  }
  return launched();
}

std::size_t scratch_conv_gemm(const KernelQuery& q) noexcept {
  return conv_scratch(q.input(1).shape.count(1, q.input(1).shape.rank), kSlice);
}

Refusal accepts_conv_gemm(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_refusal(q, DType::f32)) return r;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape& w = q.input(1).shape;
  if (p.group > 1 && w[0] / p.group < 8) return "a group has few filters";
  return nullptr;
}

/// Of a picture, which lies as it was given: few channels, each a plane.
Refusal accepts_conv_image(const KernelQuery& q) noexcept {
  if (q.input(1).shape[1] > 4) return "more than four channels";
  return accepts_conv_gemm(q);
}

}  // namespace

extern const Kernel conv_gemm_cuda{
    .name = "conv_gemm_cuda",
    .op = "Conv",
    .device = DeviceKind::cuda,
    .batch_invariant = false,  // how layers are split depends on the number of pixels
    .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
    .out{Port::channels_last},
    .packings = &conv_gpu_columns_f32,
    .packing_count = 1,
    .accepts = accepts_conv_gemm,
    .scratch_bytes = scratch_conv_gemm,
    .run = run_conv_gemm<false>};
extern const Kernel conv_image_cuda{.name = "conv_image_cuda",
                                    .op = "Conv",
                                    .device = DeviceKind::cuda,
                                    .batch_invariant = false,
                                    .in{Port::strided, Port::packed, Port::dense, Port::channels_last, Port::dense},
                                    .out{Port::channels_last},
                                    .packings = &conv_gpu_columns_f32,
                                    .packing_count = 1,
                                    .accepts = accepts_conv_image,
                                    .scratch_bytes = scratch_conv_gemm,
                                    .run = run_conv_gemm<true>};

}  // namespace monza::ops
