// Convolution in f16 of few pixels, on tensor cores (mma.sync), summed in float: for layers whose time is not that of
// their operations or bytes, but of what happens once, one after the other: launch, first bytes, last sum, store.
//
// A warp computes 32 pixels by 32 filters over its own share of the factors: it copies its slices itself,
// all of them under way together where they fit, so that no warp waits for another before the end. Then the shares of a
// block's warps, and of the blocks of a cluster, are added in their order. The weights, which no kernel writes, are on
// their way before the kernel before has ended. Floor: a latency of L2 (0.35 us) for the first bytes, (32 + 32) * 2
// bytes for each factor of a tile at 50 bytes a cycle and multiprocessor, and as much again for sums and stores; 2 to 3
// us with the launch.
#include <algorithm>

#include "ops/conv/conv_gpu.params.h"
#include "ops/conv/conv_tiles.cuh"
#include "ops/shared/gpu_hopper.cuh"
#include "ops/shared/gpu_hopper_maps.cuh"
#include "ops/shared/gpu_overlap.cuh"
#include "ops/shared/gpu_tensor.cuh"

namespace monza::ops {

extern const Packing conv_gpu_rows_f16;
extern const Kernel conv_tensor_cuda;

namespace {

using namespace gpu;

constexpr int kSlice = static_cast<int>(ConvRows::kSlice);  ///< factors: rows of 64 bytes
constexpr int kMostStages = 4;                              ///< slices of a warp that are under way
constexpr int kMostSplits = 8;                              ///< a cluster's most blocks
static_assert(kSlice == 32);

/// How a block is made: of its warps `kWarpsK` share the factors of the same results, the others have other pixels;
/// each has `kSide` pixels by as many filters.
template <int kWarpsK_>
struct SmallForm {
  static constexpr int kWarps = 8, kWarpsK = kWarpsK_, kSide = 32;
  static constexpr int kThreads = kWarps * 32, kPixels = kWarps / kWarpsK * kSide;
  static constexpr int kStageBytes = 2 * kSide * kSlice * 2;  ///< pixels' rows, then filters'
  static constexpr int kSumRow = kSide + 8;                   ///< floats; against bank conflicts
  static constexpr int kSumBytes = kWarps * kSide * kSumRow * 4;
};

struct SmallJob {
  ConvGeometry g;
  ConvOut<__half> o;
  const __half* x = nullptr;
  const __half* w = nullptr;
  int width = 0, slices = 0;  ///< of a packed row of weights: numbers, slices
  int filter_tiles = 0;
  int stages = 0;  ///< of a warp, that there is memory for
  int splits = 1;  ///< blocks of a cluster, which share the factors
};

/// Where chunk `chunk` (of 16 bytes) of a row lies: eight rows that ldmatrix reads at once lie in different banks.
__device__ __forceinline__ int place_in_slice(int row, int chunk) {
  return row * kSlice * 2 + (chunk ^ ((row >> 1) & 3)) * 16;
}

/// Four filters of a pixel, and what is added to them.
struct Quad {
  int pixel, filter;
  Channels<__half, 4> bias, residual;
};

/// kStages: slices of a warp that are under way. Grid: tiles, splits.
template <typename Form, int kStages>
__global__ void __launch_bounds__(Form::kThreads) conv_small_kernel(const SmallJob job) {
  constexpr int kWarpsK = Form::kWarpsK, kPixels = Form::kPixels, kThreadsOfBlock = Form::kThreads, kTile = Form::kSide;
  constexpr int kSumRow = Form::kSumRow, kStageBytes = Form::kStageBytes;
  constexpr int kRows = kTile / 8;  // that a lane copies of each factor
  extern __shared__ __align__(16) unsigned char memory[];
  auto* const sums = reinterpret_cast<float*>(memory);  // [warp][pixel][kSumRow]
  const ConvGeometry& g = job.g;
  const ConvOut<__half>& o = job.o;
  const int tid = static_cast<int>(threadIdx.x), warp = tid / 32, lane = tid % 32;
  const int split = static_cast<int>(blockIdx.y), tile = static_cast<int>(blockIdx.x);
  const int f0 = tile % job.filter_tiles * kTile, p0 = tile / job.filter_tiles * kPixels;
  const int share = split * kWarpsK + warp % kWarpsK, shares = job.splits * kWarpsK;
  const int count = share < job.slices ? (job.slices - share + shares - 1) / shares : 0;  // slices of this warp

  // A lane copies chunk lane % 4 of rows lane / 4, 8 more, ... of pixels and of filters.
  const int chunk = lane % 4, row0 = lane / 4;
  const std::uint32_t ring = shared_address(memory) + Form::kSumBytes + warp * job.stages * kStageBytes;
  int y0[kRows], u0[kRows], first[kRows];
  const int p = p0 + warp / kWarpsK * kTile + row0;
  int line = p / g.out[2], u = p - line * g.out[2], image = line / g.out[1], y = line - image * g.out[1];
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int top = y * g.stride[1] - g.pad[1];
    y0[i] = p + i * 8 < g.pixels ? top : kOutside;
    u0[i] = u * g.stride[2] - g.pad[2];
    first[i] = (image * g.in[1] + top) * g.in[2] + u0[i];
    for (u += 8; u >= g.out[2]; u -= g.out[2])  // divisions would take longer
      if (++y == g.out[1]) y = 0, ++image;
  }
  const auto copy = [](std::uint32_t to, const void* from, bool there) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(from), "r"(there ? 16 : 0)
                 : "memory");
  };
  const int weight_rows = (g.filters + static_cast<int>(ConvRows::kFilters) - 1) /
                          static_cast<int>(ConvRows::kFilters) * static_cast<int>(ConvRows::kFilters);
  const auto copy_filters = [&](int j) {
    const std::uint32_t to = ring + j % kStages * kStageBytes + kTile * kSlice * 2;
    const __half* const from = job.w + (share + j * shares) * kSlice + chunk * 8;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const int row = row0 + i * 8;
      const bool there = f0 + row < weight_rows;
      copy(to + place_in_slice(row, chunk), there ? from + static_cast<std::int64_t>(f0 + row) * job.width : job.w,
           there);
    }
  };
  ConvCursor cursor(g, share * kSlice + chunk * 8);
  const auto copy_pixels = [&](int j) {
    const std::uint32_t to = ring + j % kStages * kStageBytes;
    const int h = cursor.h * g.dilation[1], w = cursor.w * g.dilation[2], move = h * g.in[2] + w;
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      // Beyond the last tap lies padding.
      const bool there = cursor.d == 0 && static_cast<unsigned>(y0[i] + h) < static_cast<unsigned>(g.in[1]) &&
                         static_cast<unsigned>(u0[i] + w) < static_cast<unsigned>(g.in[2]);
      copy(to + place_in_slice(row0 + i * 8, chunk),
           there ? job.x + static_cast<std::int64_t>(first[i] + move) * g.x_pitch + cursor.channel : job.x, there);
    }
    cursor.advance(g, shares * kSlice);
  };

  for (int j = 0; j < kStages && j < count; ++j) copy_filters(j);
  await_previous();  // weights and biases are constant
