// Convolution in f16 on a GPU's tensor cores, summed in float, as a product of gathered pixels and weights ("implicit
// GEMM") over channels-last outputs. Floor on an H200: 2 * pixels * filters * taps * channels operations at 790
// TFLOP/s, of which mma.sync reaches some 60 %; a tile of 128 by 128 reads 16 KiB for 1 Mi operations.
//
// A block computes a tile of pixels by filters, a warp a part of it in 16x8 products. Slices of 32 factors go through a
// ring of four stages of shared memory. Its rows are 64 bytes; their 16-byte chunks are swapped so that the eight rows
// that ldmatrix reads at once lie in different banks.
#include "ops/conv/conv_gpu.params.h"
#include "ops/conv/conv_tiles.cuh"
#include "ops/shared/gpu_tensor.cuh"

namespace monza::ops {

extern const Packing conv_gpu_rows_f16;

namespace {

using namespace gpu;

constexpr int kSlice = static_cast<int>(ConvRows::kSlice);
constexpr int kChunks = kSlice / 8;  ///< of a row: 8 numbers, 16 bytes
constexpr int kStages = 4;
constexpr ConvForm kForms[] = {{128, 128, 1.0}, {64, 128, 0.85}, {64, 64, 0.7}, {32, 128, 0.6}};
constexpr double kProducts = 2400;  ///< of a multiprocessor in a cycle

/// Where chunk `chunk` of row `row` lies in a slice, in numbers.
__device__ __forceinline__ int place_in_slice(int row, int chunk) {
  return row * kSlice + (chunk ^ ((row >> 1) & 3)) * 8;
}

/// Floats from row to row of the sums of a tile, padded against bank conflicts.
template <int kFilters>
constexpr int kSumRow = kFilters + 8;

template <int kPixels, int kFilters>
constexpr int kSharedBytes = kStages * (kPixels + kFilters) * kSlice * 2 > kPixels* kSumRow<kFilters> * 4
                                 ? kStages*(kPixels + kFilters) * kSlice * 2
                                 : kPixels* kSumRow<kFilters> * 4;

/// kWarpsP by kWarpsF warps, each of kP * 16 pixels by kF * 8 filters.
/// kChannels: channels-last pixels are read in vectors of 8 channels; else one element at a time, with any strides.
template <int kWarpsP, int kWarpsF, int kP, int kF, bool kChannels>
__global__ void __launch_bounds__(32 * kWarpsP * kWarpsF, 16 / (kWarpsP * kWarpsF))
    conv_tensor_kernel(const ConvJob<__half> job) {
  constexpr int kThreadsOfBlock = 32 * kWarpsP * kWarpsF;
  constexpr int kPixels = kWarpsP * kP * 16, kFilters = kWarpsF * kF * 8;
  constexpr int kStage = (kPixels + kFilters) * kSlice;  // numbers: the pixels' rows, then the filters'
  extern __shared__ __align__(16) unsigned char memory[];
  auto* const ring = reinterpret_cast<__half*>(memory);
  __shared__ int4 places[kChannels ? kPixels : 1];            // of each pixel: first position, first pixel of its image
  __shared__ ConvFactor factors[kChannels ? 1 : 2 * kSlice];  // of two slices

  const ConvGeometry& s = job.g;
  const ConvTile tile = conv_tile(s, job.cut);
  const int tid = static_cast<int>(threadIdx.x), p0 = tile.pixel, f0 = tile.filter;

  // --- weights ---
  const int weight_rows = (s.filters + static_cast<int>(ConvRows::kFilters) - 1) /
                          static_cast<int>(ConvRows::kFilters) * static_cast<int>(ConvRows::kFilters);
  const __half* weights = job.w + static_cast<std::int64_t>(tile.group) * weight_rows * job.width;
  const auto load_weights = [&](int slice, int stage) {
    __half* to = ring + stage * kStage + kPixels * kSlice;
#pragma unroll
    for (int i = tid; i < kFilters * kChunks; i += kThreadsOfBlock) {
      const int row = i / kChunks, chunk = i % kChunks;
      const bool there = f0 + row < weight_rows;
      const __half* from =
          there ? weights + static_cast<std::int64_t>(f0 + row) * job.width + slice * kSlice + chunk * 8 : job.w;
      copy16(to + place_in_slice(row, chunk), from, there ? 16 : 0);
    }
  };

  // --- pixels ---
  const __half* x = job.x + static_cast<std::int64_t>(tile.group) * s.channels * (kChannels ? 1 : s.x_channel);
  // kChannels: the thread's chunk of each slice, and its first row.
  const int own_chunk = tid % kChunks, own_row = tid / kChunks;
  ConvCursor cursor(s, tile.first_slice * kSlice + own_chunk * 8);
  const auto copy_pixels = [&](int stage) {
    __half* to = ring + stage * kStage;
    const bool tap = cursor.d < s.k[0];  // beyond the last lies padding
    const int d = cursor.d * s.dilation[0], h = cursor.h * s.dilation[1], w = cursor.w * s.dilation[2];
#pragma unroll
    for (int row = own_row; row < kPixels; row += kThreadsOfBlock / kChunks) {
      const int4 p = places[row];
      const int z = p.x + d, y = p.y + h, u = p.z + w;
      const bool there = tap && conv_inside(s, z, y, u);
      const __half* from = job.x;
      if (there) from = x + (p.w + (z * s.in[1] + y) * s.in[2] + u) * s.x_pitch + cursor.channel;
      copy16(to + place_in_slice(row, own_chunk), from, there ? 16 : 0);
    }
    cursor.advance(s, kSlice);
  };
  // Else: the thread's pixel, and how many of its factors the thread gathers.
  constexpr int kEach = kPixels * kSlice / kThreadsOfBlock;
  static_assert(kEach % 8 == 0);
  const int own_pixel = tid % kPixels, own_factor = tid / kPixels * kEach;
  int4 place = make_int4(0, 0, 0, 0);
  union Gathered {
    __half number[8];
    uint4 chunk;
    __device__ Gathered() {}
  };
  Gathered gathered[kChannels ? 1 : kEach / 8];
  const auto gather_pixels = [&](int slice) {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const ConvFactor& f = factors[slice % 2 * kSlice + own_factor + i];
      const int z = place.x + f.d, y = place.y + f.h, u = place.z + f.w;
      __half v = __ushort_as_half(0);
      if (conv_inside(s, z, y, u)) v = x[z * s.xs[0] + y * s.xs[1] + u * s.xs[2] + f.channel];
      gathered[i / 8].number[i % 8] = v;
    }
  };
  const auto store_pixels = [&](int stage) {
    __half* to = ring + stage * kStage;
#pragma unroll
    for (int i = 0; i < kEach / 8; ++i)
      *reinterpret_cast<uint4*>(to + place_in_slice(own_pixel, own_factor / 8 + i)) = gathered[i].chunk;
  };
  // Into half `slice` % 2 of the table, by the first threads.
  const auto make_factors = [&](int slice) {
    if (tid < kSlice) factors[slice % 2 * kSlice + tid] = conv_factor(s, slice * kSlice + tid);
  };

