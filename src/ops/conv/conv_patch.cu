// Convolution of pictures in f16: at most 4 channels, windows that move by 2 or 4 along the width ("the first layer").
// Floor: the output once at 4.2 TB/s, as the picture is smaller; 2 * pixels * filters * taps * 4 operations, which
// tensor cores (mma.sync) take less time for up to 64 filters of 7x7 taps.
//
// A block has the part of the picture that its 8 x 16 outputs see in shared memory, a pixel 4 channels, 8 bytes. As the
// window moves by a multiple of 2 pixels, what an output sees in a row of taps begins at a multiple of 16 bytes, and
// ldmatrix takes rows of factors from the picture itself: nothing is gathered. Blocks go through the tiles, so that the
// weights are copied once.
#include "ops/conv/conv_gpu.cuh"
#include "ops/conv/conv_gpu.params.h"
#include "ops/shared/gpu_overlap.cuh"
#include "ops/shared/gpu_tensor.cuh"

namespace monza::ops {

extern const Packing conv_gpu_patch_rows_f16;

namespace {

using namespace gpu;

constexpr int kWarps = 4, kThreadsOfBlock = kWarps * 32;
constexpr int kHigh = 8, kWide = 16;  ///< outputs of a tile: two rows for each warp
constexpr int kMostTaps = 8;          ///< of a row
constexpr int kMostShared = 200 << 10;
constexpr int kNowhere = 0x4000;  ///< a row below every part of a picture

struct PatchJob {
  ConvGeometry g;
  ConvOut<__half> o;
  const __half* x = nullptr;
  const __half* w = nullptr;
  int factors = 0;  ///< of a filter, padded
  int patch_high = 0, patch_wide = 0;
  int down = 0, across = 0, tiles = 0, parts = 1;  ///< parts: of the filters
};

/// A tile's image, first output, and the first pixel that this one sees.
struct Tile {
  int image, v, u, y, x;
  __device__ __forceinline__ Tile(const PatchJob& job, int tile) {
    const int row = tile / job.across;
    image = row / job.down;
    v = (row - image * job.down) * kHigh;
    u = (tile - row * job.across) * kWide;
    y = v * job.g.stride[1] - job.g.pad[1];
    x = u * job.g.stride[2] - job.g.pad[2];
  }
};

/// Bytes from filter to filter: an odd number of 16, so that eight of them lie in different banks.
__host__ __device__ __forceinline__ int pitch_of(int factors) { return (factors + 8) * 2; }

int shared_bytes(const PatchJob& job, int filters) {
  return filters * pitch_of(job.factors) + job.patch_high * job.patch_wide * 8;
}

/// kFilters: of a block. kSteps: of 16 factors in a row of taps. Grid: for each part of the filters, blocks that go
/// through the tiles.
template <int kFilters, int kSteps>
__global__ void __launch_bounds__(kThreadsOfBlock, kFilters == 64 ? 3 : 4) conv_patch_kernel(const PatchJob job) {
  constexpr int kParts = kFilters / 8;  // of 8 filters: what an instruction takes
  constexpr int kGroup = kFilters < 32 ? kFilters : 32, kVector = kGroup / 4;  // filters of four lanes, of one
  constexpr int kHeld = kSteps == 1 ? 5 : 7;  // pixels of a thread: all that windows of 3x3 and 7x7 see
  extern __shared__ __align__(16) unsigned char memory[];
  const ConvGeometry& g = job.g;
  const ConvOut<__half>& o = job.o;
  const int tid = static_cast<int>(threadIdx.x), warp = tid / 32, lane = tid % 32, t = lane % 4;
  const int pitch = pitch_of(job.factors);
  unsigned char* const patch = memory + kFilters * pitch;
  const int block = static_cast<int>(blockIdx.x) / job.parts, blocks = static_cast<int>(gridDim.x) / job.parts;
  const int f0 = (static_cast<int>(blockIdx.x) - block * job.parts) * kFilters;

  // Of a group of filters, filter t * kVector + 2 * j + e is column 2 t + e of its j-th instruction, so that the
  // filters of which a lane gets the sums lie beside each other, and those of four lanes as well.
  const int chunks = job.factors / 8, filters = (g.filters + static_cast<int>(ConvPatchRows::kFilters) - 1) /
                                                static_cast<int>(ConvPatchRows::kFilters) *
                                                static_cast<int>(ConvPatchRows::kFilters);
  for (int i = tid; i < kFilters * chunks; i += kThreadsOfBlock) {
    const int f = i / chunks, chunk = i - f * chunks;
    const int row = f / kGroup * kGroup + f % kVector / 2 * 8 + f % kGroup / kVector * 2 + f % 2;
    const bool there = f0 + f < filters;
    copy16(memory + row * pitch + chunk * 16,
           there ? job.w + static_cast<std::int64_t>(f0 + f) * job.factors + chunk * 8 : job.w, there ? 16 : 0);
  }
  commit_copies();
  await_previous();  // weights are constant

  // Factors behind the last tap of a row are zero, what lies there in the picture need be no number.
  const int behind = g.k[2] - (kSteps - 1) * 4;  // taps of the last step
  const bool keep_first = t / 2 < behind, keep_second = 2 + t / 2 < behind;
  const QuickActivation act(o.act);
  constexpr int kEach = 2 * kParts;  // filters of a lane
  float bias[kEach];
#pragma unroll
  for (int j = 0; j < kEach; ++j) {
    const int f = f0 + j / kVector * kGroup + t * kVector + j % kVector;
    bias[j] = f < g.filters ? o.bias_of(f) : 0.0f;
  }

  // Where a thread's pixels lie in the picture's part is the same for all tiles: row << 16 | column.
  const int pixels = job.patch_high * job.patch_wide;
  int own[kHeld];
#pragma unroll
  for (int b = 0; b < kHeld; ++b) {
    const int i = tid + b * kThreadsOfBlock, row = i / job.patch_wide;
    own[b] = i < pixels ? row << 16 | (i - row * job.patch_wide) : kNowhere << 16;
  }
  const auto fetch = [&](const Tile& at, int place) {
    union {
      unsigned short channel[4];
      uint2 all;
    } pixel;
    pixel.all = make_uint2(0, 0);
    const int y = at.y + (place >> 16), u = at.x + (place & 0xffff);
    if (static_cast<unsigned>(u) < static_cast<unsigned>(g.in[2]) &&
        static_cast<unsigned>(y) < static_cast<unsigned>(g.in[1])) {
      const auto* from =
          reinterpret_cast<const unsigned short*>(job.x + at.image * g.x_image + y * g.xs[1] + u * g.xs[2]);
#pragma unroll
      for (int channel = 0; channel < 4; ++channel)
        if (channel < g.channels) pixel.channel[channel] = from[channel * g.x_channel];
    }
    return pixel.all;
  };
  uint2 held[kHeld];  // the next tile's pixels, on their way while this one's are multiplied
  const auto fetch_all = [&](int tile) {
    const Tile at(job, tile);
#pragma unroll
    for (int b = 0; b < kHeld; ++b)
      if (b * kThreadsOfBlock < pixels) held[b] = fetch(at, own[b]);
  };
  if (block < job.tiles) fetch_all(block);
  await_copies<0>();

  for (int tile = block; tile < job.tiles; tile += blocks) {
    const Tile now(job, tile);
#pragma unroll
    for (int b = 0; b < kHeld; ++b)
      if (tid + b * kThreadsOfBlock < pixels)
        *reinterpret_cast<uint2*>(patch + (tid + b * kThreadsOfBlock) * 8) = held[b];
    for (int i = tid + kHeld * kThreadsOfBlock; i < pixels; i += kThreadsOfBlock) {  // of high windows
      const int row = i / job.patch_wide;
      *reinterpret_cast<uint2*>(patch + i * 8) = fetch(now, row << 16 | (i - row * job.patch_wide));
    }
    __syncthreads();
    if (tile + blocks < job.tiles) fetch_all(tile + blocks);

    float sum[2][kParts][4];
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < kParts; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) sum[i][j][e] = bias[j * 2 + e % 2];
    std::uint32_t at = shared_address(patch) + (lane % 16 * g.stride[2]) * 8 + lane / 16 * 16 +
                       warp * 2 * g.stride[1] * job.patch_wide * 8;
    const std::uint32_t next_row = g.stride[1] * job.patch_wide * 8;
    std::uint32_t factor = shared_address(memory) + (lane / 16 * 8 + lane % 8) * pitch + lane / 8 % 2 * 16;
#pragma unroll 1
    for (int h = 0; h < g.k[1]; ++h, at += job.patch_wide * 8, factor += kSteps * 32) {
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        std::uint32_t a[2][4], b[kParts / 2][4];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          load_matrices(a[i], at + i * next_row + step * 32);
          if (step == kSteps - 1) {
            if (!keep_first) a[i][0] = a[i][1] = 0;
            if (!keep_second) a[i][2] = a[i][3] = 0;
          }
        }
#pragma unroll
        for (int j = 0; j < kParts / 2; ++j) load_matrices(b[j], factor + j * 16 * pitch + step * 32);
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
          for (int j = 0; j < kParts; ++j)
            multiply<__half>(sum[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
      }
    }
    __syncthreads();  // the next tile's picture goes where this one was read

#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int v = now.v + warp * 2 + i, u = now.u + half * 8 + lane / 4;
        if (v >= g.out[1] || u >= g.out[2]) continue;
        __half* const to = o.out + ((static_cast<std::int64_t>(now.image) * g.out[1] + v) * g.out[2] + u) * o.pitch;
        using Vector = Channels<__half, kVector>;
#pragma unroll
        for (int first = 0; first < kEach; first += kVector) {
          float value[kVector];
#pragma unroll
          for (int j = 0; j < kVector; ++j) value[j] = sum[i][(first + j) / 2][half * 2 + j % 2];
          act.apply(value);
          Vector result;
#pragma unroll
          for (int j = 0; j < kVector; ++j) store(&result.v[j], value[j]);
          const int f = f0 + first / kVector * kGroup + t * kVector;
          if (o.vectors) {
            if (f < g.filters) *reinterpret_cast<Vector*>(to + f) = result;
          } else {
#pragma unroll
            for (int j = 0; j < kVector; ++j)
              if (f + j < g.filters) to[f + j] = result.v[j];
          }
        }
      }
  }
}

