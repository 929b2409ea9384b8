// Convolution of one tap and few channels in f16 on tensor cores (mma.sync), summed in float: products of [pixels,
// channels] and [channels, filters] with at most 128 channels, of many pixels. Bound by memory: input and output once
// at 4.2 TB/s; of 16 channels and 96 filters the output is 6/7 of it.
//
// A block has the weights of its filters in shared memory and goes through the pixels; a warp takes 32 of them, whose
// channels it reads from memory into registers as tensor cores want them. The order of channels in a product is free,
// as long as both factors have the same: a lane's four registers of two instructions are 16 bytes that lie side by
// side. Likewise with filters, so that a lane gets the sums of 8 of them and stores 16 bytes.
#include <algorithm>

#include "ops/conv/conv_gpu.cuh"
#include "ops/conv/conv_gpu.params.h"
#include "ops/shared/gpu_overlap.cuh"
#include "ops/shared/gpu_tensor.cuh"

namespace monza::ops {

extern const Packing conv_gpu_rows_f16;
extern const Kernel conv_tensor_cuda;

namespace {

using namespace gpu;

constexpr int kWarps = 8, kThreadsOfBlock = kWarps * 32;
constexpr int kPixels = 32;                                 ///< of a warp
constexpr int kSlice = static_cast<int>(ConvRows::kSlice);  ///< channels that a lane's 16 bytes are a quarter of
constexpr int kMostSlices = 4;
constexpr int kGroup = 32;         ///< filters that a warp computes at once
constexpr int kMostFilters = 192;  ///< of a block
static_assert(kSlice == 32);

struct ThinJob {
  ConvOut<__half> o;
  const __half* x = nullptr;
  const __half* w = nullptr;
  std::int64_t x_pitch = 0;
  int pixels = 0, channels = 0, filters = 0;
  int parts = 1, part = 0;  ///< of the filters: how many, and how many filters one has
};

/// Bytes from filter to filter: an odd multiple of 64, so that two of them lie in different banks.
template <int kSlices>
constexpr int kPitch = kSlices % 2 == 1 ? kSlices * 64 : kSlices * 64 + 64;

/// kSlices: of 32 channels. Grid: for each part of the filters, blocks that go through the pixels.
template <int kSlices>
__global__ void __launch_bounds__(kThreadsOfBlock, kSlices > 2 ? 1 : 2) conv_thin_kernel(const ThinJob job) {
  extern __shared__ __align__(16) unsigned char memory[];  // weights, then biases as floats
  const ConvOut<__half>& o = job.o;
  const int tid = static_cast<int>(threadIdx.x), lane = tid % 32, g = lane / 4, t = lane % 4;
  const int block = static_cast<int>(blockIdx.x) / job.parts, blocks = static_cast<int>(gridDim.x) / job.parts;
  const int f0 = (static_cast<int>(blockIdx.x) - block * job.parts) * job.part,
            filters = min(job.part, job.filters - f0), groups = (filters + kGroup - 1) / kGroup;
  auto* const biases = reinterpret_cast<float*>(memory + job.part * kPitch<kSlices>);

  // Filter 8 t + 2 j + e of a group is column 2 t + e of its j-th instruction.
  for (int i = tid; i < groups * kGroup * kSlices * 4; i += kThreadsOfBlock) {
    const int f = i / (kSlices * 4), chunk = i % (kSlices * 4);
    const int row = f / kGroup * kGroup + f % 8 / 2 * 8 + f % kGroup / 8 * 2 + f % 2;
    const bool there = f < filters;
    copy16(memory + row * kPitch<kSlices> + chunk * 16,
           there ? job.w + static_cast<std::int64_t>(f0 + f) * kSlices * kSlice + chunk * 8 : job.w, there ? 16 : 0);
  }
  commit_copies();
  for (int f = tid; f < groups * kGroup; f += kThreadsOfBlock) biases[f] = f < filters ? o.bias_of(f0 + f) : 0.0f;
  await_previous();  // weights and biases are constant
  await_copies<0>();
  __syncthreads();

  const QuickActivation act(o.act);
  const unsigned char* const factors = memory + g * kPitch<kSlices> + t * 16;
  for (int p0 = (block * kWarps + tid / 32) * kPixels; p0 < job.pixels; p0 += blocks * kWarps * kPixels) {
    uint4 x[kSlices][4];  // of pixels g, 8 more, ...: channels 8 t and after
#pragma unroll
    for (int s = 0; s < kSlices; ++s)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int p = p0 + i * 8 + g, channel = s * kSlice + t * 8;
        x[s][i] = make_uint4(0, 0, 0, 0);
        if (p < job.pixels && channel < job.channels)
          x[s][i] = *reinterpret_cast<const uint4*>(job.x + p * job.x_pitch + channel);
      }
#pragma unroll 1
    for (int group = 0; group < groups; ++group) {
      const int f = group * kGroup + t * 8;  // the lane's first
      float sum[2][4][4];
#pragma unroll
      for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int i = 0; i < 2; ++i)
#pragma unroll
          for (int e = 0; e < 4; ++e) sum[i][j][e] = biases[f + j * 2 + e % 2];
#pragma unroll
      for (int s = 0; s < kSlices; ++s)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const uint4 w =
              *reinterpret_cast<const uint4*>(factors + (group * kGroup + j * 8) * kPitch<kSlices> + s * kSlice * 2);
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const uint4 &a = x[s][i * 2], &b = x[s][i * 2 + 1];
            multiply<__half>(sum[i][j], {a.x, b.x, a.y, b.y}, w.x, w.y);
            multiply<__half>(sum[i][j], {a.z, b.z, a.w, b.w}, w.z, w.w);
          }
        }
      if (f >= filters) continue;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int p = p0 + i * 8 + g;
        if (p >= job.pixels) continue;
        const std::int64_t at = f0 + f;
        float v[8];
#pragma unroll
        for (int e = 0; e < 8; ++e) v[e] = sum[i / 2][e / 2][i % 2 * 2 + e % 2];
        Channels<__half, 8> more{}, result;
        if (o.residual != nullptr)
          more = *reinterpret_cast<const Channels<__half, 8>*>(o.residual + p * o.residual_pitch + at);
        if (!o.residual_after) {
#pragma unroll
          for (int e = 0; e < 8; ++e) v[e] += load(&more.v[e]);
        }
        act.apply(v);
        if (o.residual_after) {
#pragma unroll
          for (int e = 0; e < 8; ++e) v[e] += load(&more.v[e]);
        }
#pragma unroll
        for (int e = 0; e < 8; ++e) store(&result.v[e], v[e]);
        *reinterpret_cast<Channels<__half, 8>*>(o.out + p * o.pitch + at) = result;
      }
    }
  }
}

