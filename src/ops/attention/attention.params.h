// Attention and RotaryEmbedding: parameters.
#pragma once

#include <cstdint>
#include <limits>

namespace monza {

/// Attention(q, k, v, mask?, past_key?, past_value?, kv_length?) -> (y, present_key?, present_value?, scores?)
///   q     : [B, H, Lq, D]   or, with q_heads set, [B, Lq, H * D]
///   k, v  : [B, Hk, L, D], [B, Hk, L, Dv], or [B, L, Hk * D], [B, L, Hk * Dv]; H is a multiple of Hk, and query head h
///           reads key head h / (H / Hk)
///   mask  : boolean (true attends) or added to the scores; broadcast to [B, H, Lq, Lk] but for its last axis: keys
///           beyond it are masked
///   past  : [B, Hk, P, D], [B, Hk, P, Dv]: keys before k; Lk = P + L
///   kv_length : i64 [B], keys that are valid in each sequence
///   y     : softmax(cap(scale q k^T) + mask) v, shaped as q; a row that may attend to nothing is 0. Keys that the
///           boolean mask, causality, a window or a length hides count for nothing whatever their score is; an added
///           mask adds, so that -inf hides numbers and leaves NaN.
struct AttentionParams {
  /// What output 3 shows.
  enum class Scores : std::int32_t { raw = 0, capped = 1, masked = 2, softmax = 3 };

  std::int32_t q_heads = 0;  ///< 0: the operands have four axes
  std::int32_t kv_heads = 0;
  float scale = 0;                ///< 0: 1 / sqrt(D)
  float softcap = 0;              ///< above 0: scores become softcap tanh(scores / softcap)
  std::int32_t causal = 0;        ///< 1: query i attends to keys up to i + offset; offset: P, or kv_length - Lq
  std::int32_t left_window = -1;  ///< keys at most so far before i + offset; -1: no limit
  std::int32_t right_window = -1;
  Scores scores = Scores::raw;
  float masked = -std::numeric_limits<float>::infinity();  ///< the score of a key that a boolean mask hides
  std::int32_t nan_rows = 0;  ///< 1: a row that may attend to nothing is NaN, as softmax has it
};

/// RotaryEmbedding(x, cos, sin, position?): rotates pairs of the first `dim` elements of every head.
///   x : [B, H, L, D], or [B, L, H * D] with `heads` set      position : i64 [B, L] rows of the tables
///   cos, sin : [positions, dim / 2], or without `position` [B, L, dim / 2]
struct RotaryParams {
  std::int32_t heads = 0;
  std::int32_t dim = 0;          ///< 0: D
  std::int32_t interleaved = 0;  ///< pairs are neighbours instead of halves
};

}  // namespace monza
