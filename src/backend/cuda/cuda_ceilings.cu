// Loops that do one thing as fast as the GPU can: multiply in registers, multiply on tensor cores, read memory.
#include "backend/cuda/cuda_ceilings.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <functional>

#include "backend/cuda/cuda_device.h"

namespace monza::backend {
namespace {

constexpr int kBlockThreads = 256, kRounds = 4096, kSums = 16;

__global__ void multiply_floats(float* out, float x) {
  float sum[kSums];
#pragma unroll
  for (int i = 0; i < kSums; ++i) sum[i] = static_cast<float>(threadIdx.x + i);
#pragma unroll 1
  for (int round = 0; round < kRounds; ++round)
#pragma unroll
    for (int i = 0; i < kSums; ++i) sum[i] = fmaf(sum[i], x, x);
  float all = 0;
#pragma unroll
  for (int i = 0; i < kSums; ++i) all += sum[i];
  if (all == -1) *out = all;  // never, but the compiler does not know
}

/// A group of four warps multiplies [64, 16] in registers by [16, 64] in shared memory; elsewhere than on Hopper a warp
/// multiplies [16, 16] by [16, 8]. Returns nothing of use.
__global__ void __launch_bounds__(kBlockThreads) multiply_halves(float* out) {
  constexpr int kCount = 32;
  float sum[kCount] = {};
  const std::uint32_t a = threadIdx.x;
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  __shared__ alignas(1024) unsigned char factors[64 * 16 * 2];
  for (unsigned i = threadIdx.x; i < sizeof factors; i += kBlockThreads) factors[i] = 0;
  __syncthreads();
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(factors));
  // Without swaps, 8 rows of 16 bytes side by side: 128 bytes from one half of the depth to the next, 256 to 8 rows
  // more.
  const std::uint64_t b = std::uint64_t{256 >> 4} << 32 | std::uint64_t{128 >> 4} << 16 | (address & 0x3ffff) >> 4;
  asm volatile("fence.proxy.async;\n" ::: "memory");
#pragma unroll 1
  for (int round = 0; round < kRounds / 8; ++round) {
    asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
#define MONZA_SUM(i) "+f"(sum[i]), "+f"(sum[i + 1]), "+f"(sum[i + 2]), "+f"(sum[i + 3])
#pragma unroll
    for (int i = 0; i < 8; ++i)
      asm volatile(
          "{\n.reg .pred p;\nsetp.eq.u32 p, 0, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, "
          "%13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, {%32, %32, "
          "%32, %32}, %33, p, 1, 1, 0;\n}\n"
          : MONZA_SUM(0), MONZA_SUM(4), MONZA_SUM(8), MONZA_SUM(12), MONZA_SUM(16), MONZA_SUM(20), MONZA_SUM(24),
            MONZA_SUM(28)
          : "r"(a), "l"(b));
#undef MONZA_SUM
    asm volatile("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n" ::: "memory");
  }
#else
#pragma unroll 1
  for (int round = 0; round < kRounds; ++round)
#pragma unroll
    for (int i = 0; i < kCount; i += 4)
      asm volatile(
          "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %4, %4, %4}, {%4, %4}, {%0, %1, "
          "%2, "
          "%3};\n"
          : "+f"(sum[i]), "+f"(sum[i + 1]), "+f"(sum[i + 2]), "+f"(sum[i + 3])
          : "r"(a));
#endif
  float all = 0;
#pragma unroll
  for (int i = 0; i < kCount; ++i) all += sum[i];
  if (all == -1) *out = all;
}

__global__ void read_memory(float* out, const uint4* from, std::size_t count) {
  constexpr std::size_t kEach = 8;
  const std::size_t step = static_cast<std::size_t>(gridDim.x) * kBlockThreads;
  unsigned all = 0;
  for (std::size_t i = blockIdx.x * std::size_t{kBlockThreads} + threadIdx.x; i + (kEach - 1) * step < count;
       i += kEach * step) {
    uint4 v[kEach];
#pragma unroll
    for (std::size_t k = 0; k < kEach; ++k) v[k] = from[i + k * step];
#pragma unroll
    for (std::size_t k = 0; k < kEach; ++k) all += v[k].x ^ v[k].y ^ v[k].z ^ v[k].w;
  }
  if (all == 0xffffffffU) *out = 1;
}

/// Seconds of the fastest of some launches.
double seconds(cudaEvent_t begin, cudaEvent_t end, const std::function<void()>& launch) {
  double best = 0;
  for (int run = 0; run < 6; ++run) {
    (void)cudaEventRecord(begin);
    launch();
    (void)cudaEventRecord(end);
    (void)cudaEventSynchronize(end);
    float ms = 0;
    (void)cudaEventElapsedTime(&ms, begin, end);
    if (run > 0 && (best == 0 || ms * 1e-3 < best)) best = ms * 1e-3;
  }
  return best;
}

}  // namespace

Status measure_cuda_ceilings(CudaCeilings& c) noexcept {
  const CudaFacts& facts = cuda_facts();
  if (!facts.missing.empty()) return {StatusCode::unavailable, "there is no GPU that can be used"};
  const auto processors = static_cast<unsigned>(facts.multiprocessors);
  const std::size_t bytes = std::size_t{1} << 30;
  struct Memory {
    void* data = nullptr;
    cudaEvent_t begin = nullptr, end = nullptr;
    ~Memory() {
      (void)cudaFree(data);
      (void)cudaEventDestroy(begin);
      (void)cudaEventDestroy(end);
    }
  } m;
  (void)cudaMalloc(&m.data, bytes);
  (void)cudaEventCreate(&m.begin);
  (void)cudaEventCreate(&m.end);
  if (m.data == nullptr || m.begin == nullptr || m.end == nullptr) {
    (void)cudaGetLastError();
    return {StatusCode::resource_exhausted, "a GiB of the GPU's memory is not free"};
  }
  (void)cudaMemset(m.data, 0, bytes);
  auto* const out = static_cast<float*>(m.data);
  const unsigned blocks = processors * 8;
  const double threads = static_cast<double>(blocks) * kBlockThreads;
  c.f32_flops = threads * kRounds * kSums * 2 * 1e-9 /
                seconds(m.begin, m.end, [&] { multiply_floats<<<blocks, kBlockThreads>>>(out, 0.5F); });
  // Hopper: 64 x 64 x 16 multiply-adds a group of 128 threads; elsewhere 8 of 16 x 8 x 16 a warp and round.
  const bool hopper = facts.capability == 90;
  const double each = hopper ? 64.0 * 64 * 16 / 128 : 8.0 * 16 * 8 * 16 / 32;
  c.half_flops = threads * kRounds * each * 2 * 1e-9 /
                 seconds(m.begin, m.end, [&] { multiply_halves<<<blocks, kBlockThreads>>>(out); });
  c.read_bytes = static_cast<double>(bytes) * 1e-9 / seconds(m.begin, m.end, [&] {
                   read_memory<<<blocks, kBlockThreads>>>(out, static_cast<const uint4*>(m.data), bytes / 16);
                 });
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? Status{} : Status{StatusCode::unavailable, cudaGetErrorString(error)};
}

}  // namespace monza::backend
