// Attention of f16 and bf16 on tensor cores: a block 64 or 16 query rows of a head, which goes over the keys 64 at a
// time with a softmax that goes along (no scores in memory), sums in f32. Keys of the next tile are on their way while
// the weights of this one meet their values. Floor: 4 rows keys size operations a head at 790 TFLOP/s, of which
// mma.sync reaches half.
//
// Tiles of keys that causality, windows or lengths hide from all rows are left out: a NaN among their values is not
// met.
#include "ops/attention/attention_heads.cuh"
#include "ops/shared/gpu_overlap.cuh"
#include "ops/shared/gpu_tensor.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

constexpr int kWarps = 4, kThreads = kWarps * 32;
constexpr int kKeys = 64, kPiece = 8;  ///< kPiece elements are 16 bytes
constexpr int kBiasRow = kKeys + 8;    ///< floats between rows of the mask in shared memory: 4 rows lie in all banks

/// Shared memory holds rows of pieces, exchanged so that 8 rows of one column of pieces lie in all banks.
template <int kSize>
__device__ __forceinline__ int place(int row, int piece) {
  return row * (kSize / kPiece) + (piece ^ (row % 8));
}

/// A row's piece: elements from `from` on, `left` of which exist, zeros behind them.
__device__ __forceinline__ void load_piece(uint4* to, const std::uint16_t* from, std::int64_t step, std::int64_t left,
                                           bool whole) {
  if (whole) {
    copy16(to, from, left <= 0 ? 0 : left < kPiece ? static_cast<int>(left) * 2 : 16);
    return;
  }
  std::uint32_t v[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t low = 2 * i < left ? from[2 * i * step] : 0,
                        high = 2 * i + 1 < left ? from[(2 * i + 1) * step] : 0;
    v[i] = low | high << 16;
  }
  *to = make_uint4(v[0], v[1], v[2], v[3]);
}

/// 2^x to 2 units in the last place; 0 for what would be below the least normal float.
__device__ __forceinline__ float power_of_2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// What the mask does to a tile of scores, in floats: what is added, or (booleans) not 0 where the score is replaced.
/// Rows that share one row of the mask have one here.
__device__ __forceinline__ void load_mask(const Attention& s, float* to, int rows, std::int64_t b, std::int64_t h,
                                          std::int64_t i0, std::int64_t j0) {
  const float hidden = s.p.masked == -INFINITY ? -INFINITY : 1.0F;
  for (int e = threadIdx.x; e < rows * kKeys; e += kThreads) {
    const int row = e / kKeys, key = e % kKeys;
    const std::int64_t i = i0 + row, j = j0 + key;
    float v = -INFINITY;
    if (i < s.q.extent[2] && j < s.mask_keys) {
      const std::int64_t at = b * s.mask_stride[0] + h * s.mask_stride[1] + i * s.mask_stride[2] + j * s.mask_stride[3];
      if (s.mask_type == DType::boolean) v = static_cast<const std::uint8_t*>(s.mask)[at] != 0 ? 0.0F : hidden;
      else v = load_float(s.mask, s.mask_type, at);
    }
    to[row * kBiasRow + key] = v;
  }
}

/// x, or the end of [0, 2^30] that is nearer.
__device__ __forceinline__ int small(std::int64_t x) {
  constexpr std::int64_t kMost = 1 << 30;
  return static_cast<int>(x < 0 ? 0 : x < kMost ? x : kMost);
}

/// Elements `column` and the next of a result's row; `pairs`: they may be stored as one.
template <typename T>
__device__ __forceinline__ void store_pair(const Attention& s, T* row, int column, float a, float b, bool pairs) {
  const std::int64_t size = s.v.fresh.extent[3], apart = s.y.stride[3];
  if (pairs) {
    if (column < size) *reinterpret_cast<std::uint32_t*>(row + column) = pair<T>(a, b);
    return;
  }
  if (column < size) store(row + column * apart, a);
  if (column + 1 < size) store(row + (column + 1) * apart, b);
}

/// What a row's sum is multiplied by, from its largest score and the sum of its weights.
__device__ __forceinline__ float row_factor(float largest, float whole) {
  // All scores are -inf: as softmax has it.
  return largest == -INFINITY && whole == 0 ? NAN : 1 / whole;
}

