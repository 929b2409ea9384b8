// Instructions of Hopper (sm_90a): barriers in shared memory, bulk copies of boxes of tensors, products of a group of
// four warps whose factors lie in shared memory. Source: PTX ISA 8.0, "Asynchronous Warpgroup Level Matrix
// Instructions" and "Tensors". Other architectures compile empty kernels, so hosts ask `hopper()` (gpu_hopper_maps.cuh)
// first.
#pragma once

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

namespace monza::gpu {

// --- barriers ---

__device__ __forceinline__ void barrier_init(std::uint32_t barrier, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(barrier), "r"(count) : "memory");
}
/// Barriers that one thread made are seen by bulk copies and by the other blocks of a cluster.
__device__ __forceinline__ void barriers_made() { asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory"); }
__device__ __forceinline__ void barrier_arrive(std::uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(barrier) : "memory");
}
/// Arrives, and lets the phase end only when so many bytes were copied.
__device__ __forceinline__ void barrier_expect(std::uint32_t barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(barrier), "r"(bytes) : "memory");
}
/// Until the phase of that parity is over.
__device__ __forceinline__ void barrier_wait(std::uint32_t barrier, int parity) {
  asm volatile(
      "{\n.reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@done bra over;\n"
      "bra again;\n"
      "over:\n}\n" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

/// The first `count` threads of the block wait for each other.
__device__ __forceinline__ void sync_threads(int count) {
  asm volatile("barrier.sync 1, %0;\n" ::"r"(count) : "memory");
}

__device__ __forceinline__ std::uint32_t load_shared(std::uint32_t address) {
  std::uint32_t v;
  asm volatile("ld.shared.b32 %0, [%1];\n" : "=r"(v) : "r"(address) : "memory");
  return v;
}

__device__ __forceinline__ void store_shared2(std::uint32_t address, float x, float y) {
  asm volatile("st.shared.v2.f32 [%0], {%1, %2};\n" ::"r"(address), "f"(x), "f"(y) : "memory");
}
__device__ __forceinline__ float4 load_shared4(std::uint32_t address) {
  float4 v;
  asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4];\n"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(address)
               : "memory");
  return v;
}

// --- clusters ---

/// All threads of a cluster: what they did before the one is seen by all after the other.
__device__ __forceinline__ void cluster_arrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;\n" ::: "memory");
}
__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;\n" ::: "memory"); }
__device__ __forceinline__ void cluster_sync() {
  cluster_arrive();
  cluster_wait();
}
/// What an address of shared memory is called for the block of that rank in the cluster.
__device__ __forceinline__ std::uint32_t address_in_block(std::uint32_t address, int rank) {
  std::uint32_t there;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;\n" : "=r"(there) : "r"(address), "r"(rank));
  return there;
}
/// Four floats at an address of shared memory, of the block of that rank in the cluster.
__device__ __forceinline__ float4 load_of_block(std::uint32_t address, int rank) {
  float4 v;
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];\n"
               : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w)
               : "r"(address_in_block(address, rank))
               : "memory");
  return v;
}
/// Two floats to shared memory of a block of the cluster, whose barrier counts them as bytes that were copied. (Four at
/// once take longer.)
__device__ __forceinline__ void send2(std::uint32_t there, float x, float y, std::uint32_t barrier_there) {
  asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.f32 [%0], {%1, %2}, [%3];\n" ::"r"(there),
               "f"(x), "f"(y), "r"(barrier_there)
               : "memory");
}

// --- bulk copies ---

/// A box of a tensor of rank 4, the innermost coordinate first. What lies outside is zeros.
__device__ __forceinline__ void copy_box(std::uint32_t to, const CUtensorMap& map, std::uint32_t barrier, int c0,
                                         int c1, int c2, int c3) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], "
      "[%2];\n" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
      : "memory");
}
/// Pixels of a channels-last image one after another, from (w, h, n) on, each moved by (dw, dh) when it is read.
__device__ __forceinline__ void copy_pixels(std::uint32_t to, const CUtensorMap& map, std::uint32_t barrier,
                                            int channel, int w, int h, int n, int dw, int dh) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, "
      "%6}], [%2], {%7, %8};\n" ::"r"(to),
      "l"(&map), "r"(barrier), "r"(channel), "r"(w), "r"(h), "r"(n), "h"(static_cast<std::uint16_t>(dw)),
      "h"(static_cast<std::uint16_t>(dh))
      : "memory");
}
/// The box is fetched to L2 alone.
__device__ __forceinline__ void prefetch_box(const CUtensorMap& map, int c0, int c1, int c2, int c3) {
  asm volatile("cp.async.bulk.prefetch.tensor.4d.L2.global.tile [%0, {%1, %2, %3, %4}];\n" ::"l"(&map), "r"(c0),
               "r"(c1), "r"(c2), "r"(c3)
               : "memory");
}
__device__ __forceinline__ void prefetch_map(const CUtensorMap& map) {
  asm volatile("prefetch.tensormap [%0];\n" ::"l"(&map) : "memory");
}

// --- products of a warp group ---

