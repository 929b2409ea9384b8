// Matrix products of f32 on a GPU's ordinary cores: tiles of 128 or 64 squared, 8x8 or 8x4 elements a thread, two tiles
// of depth 16 in shared memory, the next one on its way while one is worked on. Floor: 2 m n k operations at 60
// TFLOP/s, or 4 bytes an element of the operands at 4.2 TB/s where m or n is small.
#include "ops/matmul/matmul_tiles.cuh"
#include "ops/shared/gpu_tensor.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

constexpr int kDepth = 16;

/// How a tile [k, x] is read: elements along k or along x next to each other, or four along x at once.
enum class Reads : int { along_k, along_x, fours };

template <int kSide>
constexpr int kPitch =
    kSide + 4;  ///< of shared memory, a row a k: columns then differ in their banks, and fours are aligned

template <int kSide, int kThreads>
__device__ __forceinline__ void load_tile(float* to, const float* from, Reads reads, std::int64_t x0,
                                          std::int64_t x_end, std::int64_t sx, std::int64_t k0, std::int64_t k_end,
                                          std::int64_t sk) {
  const int thread = threadIdx.x;
  if (reads == Reads::fours) {
#pragma unroll
    for (int i = 0; i < kSide * kDepth / 4 / kThreads; ++i) {
      const int e = thread + i * kThreads, x = e % (kSide / 4) * 4, k = e / (kSide / 4);
      const std::int64_t left = k0 + k < k_end ? x_end - (x0 + x) : 0;
      const int count = left <= 0 ? 0 : left < 4 ? static_cast<int>(left) : 4;
      copy16(to + k * kPitch<kSide> + x, count != 0 ? from + (x0 + x) + (k0 + k) * sk : from, count * 4);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kSide * kDepth / kThreads; ++i) {
    const int e = thread + i * kThreads;
    const int x = reads == Reads::along_x ? e % kSide : e / kDepth,
              k = reads == Reads::along_x ? e / kSide : e % kDepth;
    const bool inside = x0 + x < x_end && k0 + k < k_end;
    copy4(to + k * kPitch<kSide> + x, inside ? from + (x0 + x) * sx + (k0 + k) * sk : from, inside ? 4 : 0);
  }
}

/// kRows x kColumns elements a thread, in fours: row r of a thread's is r % 4 + 4 ty of the r / 4-th part of the tile.
template <int kSide, int kRows, int kColumns>
__global__ void __launch_bounds__(kSide / kRows * (kSide / kColumns),
                                  65536 / 128 / (kSide / kRows * (kSide / kColumns)))
    matmul_f32_kernel(const __grid_constant__ Product p, const __grid_constant__ Tiling t, Reads reads_a, Reads reads_b,
                      float* parts) {
  constexpr int kThreads = kSide / kRows * (kSide / kColumns), kAcross = kSide / kColumns;
  constexpr int kRowStep = kSide * 4 / kRows, kColumnStep = kSide * 4 / kColumns;
  constexpr int kTile = kDepth * kPitch<kSide>;
  __shared__ __align__(16) float memory[4 * kTile];
  float(*const a_tile)[kTile] = reinterpret_cast<float(*)[kTile]>(memory);
  float(*const b_tile)[kTile] = a_tile + 2;
  const int tx = threadIdx.x % kAcross, ty = threadIdx.x / kAcross;
  for (std::int64_t index = blockIdx.x; index < t.tiles * t.parts; index += gridDim.x) {
    const TilePlace at(t, index, kSide);
    const float* a = p.a.as<float>() + p.offset(p.a, at.batch);
    const float* b = p.b.as<float>() + p.offset(p.b, at.batch);
    const std::int64_t first = at.part * t.depth, rest = p.k - first, depth = rest < t.depth ? rest : t.depth,
                       last = first + depth;
    const int steps = static_cast<int>((depth + kDepth - 1) / kDepth);
    const auto fetch = [&](int step) {
      const std::int64_t k0 = first + static_cast<std::int64_t>(step) * kDepth;
      load_tile<kSide, kThreads>(a_tile[step % 2], a, reads_a, at.m, p.m, p.a.row, k0, last, p.a.column);
      load_tile<kSide, kThreads>(b_tile[step % 2], b, reads_b, at.n, p.n, p.b.column, k0, last, p.b.row);
    };
    float sum[kRows][kColumns] = {};
    if (steps > 0) fetch(0);
    commit_copies();
    for (int step = 0; step < steps; ++step) {
      await_copies<0>();
      __syncthreads();  // the tile is there, and all are done with the one before it
      if (step + 1 < steps) fetch(step + 1);
      commit_copies();
      const float* a_now = a_tile[step % 2] + ty * 4;
      const float* b_now = b_tile[step % 2] + tx * 4;
#pragma unroll
      for (int k = 0; k < kDepth; ++k) {
        float x[kRows], y[kColumns];
#pragma unroll
        for (int r = 0; r < kRows; r += 4)
          *reinterpret_cast<float4*>(x + r) =
              *reinterpret_cast<const float4*>(a_now + k * kPitch<kSide> + r / 4 * kRowStep);
#pragma unroll
        for (int c = 0; c < kColumns; c += 4)
          *reinterpret_cast<float4*>(y + c) =
              *reinterpret_cast<const float4*>(b_now + k * kPitch<kSide> + c / 4 * kColumnStep);
#pragma unroll
        for (int r = 0; r < kRows; ++r)
#pragma unroll
          for (int c = 0; c < kColumns; ++c) sum[r][c] = fmaf(x[r], y[c], sum[r][c]);
      }
    }
    // Through shared memory, a part of every thread's rows at a time: stores are in order then, and what becomes of a
    // sum is compiled twice instead of once for each of a thread's elements.
    const std::int64_t count = p.batches * p.m * p.n;
    const float* bias = p.bias.as<float>() + (p.bias.data != nullptr ? p.offset(p.bias, at.batch) : 0);
    const float* residual = p.residual.as<float>() + (p.residual.data != nullptr ? p.offset(p.residual, at.batch) : 0);
    float* out = const_cast<float*>(p.out.as<float>()) + p.offset(p.out, at.batch);
    static_assert(kRowStep * kSide * 4 <= sizeof memory);
#pragma unroll
    for (int r0 = 0; r0 < kRows; r0 += 4) {
      __syncthreads();  // the memory's last contents have been read
#pragma unroll
      for (int r = 0; r < 4; ++r)
#pragma unroll
        for (int c = 0; c < kColumns; c += 4)
          *reinterpret_cast<float4*>(memory + (ty * 4 + r) * kSide + c / 4 * kColumnStep + tx * 4) =
              make_float4(sum[r0 + r][c], sum[r0 + r][c + 1], sum[r0 + r][c + 2], sum[r0 + r][c + 3]);
      __syncthreads();
#pragma unroll 1
      for (int e = threadIdx.x; e < kRowStep * kSide; e += kThreads) {
        const std::int64_t m = at.m + r0 / 4 * kRowStep + e / kSide, n = at.n + e % kSide;
        if (m >= p.m || n >= p.n) continue;
        if (t.parts > 1) {
          parts[at.part * count + (at.batch * p.m + m) * p.n + n] = memory[e];
          continue;
        }
        const float add = p.bias.data != nullptr ? bias[m * p.bias.row + n * p.bias.column] : 0;
        const float more = p.residual.data != nullptr ? residual[m * p.residual.row + n * p.residual.column] : 0;
        out[m * p.out.row + n * p.out.column] = p.finish(memory[e], add, more);
      }
    }
    __syncthreads();  // the next tile's copies go where the sums were
  }
}

Reads reads_of(const Product& p, const Product::Operand& o, std::int64_t sx, std::int64_t sk) {
  if (sx != 1) return Reads::along_k;
  return vectors_fit(p, o, sk, 4, sizeof(float)) ? Reads::fours : Reads::along_x;
}

template <bool kSplit>
Status run_f32(const KernelContext& c) noexcept {
  const Product p(c);
  const std::int64_t count = p.count();
  if (count == 0) return {};
  const Tiling t(p, kSplit);
  const Reads a = reads_of(p, p.a, p.a.row, p.a.column), b = reads_of(p, p.b, p.b.column, p.b.row);
  const cudaStream_t stream = stream_of(c);
  auto* const parts = reinterpret_cast<float*>(c.scratch);
  if (t.large) matmul_f32_kernel<Tiling::kLarge, 8, 8><<<t.blocks(), 256, 0, stream>>>(p, t, a, b, parts);
  else matmul_f32_kernel<Tiling::kSmall, 8, 4><<<t.blocks(), 128, 0, stream>>>(p, t, a, b, parts);
  if (t.parts > 1) finish_parts_kernel<float><<<blocks_for(count), kThreads, 0, stream>>>(p, t.parts, parts, count);
  return launched();
}

std::size_t scratch_f32(const KernelQuery&) noexcept { return Tiling::kScratchBytes; }

Refusal accepts(const KernelQuery& q) noexcept {
  return q.input(0).dtype == DType::f32 && q.input(1).dtype == DType::f32 ? nullptr : "its element types are not f32";
}

}  // namespace

extern const Kernel matmul_f32_split_cuda{.name = "matmul_f32_split_cuda",
                                          .op = "MatMul",
                                          .device = DeviceKind::cuda,
                                          .batch_invariant = false,
                                          .in{Port::strided},
                                          .out{Port::strided},
                                          .accepts = accepts,
                                          .scratch_bytes = scratch_f32,
                                          .run = run_f32<true>};
extern const Kernel matmul_f32_cuda{.name = "matmul_f32_cuda",
                                    .op = "MatMul",
                                    .device = DeviceKind::cuda,
                                    .in{Port::strided},
                                    .out{Port::strided},
                                    .accepts = accepts,
                                    .run = run_f32<false>};

}  // namespace monza::ops
