// Attention on a GPU, plainly: a block a query row at a time, its scores in scratch memory, in double; everything the
// reference takes. For what the fast kernels leave.
#include "ops/attention/attention_heads.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

constexpr int kRowThreads = 256;
constexpr std::int64_t kMostBlocks = std::int64_t{gpu::kProcessors} * 4;  ///< each has a row of scores

/// The same for all threads of the block; `parts` has room for one value a warp.
template <typename F>
__device__ double over_block(double v, double* parts, F&& both) {
  for (int step = 16; step > 0; step /= 2) v = both(v, __shfl_xor_sync(0xffffffffU, v, step));
  __syncthreads();  // what was in `parts` has been read
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = v;
  __syncthreads();
  v = parts[0];
  for (int w = 1; w < kRowThreads / 32; ++w) v = both(v, parts[w]);
  return v;
}

template <typename T>
__global__ void __launch_bounds__(kRowThreads) attention_kernel(Attention s, std::int64_t tasks, double* scratch) {
  __shared__ double parts[kRowThreads / 32];
  const auto wide = [](T v) { return static_cast<double>(static_cast<computed_t<T>>(v)); };
  double* row = scratch + blockIdx.x * s.keys;
  const std::int64_t heads = s.q.extent[1], rows = s.q.extent[2], size = s.q.extent[3], v_size = s.v.fresh.extent[3];
  const int thread = threadIdx.x;
  const AttentionParams& p = s.p;
  for (std::int64_t task = blockIdx.x; task < tasks; task += gridDim.x) {
    const std::int64_t i = task % rows, h = task / rows % heads, b = task / rows / heads, hk = h / s.group;
    const auto show = [&](AttentionParams::Scores stage, std::int64_t j, double v) {
      if (s.scores.data != nullptr && p.scores == stage)
        store_float(s.scores.data, s.scores_type, s.scores.at(b, h, i, j), v);
    };
    std::int64_t valid, shift;
    s.bounds(b, valid, shift);

    bool attends = false;
    double largest = -INFINITY;
    const T* query = static_cast<const T*>(s.q.data) + s.q.at(b, h, i, 0);
    for (std::int64_t j = thread; j < s.keys; j += kRowThreads) {
      std::int64_t step;
      const T* key = row_of<T>(s.k, b, hk, j, step);
      double score = 0;
      for (std::int64_t d = 0; d < size; ++d) score += wide(query[d * s.q.stride[3]]) * wide(key[d * step]);
      score *= s.scale;
      if (p.softcap <= 0) show(AttentionParams::Scores::capped, j, score);
      if (p.softcap > 0) score = p.softcap * tanh(score / p.softcap);
      show(AttentionParams::Scores::raw, j, score);
      if (p.softcap > 0) show(AttentionParams::Scores::capped, j, score);

      score = s.masked(score, b, h, i, j, valid, i + shift, attends);
      // NaN makes every weight NaN through its own, whatever the largest is.
      largest = fmax(largest, score);
      show(AttentionParams::Scores::masked, j, score);
      row[j] = score;
    }
    const bool zero = __syncthreads_or(attends) == 0 && !p.nan_rows;
    largest = over_block(largest, parts, [](double x, double y) { return fmax(x, y); });
    double sum = 0;
    for (std::int64_t j = thread; j < s.keys; j += kRowThreads) {
      row[j] = zero ? 0 : exp(row[j] - largest);
      sum += row[j];
    }
    sum = over_block(sum, parts, [](double x, double y) { return x + y; });
    for (std::int64_t j = thread; j < s.keys; j += kRowThreads) {
      if (sum != 0) row[j] /= sum;
      show(AttentionParams::Scores::softmax, j, row[j]);
    }
    __syncthreads();
    for (std::int64_t d = thread; d < v_size; d += kRowThreads) {
      double total = 0;
      for (std::int64_t j = 0; j < s.keys && !zero; ++j) {
        std::int64_t step;
        const T* value = row_of<T>(s.v, b, hk, j, step);
        total += row[j] * wide(value[d * step]);
      }
      store(static_cast<T*>(s.y.data) + s.y.at(b, h, i, d), static_cast<computed_t<T>>(total));
    }
    __syncthreads();  // the next row takes this one's memory
  }
}

std::int64_t rows_at_once(std::int64_t rows) { return rows < kMostBlocks ? rows : kMostBlocks; }

std::size_t scratch_attention(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const AttentionParams*>(q.params);
  const Shape &query = q.input(0).shape, &key = q.input(1).shape;
  const std::int64_t keys = (p.q_heads ? key[1] : key[2]) + (q.has_input(4) ? q.input(4).shape[2] : 0);
  const std::int64_t rows = p.q_heads ? query[0] * p.q_heads * query[1] : query[0] * query[1] * query[2];
  return static_cast<std::size_t>(rows_at_once(rows) * keys) * sizeof(double);
}