template <int kFilters, int kSteps>
void launch(const KernelContext& c, PatchJob& job) {
  const auto kernel = conv_patch_kernel<kFilters, kSteps>;
  const int bytes = shared_bytes(job, kFilters);
  // More than 48 KiB must be asked for, once for each device; it takes no stream and little time.
  (void)cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  job.parts = (job.g.filters + kFilters - 1) / kFilters;
  constexpr int kMost = 132 * (kFilters == 64 ? 3 : 4);  // blocks that run together
  const int most = (kMost + job.parts - 1) / job.parts, blocks = job.tiles < most ? job.tiles : most;
  launch_early(c, kernel, static_cast<unsigned>(blocks * job.parts), kThreadsOfBlock, static_cast<std::size_t>(bytes),
               job);
}
template <int kSteps>
void launch(const KernelContext& c, PatchJob& job) {
  if (job.g.filters <= 16) launch<16, kSteps>(c, job);
  else if (job.g.filters <= 32) launch<32, kSteps>(c, job);
  else launch<64, kSteps>(c, job);
}

/// What is known before there are operands: extents of the part of the picture that a block sees.
void cut(PatchJob& job) {
  const ConvGeometry& g = job.g;
  const int steps = (g.k[2] + 3) / 4;
  job.factors = g.k[1] * steps * static_cast<int>(ConvPatchRows::kStep);
  job.patch_high = (kHigh - 1) * g.stride[1] + g.k[1];
  job.patch_wide = (kWide - 1) * g.stride[2] + steps * 4;
}

