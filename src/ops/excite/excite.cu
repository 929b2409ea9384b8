// Squeeze and excite of channels-last tensors on a GPU: the blocks of a cluster share an image. Each sums up a part of
// the pixels and makes the factors of a part of the channels; sums and factors are read from each other's shared
// memory. Floor: input and output once at 4.2 TB/s; of one image the multiprocessors of a cluster move 50 bytes a cycle
// each, and wait four times for each other.
#include "ops/excite/excite.params.h"
#include "ops/shared/gpu_activation.cuh"
#include "ops/shared/gpu_channels.cuh"
#include "ops/shared/gpu_hopper.cuh"
#include "ops/shared/gpu_hopper_maps.cuh"
#include "ops/shared/gpu_overlap.cuh"
#include "ops/shared/gpu_tensor.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

constexpr int kThreadsOfBlock = 512, kWarps = kThreadsOfBlock / 32;
constexpr std::int64_t kMostChannels = 8192, kMostBetween = 1024;
constexpr int kMostStaged = 100 << 10;  ///< bytes of weights that are copied to shared memory

template <typename T>
struct Job {
  const T *x, *squeeze, *squeeze_bias, *excite, *excite_bias;
  T* out;
  std::int64_t x_image, out_image, pixels;
  int x_pitch, out_pitch, channels, between;
  int blocks;     ///< of an image
  int per_block;  ///< channels
  bool staged;    ///< weights are copied to shared memory
  Activation inner, outer;
};

#if __CUDA_ARCH__ >= 900
__device__ __forceinline__ void image_sync(int blocks) {
  if (blocks > 1) cluster_sync();
  else __syncthreads();
}
/// A float at p, in the shared memory of the image's block of that rank.
__device__ __forceinline__ float load_at(const float* p, int blocks, int rank) {
  if (blocks == 1) return *p;
  std::uint32_t there;
  float v;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;\n"
               : "=r"(there)
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(p))), "r"(rank));
  asm volatile("ld.shared::cluster.f32 %0, [%1];\n" : "=f"(v) : "r"(there) : "memory");
  return v;
}
#else  // no clusters: a block an image
__device__ __forceinline__ void image_sync(int) { __syncthreads(); }
__device__ __forceinline__ float load_at(const float* p, int, int) { return *p; }
#endif

/// Floats of shared memory before the weights: sums of each row of threads, means, factors, what lies between.
__host__ __device__ __forceinline__ int sums_of(int channels, int each) {
  return channels > kThreadsOfBlock * each ? channels : kThreadsOfBlock * each;
}
template <typename T>
int shared_floats(const Job<T>& job, int each) {
  return sums_of(job.channels, each) + (job.channels + 3) / 4 * 4 + job.per_block + (2 * job.between + 3) / 4 * 4;
}

