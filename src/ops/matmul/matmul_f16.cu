// Matrix products of f16 and bf16 on tensor cores: tiles of 128 or 64 squared, summed in f32 by mma.sync; three tiles
// of depth 32 in shared memory, two of them on their way while one is worked on. Floor: 2 m n k operations at 790
// TFLOP/s (of which mma.sync reaches some 60 % on Hopper), or 2 bytes an element of the operands at 4.2 TB/s where m or
// n is small.
#include <type_traits>

#include "ops/matmul/matmul_tiles.cuh"
#include "ops/shared/gpu_tensor.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

constexpr int kDepth = 32, kStages = 3;
constexpr int kPiece = 8;  ///< elements of 16 bytes, what is copied at once

/// Shared memory holds pieces. A tile [x, k]: 4 pieces a row x, exchanged so that 8 rows of one column of pieces lie in
/// all banks. A tile [k, x]: kSide / 8 pieces a row k, the same.
__device__ __forceinline__ int by_x(int x, int piece) { return x * (kDepth / kPiece) + (piece ^ (x / 2 % 4)); }
template <int kSide>
__device__ __forceinline__ int by_k(int k, int piece) {
  return k * (kSide / kPiece) + (piece ^ (k % 8));
}

/// Eight elements one by one, zeros beyond `count`.
__device__ __forceinline__ uint4 gather(const std::uint16_t* from, std::int64_t step, std::int64_t count) {
  std::uint32_t v[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t low = 2 * i < count ? from[2 * i * step] : 0,
                        high = 2 * i + 1 < count ? from[(2 * i + 1) * step] : 0;
    v[i] = low | high << 16;
  }
  return make_uint4(v[0], v[1], v[2], v[3]);
}

/// Elements (x0.., k0..) of an operand into shared memory, zeros beyond its ends. kByK: pieces are of elements along x,
/// else along k. `whole`: they may be read 16 bytes at once.
template <int kSide, int kThreads, bool kByK>
__device__ __forceinline__ void load_tile(uint4* to, const std::uint16_t* from, bool whole, std::int64_t x0,
                                          std::int64_t x_end, std::int64_t sx, std::int64_t k0, std::int64_t k_end,
                                          std::int64_t sk) {
#pragma unroll
  for (int i = 0; i < kSide * kDepth / kPiece / kThreads; ++i) {
    const int e = threadIdx.x + i * kThreads;
    constexpr int kRow = kByK ? kSide / kPiece : kDepth / kPiece;
    const int row = e / kRow, piece = e % kRow;
    const std::int64_t x = x0 + (kByK ? piece * kPiece : row), k = k0 + (kByK ? row : piece * kPiece);
    const bool inside = x < x_end && k < k_end;
    const std::int64_t left = !inside ? 0 : kByK ? x_end - x : k_end - k;
    const std::uint16_t* at = inside ? from + x * sx + k * sk : from;
    uint4* const place = to + (kByK ? by_k<kSide>(row, piece) : by_x(row, piece));
    if (whole) copy16(place, at, left < kPiece ? static_cast<int>(left) * 2 : 16);
    else *place = gather(at, kByK ? sx : sk, left);
  }
}

