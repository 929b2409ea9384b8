// Attention in f32 without the matrix of scores: keys are taken 256 at a time, each row keeps its running largest score
// and sum (Milakov, Gimelshein: Online normalizer calculation for softmax, 2018), and the result is rescaled when a
// later block of keys raises the largest.
//
// Both products run on the block product of ops/matmul: a block of scores [rows, keys] is written in the form that it
// takes as its left operand, so nothing is copied between the two. Keys and values are packed once per head and task;
// a task is a head, or part of its rows when there are fewer heads than workers want. The ceiling is the FMA ports;
// e^x takes about 15 FMAs a score against 2 D of the products.
#pragma once

#include "kernel/kernel.h"
#include "ops/attention/attention.params.h"
#include "ops/matmul/gemm_table.simd.h"
#include "ops/shared/online_softmax.simd.h"

extern "C" float sqrtf(float) noexcept;

namespace monza::ops {
namespace {

constexpr std::int64_t kKeys = kKc;  // keys of a block: the inner extent of the second product

/// An operand as [batch, heads, length, size]; elements of a position are contiguous.
struct HeadsView {
  float* data;
  std::int64_t heads, length, size, batch_step, head_step, step;

  MONZA_INLINE HeadsView(const TensorView& v, std::int64_t h) : data(v.as<float>()) {
    if (v.shape.rank == 4) {
      heads = v.shape[1], length = v.shape[2], size = v.shape[3];
      batch_step = v.stride[0], head_step = v.stride[1], step = v.stride[2];
    } else {
      heads = h, length = v.shape[1], size = v.shape[2] / h;
      batch_step = v.stride[0], head_step = size, step = v.stride[1];
    }
  }
  MONZA_INLINE float* at(std::int64_t b, std::int64_t h, std::int64_t l) const {
    return data + b * batch_step + h * head_step + l * step;
  }
};

/// Where the mask of batch b and head h begins, and its steps along rows and keys (0 where it broadcasts).
struct MaskView {
  const std::byte* data = nullptr;
  std::int64_t row_step = 0, keys = 0;
  bool boolean = false;
  float masked = 0;  // the score of what a boolean one hides
};
MONZA_INLINE MaskView mask_view(const KernelContext& c, std::int64_t b, std::int64_t h) {
  MaskView m;
  if (!c.has_input(3)) return m;
  const TensorView& v = c.in[3];
  const int r = v.shape.rank;
  m.boolean = v.dtype == DType::boolean;
  m.masked = c.params_as<AttentionParams>().masked;
  std::int64_t at = 0;
  if (r > 3 && v.shape[r - 4] != 1) at += b * v.stride[r - 4];
  if (r > 2 && v.shape[r - 3] != 1) at += h * v.stride[r - 3];
  m.data = v.as<std::byte>() + at * (m.boolean ? 1 : 4);
  m.row_step = r > 1 && v.shape[r - 2] != 1 ? v.stride[r - 2] : 0;
  m.keys = v.shape[r - 1];
  return m;
}

/// Adds the mask of keys [key0, key0 + n) to a row of scores.
MONZA_INLINE void add_mask(const MaskView& m, std::int64_t row, std::int64_t key0, std::int64_t n, float* scores) {
  const float hidden = -__builtin_inff();
  const std::int64_t known = m.keys - key0 < n ? (m.keys - key0 < 0 ? 0 : m.keys - key0) : n;
  if (m.boolean) {
    const auto* p = reinterpret_cast<const std::uint8_t*>(m.data) + row * m.row_step + key0;
    for (std::int64_t j = 0; j < known; ++j)
      if (p[j] == 0) scores[j] = m.masked;
  } else {
    const float* p = reinterpret_cast<const float*>(m.data) + row * m.row_step + key0;
    std::int64_t j = 0;
    for (; j + Vec::kWidth <= known; j += Vec::kWidth) (Vec::load(scores + j) + Vec::load(p + j)).store(scores + j);
    if (j < known) {
      const Vec::Mask tail = Vec::mask(known - j);
      (Vec::load(scores + j, tail) + Vec::load(p + j, tail)).store(scores + j, tail);
    }
  }
  for (std::int64_t j = known; j < n; ++j) scores[j] = hidden;
}

/// Whether every one of `keys` is hidden from a row: by the mask, or by causality.
MONZA_INLINE bool hides_all(const MaskView& m, bool causal, std::int64_t row, std::int64_t keys) {
  const std::int64_t visible = causal && row + 1 < keys ? row + 1 : keys;
  if (m.data == nullptr) return visible == 0;
  if (m.boolean && m.masked != -__builtin_inff()) return visible == 0 || m.keys == 0;
  for (std::int64_t j = 0; j < visible && j < m.keys; ++j) {
    const std::int64_t at = row * m.row_step + j;
    if (m.boolean ? reinterpret_cast<const std::uint8_t*>(m.data)[at] != 0
                  : reinterpret_cast<const float*>(m.data)[at] != -__builtin_inff())
      return false;
  }
  return true;
}

/// Floats of one worker's scratch memory: a block of queries, a block of scores, packed keys and values, and two
/// numbers for each row of a task.
struct Scratch {
  std::size_t queries, scores, keys, values, rows, total;
};
MONZA_INLINE Scratch scratch_of(const GemmTable& table, std::int64_t size, std::int64_t v_size, std::int64_t rows) {
  const auto up = [](std::int64_t n) { return static_cast<std::size_t>((n + 15) / 16 * 16); };
  Scratch s;
  s.queries = 0;
  s.scores = s.queries + up(kBlockRows * kPitch);
  s.keys = s.scores + up(kBlockRows * kPitch);
  s.values = s.keys + up(size * padded_columns(kKeys, table.width));
  s.rows = s.values + up(kKeys * padded_columns(v_size, table.width));
  s.total = s.rows + up(2 * rows);
  return s;
}

/// Rows of a task: all of a head's, or a share when heads alone would leave workers idle.
MONZA_INLINE std::int64_t task_rows(std::int64_t rows, std::int64_t heads, int threads) {
  std::int64_t parts = 1;
  while (threads > 1 && heads * parts < 3 * threads && rows / (parts * 2) >= 28) parts *= 2;
  return (rows + parts - 1) / parts;
}

Status run_attention(const GemmTable& table, const KernelContext& c) {
  const auto& p = c.params_as<AttentionParams>();
  const HeadsView q(c.in[0], p.q_heads), k(c.in[1], p.kv_heads), v(c.in[2], p.kv_heads), y(c.out[0], p.q_heads);
  const std::int64_t batch = c.in[0].shape[0], keys = k.length, group = k.heads == 0 ? 1 : q.heads / k.heads;
  if (batch == 0 || q.heads == 0 || q.length == 0 || v.size == 0) return {};
  const std::int64_t each = task_rows(q.length, batch * q.heads, c.parallel->threads()),
                     parts = (q.length + each - 1) / each;
  const Scratch layout = scratch_of(table, q.size, v.size, each);
  const float scale = p.scale != 0 ? p.scale : 1.0f / sqrtf(static_cast<float>(q.size));
  const float lowest = -__builtin_inff();

  parallel_for(*c.parallel, batch * q.heads * parts, [&](std::int64_t task, int worker) {
    const std::int64_t first = task % parts * each, count = q.length - first < each ? q.length - first : each;
    const std::int64_t h = task / parts % q.heads, b = task / parts / q.heads, hk = h / group;
    float* memory = reinterpret_cast<float*>(c.scratch) + static_cast<std::size_t>(worker) * layout.total;
    float *queries = memory + layout.queries, *scores = memory + layout.scores, *packed_k = memory + layout.keys;
    float *packed_v = memory + layout.values, *largest = memory + layout.rows, *sums = largest + each;
    for (std::int64_t i = 0; i < count; ++i) {
      largest[i] = lowest;
      sums[i] = 0;
      float* out = y.at(b, h, first + i);
      for (std::int64_t d = 0; d < v.size; ++d) out[d] = 0;
    }
    const MaskView mask = mask_view(c, b, h);
    // Causal: keys beyond the task's last row are for nobody.
    const std::int64_t end = p.causal && first + count < keys ? first + count : keys;
    for (std::int64_t key0 = 0; key0 < end; key0 += kKeys) {
      const std::int64_t n = end - key0 < kKeys ? end - key0 : kKeys;
      table.pack_b(k.at(b, hk, key0), 1, k.step, 0, q.size, n, packed_k);
      table.pack_b(v.at(b, hk, key0), v.step, 1, 0, n, v.size, packed_v);
      for (std::int64_t row0 = 0; row0 < count; row0 += kBlockRows) {
        const std::int64_t rows = count - row0 < kBlockRows ? count - row0 : kBlockRows;
        for (std::int64_t i = 0; i < rows; ++i) {
          const float* from = q.at(b, h, first + row0 + i);
          for (std::int64_t d = 0; d < q.size; d += Vec::kWidth) {
            const Vec::Mask m = Vec::mask(q.size - d < Vec::kWidth ? q.size - d : Vec::kWidth);
            Vec::load(from + d, m).store(queries + i * kPitch + d, m);
          }
        }
        GemmOut to_scores;
        to_scores.c = scores;
        to_scores.ldc = kPitch;
        to_scores.alpha = scale;
        table.step({.a = queries,
                    .b = packed_k,
                    .kc = q.size,
                    .rows = rows,
                    .row0 = 0,
                    .n0 = 0,
                    .n1 = n,
                    .first = true,
                    .last = true},
                   to_scores);
        for (std::int64_t i = 0; i < rows; ++i) {
          float* row = scores + i * kPitch;
          const std::int64_t query = first + row0 + i;
          if (mask.data != nullptr) add_mask(mask, query, key0, n, row);
          if (p.causal)
            for (std::int64_t j = query + 1 - key0 < 0 ? 0 : query + 1 - key0; j < n; ++j) row[j] = lowest;
          const float factor = soften(row, n, largest[row0 + i], sums[row0 + i]);
          if (factor != 1.0f) scale_row(y.at(b, h, query), v.size, factor);
        }
        GemmOut to_y;
        to_y.c = y.at(b, h, first + row0);
        to_y.ldc = y.step;
        table.step({.a = scores,
                    .b = packed_v,
                    .kc = n,
                    .rows = rows,
                    .row0 = 0,
                    .n0 = 0,
                    .n1 = v.size,
                    .first = key0 == 0,
                    .last = true},
                   to_y);
      }
    }
    for (std::int64_t i = 0; i < count; ++i) {
      float* out = y.at(b, h, first + i);
      const bool some = sums[i] > 0;
      if (!some && (keys == 0 || (!p.nan_rows && hides_all(mask, p.causal != 0, first + i, keys))))
        for (std::int64_t d = 0; d < v.size; ++d) out[d] = 0;
      else scale_row(out, v.size, some ? 1.0f / sums[i] : __builtin_nanf(""));
    }
  });
  return {};
}

std::size_t attention_scratch(const GemmTable& table, const KernelQuery& q) {
  const auto& p = *static_cast<const AttentionParams*>(q.params);
  const Shape &x = q.input(0).shape, &value = q.input(2).shape;
  const bool flat = x.rank == 3;
  const std::int64_t size = flat ? x[2] / p.q_heads : x[3], v_size = flat ? value[2] / p.kv_heads : value[3];
  // A smaller extent at run time may be cut into fewer parts, so a task never has more rows than all.
  return static_cast<std::size_t>(q.threads) * scratch_of(table, size, v_size, flat ? x[1] : x[2]).total *
         sizeof(float);
}

Refusal accepts_attention(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const AttentionParams*>(q.params);
  for (int i = 0; i < 3; ++i)
    if (q.input(i).dtype != DType::f32) return "an operand is not f32";
  if (q.has_input(3) && q.input(3).dtype != DType::f32 && q.input(3).dtype != DType::boolean)
    return "the mask is not f32 or boolean";
  if (q.has_input(4) || q.has_input(6)) return "a past or lengths are given";
  for (int i = 1; i < q.out_count; ++i)
    if (q.out[i].present()) return "keys, values or scores are asked for";
  if (p.softcap > 0) return "scores are capped";
  if (p.left_window >= 0 || p.right_window >= 0) return "attention has a window";
  const Shape& x = q.input(0).shape;
  const std::int64_t size = x.rank == 3 ? x[2] / p.q_heads : x[3];
  return size > kKc ? "the head size is above 256" : nullptr;
}

template <const GemmTable& kTable>
consteval Kernel attention_kernel(const char* name, Isa needs) {
  return {.name = name,
          .op = "Attention",
          .needs = needs,
          .in{Port::rows},
          .out{Port::rows},
          .accepts = accepts_attention,
          .scratch_bytes = [](const KernelQuery& q) noexcept { return attention_scratch(kTable, q); },
          .run = [](const KernelContext& c) noexcept { return run_attention(kTable, c); }};
}

}  // namespace
}  // namespace monza::ops
