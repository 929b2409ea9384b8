// Attention of f32 on a GPU's ordinary cores: a block 64 query rows of a head, which goes over the keys 32 at a time
// with a softmax that goes along; 4 rows of a few columns a thread. Floor: 4 rows keys size operations a head at 60
// TFLOP/s, of which shared memory allows about half.
//
// Tiles of keys that causality, windows or lengths hide from all rows are left out: a NaN among their values is not
// met.
#include "ops/attention/attention_heads.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

constexpr int kBlockThreads = 256, kRows = 64, kKeys = 32;
constexpr int kRowPitch = kRows + 4, kKeyPitch = kKeys + 4;

/// Floats of shared memory: queries [d, row], keys [d, key], values [key, d], weights [key, row].
template <int kSize>
constexpr int kFloats = kSize * kRowPitch + kSize * kKeyPitch + kKeys * (kSize + 4) + kKeys * kRowPitch;

/// kSize: head sizes of queries and values, rounded up.
template <int kSize>
__global__ void __launch_bounds__(kBlockThreads)
    attention_f32_kernel(const __grid_constant__ Attention s, std::int64_t tasks) {
  extern __shared__ float4 memory[];
  float* const q_tile = reinterpret_cast<float*>(memory);
  float* const k_tile = q_tile + kSize * kRowPitch;
  float* const v_tile = k_tile + kSize * kKeyPitch;
  float* const p_tile = v_tile + kKeys * (kSize + 4);
  const int thread = threadIdx.x, tx = thread % 16, ty = thread / 16;
  const std::int64_t heads = s.q.extent[1], rows = s.q.extent[2], size = s.q.extent[3], v_size = s.v.fresh.extent[3];
  const std::int64_t blocks = (rows + kRows - 1) / kRows;
  const float scale = static_cast<float>(s.scale);
  for (std::int64_t task = blockIdx.x; task < tasks; task += gridDim.x) {
    // The last rows, which causality leaves the most keys, come first.
    const std::int64_t i0 = (blocks - 1 - task % blocks) * kRows, h = task / blocks % heads, b = task / blocks / heads,
                       hk = h / s.group;
    std::int64_t valid, shift, begin, end;
    s.bounds(b, valid, shift);
    s.visible(i0, i0 + kRows < rows ? i0 + kRows : rows, valid, shift, begin, end);
    begin = begin / kKeys * kKeys;

    for (int e = thread; e < kRows * kSize; e += kBlockThreads) {
      const int d = e % kSize, row = e / kSize;
      const bool inside = i0 + row < rows && d < size;
      q_tile[d * kRowPitch + row] = inside ? static_cast<const float*>(s.q.data)[s.q.at(b, h, i0 + row, d)] : 0;
    }
    float sum[4][kSize / 16] = {}, largest[4], total[4] = {};
    bool attends[4] = {};
#pragma unroll
    for (int r = 0; r < 4; ++r) largest[r] = -INFINITY;
    for (std::int64_t j0 = begin; j0 < end; j0 += kKeys) {
      __syncthreads();  // all are done with the tiles before
      for (int e = thread; e < kKeys * kSize; e += kBlockThreads) {
        const int d = e % kSize, row = e / kSize;
        const bool inside = j0 + row < s.keys;
        std::int64_t k_step, v_step;
        const float* key = row_of<float>(s.k, b, hk, inside ? j0 + row : 0, k_step);
        const float* value = row_of<float>(s.v, b, hk, inside ? j0 + row : 0, v_step);
        k_tile[d * kKeyPitch + row] = inside && d < size ? key[d * k_step] : 0;
        v_tile[row * (kSize + 4) + d] = inside && d < v_size ? value[d * v_step] : 0;
      }
      __syncthreads();
      float score[4][2] = {};
#pragma unroll 8
      for (int d = 0; d < kSize; ++d) {
        const float4 x = *reinterpret_cast<const float4*>(q_tile + d * kRowPitch + ty * 4);
        const float2 y = *reinterpret_cast<const float2*>(k_tile + d * kKeyPitch + tx * 2);
        score[0][0] = fmaf(x.x, y.x, score[0][0]);
        score[0][1] = fmaf(x.x, y.y, score[0][1]);
        score[1][0] = fmaf(x.y, y.x, score[1][0]);
        score[1][1] = fmaf(x.y, y.y, score[1][1]);
        score[2][0] = fmaf(x.z, y.x, score[2][0]);
        score[2][1] = fmaf(x.z, y.y, score[2][1]);
        score[3][0] = fmaf(x.w, y.x, score[3][0]);
        score[3][1] = fmaf(x.w, y.y, score[3][1]);
      }
      const bool open = s.open(i0, j0 + kKeys, end, shift);
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const std::int64_t i = i0 + ty * 4 + r;
        float most = largest[r];
        attends[r] |= open;
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const std::int64_t j = j0 + tx * 2 + e;
          float& v = score[r][e];
          v *= scale;
          if (s.p.softcap > 0) v = s.p.softcap * tanhf(v / s.p.softcap);
          // Rows beyond the last are not stored; they have no mask.
          if (!open) v = i < rows && j < s.keys ? s.masked(v, b, h, i, j, valid, i + shift, attends[r]) : -INFINITY;
          most = fmaxf(most, v);
        }
        for (int step = 1; step < 16; step *= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffU, most, step));
        // While all scores are -inf nothing is to be taken off them: their weights are 0.
        const float off = most == -INFINITY ? 0 : most;
        const float shrink = expf(largest[r] - off);
        largest[r] = most;
        total[r] *= shrink;
#pragma unroll
        for (int c = 0; c < kSize / 16; ++c) sum[r][c] *= shrink;
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const float weight = expf(score[r][e] - off);
          total[r] += weight;
          p_tile[(tx * 2 + e) * kRowPitch + ty * 4 + r] = weight;
        }
      }
      __syncwarp();  // a row's weights are of one half of a warp