template <int kSlices>
void launch(const KernelContext& c, ThinJob& job) {
  const auto kernel = conv_thin_kernel<kSlices>;
  const int of_pixels = (job.pixels + kWarps * kPixels - 1) / (kWarps * kPixels);
  // Of few pixels more blocks, with fewer filters each.
  const int least = (job.filters + kMostFilters - 1) / kMostFilters, most = (job.filters + kGroup - 1) / kGroup;
  job.parts = std::max(least, std::min(most, 132 / of_pixels));
  job.part = (job.filters + job.parts - 1) / job.parts;
  job.part = (job.part + kGroup - 1) / kGroup * kGroup;
  job.parts = (job.filters + job.part - 1) / job.part;
  const int bytes = job.part * (kPitch<kSlices> + 4);
  // More than 48 KiB must be asked for, once for each device; it takes no stream and little time.
  (void)cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  constexpr int kBlocks = 132 * 2;  // that run together
  const int blocks = std::min(of_pixels, std::max(1, kBlocks / job.parts));
  launch_early(c, kernel, static_cast<unsigned>(blocks * job.parts), kThreadsOfBlock, static_cast<std::size_t>(bytes),
               job);
}

Status run_conv_thin(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  const ConvGeometry g = conv_geometry(c);
  ThinJob job{.o = conv_out<__half>(c),
              .x = c.in[0].as<__half>(),
              .w = c.in[1].as<__half>(),
              .x_pitch = g.x_pitch,
              .pixels = g.pixels,
              .channels = g.channels,
              .filters = g.filters};
  if (!in_vectors<__half>(c.in[0], g.channels) || !job.o.vectors) return conv_tensor_cuda.run(c);
  switch ((g.channels + kSlice - 1) / kSlice) {
    case 1: launch<1>(c, job); break;
    case 2: launch<2>(c, job); break;
    case 3: launch<3>(c, job); break;
    default: launch<4>(c, job); break;
  }
  return launched();
}

/// Of the kernel that takes what does not lie in vectors.
std::size_t scratch_conv_thin(const KernelQuery& q) noexcept { return conv_tensor_cuda.scratch_bytes(q); }

Refusal accepts_conv_thin(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_tensor_cuda.accepts(q)) return r;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  const Shape &x = q.input(0).shape, &w = q.input(1).shape, &out = q.out[0].shape;
  if (p.group != 1) return "has groups";
  if (w[1] % 8 != 0 || w[0] % 8 != 0) return "channels or filters are no whole vectors of 8";
  if (w[1] > kMostSlices * kSlice) return "more than 128 channels";
  for (int i = 0; i < p.spatial; ++i)
    if (w[i + 2] != 1 || p.stride[i] != 1 || x[i + 2] != out[i + 2] ||
        conv_pad_begin(p, i, x[i + 2], w[i + 2], out[i + 2]) != 0)
      return "not one tap, stride 1 and no pads";
  using K = ActivationKind;
  if (p.act.kind != K::none && p.act.kind != K::relu && p.act.kind != K::clip && p.act.kind != K::silu &&
      p.act.kind != K::hardswish)
    return "the activation is none of the short ones";
  return nullptr;
}

}  // namespace

extern const Kernel conv_thin_cuda{
    .name = "conv_thin_cuda",
    .op = "Conv",
    .device = DeviceKind::cuda,
    .batch_invariant = false,  // that of the kernel which takes what does not fit
    .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
    .out{Port::channels_last},
    .packings = &conv_gpu_rows_f16,
    .packing_count = 1,
    .accepts = accepts_conv_thin,
    .scratch_bytes = scratch_conv_thin,
    .run = run_conv_thin};

}  // namespace monza::ops