/// Floats between rows of the sums that warps exchange, and of all that they exchange.
template <int kSize>
constexpr int kSumRow = kSize + 8;
template <int kSize, int kParts>
constexpr int kExchanged = kParts * 16 * (kSumRow<kSize> + 3);

/// kSize: head sizes of queries and values, rounded up. kParts: so many warps share 16 rows, each with a part of a
/// tile's keys, and add up at the end: for few rows, where a warp's time is that of all. kPlain: `is_plain`, so half
/// the code, most of whose time is that of fetching it.
template <typename T, int kSize, int kParts, bool kPlain>
__global__ void __launch_bounds__(kThreads, kSize <= 64 ? 4 : 1)
    attention_f16_kernel(const __grid_constant__ Attention s, bool whole_q, bool whole_k, bool whole_v, bool pairs,
                         std::int64_t tasks) {
  constexpr int kRow = kSize / kPiece, kRows = 16 * kWarps / kParts, kPart = kKeys / kParts;
  constexpr float kLog2e = 1.4426950408889634F;
  let_kernels_begin();
  if (s.lengths != nullptr) await_kernels_before();
  extern __shared__ uint4 memory[];
  uint4* const q_tile = memory;
  uint4* const k_tile = q_tile + kRows * kRow;
  uint4* const v_tile = k_tile + kKeys * kRow;
  float* const bias = reinterpret_cast<float*>(v_tile + kKeys * kRow);  // there is some where there is a mask
  const bool masks = s.mask != nullptr, replaces = s.mask_type == DType::boolean, by_row = s.mask_stride[2] != 0;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 / kParts, part = threadIdx.x / 32 % kParts;
  const std::int64_t heads = s.q.extent[1], rows = s.q.extent[2], size = s.q.extent[3], v_size = s.v.fresh.extent[3];
  const std::int64_t blocks = (rows + kRows - 1) / kRows;
  const float scale = static_cast<float>(s.scale);
  for (std::int64_t task = blockIdx.x; task < tasks; task += gridDim.x) {
    // The last rows, which causality leaves the most keys, come first.
    const std::int64_t head = divide(task, blocks), b = divide(head, heads), h = head - b * heads,
                       i0 = (blocks - 1 - (task - head * blocks)) * kRows, hk = divide(h, s.group);
    std::int64_t valid = s.keys, shift = 0, begin = 0, end = s.keys;
    if constexpr (!kPlain) {
      s.bounds(b, valid, shift);
      s.visible(i0, i0 + kRows < rows ? i0 + kRows : rows, valid, shift, begin, end);
      begin = begin / kKeys * kKeys;
    }
    const std::int64_t steps = end > begin ? (end - begin + kKeys - 1) / kKeys : 0;

    // A thread's piece is the same in all rows it loads. Without a past and where pieces are whole, so are its steps.
    const auto load_keys = [&](const Sequence& from, uint4* to, std::int64_t length, bool whole, std::int64_t step) {
      constexpr int kPass = kThreads / kRow;
      const int piece = threadIdx.x % kRow, own = threadIdx.x / kRow;
      const std::int64_t j0 = begin + step * kKeys, exist = length - piece * kPiece;
      if (step < steps && (kPlain || (whole && from.past_length == 0 && exist > 0))) {
        const std::int64_t apart = from.fresh.stride[2] * kPass;
        const auto* at =
            static_cast<const std::uint16_t*>(from.fresh.data) + from.fresh.at(b, hk, j0 + own, 0) + piece * kPiece;
        const int bytes = !kPlain && exist < kPiece ? static_cast<int>(exist) * 2 : 16;
        const int left = static_cast<int>(s.keys - j0 < kKeys ? s.keys - j0 : kKeys) - own;
#pragma unroll
        for (int i = 0; i < kKeys / kPass; ++i, at += apart) {
          const bool inside = i * kPass < left;
          copy16(to + place<kSize>(own + i * kPass, piece),
                 inside ? at : static_cast<const std::uint16_t*>(from.fresh.data), inside ? bytes : 0);
        }
      } else if (!kPlain && step < steps) {
        for (int row = own; row < kKeys; row += kPass) {
          const std::int64_t j = j0 + row;
          std::int64_t apart;
          const std::uint16_t* at = row_of<std::uint16_t>(from, b, hk, j < s.keys ? j : 0, apart);
          const std::int64_t left = j < s.keys ? exist : 0;
          load_piece(to + place<kSize>(row, piece), left > 0 ? at + piece * kPiece * apart : at, apart, left, whole);
        }
      }
      commit_copies();
    };
    await_kernels_before();
    for (int e = threadIdx.x; e < kRows * kRow; e += kThreads) {
      const int row = e / kRow, piece = e % kRow;
      const bool inside = i0 + row < rows;
      const std::int64_t left = inside ? (kPlain ? kSize : size) - piece * kPiece : 0;
      const std::uint16_t* at = static_cast<const std::uint16_t*>(s.q.data) + s.q.at(b, h, inside ? i0 + row : 0, 0);
      load_piece(q_tile + place<kSize>(row, piece), left > 0 ? at + piece * kPiece * s.q.stride[3] : at, s.q.stride[3],
                 left, kPlain || whole_q);
    }
    load_keys(s.k, k_tile, size, whole_k, 0);  // one group with the queries
    load_keys(s.v, v_tile, v_size, whole_v, 0);

    float sum[kSize / 8][4] = {};
    float largest[2] = {-INFINITY, -INFINITY}, total[2] = {};
    bool attends[2] = {};
    // The keys that nothing but the mask hides from a row, counted from `begin`; none from rows beyond the last.
    int first[2], after[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      first[half] = 0;
      after[half] = small(s.keys);
      if constexpr (!kPlain) {
        const std::int64_t i = i0 + warp * 16 + half * 8 + lane / 4;
        std::int64_t from, to;
        s.visible(i, i + 1, valid, shift, from, to);
        first[half] = small(from - begin);
        after[half] = i < rows ? small(to - begin) : 0;
      }
    }
    // Where a lane reads matrices: rows, and what exchanges their pieces (16 bytes each, two a step along the size).
    const int turn = lane % 8, low_half = lane / 8 % 2, high_half = lane / 16;
    const std::uint32_t x_at = shared_address(q_tile + (warp * 16 + lane % 16) * kRow),
                        k_at = shared_address(k_tile + (part * kPart + high_half * 8 + turn) * kRow),
                        v_at = shared_address(v_tile + (part * kPart + low_half * 8 + turn) * kRow),
                        by_low = static_cast<std::uint32_t>(low_half ^ turn) * 16,
                        by_high = static_cast<std::uint32_t>(high_half ^ turn) * 16;
    for (std::int64_t step = 0; step < steps; ++step) {
      if constexpr (kPlain) {
        if (masks && threadIdx.x < kKeys) {
          const std::int64_t j = step * kKeys + threadIdx.x;
          const auto* const row = static_cast<const float*>(s.mask) + b * s.mask_stride[0] + h * s.mask_stride[1];
          bias[threadIdx.x] = j < s.keys ? row[j] : -INFINITY;
        }
      } else {
        if (masks) load_mask(s, bias, by_row ? kRows : 1, b, h, i0, begin + step * kKeys);
      }
      await_copies<1>();
      __syncthreads();  // the keys are there, and the mask
      float score[kPart / 8][4] = {};
#pragma unroll
      for (int d = 0; d < kSize / 16; ++d) {
        std::uint32_t x[4];
        load_matrices(x, x_at + (d * 32 ^ by_high));
#pragma unroll
        for (int c = 0; c < kPart / 16; ++c) {
          std::uint32_t y[4];
          load_matrices(y, k_at + c * 256 * kRow + (d * 32 ^ by_low));
          multiply<T>(score[2 * c], x, y[0], y[1]);
          multiply<T>(score[2 * c + 1], x, y[2], y[3]);
        }
      }
      __syncthreads();  // all are done with the keys
      load_keys(s.k, k_tile, size, whole_k, step + 1);

      const bool open = kPlain ? (step + 1) * kKeys <= s.keys : s.open(i0, begin + (step + 1) * kKeys, end, shift);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = warp * 16 + half * 8 + lane / 4;
        const int base = small(step * kKeys) + part * kPart;  // this warp's part of the tile
        const float* const add = bias + (!kPlain && by_row ? row * kBiasRow : 0) + part * kPart;
        const int low = first[half] - base, high = after[half] - base;
        attends[half] |= !kPlain && !masks && low < kPart && high > 0 && low < high;
        const bool adds = kPlain && masks;
#pragma unroll
        for (int c = 0; c < kPart / 8; ++c) {
          float& x = score[c][half * 2];
          float& y = score[c][half * 2 + 1];
          const float2 more = adds ? *reinterpret_cast<const float2*>(add + c * 8 + lane % 4 * 2) : make_float2(0, 0);
          x = kPlain ? fmaf(x, scale, more.x) : x * scale;
          y = kPlain ? fmaf(y, scale, more.y) : y * scale;
        }
        if (!kPlain && s.p.softcap > 0) {
#pragma unroll
          for (int c = 0; c < kPart / 8; ++c)
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              float& v = score[c][half * 2 + e];
              v = s.p.softcap * tanhf(v / s.p.softcap);
            }
        }
        if (!kPlain && masks) {
#pragma unroll
          for (int c = 0; c < kPart / 8; ++c)
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              const int j = c * 8 + lane % 4 * 2 + e;
              const float x = add[j];
              float& v = score[c][half * 2 + e];
              v = !replaces ? v + x : x != 0 ? s.p.masked : v;
              attends[half] |= low <= j && j < high && x != -INFINITY;
            }
        }
        if (!open) {
#pragma unroll
          for (int c = 0; c < kPart / 8; ++c)
#pragma unroll
            for (int e = 0; e < 2; ++e) {
              const int j = c * 8 + lane % 4 * 2 + e;
              if (j < low || j >= high) score[c][half * 2 + e] = -INFINITY;
            }
        }
        float most = largest[half];
#pragma unroll
        for (int c = 0; c < kPart / 8; ++c) most = fmaxf(most, fmaxf(score[c][half * 2], score[c][half * 2 + 1]));
        most = fmaxf(most, __shfl_xor_sync(0xffffffffU, most, 1));
        most = fmaxf(most, __shfl_xor_sync(0xffffffffU, most, 2));
        // While all scores are -inf nothing is to be taken off them: their weights are 0.
        const float off = most == -INFINITY ? 0 : most;
        const float shrink = power_of_2((largest[half] - off) * kLog2e);
        largest[half] = most;
        total[half] *= shrink;
        if (step > 0) {
#pragma unroll
          for (int d = 0; d < kSize / 8; ++d) {
            sum[d][half * 2] *= shrink;
            sum[d][half * 2 + 1] *= shrink;
          }
        }
#pragma unroll
        for (int c = 0; c < kPart / 8; ++c)
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            float& v = score[c][half * 2 + e];
            v = power_of_2(kPlain ? fmaf(v, kLog2e, -off * kLog2e) : (v - off) * kLog2e);
            total[half] += v;
          }
      }

      await_copies<1>();
      __syncthreads();  // the values are there
