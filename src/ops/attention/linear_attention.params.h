// LinearAttention: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// LinearAttention(q, k, v, state?, decay?, beta?) -> (y, state'): a matrix [D, Dv] per key head instead of a cache.
///   q : [B, T, H * D]      k : [B, T, Hk * D]      v, y : [B, T, Hk * Dv], [B, T, H * Dv]      state : [B, Hk, D, Dv]
///   decay : [B, T, Hk] or [B, T, Hk * D]           beta : [B, T, Hk] or [B, T, 1]
/// For each position: state *= exp(decay); v' = beta (v - state^T k) with beta, else v; state += k v'^T;
/// y = scale state^T q, query head h reading key head h / (H / Hk).
struct LinearAttentionParams {
  std::int32_t q_heads = 1;
  std::int32_t kv_heads = 1;
  float scale = 0;  ///< 0: 1 / sqrt(D)
};

}  // namespace monza