/// Factors in shared memory. Rows of `kBox` elements (128, 64 or 32 bytes) follow each other, their 16-byte pieces
/// exchanged as bulk copies do (piece ^= row % 8, row / 2 % 4, row / 4 % 2). Along k: 8 rows are a group, of which
/// `kBox * 16` bytes lie from one to the next.
template <int kBox>
__device__ __forceinline__ std::uint64_t factors_by_k(std::uint32_t address) {
  constexpr std::uint64_t kSwizzle = kBox == 64 ? 1 : kBox == 32 ? 2 : 3;
  constexpr std::uint64_t kGroup = kBox * 16;
  return kSwizzle << 62 | (kGroup >> 4) << 32 | std::uint64_t{1} << 16 | (address & 0x3ffff) >> 4;
}
/// Rows are of 64 elements along the other axis, a row for each k, and every `next` bytes begins another 64.
__device__ __forceinline__ std::uint64_t factors_by_row(std::uint32_t address, int next) {
  return std::uint64_t{1} << 62 | std::uint64_t{1024 >> 4} << 32 | static_cast<std::uint64_t>(next >> 4) << 16 |
         (address & 0x3ffff) >> 4;
}

__device__ __forceinline__ void products_begin() { asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory"); }
__device__ __forceinline__ void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory"); }
/// Until at most kLeft groups are under way.
template <int kLeft>
__device__ __forceinline__ void products_await() {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(kLeft) : "memory");
}
/// The compiler moves no use of the sums over this.
template <int kCount>
__device__ __forceinline__ void pin(float (&v)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(v[i])::"memory");
}

// clang-format off
#define MONZA_TEN(t) \
  "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t "9, "
#define MONZA_SUMS_16 MONZA_TEN() "%10, %11, %12, %13, %14, %15"
#define MONZA_SUMS_32 MONZA_TEN() MONZA_TEN(1) MONZA_TEN(2) "%30, %31"
#define MONZA_SUMS_48 \
  MONZA_TEN() MONZA_TEN(1) MONZA_TEN(2) MONZA_TEN(3) "%40, %41, %42, %43, %44, %45, %46, %47"
#define MONZA_SUMS_64 MONZA_TEN() MONZA_TEN(1) MONZA_TEN(2) MONZA_TEN(3) MONZA_TEN(4) MONZA_TEN(5) "%60, %61, %62, %63"
#define MONZA_TENS_12                                                                         \
  MONZA_TEN() MONZA_TEN(1) MONZA_TEN(2) MONZA_TEN(3) MONZA_TEN(4) MONZA_TEN(5) MONZA_TEN(6) \
  MONZA_TEN(7) MONZA_TEN(8) MONZA_TEN(9) MONZA_TEN(10) MONZA_TEN(11)
#define MONZA_SUMS_128 MONZA_TENS_12 "%120, %121, %122, %123, %124, %125, %126, %127"
// clang-format on
#define MONZA_F4(i) "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3])
#define MONZA_F16(i) MONZA_F4(i), MONZA_F4(i + 4), MONZA_F4(i + 8), MONZA_F4(i + 12)
#define MONZA_F64(i) MONZA_F16(i), MONZA_F16(i + 16), MONZA_F16(i + 32), MONZA_F16(i + 48)
#define MONZA_PRODUCT(N, TYPE, SUMS, A, B, BY_ROW, ...)                                            \
  asm volatile(                                                                                    \
      "{\n.reg .pred p;\nsetp.eq.u32 p, 0, 0;\n"                                                   \
      "wgmma.mma_async.sync.aligned.m64n" #N "k16.f32." TYPE "." TYPE " {" SUMS "}, %" #A ", %" #B \
      ", p, 1, 1, 0, %" #BY_ROW ";\n}\n"                                                           \
      : __VA_ARGS__                                                                                \
      : "l"(a), "l"(b), "n"(kByRow ? 1 : 0))

/// c [64, 2 * kCount] += a [64, 16] b [16, 2 * kCount], begun. Warp w of the group has rows 16 w and up: lane l of it,
/// for each eighth column 8 j, sums 4 j to 4 j + 3 at (l / 4, 2 (l % 4)), the next column, and 8 rows below.
template <typename T, bool kByRow, int kCount>
__device__ __forceinline__ void product(float (&c)[kCount], std::uint64_t a, std::uint64_t b) {
#define MONZA_PRODUCT_OF(TYPE)                                                                                      \
  if constexpr (kCount == 16) MONZA_PRODUCT(32, TYPE, MONZA_SUMS_16, 16, 17, 18, MONZA_F16(0));                     \
  else if constexpr (kCount == 32) MONZA_PRODUCT(64, TYPE, MONZA_SUMS_32, 32, 33, 34, MONZA_F16(0), MONZA_F16(16)); \
  else if constexpr (kCount == 48)                                                                                  \
    MONZA_PRODUCT(96, TYPE, MONZA_SUMS_48, 48, 49, 50, MONZA_F16(0), MONZA_F16(16), MONZA_F16(32));                 \
  else if constexpr (kCount == 64) MONZA_PRODUCT(128, TYPE, MONZA_SUMS_64, 64, 65, 66, MONZA_F64(0));               \
  else MONZA_PRODUCT(256, TYPE, MONZA_SUMS_128, 128, 129, 130, MONZA_F64(0), MONZA_F64(64));
  static_assert(kCount == 16 || kCount == 32 || kCount == 48 || kCount == 64 || kCount == 128);
  if constexpr (std::is_same_v<T, __half>) {
    MONZA_PRODUCT_OF("f16")
  } else {
    MONZA_PRODUCT_OF("bf16")
  }
}

#undef MONZA_PRODUCT_OF
#undef MONZA_PRODUCT
#undef MONZA_F64
#undef MONZA_F16
#undef MONZA_F4
#undef MONZA_SUMS_128
#undef MONZA_TENS_12
#undef MONZA_SUMS_64
#undef MONZA_SUMS_48
#undef MONZA_SUMS_32
#undef MONZA_SUMS_16
#undef MONZA_TEN

}  // namespace monza::gpu