#pragma unroll 1
  for (int j = 0; j < kStages; ++j) {
    if (j < count) copy_pixels(j);
    commit_copies();
  }

  // What is added to a thread's results, on its way while they are summed up.
  const int quads = kPixels * (kTile / 4) / job.splits, quad0 = split * quads;
  const auto quad = [&](int q) {
    Quad at{p0 + (quad0 + q) / (kTile / 4), f0 + (quad0 + q) % (kTile / 4) * 4, {}, {}};
    if (at.pixel >= g.pixels || !o.vectors || at.filter >= g.filters) return at;
    if (o.bias != nullptr) {
#pragma unroll
      for (int i = 0; i < 4; ++i) at.bias.v[i] = o.bias[at.filter + i];
    }
    if (o.residual != nullptr)
      at.residual = *reinterpret_cast<const Channels<__half, 4>*>(o.residual + at.pixel * o.residual_pitch + at.filter);
    return at;
  };
  Quad now = quad(tid);

  float sum[kTile / 16][kTile / 8][4];
#pragma unroll
  for (int i = 0; i < kTile / 16; ++i)
#pragma unroll
    for (int f = 0; f < kTile / 8; ++f)
#pragma unroll
      for (int e = 0; e < 4; ++e) sum[i][f][e] = 0;