#pragma unroll 4
      for (int j = 0; j < kKeys; ++j) {
        const float4 x = *reinterpret_cast<const float4*>(p_tile + j * kRowPitch + ty * 4);
#pragma unroll
        for (int c = 0; c < kSize / 64; ++c) {
          const float4 y = *reinterpret_cast<const float4*>(v_tile + j * (kSize + 4) + c * 64 + tx * 4);
          const float p[4] = {x.x, x.y, x.z, x.w}, v[4] = {y.x, y.y, y.z, y.w};
#pragma unroll
          for (int r = 0; r < 4; ++r)
#pragma unroll
            for (int e = 0; e < 4; ++e) sum[r][c * 4 + e] = fmaf(p[r], v[e], sum[r][c * 4 + e]);
        }
      }
    }
    __syncthreads();  // the next task's queries go where this one's were read

#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const std::int64_t i = i0 + ty * 4 + r;
      float whole = total[r];
      int any = attends[r];
      for (int step = 1; step < 16; step *= 2) {
        whole += __shfl_xor_sync(0xffffffffU, whole, step);
        any |= __shfl_xor_sync(0xffffffffU, any, step);
      }
      if (i >= rows) continue;
      const bool zero = any == 0 && !s.p.nan_rows;
      // All scores are -inf: as softmax has it.
      const bool nan = !zero && largest[r] == -INFINITY && whole == 0;
      const float divisor = nan ? NAN : whole;
#pragma unroll
      for (int c = 0; c < kSize / 16; ++c) {
        const int d = c / 4 * 64 + tx * 4 + c % 4;
        if (d < v_size) static_cast<float*>(s.y.data)[s.y.at(b, h, i, d)] = zero ? 0.0F : sum[r][c] / divisor;
      }
    }
  }
}

template <int kSize>
void launch(const Attention& s, std::int64_t tasks, cudaStream_t stream) {
  constexpr int kBytes = kFloats<kSize> * 4;
  if (kBytes > 48 * 1024)
    cudaFuncSetAttribute(attention_f32_kernel<kSize>, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
  const auto blocks = static_cast<unsigned>(tasks < 0x7fffffff ? tasks : 0x7fffffff);
  attention_f32_kernel<kSize><<<blocks, kBlockThreads, kBytes, stream>>>(s, tasks);
}

Status run_attention_f32(const KernelContext& c) noexcept {
  const Attention s(c);
  const cudaStream_t stream = stream_of(c);
  launch_present(c, s, stream);
  const std::int64_t tasks = s.q.extent[0] * s.q.extent[1] * ((s.q.extent[2] + kRows - 1) / kRows);
  if (tasks == 0 || s.v.fresh.extent[3] == 0) return launched();
  if (s.q.extent[3] <= 64 && s.v.fresh.extent[3] <= 64) launch<64>(s, tasks, stream);
  else launch<128>(s, tasks, stream);
  return launched();
}

Refusal accepts_f32(const KernelQuery& q) noexcept {
  if (const Refusal r = refuse_attention_types(q)) return r;
  if (q.input(0).dtype != DType::f32) return "its element type is not f32";
  return refuse_large_heads(q, 128);
}

}  // namespace

extern const Kernel attention_f32_cuda{.name = "attention_f32_cuda",
                                       .op = "Attention",
                                       .device = DeviceKind::cuda,
                                       .in{Port::strided},
                                       .out{Port::strided},
                                       .accepts = accepts_f32,
                                       .run = run_attention_f32};

}  // namespace monza::ops
