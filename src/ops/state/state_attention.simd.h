// StateAttention in f32 over a batch of sequences in pages. A task is one key head and some of the run's new positions,
// of one sequence or several. For each sequence it walks tiles of 64 positions from the sequence's begin: keys and
// values are read through the block table, widened to f32, and packed for the block product of ops/matmul; scores
// become weights by the running softmax of ops/shared. All query heads that share the key head, and all positions of
// the task, use a tile at once.
//
// A position's result has the same bits whatever else is in the batch or in the task, and however its sequence was cut
// into runs: tiles begin at multiples of 64 of the sequence, an element of either product is one chain of FMAs, and
// what a position does not see is in no sum. Prefill is bound by the FMA ports; decoding reads each key and value once
// for all heads that share it, and is bound by packing them.
#pragma once

#include "kernel/kernel.h"
#include "kernel/state.h"
#include "ops/matmul/gemm_table.simd.h"
#include "ops/shared/online_softmax.simd.h"
#include "ops/state/state.params.h"
#include "simd/convert.h"

namespace monza::ops {
namespace {

constexpr std::int64_t kTile = 64;   // positions whose keys and values are packed at a time
constexpr std::int64_t kRows = 128;  // of a task: new positions x query heads

MONZA_INLINE void widen_vector(const StateFormat& f, const std::byte* from, float* to) {
  switch (f.dtype) {
    case DType::f16: return widen_row(from, f.width, 2, to, widen_f16);
    case DType::bf16: return widen_row(from, f.width, 2, to, widen_bf16);
    case DType::i8: {
      float scale;
      __builtin_memcpy(&scale, from + scale_offset(f), sizeof scale);
      const Vec s = Vec::set(scale);
      return widen_row(from, f.width, 1, to,
                       [s](const std::byte* p) __attribute__((always_inline)) { return widen_i8(p) * s; });
    }
    default:
      return widen_row(from, f.width, 4, to, [](const std::byte* p) __attribute__((always_inline)) {
        return Vec::load(reinterpret_cast<const float*>(p));
      });
  }
}

/// Vector `vector` of positions [first, first + count) of a row, [count, pitch].
MONZA_INLINE void gather(const StateView& s, const StateRow& row, std::int64_t vector, std::int64_t first,
                         std::int64_t count, float* to, std::int64_t pitch) {
  for (std::int64_t j = 0; j < count; ++j)
    widen_vector(s.format, position_at(s, row, first + j) + vector * s.format.vector_bytes, to + j * pitch);
}

MONZA_INLINE std::int64_t whole_vectors(std::int64_t n) { return (n + Vec::kWidth - 1) / Vec::kWidth * Vec::kWidth; }

/// Floats of one worker's scratch memory.
struct StateScratch {
  std::size_t queries, scores, results, tile, keys, values, tops, sums, total;
};
MONZA_INLINE StateScratch state_scratch(std::int64_t d, std::int64_t dv) {
  StateScratch s{};
  const auto take = [&](std::int64_t floats) {
    const std::size_t begin = s.total;
    s.total += static_cast<std::size_t>((floats + 15) / 16 * 16);
    return begin;
  };
  s.queries = take(kRows * kPitch);
  s.scores = take(kRows * kPitch);
  s.results = take(kRows * kPitch);
  s.tile = take(kTile * whole_vectors(d > dv ? d : dv));
  s.keys = take(d * kTile);
  s.values = take(kTile * whole_vectors(dv));
  s.tops = take(kRows);
  s.sums = take(kRows);
  return s;
}

/// result[dv] += weights[n] * values[n, dv]: a row of the block product, with its bits.
MONZA_INLINE void add_weighted(const float* weights, std::int64_t n, const float* values, std::int64_t pitch,
                               std::int64_t dv, float* result) {
  for (std::int64_t e = 0; e < dv; e += Vec::kWidth) {
    Vec sum = Vec::zero();
    for (std::int64_t j = 0; j < n; ++j) sum = fma(Vec::set(weights[j]), Vec::load(values + j * pitch + e), sum);
    (sum + Vec::load(result + e)).store(result + e);
  }
}

/// New positions [first, end) of one sequence of the batch, and the query heads of one key head.
struct StateJob {
  const KernelContext& c;
  const GemmTable& table;
  std::int64_t row, kv, first, end;

