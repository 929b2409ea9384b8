// Operators on the state of a sequence: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// StateAttention(q, k, v): attention of new rows over everything their sequence holds.
///   q : [n, heads, d]    k : state of rows [kv_heads, d]    v : state of rows [kv_heads, dv]    out : [n, heads, dv]
/// The n rows are the last n positions of the sequence; heads is a multiple of kv_heads.
struct StateAttentionParams {
  float scale = 1;
  std::int32_t causal = 1;  ///< row i sees positions up to its own; 0: all
};

}  // namespace monza