/// Block b of `job.blocks` of an image sums pixels p, p + 1, ... of its part, all channels, and has channels
/// b * per_block and after for everything else. kEach: channels that are read at once.
template <typename T, int kEach>
__global__ void __launch_bounds__(kThreadsOfBlock) squeeze_excite_kernel(const Job<T> job) {
  using Vector = Channels<T, kEach>;
  extern __shared__ __align__(16) float memory[];
  const int tid = static_cast<int>(threadIdx.x), warp = tid / 32, lane = tid % 32;
  const int image = static_cast<int>(blockIdx.x) / job.blocks,
            block = static_cast<int>(blockIdx.x) - image * job.blocks;
  float* const sums = memory;                                                   // [rows of threads, channels]
  float* const scale = sums + sums_of(job.channels, kEach);                     // [channels]
  float* const mean = scale + job.channels;                                     // [per_block]
  float *const part = mean + job.per_block, *const inner = part + job.between;  // [between]
  const int first = block * job.per_block, own = min(job.per_block, job.channels - first);  // may be none

  // Rows of both weights that this block multiplies, while the kernel before still runs.
  const T *squeeze = job.squeeze + first, *excite = job.excite + static_cast<std::int64_t>(first) * job.between;
  int squeeze_row = job.channels;
  if (job.staged) {
    auto* const staged = reinterpret_cast<unsigned char*>(part + (2 * job.between + 3) / 4 * 4);
    const int row = own * static_cast<int>(sizeof(T)) / 16, row_bytes = job.per_block * static_cast<int>(sizeof(T));
    for (int i = tid; i < job.between * row; i += kThreadsOfBlock) {
      const int h = i / row, chunk = i - h * row;
      copy16(staged + h * row_bytes + chunk * 16,
             squeeze + static_cast<std::int64_t>(h) * job.channels + chunk * (16 / static_cast<int>(sizeof(T))), 16);
    }
    auto* const behind = staged + job.between * row_bytes;
    for (int i = tid; i < row * job.between; i += kThreadsOfBlock)
      copy16(behind + i * 16, excite + i * (16 / static_cast<int>(sizeof(T))), 16);
    squeeze = reinterpret_cast<const T*>(staged), squeeze_row = job.per_block;
    excite = reinterpret_cast<const T*>(behind);
  }
  commit_copies();
  await_previous();

  // --- means ---
  const int vectors = job.channels / kEach;
  const int rows = max(1, kThreadsOfBlock / vectors), across = rows > 1 ? vectors : kThreadsOfBlock;
  const int row = tid / across, pixels_of_block = static_cast<int>((job.pixels + job.blocks - 1) / job.blocks);
  const std::int64_t p0 = static_cast<std::int64_t>(block) * pixels_of_block,
                     p1 = min(job.pixels, p0 + pixels_of_block);
  const T* const from = job.x + image * job.x_image;
  if (row < rows)
    for (int v = tid - row * across; v < vectors; v += across) {
      float sum[kEach];
#pragma unroll
      for (int j = 0; j < kEach; ++j) sum[j] = 0;
#pragma unroll 8
      for (std::int64_t p = p0 + row; p < p1; p += rows) {
        const Vector here = *reinterpret_cast<const Vector*>(from + p * job.x_pitch + v * kEach);
#pragma unroll
        for (int j = 0; j < kEach; ++j) sum[j] += load(&here.v[j]);
      }
#pragma unroll
      for (int j = 0; j < kEach; ++j) sums[row * job.channels + v * kEach + j] = sum[j];
    }
  __syncthreads();
  for (int left = rows; left > 1;) {
    const int half = (left + 1) / 2;
    for (int i = tid; i < (left - half) * job.channels; i += kThreadsOfBlock) sums[i] += sums[half * job.channels + i];
    left = half;
    __syncthreads();
  }
  await_copies<0>();
  image_sync(job.blocks);
  for (int i = tid; i < own; i += kThreadsOfBlock) {
    float sum = 0;
#pragma unroll 8
    for (int b = 0; b < job.blocks; ++b) sum += load_at(sums + first + i, job.blocks, b);
    mean[i] = sum / static_cast<float>(job.pixels);
  }
  __syncthreads();

  // --- the first product, each block over its channels ---
  for (int h = warp; h < job.between; h += kWarps) {
    float sum = 0;
    for (int i = lane; i < own; i += 32) sum += load(squeeze + h * squeeze_row + i) * mean[i];
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(~0U, sum, distance);
    if (lane == 0) part[h] = sum;
  }
  image_sync(job.blocks);
  for (int h = tid; h < job.between; h += kThreadsOfBlock) {
    float sum = job.squeeze_bias != nullptr ? load(job.squeeze_bias + h) : 0.0f;
#pragma unroll 8
    for (int b = 0; b < job.blocks; ++b) sum += load_at(part + h, job.blocks, b);
    inner[h] = activate<float>(job.inner, sum);
  }
  __syncthreads();

  // --- the second, for the block's channels, four lanes each ---
  for (int base = warp * 8; base < own; base += kWarps * 8) {
    const int i = base + lane / 4;
    float sum = 0;
    if (i < own) {
#pragma unroll 4
      for (int h = lane % 4; h < job.between; h += 4) sum += load(excite + i * job.between + h) * inner[h];
    }
    sum += __shfl_xor_sync(~0U, sum, 1);
    sum += __shfl_xor_sync(~0U, sum, 2);
    if (lane % 4 != 0 || i >= own) continue;
    if (job.excite_bias != nullptr) sum += load(job.excite_bias + first + i);
    scale[first + i] = activate<float>(job.outer, sum);
  }
  image_sync(job.blocks);
  for (int i = tid; i < job.channels; i += kThreadsOfBlock) {
    const int b = i / job.per_block;
    if (b != block) scale[i] = load_at(scale + i, job.blocks, b);
  }
  // A block's memory is there until all have read it.
  image_sync(job.blocks);

  // --- the pixels that were summed up, which the caches have still ---
  T* const to = job.out + image * job.out_image;
  if (row >= rows) return;
  for (int v = tid - row * across; v < vectors; v += across) {
    float factor[kEach];
#pragma unroll
    for (int j = 0; j < kEach; ++j) factor[j] = scale[v * kEach + j];
#pragma unroll 8
    for (std::int64_t p = p0 + row; p < p1; p += rows) {
      Vector here = *reinterpret_cast<const Vector*>(from + p * job.x_pitch + v * kEach);
#pragma unroll
      for (int j = 0; j < kEach; ++j) store(&here.v[j], load(&here.v[j]) * factor[j]);
      *reinterpret_cast<Vector*>(to + p * job.out_pitch + v * kEach) = here;
    }
  }
}

