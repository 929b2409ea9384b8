// Operators on the state of sequences: parameters.
#pragma once

#include <cstdint>

#include "monza/status.h"

namespace monza {

struct KernelContext;

/// StateAttention(q, k, v): attention of each sequence's new positions over everything that this sequence holds.
///   q   : [n, heads, d]    k : state of positions [kv_heads, d]    v : state of positions [kv_heads, dv]
///   out : [n, heads, dv]
/// The n rows are the new positions of the batch, sequence after sequence (StateView::starts): the last positions of
/// each. heads is a multiple of kv_heads, and query head h reads head h / (heads / kv_heads).
struct StateAttentionParams {
  float scale = 1;
  float cap = 0;            ///< scores become cap tanh(score / cap); 0: they stay
  std::int32_t causal = 1;  ///< a position sees those up to itself; 0: all that its sequence holds
  std::int32_t window = 0;  ///< of those it sees the last ones only, as many as this; 0: all
};

namespace ops {
/// What the kernels of StateAppend find out when they run: state and rows fit each other, and every sequence has room
/// for its own.
Status check_state_append(const KernelContext& c) noexcept;
/// What the kernels of StateAttention find out when they run: queries, states and batch fit each other.
Status check_state_attention(const KernelContext& c) noexcept;
}  // namespace ops

}  // namespace monza