#pragma unroll
      for (int c = 0; c < kPart / 16; ++c) {
        const std::uint32_t x[4] = {
            pair<T>(score[2 * c][0], score[2 * c][1]), pair<T>(score[2 * c][2], score[2 * c][3]),
            pair<T>(score[2 * c + 1][0], score[2 * c + 1][1]), pair<T>(score[2 * c + 1][2], score[2 * c + 1][3])};
#pragma unroll
        for (int d = 0; d < kSize / 16; ++d) {
          std::uint32_t y[4];
          load_transposed(y, v_at + c * 256 * kRow + (d * 32 ^ by_high));
          multiply<T>(sum[2 * d], x, y[0], y[1]);
          multiply<T>(sum[2 * d + 1], x, y[2], y[3]);
        }
      }
      __syncthreads();  // all are done with the values
      load_keys(s.v, v_tile, v_size, whole_v, step + 1);
    }
    await_copies<0>();
    __syncthreads();  // the next task's copies go where this one's were read

    float* const sums = reinterpret_cast<float*>(k_tile);        // [part][16][kSumRow]
    float* const of_rows = sums + kParts * 16 * kSumRow<kSize>;  // [part][16][largest, total, attends]
    T* const y = static_cast<T*>(s.y.data) + s.y.at(b, h, i0, 0);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = warp * 16 + half * 8 + lane / 4;
      float whole = total[half];
      whole += __shfl_xor_sync(0xffffffffU, whole, 1);
      whole += __shfl_xor_sync(0xffffffffU, whole, 2);
      // Only where all scores are -inf is it the question whether a key attended.
      int any = kPlain ? largest[half] != -INFINITY || s.attends(b, h) : attends[half];
      any |= __shfl_xor_sync(0xffffffffU, any, 1);
      any |= __shfl_xor_sync(0xffffffffU, any, 2);
      if constexpr (kParts == 1) {
        if (i0 + row >= rows) continue;
        const float factor = row_factor(largest[half], whole);
        const bool zero = any == 0 && !s.p.nan_rows;  // whatever is in the sum
#pragma unroll
        for (int d = 0; d < kSize / 8; ++d)
          store_pair(s, y + row * s.y.stride[2], d * 8 + lane % 4 * 2, zero ? 0 : sum[d][half * 2] * factor,
                     zero ? 0 : sum[d][half * 2 + 1] * factor, kPlain || pairs);
      } else {
        float* const to = sums + (part * 16 + row) * kSumRow<kSize> + lane % 4 * 2;
#pragma unroll
        for (int d = 0; d < kSize / 8; ++d)
          *reinterpret_cast<float2*>(to + d * 8) = make_float2(sum[d][half * 2], sum[d][half * 2 + 1]);
        if (lane % 4 == 0) {
          float* const of_row = of_rows + (part * 16 + row) * 3;
          of_row[0] = largest[half];
          of_row[1] = whole;
          of_row[2] = any != 0 ? 1.0F : 0.0F;
        }
      }
    }
    if constexpr (kParts > 1) {
      __syncthreads();                                                  // the parts are there
      constexpr int kLanes = kThreads / 16, kColumns = kSize / kLanes;  // of a row, and of a thread
      const int row = threadIdx.x / kLanes, column = threadIdx.x % kLanes * kColumns;
      if (i0 + row < rows) {
        float most = -INFINITY, whole = 0, any = 0, weight[kParts];
#pragma unroll
        for (int p = 0; p < kParts; ++p) most = fmaxf(most, of_rows[(p * 16 + row) * 3]);
        const float off = most == -INFINITY ? 0 : most;
#pragma unroll
        for (int p = 0; p < kParts; ++p) {
          const float* const of_row = of_rows + (p * 16 + row) * 3;
          weight[p] = power_of_2((of_row[0] - off) * kLog2e);
          whole += weight[p] * of_row[1];
          any += of_row[2];
        }
        const float factor = row_factor(most, whole);
        const bool zero = any == 0 && !s.p.nan_rows;
#pragma unroll
        for (int e = 0; e < kColumns; e += 2) {
          float2 v = make_float2(0, 0);
#pragma unroll
          for (int p = 0; p < kParts; ++p) {
            const float2 x = *reinterpret_cast<const float2*>(sums + (p * 16 + row) * kSumRow<kSize> + column + e);
            v.x += weight[p] * x.x;
            v.y += weight[p] * x.y;
          }
          store_pair(s, y + row * s.y.stride[2], column + e, zero ? 0 : v.x * factor, zero ? 0 : v.y * factor,
                     kPlain || pairs);
        }
      }
      __syncthreads();  // the next task's keys go where the sums were read
    }
  }
}