#pragma unroll 1
  for (int j = 0; j < count; ++j) {
    await_copies<kStages - 1>();
    __syncwarp();
    const std::uint32_t pixels = ring + j % kStages * kStageBytes, filters = pixels + kTile * kSlice * 2;
#pragma unroll
    for (int step = 0; step < kSlice / 16; ++step) {
      std::uint32_t a[kTile / 16][4], b[kTile / 16][4];
#pragma unroll
      for (int i = 0; i < kTile / 16; ++i)
        load_matrices(a[i], pixels + place_in_slice(i * 16 + lane % 16, step * 2 + lane / 16));
#pragma unroll
      for (int i = 0; i < kTile / 16; ++i)
        load_matrices(b[i], filters + place_in_slice(i * 16 + lane / 16 * 8 + lane % 8, step * 2 + lane / 8 % 2));
#pragma unroll
      for (int i = 0; i < kTile / 16; ++i)
#pragma unroll
        for (int f = 0; f < kTile / 8; ++f)
          multiply<__half>(sum[i][f], a[i], b[f / 2][f % 2 * 2], b[f / 2][f % 2 * 2 + 1]);
    }
    __syncwarp();
    if (j + kStages < count) {
      copy_filters(j + kStages);
      copy_pixels(j + kStages);
    }
    commit_copies();
  }

  // --- the shares are added ---
#pragma unroll
  for (int i = 0; i < kTile / 16; ++i)
#pragma unroll
    for (int f = 0; f < kTile / 8; ++f) {
      float* const to = sums + (warp * kTile + i * 16 + lane / 4) * kSumRow + f * 8 + lane % 4 * 2;
      *reinterpret_cast<float2*>(to) = make_float2(sum[i][f][0], sum[i][f][1]);
      *reinterpret_cast<float2*>(to + 8 * kSumRow) = make_float2(sum[i][f][2], sum[i][f][3]);
    }
  __syncthreads();
  const auto add = [](float4& to, const float4& part) {
    to.x += part.x, to.y += part.y, to.z += part.z, to.w += part.w;
  };
  const auto of_block = [&](float* from) {
    float4 v = *reinterpret_cast<const float4*>(from);
#pragma unroll
    for (int k = 1; k < kWarpsK; ++k) add(v, *reinterpret_cast<const float4*>(from + k * kTile * kSumRow));
    return v;
  };
  const auto place = [&](int q) {
    const int row = q / (kTile / 4);
    return sums + (row / kTile * kWarpsK * kTile + row % kTile) * kSumRow + q % (kTile / 4) * 4;
  };
#if __CUDA_ARCH__ >= 900
  if (job.splits > 1) {
    for (int q = tid; q < kPixels * (kTile / 4); q += kThreadsOfBlock)
      *reinterpret_cast<float4*>(place(q)) = of_block(place(q));
    cluster_sync();
  }
#endif
  const QuickActivation act(o.act);
#pragma unroll 1
  for (int q = tid; q < quads; q += kThreadsOfBlock) {
    float4 all;
#if __CUDA_ARCH__ >= 900
    if (job.splits > 1) {
      const std::uint32_t from = shared_address(place(quad0 + q));
      float4 part[kMostSplits];
#pragma unroll
      for (int s = 0; s < kMostSplits; ++s) part[s] = s < job.splits ? load_of_block(from, s) : make_float4(0, 0, 0, 0);
      all = part[0];
#pragma unroll
      for (int s = 1; s < kMostSplits; ++s) add(all, part[s]);
    } else
#endif
      all = of_block(place(q));
    float v[4] = {all.x, all.y, all.z, all.w};
    const Quad at = now;
    now = quad(q + kThreadsOfBlock);
    if (at.pixel >= g.pixels) continue;
    __half* const to = o.out + at.pixel * o.pitch + at.filter;
    if (o.vectors && act.quick) {
      if (at.filter >= g.filters) continue;
      Channels<__half, 4> result;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        float value = v[i] + load(&at.bias.v[i]);
        const float more = load(&at.residual.v[i]);
        value = o.residual_after ? act(value) + more : act(value + more);
        store(&result.v[i], value);
      }
      *reinterpret_cast<Channels<__half, 4>*>(to) = result;
      continue;
    }
    // Rare, so small: the numbers go round through v, of which each step takes the first.
#pragma unroll 1
    for (int i = 0; i < 4 && at.filter + i < g.filters; ++i) {
      const float value = v[0];
      v[0] = v[1], v[1] = v[2], v[2] = v[3];
      const int m = at.filter + i;
      const float more = o.residual != nullptr ? load(o.residual + at.pixel * o.residual_pitch + m) : 0.0f;
      store(to + i, o.finish(value + o.bias_of(m), more, m));
    }
  }