  // --- the first stages ---
  if constexpr (kChannels) {
    for (int i = tid; i < kPixels; i += kThreadsOfBlock) {
      int4 p = conv_place(s, p0 + i);
      p.w *= s.in[0] * s.in[1] * s.in[2];
      places[i] = p;
    }
    __syncthreads();
  } else {
    place = conv_place(s, p0 + own_pixel);
    x += place.w * s.x_image;
  }
#pragma unroll 1
  for (int i = 0; i < kStages - 1; ++i) {
    const int slice = tile.first_slice + i;
    if (slice < tile.last_slice) {
      load_weights(slice, i);
      if constexpr (kChannels) {
        copy_pixels(i);
      } else {
        make_factors(slice);
        __syncthreads();
        gather_pixels(slice);
        store_pixels(i);
      }
    }
    commit_copies();
  }
  if constexpr (!kChannels) {
    __syncthreads();  // all have read what is now overwritten
    make_factors(tile.first_slice + kStages - 1);
  }

  // --- the product ---
  const int warp = tid / 32, lane = tid % 32;
  const int own_p = warp % kWarpsP * kP * 16, own_f = warp / kWarpsP * kF * 8;
  float sum[kP][kF][4];
#pragma unroll
  for (int i = 0; i < kP; ++i)
#pragma unroll
    for (int j = 0; j < kF; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) sum[i][j][e] = 0;
  int stage = 0;
  for (int slice = tile.first_slice; slice < tile.last_slice; ++slice) {
    await_copies<kStages - 2>();
    __syncthreads();  // the slice is there for all, and the stage before it was read by all
    const int next = slice + kStages - 1, free_stage = stage == 0 ? kStages - 1 : stage - 1;
    const bool more = next < tile.last_slice;
    if (more) {
      load_weights(next, free_stage);
      if constexpr (kChannels) copy_pixels(free_stage);
      else gather_pixels(next);
    }
    commit_copies();
    if constexpr (!kChannels) make_factors(next + 1);

    const __half* pixels = ring + stage * kStage;
    const __half* filters = pixels + kPixels * kSlice;
#pragma unroll
    for (int step = 0; step < kSlice / 16; ++step) {
      std::uint32_t a[kP][4], b[kF / 2][4];
#pragma unroll
      for (int i = 0; i < kP; ++i)
        load_matrices(a[i], shared_address(pixels + place_in_slice(own_p + i * 16 + lane % 16, step * 2 + lane / 16)));
#pragma unroll
      for (int j = 0; j < kF / 2; ++j)
        load_matrices(b[j], shared_address(filters + place_in_slice(own_f + j * 16 + lane / 16 * 8 + lane % 8,
                                                                    step * 2 + lane / 8 % 2)));
#pragma unroll
      for (int i = 0; i < kP; ++i)
#pragma unroll
        for (int j = 0; j < kF; ++j) multiply<__half>(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
    }
    if constexpr (!kChannels)
      if (more) store_pixels(free_stage);
    stage = stage == kStages - 1 ? 0 : stage + 1;
  }

  // --- results, through shared memory, so that a thread has filters that lie beside each other ---
  constexpr int kRow = kSumRow<kFilters>;
  auto* const sums = reinterpret_cast<float*>(memory);
  await_copies<0>();
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kP; ++i)
#pragma unroll
    for (int j = 0; j < kF; ++j) {
      float* to = sums + (own_p + i * 16 + lane / 4) * kRow + own_f + j * 8 + lane % 4 * 2;
      *reinterpret_cast<float2*>(to) = make_float2(sum[i][j][0], sum[i][j][1]);
      *reinterpret_cast<float2*>(to + 8 * kRow) = make_float2(sum[i][j][2], sum[i][j][3]);
    }
  __syncthreads();
  const ConvOut<__half>& o = job.o;
  const QuickActivation act(o.act);
#pragma unroll 1
  for (int i = tid; i < kPixels * kFilters / 8; i += kThreadsOfBlock) {
    const int row = i / (kFilters / 8), column = i % (kFilters / 8) * 8;
    const float* from = sums + row * kRow + column;
    if (job.cut.splits > 1) {
      float* to = job.sums + static_cast<std::int64_t>(blockIdx.x) * (kPixels * kFilters) + row * kFilters + column;
      *reinterpret_cast<float4*>(to) = *reinterpret_cast<const float4*>(from);
      *reinterpret_cast<float4*>(to + 4) = *reinterpret_cast<const float4*>(from + 4);
      continue;
    }
    const int p = p0 + row, f = f0 + column, m = tile.group * s.filters + f;
    if (p >= s.pixels || f >= s.filters) continue;
    __half* to = o.out + p * o.pitch + m;
    const __half* r = o.residual == nullptr ? nullptr : o.residual + p * o.residual_pitch + m;
    if (o.vectors && act.quick) {
      uint4 more = make_uint4(0, 0, 0, 0), result;
      if (r != nullptr) more = *reinterpret_cast<const uint4*>(r);
      const float4 low = *reinterpret_cast<const float4*>(from), high = *reinterpret_cast<const float4*>(from + 4);
      const float all[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      const auto* add = reinterpret_cast<const __half*>(&more);
      auto* v = reinterpret_cast<__half*>(&result);
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        float value = all[j] + o.bias_of(m + j);
        if (!o.residual_after) value += __half2float(add[j]);
        value = act(value);
        if (o.residual_after) value += __half2float(add[j]);
        v[j] = __float2half_rn(value);
      }
      *reinterpret_cast<uint4*>(to) = result;
    } else {
#pragma unroll 1
      for (int j = 0; j < 8 && f + j < s.filters; ++j)
        store(to + j, o.finish(from[j] + o.bias_of(m + j), r != nullptr ? load(r + j) : 0.0f, m + j));
    }
  }
}

template <int kWarpsP, int kWarpsF, int kP, int kF, bool kChannels>
void launch_form(const ConvJob<__half>& job, unsigned blocks, cudaStream_t stream) {
  constexpr int kBytes = kSharedBytes<kWarpsP * kP * 16, kWarpsF * kF * 8>;
  const auto kernel = conv_tensor_kernel<kWarpsP, kWarpsF, kP, kF, kChannels>;
  // More than 48 KiB must be asked for, once for each device; it takes no stream and little time.
  (void)cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  kernel<<<blocks, 32 * kWarpsP * kWarpsF, kBytes, stream>>>(job);
}

template <bool kChannels>
void launch(int form, const ConvJob<__half>& job, unsigned blocks, cudaStream_t stream) {
  switch (form) {
    case 0: launch_form<2, 4, 4, 4, kChannels>(job, blocks, stream); break;
    case 1: launch_form<2, 2, 4, 4, kChannels>(job, blocks, stream); break;
    case 2: launch_form<2, 2, 2, 4, kChannels>(job, blocks, stream); break;
    default: launch_form<4, 1, 2, 4, kChannels>(job, blocks, stream); break;
  }
}

/// kImage: the input has any strides.
template <bool kImage>
Status run_conv_tensor(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  ConvJob<__half> job{.g = conv_geometry(c),
                      .o = conv_out<__half>(c),
                      .x = c.in[0].as<__half>(),
                      .w = c.in[1].as<__half>(),
                      .width = static_cast<int>(ConvRows(c.params_as<ConvParams>(), c.in[1].shape).width()),
                      .sums = reinterpret_cast<float*>(c.scratch)};
  const int form = cut_for(job.g, kForms, kSlice, kProducts, job.cut);
  const ConvCut& cut = job.cut;
  const auto blocks =
      static_cast<unsigned>(static_cast<std::int64_t>(cut.filter_tiles) * cut.pixel_tiles * job.g.groups * cut.splits);
  const cudaStream_t stream = stream_of(c);
  if (!kImage && in_vectors<__half>(c.in[0], job.g.channels)) launch<true>(form, job, blocks, stream);
  else launch<false>(form, job, blocks, stream);
  if (cut.splits > 1) {
    const std::int64_t sums = static_cast<std::int64_t>(blocks) / cut.splits * cut.tile_filters * cut.tile_pixels;
    conv_sums_kernel<__half><<<blocks_for(sums), kThreads, 0, stream>>>(job);
  }
  return launched();
}

std::size_t scratch_conv_tensor(const KernelQuery& q) noexcept {
  return conv_scratch(q.input(1).shape.count(1, q.input(1).shape.rank), kSlice);
}

Refusal accepts_conv_tensor(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_refusal(q, DType::f16)) return r;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape& w = q.input(1).shape;
  if (p.group > 1 && w[0] / p.group < 8) return "a group has few filters";
  return nullptr;
}