/// Whether rows may be read 16 bytes at once.
bool whole_rows(const Heads& v) {
  if (v.data == nullptr) return true;
  return v.stride[3] == 1 && v.stride[0] % kPiece == 0 && v.stride[1] % kPiece == 0 && v.stride[2] % kPiece == 0 &&
         reinterpret_cast<std::uintptr_t>(v.data) % 16 == 0;
}

/// Nothing but a mask of floats hides a key, whose row is the same for all queries. (Beside it: heads of 64, whole
/// rows.)
bool is_plain(const Attention& s) {
  const AttentionParams& p = s.p;
  return s.k.past_length == 0 && s.lengths == nullptr && !p.causal && p.left_window < 0 && p.right_window < 0 &&
         p.softcap <= 0 &&
         (s.mask == nullptr || (s.mask_type == DType::f32 && s.mask_stride[2] == 0 && s.mask_keys >= s.keys &&
                                (s.mask_stride[3] == 1 || s.keys == 1)));
}

Status run_attention_f16(const KernelContext& c) noexcept {
  const Attention s(c);
  launch_present(c, s, stream_of(c));
  const std::int64_t rows = s.q.extent[2], heads = s.q.extent[0] * s.q.extent[1];
  const std::int64_t size = s.q.extent[3], v_size = s.v.fresh.extent[3], larger = size > v_size ? size : v_size;
  if (heads * rows == 0 || v_size == 0) return launched();
  const bool q = whole_rows(s.q), k = whole_rows(s.k.fresh) && whole_rows(s.k.past),
             v = whole_rows(s.v.fresh) && whole_rows(s.v.past);
  const bool pairs = s.y.stride[3] == 1 && v_size % 2 == 0 && s.y.stride[0] % 2 == 0 && s.y.stride[1] % 2 == 0 &&
                     s.y.stride[2] % 2 == 0 && reinterpret_cast<std::uintptr_t>(s.y.data) % 4 == 0;
  const auto run = [&]<typename T, int kSize, int kParts, bool kPlain>() {
    constexpr int kRows = 16 * kWarps / kParts;
    const std::int64_t tasks = heads * ((rows + kRows - 1) / kRows);
    const auto blocks = static_cast<unsigned>(tasks < 0x7fffffff ? tasks : 0x7fffffff);
    const int mask = s.mask == nullptr ? 0 : (s.mask_stride[2] != 0 ? kRows : 1) * kBiasRow * 4;
    const int exchanged = kParts > 1 ? kExchanged<kSize, kParts> * 4 : 0, keys = 2 * kKeys * kSize * 2 + mask;
    const int bytes = kRows * kSize * 2 + (keys > exchanged ? keys : exchanged);
    if (bytes > 48 * 1024)
      cudaFuncSetAttribute(attention_f16_kernel<T, kSize, kParts, kPlain>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           bytes);
    launch_early(c, attention_f16_kernel<T, kSize, kParts, kPlain>, blocks, kThreads, static_cast<std::size_t>(bytes),
                 s, q, k, v, pairs, tasks);
  };
  // Rows are spread thin where blocks of 64 leave processors idle.
  const bool few = heads * ((rows + 63) / 64) < kProcessors;
  const bool plain = q && k && v && pairs && larger == 64 && size == v_size && is_plain(s);
  const auto of_type = [&]<typename T>() {
    if (plain && few) run.template operator()<T, 64, 4, true>();
    else if (plain) run.template operator()<T, 64, 1, true>();
    else if (larger <= 64 && few) run.template operator()<T, 64, 4, false>();
    else if (larger <= 64) run.template operator()<T, 64, 1, false>();
    else if (larger <= 128 && few) run.template operator()<T, 128, 4, false>();
    else if (larger <= 128) run.template operator()<T, 128, 1, false>();
    else run.template operator()<T, 256, 1, false>();
  };
  if (c.in[0].dtype == DType::f16) of_type.template operator()<__half>();
  else of_type.template operator()<__nv_bfloat16>();
  return launched();
}

Refusal accepts_f16(const KernelQuery& q) noexcept {
  if (const Refusal r = refuse_attention_types(q)) return r;
  const DType type = q.input(0).dtype;
  if (type != DType::f16 && type != DType::bf16) return "its element types are not f16 or bf16";
  return refuse_large_heads(q, 256);
}

}  // namespace

extern const Kernel attention_f16_cuda{.name = "attention_f16_cuda",
                                       .op = "Attention",
                                       .device = DeviceKind::cuda,
                                       .in{Port::strided},
                                       .out{Port::strided},
                                       .accepts = accepts_f16,
                                       .run = run_attention_f16};

}  // namespace monza::ops