#if __CUDA_ARCH__ >= 900
  if (job.splits > 1) cluster_sync();  // a block's memory is there until all have read it
#endif
}

template <typename Form>
Status launch(const KernelContext& c, SmallJob& job) {
  const ConvGeometry& g = job.g;
  job.filter_tiles = (g.filters + Form::kSide - 1) / Form::kSide;
  const int tiles = (g.pixels + Form::kPixels - 1) / Form::kPixels * job.filter_tiles;
  // Blocks share the factors where there are multiprocessors left and each warp keeps a slice.
  if (hopper() && Form::kWarpsK == Form::kWarps)
    while (job.splits < kMostSplits && tiles * job.splits * 2 <= kProcessors &&
           job.slices >= 2 * Form::kWarpsK * job.splits)
      job.splits *= 2;
  // Where there are more blocks than multiprocessors, two have to fit one.
  job.stages = std::min(tiles * job.splits > kProcessors ? 2 : kMostStages,
                        (job.slices + Form::kWarpsK * job.splits - 1) / (Form::kWarpsK * job.splits));
  const auto kernel = job.stages > 2 ? conv_small_kernel<Form, kMostStages> : conv_small_kernel<Form, 2>;
  const int bytes = Form::kSumBytes + Form::kWarps * job.stages * Form::kStageBytes;
  // More than 48 KiB must be asked for, once for each device; it takes no stream and little time.
  (void)cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(job.splits));
  config.blockDim = dim3(Form::kThreads);
  config.dynamicSmemBytes = static_cast<std::size_t>(bytes);
  config.stream = stream_of(c);
  cudaLaunchAttribute attributes[2]{};
  attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[0].val.programmaticStreamSerializationAllowed = 1;
  attributes[1].id = cudaLaunchAttributeClusterDimension;
  attributes[1].val.clusterDim.x = 1;
  attributes[1].val.clusterDim.y = static_cast<unsigned>(job.splits);
  attributes[1].val.clusterDim.z = 1;
  config.attrs = attributes;
  config.numAttrs = !hopper() ? 0 : job.splits > 1 ? 2 : 1;
  (void)cudaLaunchKernelEx(&config, kernel, job);  // `launched` tells
  return launched();
}

Status run_conv_small(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  SmallJob job{.g = conv_geometry(c), .o = conv_out<__half>(c), .x = c.in[0].as<__half>(), .w = c.in[1].as<__half>()};
  if (!in_vectors<__half>(c.in[0], job.g.channels)) return conv_tensor_cuda.run(c);
  job.width = static_cast<int>(ConvRows(c.params_as<ConvParams>(), c.in[1].shape).width());
  job.slices = job.width / kSlice;
  // As many warps share the factors as have any.
  if (job.slices == 1) return launch<SmallForm<1>>(c, job);
  if (job.slices == 2) return launch<SmallForm<2>>(c, job);
  if (job.slices <= 4) return launch<SmallForm<4>>(c, job);
  return launch<SmallForm<8>>(c, job);
}

/// Of the kernel that takes what does not lie in vectors.
std::size_t scratch_conv_small(const KernelQuery& q) noexcept { return conv_tensor_cuda.scratch_bytes(q); }

Refusal accepts_conv_small(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_tensor_cuda.accepts(q)) return r;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape &w = q.input(1).shape, &out = q.out[0].shape;
  if (p.group != 1) return "has groups";
  if (p.spatial > 2) return "more than two spatial axes";
  if (w[1] % 8 != 0) return "channels are no whole vectors of 8";
  if (out[0] * out.count(2, out.rank) * w[0] > std::int64_t{1} << 22) return "so many outputs that larger tiles win";
  return nullptr;
}

}  // namespace

extern const Kernel conv_small_cuda{
    .name = "conv_small_cuda",
    .op = "Conv",
    .device = DeviceKind::cuda,
    .batch_invariant = false,  // how layers are split depends on the number of pixels
    .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
    .out{Port::channels_last},
    .packings = &conv_gpu_rows_f16,
    .packing_count = 1,
    .accepts = accepts_conv_small,
    .scratch_bytes = scratch_conv_small,
    .run = run_conv_small};

}  // namespace monza::ops