/// Of a picture, which lies as it was given: few channels, each a plane.
Refusal accepts_conv_image_tensor(const KernelQuery& q) noexcept {
  if (q.input(1).shape[1] > 4) return "more than four channels";
  return accepts_conv_tensor(q);
}

}  // namespace

extern const Kernel conv_tensor_cuda{
    .name = "conv_tensor_cuda",
    .op = "Conv",
    .device = DeviceKind::cuda,
    .batch_invariant = false,  // how layers are split depends on the number of pixels
    .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
    .out{Port::channels_last},
    .packings = &conv_gpu_rows_f16,
    .packing_count = 1,
    .accepts = accepts_conv_tensor,
    .scratch_bytes = scratch_conv_tensor,
    .run = run_conv_tensor<false>};
extern const Kernel conv_image_tensor_cuda{
    .name = "conv_image_tensor_cuda",
    .op = "Conv",
    .device = DeviceKind::cuda,
    .batch_invariant = false,
    .in{Port::strided, Port::packed, Port::dense, Port::channels_last, Port::dense},
    .out{Port::channels_last},
    .packings = &conv_gpu_rows_f16,
    .packing_count = 1,
    .accepts = accepts_conv_image_tensor,
    .scratch_bytes = scratch_conv_tensor,
    .run = run_conv_tensor<true>};

}  // namespace monza::ops