Status run_conv_patch(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  PatchJob job{.g = conv_geometry(c), .o = conv_out<__half>(c), .x = c.in[0].as<__half>(), .w = c.in[1].as<__half>()};
  const ConvGeometry& g = job.g;
  cut(job);
  job.down = (g.out[1] + kHigh - 1) / kHigh;
  job.across = (g.out[2] + kWide - 1) / kWide;
  job.tiles = g.pixels / (g.out[1] * g.out[2]) * job.down * job.across;
  if (g.k[2] <= 4) launch<1>(c, job);
  else launch<2>(c, job);
  return launched();
}

Refusal accepts_conv_patch(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_refusal(q, DType::f16)) return r;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape& w = q.input(1).shape;
  if (p.spatial != 2) return "not two spatial axes";
  if (p.group != 1) return "has groups";
  if (w[1] > ConvPatchRows::kChannels) return "more than four channels";
  if (p.stride[1] != 2 && p.stride[1] != 4) return "the stride along the width is neither 2 nor 4";
  if (p.dilation[0] != 1 || p.dilation[1] != 1) return "dilation is not 1";
  if (w[3] > kMostTaps) return "more than 8 taps in a row";
  if (q.has_input(3)) return "has a residual";
  using K = ActivationKind;
  if (p.act.kind != K::none && p.act.kind != K::relu && p.act.kind != K::clip && p.act.kind != K::silu &&
      p.act.kind != K::hardswish)
    return "the activation is none of the short ones";
  PatchJob job;
  job.g.k[1] = static_cast<int>(w[2]), job.g.k[2] = static_cast<int>(w[3]);
  job.g.stride[1] = p.stride[0], job.g.stride[2] = p.stride[1];
  if (w[2] > 64 || p.stride[0] > 64) return "the window is too high";
  cut(job);
  return shared_bytes(job, 64) <= kMostShared ? nullptr : "the window is too high";
}

}  // namespace

extern const Kernel conv_patch_cuda{.name = "conv_patch_cuda",
                                    .op = "Conv",
                                    .device = DeviceKind::cuda,
                                    .in{Port::strided, Port::packed, Port::dense, Port::channels_last, Port::dense},
                                    .out{Port::channels_last},
                                    .packings = &conv_gpu_patch_rows_f16,
                                    .packing_count = 1,
                                    .accepts = accepts_conv_patch,
                                    .run = run_conv_patch};

}  // namespace monza::ops