/// Where there are clusters, `blocks` share an image.
template <typename T, int kEach>
void launch(Job<T>& job, std::int64_t images, int blocks, cudaStream_t stream) {
  job.blocks = hopper() ? blocks : 1;
  // Whole vectors of channels for each block.
  job.per_block = ((job.channels + job.blocks - 1) / job.blocks + 7) / 8 * 8;
  const int weights = 2 * job.per_block * job.between * static_cast<int>(sizeof(T));
  const auto aligned = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; };
  job.staged = weights <= kMostStaged && job.channels % 8 == 0 && aligned(job.squeeze) && aligned(job.excite);
  const std::size_t bytes =
      static_cast<std::size_t>(shared_floats(job, kEach)) * sizeof(float) + (job.staged ? weights : 0);
  const auto kernel = squeeze_excite_kernel<T, kEach>;
  // More than 48 KiB must be asked for, once for each device; it takes no stream and little time.
  (void)cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(images * job.blocks));
  config.blockDim = dim3(kThreadsOfBlock);
  config.dynamicSmemBytes = bytes;
  config.stream = stream;
  cudaLaunchAttribute attributes[2]{};
  attributes[0].id = cudaLaunchAttributeClusterDimension;
  attributes[0].val.clusterDim.x = static_cast<unsigned>(job.blocks);
  attributes[0].val.clusterDim.y = attributes[0].val.clusterDim.z = 1;
  attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[1].val.programmaticStreamSerializationAllowed = 1;
  config.attrs = attributes;
  config.numAttrs = job.blocks > 1 ? 2 : 0;
  (void)cudaLaunchKernelEx(&config, kernel, job);  // `launched` tells
}

template <typename T>
void run_typed(const KernelContext& c, int blocks) {
  const auto& p = c.params_as<SqueezeExciteParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  Job<T> job{.x = x.as<T>(),
             .squeeze = c.in[1].as<T>(),
             .squeeze_bias = c.has_input(2) ? c.in[2].as<T>() : nullptr,
             .excite = c.in[3].as<T>(),
             .excite_bias = c.has_input(4) ? c.in[4].as<T>() : nullptr,
             .out = out.as<T>(),
             .x_image = x.stride[0],
             .out_image = out.stride[0],
             .pixels = x.shape.count(2, x.shape.rank),
             .x_pitch = static_cast<int>(pixel_pitch(x)),
             .out_pitch = static_cast<int>(pixel_pitch(out)),
             .channels = static_cast<int>(x.shape[1]),
             .between = static_cast<int>(c.in[1].shape[0]),
             .inner = p.inner,
             .outer = p.outer};
  const std::int64_t images = x.shape[0];
  if (in_vectors<T>(x, job.channels) && in_vectors<T>(out, job.channels))
    launch<T, 16 / sizeof(T)>(job, images, blocks, stream_of(c));
  else launch<T, 1>(job, images, blocks, stream_of(c));
}

template <int kBlocks>
Status run_squeeze_excite(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  if (c.in[0].dtype == DType::f32) run_typed<float>(c, kBlocks);
  else run_typed<__half>(c, kBlocks);
  return launched();
}

Refusal accepts_squeeze_excite(const KernelQuery& q) noexcept {
  const Shape &x = q.input(0).shape, &squeeze = q.input(1).shape;
  if (!q.input(1).constant || !q.input(3).constant) return "needs constant weights";  // read before it may begin
  if (x[1] > kMostChannels || squeeze[0] > kMostBetween) return "more channels than a block's memory holds";
  if (x.count(1, x.rank) >= std::int64_t{1} << 31 || x[0] >= 1 << 27) return "too large for counts of 32 bits";
  return nullptr;
}

/// Of an image's blocks: the more, the faster pixels are read, and the longer the blocks wait for each other.
template <int kBlocks>
consteval Kernel squeeze_excite_kernel_of(const char* name) {
  return {.name = name,
          .op = "SqueezeExcite",
          .device = DeviceKind::cuda,
          .in{Port::channels_last, Port::dense},
          .out{Port::channels_last},
          .accepts = accepts_squeeze_excite,
          .run = run_squeeze_excite<kBlocks>,
          .in_place_inputs = 1};
}

}  // namespace

extern const Kernel squeeze_excite_cuda = squeeze_excite_kernel_of<8>("squeeze_excite_cuda");
extern const Kernel squeeze_excite_four_cuda = squeeze_excite_kernel_of<4>("squeeze_excite_four_cuda");
extern const Kernel squeeze_excite_two_cuda = squeeze_excite_kernel_of<2>("squeeze_excite_two_cuda");
extern const Kernel squeeze_excite_one_cuda = squeeze_excite_kernel_of<1>("squeeze_excite_one_cuda");

}  // namespace monza::ops