  std::int64_t group() const { return c.in[0].shape[1] / c.state[0].format.vectors; }
  /// Positions that new position i sees.
  MONZA_INLINE std::int64_t seen(std::int64_t i) const {
    const StateView& k = c.state[0];
    const std::int64_t held = k.rows[row].length + k.rows[row].appended;
    return c.params_as<StateAttentionParams>().causal != 0 ? held - (new_end(k, row, c.in[0].shape[0]) - i) + 1 : held;
  }
  /// The first of them that its window leaves.
  MONZA_INLINE std::int64_t from(std::int64_t i) const {
    const std::int64_t window = c.params_as<StateAttentionParams>().window, all = seen(i);
    return window > 0 && all > window ? all - window : 0;
  }
};

/// Copies between the rows of a task and those of a tensor [n, heads, width]: f(tensor's row, task's row).
template <typename F>
MONZA_INLINE void each_head(const StateJob& job, const TensorView& v, F&& f) {
  const std::int64_t group = job.group();
  for (std::int64_t i = job.first; i < job.end; ++i)
    for (std::int64_t g = 0; g < group; ++g)
      f(v.as<float>() + i * v.stride[0] + (job.kv * group + g) * v.stride[1], (i - job.first) * group + g);
}

MONZA_INLINE void copy_row(const float* from, std::int64_t n, float* to, Vec factor) {
  for (std::int64_t d = 0; d < n; d += Vec::kWidth) {
    const Vec::Mask m = Vec::mask(n - d < Vec::kWidth ? n - d : Vec::kWidth);
    (Vec::load(from + d, m) * factor).store(to + d, m);
  }
}

/// Each score x becomes cap tanh(x / cap).
MONZA_INLINE void cap_scores(float* scores, std::int64_t n, float cap) {
  const Vec of = Vec::set(cap), inverse = Vec::set(1 / cap);
  for (std::int64_t j = 0; j < n; j += Vec::kWidth) {
    const Vec::Mask m = Vec::mask(n - j < Vec::kWidth ? n - j : Vec::kWidth);
    (vtanh(Vec::load(scores + j, m) * inverse) * of).store(scores + j, m);
  }
}

void attend(const StateJob& job, float* memory, const StateScratch& at) {
  const KernelContext& c = job.c;
  const StateView &k = c.state[0], &v = c.state[1];
  const std::int64_t d = k.format.width, dv = v.format.width, group = job.group();
  const std::int64_t rows = (job.end - job.first) * group, pitch = whole_vectors(d > dv ? d : dv);
  float *queries = memory + at.queries, *scores = memory + at.scores, *results = memory + at.results;
  float *tile = memory + at.tile, *keys = memory + at.keys, *values = memory + at.values;
  float *tops = memory + at.tops, *sums = memory + at.sums;
  const float cap = c.params_as<StateAttentionParams>().cap;
  each_head(job, c.in[0], [&](const float* from, std::int64_t i) __attribute__((always_inline)) {
    copy_row(from, d, queries + i * kPitch, Vec::set(1.0f));
  });
  for (std::int64_t i = 0; i < rows; ++i) {
    tops[i] = -__builtin_inff();
    sums[i] = 0;
    __builtin_memset(results + i * kPitch, 0, sizeof(float) * static_cast<std::size_t>(kPitch));
  }
  const std::int64_t all = job.seen(job.end - 1);
  for (std::int64_t begin = job.from(job.first) / kTile * kTile; begin < all; begin += kTile) {
    const std::int64_t n = all - begin < kTile ? all - begin : kTile;
    gather(k, k.rows[job.row], job.kv, begin, n, tile, pitch);
    job.table.pack_b(tile, 1, pitch, 0, d, n, keys);
    gather(v, v.rows[job.row], job.kv, begin, n, tile, pitch);
    job.table.pack_b(tile, pitch, 1, 0, n, dv, values);
    // Positions see no less than those before them: the first ones nothing of the tile, then some a part, the rest all;
    // with a window the last ones nothing any more, those before them no longer all.
    std::int64_t some = job.first, none = job.end;
    while (job.seen(some) <= begin) ++some;
    while (none > some && job.from(none - 1) >= begin + n) --none;
    const std::int64_t row0 = (some - job.first) * group, row1 = (none - job.first) * group;
    GemmOut to_scores;
    to_scores.c = scores + row0 * kPitch;
    to_scores.ldc = kPitch;
    to_scores.alpha = c.params_as<StateAttentionParams>().scale;
    job.table.step({.a = queries + row0 * kPitch,
                    .b = keys,
                    .kc = d,
                    .rows = row1 - row0,
                    .row0 = 0,
                    .n0 = 0,
                    .n1 = n,
                    .first = true,
                    .last = true},
                   to_scores);
    std::int64_t whole = row0, whole_end = row1;
    for (std::int64_t i = row0; i < row1; ++i) {
      const std::int64_t position = job.first + i / group, seen = job.seen(position) - begin;
      const std::int64_t last = seen < n ? seen : n, from = job.from(position) - begin, first = from > 0 ? from : 0;
      float *result = results + i * kPitch, *weights = scores + i * kPitch + first;
      if (cap > 0) cap_scores(weights, last - first, cap);
      const float factor = soften(weights, last - first, tops[i], sums[i]);
      if (factor != 1.0f) scale_row(result, dv, factor);
      if (first == 0 && last == n) continue;
      add_weighted(weights, last - first, tile + first * pitch, pitch, dv, result);
      if (first == 0) whole = i + 1;
      else if (whole_end > i) whole_end = i;
    }
    GemmOut to_results;
    to_results.c = results + whole * kPitch;
    to_results.ldc = kPitch;
    job.table.step({.a = scores + whole * kPitch,
                    .b = values,
                    .kc = n,
                    .rows = whole_end - whole,
                    .row0 = 0,
                    .n0 = 0,
                    .n1 = dv,
                    .first = false,
                    .last = true},
                   to_results);
  }
  each_head(job, c.out[0], [&](float* to, std::int64_t i) __attribute__((always_inline)) {
    copy_row(results + i * kPitch, dv, to, Vec::set(1.0f / sums[i]));
  });
}

/// New positions of a task: as many as a row of the batch has on average, fewer where that leaves workers idle.
MONZA_INLINE std::int64_t task_positions(std::int64_t n, const StateView& s, std::int64_t group, int threads) {
  const std::int64_t mean = (n + s.row_count - 1) / s.row_count, most = kRows / group;
  std::int64_t each = mean < most ? mean : most;
  while (threads > 1 && each > 8 && (n + each - 1) / each * s.format.vectors < 2 * threads) each = (each + 1) / 2;
  return each;
}

Status run_state_attention(const GemmTable& table, const KernelContext& c) {
  if (const Status s = check_state_attention(c); !s) return s;
  const StateView& k = c.state[0];
  const std::int64_t n = c.in[0].shape[0], heads = c.in[0].shape[1], dv = c.out[0].shape[2];
  if (n == 0 || heads == 0 || dv == 0) return {};
  const std::int64_t group = heads / k.format.vectors;
  if (group > kRows) return {StatusCode::internal, "more query heads share a key head than was planned for"};
  const std::int64_t each = task_positions(n, k, group, c.parallel->threads()), parts = (n + each - 1) / each;
  const StateScratch layout = state_scratch(k.format.width, dv);
  parallel_for(*c.parallel, parts * k.format.vectors, [&](std::int64_t task, int worker) {
    float* memory = reinterpret_cast<float*>(c.scratch) + static_cast<std::size_t>(worker) * layout.total;
    const std::int64_t kv = task % k.format.vectors, first = task / k.format.vectors * each;
    const std::int64_t end = n - first < each ? n : first + each;
    for (std::int64_t r = row_of(k, first); r < k.row_count && new_begin(k, r) < end; ++r) {
      const std::int64_t from = new_begin(k, r) > first ? new_begin(k, r) : first;
      const std::int64_t to = new_end(k, r, n) < end ? new_end(k, r, n) : end;
      if (from < to) attend({c, table, r, kv, from, to}, memory, layout);
    }
  });
  return {};
}

std::size_t state_attention_scratch(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.threads) * state_scratch(q.input(0).shape[2], q.out[0].shape[2]).total *
         sizeof(float);
}

Refusal accepts_state_attention(const KernelQuery& q) noexcept {
  if (q.input(0).dtype != DType::f32) return "queries are not f32";
  const Shape &x = q.input(0).shape, &k = q.input(1).shape;
  if (x[2] > kKc || q.out[0].shape[2] > kKc) return "the head size is above 256";
  if (x[2] == 0) return "the head size is 0";
  // A state has no shape when the runtime asks: then the kernel looks at the sequences'.
  if (k.rank == 3 && k[1] > 0 && x[1] > kRows * k[1]) return "more than 128 query heads share a key head";
  return nullptr;
}

template <const GemmTable& kTable>
consteval Kernel state_attention_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "StateAttention",
          .needs = needs,
          .version = 3,
          .in{Port::rows},
          .out{Port::rows},
          .accepts = accepts_state_attention,
          .scratch_bytes = state_attention_scratch,
          .run = [](const KernelContext& c) noexcept { return run_state_attention(kTable, c); }};
}

}  // namespace
}  // namespace monza::ops