/// kDown x kAcross warps share the tile. kByK: b's elements along n are next to each other.
template <typename T, int kSide, int kDown, int kAcross, bool kByK>
__global__ void __launch_bounds__(kDown* kAcross * 32, 512 / (kDown * kAcross * 32))
    matmul_f16_kernel(const __grid_constant__ Product p, const __grid_constant__ Tiling t, bool whole_a, bool whole_b,
                      float* parts) {
  constexpr int kThreads = kDown * kAcross * 32, kTile = kSide * kDepth / kPiece;
  constexpr int kRows = kSide / kDown / 16, kColumns = kSide / kAcross / 8;  // products of a warp
  static_assert(kColumns % 2 == 0);
  constexpr int kStagePitch = 40;  // floats: pairs of 4 rows then lie in different banks
  __shared__ uint4 memory[2 * kStages * kTile];
  uint4(*const a_tile)[kTile] = reinterpret_cast<uint4(*)[kTile]>(memory);
  uint4(*const b_tile)[kTile] = a_tile + kStages;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int warp_m = warp / kAcross * (kSide / kDown), warp_n = warp % kAcross * (kSide / kAcross);
  for (std::int64_t index = blockIdx.x; index < t.tiles * t.parts; index += gridDim.x) {
    const TilePlace at(t, index, kSide);
    const std::uint16_t* a = p.a.as<std::uint16_t>() + p.offset(p.a, at.batch);
    const std::uint16_t* b = p.b.as<std::uint16_t>() + p.offset(p.b, at.batch);
    const std::int64_t first = at.part * t.depth, rest = p.k - first, depth = rest < t.depth ? rest : t.depth,
                       last = first + depth;
    const int steps = static_cast<int>((depth + kDepth - 1) / kDepth);
    const auto fetch = [&](int step) {
      if (step < steps) {
        const std::int64_t k0 = first + static_cast<std::int64_t>(step) * kDepth;
        load_tile<kSide, kThreads, false>(a_tile[step % kStages], a, whole_a, at.m, p.m, p.a.row, k0, last, p.a.column);
        load_tile<kSide, kThreads, kByK>(b_tile[step % kStages], b, whole_b, at.n, p.n, p.b.column, k0, last, p.b.row);
      }
      commit_copies();  // an empty group too, so that counting groups counts steps
    };
    float sum[kRows][kColumns][4] = {};
    for (int step = 0; step < kStages - 1; ++step) fetch(step);
    for (int step = 0; step < steps; ++step) {
      await_copies<kStages - 2>();
      __syncthreads();  // the tile is there, and all are done with the one before it
      fetch(step + kStages - 1);
      const std::uint32_t a_now = shared_address(a_tile[step % kStages]),
                          b_now = shared_address(b_tile[step % kStages]);
#pragma unroll
      for (int k = 0; k < kDepth / 16; ++k) {
        std::uint32_t x[kRows][4], y[kColumns / 2][4];
#pragma unroll
        for (int r = 0; r < kRows; ++r)
          load_matrices(x[r], a_now + by_x(warp_m + r * 16 + lane % 16, k * 2 + lane / 16) * 16);
#pragma unroll
        for (int c = 0; c < kColumns / 2; ++c) {
          // Matrices in the order: first eight columns, depths 0 to 7 and 8 to 15; the next eight columns.
          const int half = lane / 8 % 2, next = lane / 16, n = warp_n + c * 16 + next * 8;
          if constexpr (kByK) load_transposed(y[c], b_now + by_k<kSide>(k * 16 + half * 8 + lane % 8, n / 8) * 16);
          else load_matrices(y[c], b_now + by_x(n + lane % 8, k * 2 + half) * 16);
        }
#pragma unroll
        for (int r = 0; r < kRows; ++r)
#pragma unroll
          for (int c = 0; c < kColumns; ++c) multiply<T>(sum[r][c], x[r], y[c / 2][c % 2 * 2], y[c / 2][c % 2 * 2 + 1]);
      }
    }
    await_copies<0>();
    __syncthreads();  // what follows goes where the tiles were read

    // Through shared memory, 16 rows of a warp at a time: a lane then has a column, and what becomes of a sum is
    // compiled a few times instead of once for each of a thread's elements.
    const std::int64_t count = p.batches * p.m * p.n, n = at.n + warp_n + lane;
    const T* bias = p.bias.as<T>() + (p.bias.data != nullptr ? p.offset(p.bias, at.batch) : 0);
    const T* residual = p.residual.as<T>() + (p.residual.data != nullptr ? p.offset(p.residual, at.batch) : 0);
    T* out = const_cast<T*>(p.out.as<T>()) + p.offset(p.out, at.batch);
    static_assert(kSide / kAcross == 32 && kDown * kAcross * 16 * kStagePitch * 4 <= sizeof memory);
    float* const stage = reinterpret_cast<float*>(memory) + warp * 16 * kStagePitch;
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      __syncwarp();
#pragma unroll
      for (int c = 0; c < kColumns; ++c)
#pragma unroll
        for (int high = 0; high < 2; ++high)
          *reinterpret_cast<float2*>(stage + (high * 8 + lane / 4) * kStagePitch + c * 8 + lane % 4 * 2) =
              make_float2(sum[r][c][high * 2], sum[r][c][high * 2 + 1]);
      __syncwarp();
      if (n >= p.n) continue;
#pragma unroll 1
      for (int row = 0; row < 16; ++row) {
        const std::int64_t m = at.m + warp_m + r * 16 + row;
        if (m >= p.m) break;
        const float v = stage[row * kStagePitch + lane];
        if (t.parts > 1) {
          parts[at.part * count + (at.batch * p.m + m) * p.n + n] = v;
          continue;
        }
        const float add = p.bias.data != nullptr ? load(bias + m * p.bias.row + n * p.bias.column) : 0;
        const float more = p.residual.data != nullptr ? load(residual + m * p.residual.row + n * p.residual.column) : 0;
        store(out + m * p.out.row + n * p.out.column, p.finish(v, add, more));
      }
    }
    __syncthreads();  // the next tile's copies go where the sums were
  }
}