Status run_attention(const KernelContext& c) noexcept {
  const Attention s(c);
  const cudaStream_t stream = stream_of(c);
  launch_present(c, s, stream);
  const std::int64_t tasks = s.q.extent[0] * s.q.extent[1] * s.q.extent[2];
  if (tasks != 0) {
    const bool known = with_float(c.in[0].dtype, [&](auto t) {
      attention_kernel<typename decltype(t)::type>
          <<<static_cast<unsigned>(rows_at_once(tasks)), kRowThreads, 0, stream>>>(
              s, tasks, reinterpret_cast<double*>(c.scratch));
    });
    if (!known) return kOtherType;
  }
  return launched();
}

struct Table {
  const void* data;
  DType dtype;
  std::int64_t batch, row, step, rows;
};

/// A thread a pair, or an element that stays. Positions outside the tables give NaN: nothing here can report them.
__global__ void rotary_kernel(RotaryParams p, Heads x, Heads y, DType type, std::int64_t dim, Table cosines,
                              Table sines, const std::int64_t* position, std::int64_t position_batch,
                              std::int64_t position_row, std::int64_t count) {
  const std::int64_t half = dim / 2, units = half + (x.extent[3] - dim);
  for_each(count, [&](std::int64_t e) {
    const std::int64_t k = e % units, h = e / units % x.extent[1], l = e / units / x.extent[1] % x.extent[2],
                       b = e / units / x.extent[1] / x.extent[2];
    if (k >= half) {
      const std::int64_t d = dim + k - half;
      store_float(y.data, type, y.at(b, h, l, d), load_float(x.data, type, x.at(b, h, l, d)));
      return;
    }
    double cosine = NAN, sine = NAN;
    if (position == nullptr) {
      cosine = load_float(cosines.data, cosines.dtype, b * cosines.batch + l * cosines.row + k * cosines.step);
      sine = load_float(sines.data, sines.dtype, b * sines.batch + l * sines.row + k * sines.step);
    } else {
      const std::int64_t at = position[b * position_batch + l * position_row];
      if (at >= 0 && at < cosines.rows && at < sines.rows) {
        cosine = load_float(cosines.data, cosines.dtype, at * cosines.row + k * cosines.step);
        sine = load_float(sines.data, sines.dtype, at * sines.row + k * sines.step);
      }
    }
    const std::int64_t first = p.interleaved ? 2 * k : k, second = p.interleaved ? 2 * k + 1 : half + k;
    const double u = load_float(x.data, type, x.at(b, h, l, first)),
                 v = load_float(x.data, type, x.at(b, h, l, second));
    store_float(y.data, type, y.at(b, h, l, first), cosine * u - sine * v);
    store_float(y.data, type, y.at(b, h, l, second), sine * u + cosine * v);
  });
}

Status run_rotary(const KernelContext& c) noexcept {
  const auto& p = c.params_as<RotaryParams>();
  const Heads x(c.in[0], p.heads), y(c.out[0], p.heads);
  const std::int64_t dim = p.dim == 0 ? x.extent[3] : p.dim;
  const std::int64_t count = x.extent[0] * x.extent[1] * x.extent[2] * (x.extent[3] - dim / 2);
  if (count == 0) return {};
  const bool positions = c.has_input(3);
  const auto table = [&](const TensorView& v) {
    Table t{v.data, v.dtype, 0, 0, v.stride[v.shape.rank - 1], v.shape[0]};
    if (positions) {
      t.row = v.stride[0];
    } else {
      t.batch = v.shape[0] == 1 ? 0 : v.stride[0];
      t.row = v.stride[1];
    }
    return t;
  };
  rotary_kernel<<<blocks_for(count), kThreads, 0, stream_of(c)>>>(
      p, x, y, c.in[0].dtype, dim, table(c.in[1]), table(c.in[2]), positions ? c.in[3].as<std::int64_t>() : nullptr,
      positions ? c.in[3].stride[0] : 0, positions ? c.in[3].stride[1] : 0, count);
  return launched();
}

Refusal accepts_rotary(const KernelQuery& q) noexcept {
  for (int i = 0; i < 3; ++i)
    if (!is_stored_float(q.input(i).dtype)) return "its element types have no CUDA kernel";
  return nullptr;
}

}  // namespace

extern const Kernel attention_cuda{.name = "attention_cuda",
                                   .op = "Attention",
                                   .device = DeviceKind::cuda,
                                   .in{Port::strided},
                                   .out{Port::strided},
                                   .accepts = refuse_attention_types,
                                   .scratch_bytes = scratch_attention,
                                   .run = run_attention};
extern const Kernel rotary_cuda{.name = "rotary_cuda",
                                .op = "RotaryEmbedding",
                                .device = DeviceKind::cuda,
                                .in{Port::strided},
                                .out{Port::strided},
                                .accepts = accepts_rotary,
                                .run = run_rotary,
                                .in_place_inputs = 1};

}  // namespace monza::ops