template <typename T, bool kByK>
void launch(const Product& p, const Tiling& t, bool whole_a, bool whole_b, float* parts, cudaStream_t stream) {
  if (t.large)
    matmul_f16_kernel<T, Tiling::kLarge, 2, 4, kByK><<<t.blocks(), 256, 0, stream>>>(p, t, whole_a, whole_b, parts);
  else matmul_f16_kernel<T, Tiling::kSmall, 2, 2, kByK><<<t.blocks(), 128, 0, stream>>>(p, t, whole_a, whole_b, parts);
}

template <bool kSplit>
Status run_f16(const KernelContext& c) noexcept {
  const Product p(c);
  const std::int64_t count = p.count();
  if (count == 0) return {};
  const Tiling t(p, kSplit);
  // Of a vector b both strides may be 1: along k is as good then.
  const bool by_k = p.b.column == 1 && p.b.row != 1;
  const bool whole_a = p.a.column == 1 && vectors_fit(p, p.a, p.a.row, kPiece, 2),
             whole_b = by_k ? vectors_fit(p, p.b, p.b.row, kPiece, 2)
                            : p.b.row == 1 && vectors_fit(p, p.b, p.b.column, kPiece, 2);
  const cudaStream_t stream = stream_of(c);
  auto* const parts = reinterpret_cast<float*>(c.scratch);
  const auto run = [&](auto type) {
    using T = typename decltype(type)::type;
    if (by_k) launch<T, true>(p, t, whole_a, whole_b, parts, stream);
    else launch<T, false>(p, t, whole_a, whole_b, parts, stream);
    if (t.parts > 1) finish_parts_kernel<T><<<blocks_for(count), kThreads, 0, stream>>>(p, t.parts, parts, count);
  };
  if (c.in[0].dtype == DType::f16) run(Type<__half>{});
  else run(Type<__nv_bfloat16>{});
  return launched();
}

std::size_t scratch_f16(const KernelQuery&) noexcept { return Tiling::kScratchBytes; }

Refusal accepts(const KernelQuery& q) noexcept {
  const DType type = q.input(0).dtype;
  return (type == DType::f16 || type == DType::bf16) && q.input(1).dtype == type
             ? nullptr
             : "its element types are not f16 or bf16";
}

}  // namespace

extern const Kernel matmul_f16_split_cuda{.name = "matmul_f16_split_cuda",
                                          .op = "MatMul",
                                          .device = DeviceKind::cuda,
                                          .batch_invariant = false,
                                          .in{Port::strided},
                                          .out{Port::strided},
                                          .accepts = accepts,
                                          .scratch_bytes = scratch_f16,
                                          .run = run_f16<true>};
extern const Kernel matmul_f16_cuda{.name = "matmul_f16_cuda",
                                    .op = "MatMul",
                                    .device = DeviceKind::cuda,
                                    .in{Port::strided},
                                    .out{Port::strided},
                                    .accepts = accepts,
                                    .run = run_f16<false>};

}  // namespace monza::ops
