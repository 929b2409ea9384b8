// State of a sequence: plain loops over positions, found through the block table one at a time.
#include <cmath>
#include <cstring>

#include "kernel/kernel.h"
#include "ops/state/state.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

std::byte* row_at(const StateView& s, std::int64_t position) {
  return s.blocks[position / s.block_length] + position % s.block_length * s.row_bytes;
}

constexpr Status kNoState{StatusCode::invalid_argument, "no sequence is bound"};

/// in: state, rows [n, row...] dense. Nothing is written when the rows do not all fit.
Status run_append(const KernelContext& c) noexcept {
  if (c.state_count != 1) return kNoState;
  StateView& s = c.state[0];
  const TensorView& rows = c.in[1];
  const std::int64_t n = rows.shape[0];
  const std::int64_t bytes = rows.shape.count(1, rows.shape.rank) * dtype_bits(rows.dtype) / 8;
  if (bytes != s.row_bytes) return {StatusCode::internal, "the rows have another size than the state's"};
  const std::int64_t first = s.length + s.appended;
  if (n > s.capacity - first)
    return {StatusCode::resource_exhausted, "the sequence has no room for the rows: reserve it first"};
  for (std::int64_t i = 0; i < n; ++i)
    std::memcpy(row_at(s, first + i), rows.as<std::byte>() + i * bytes, static_cast<std::size_t>(bytes));
  s.appended += n;
  return {};
}

/// Two passes for each query and head: the largest score first, so that no exponential overflows.
Status run_attention(const KernelContext& c) noexcept {
  if (c.state_count != 2) return kNoState;
  const auto& p = c.params_as<StateAttentionParams>();
  const TensorView &q = c.in[0], &out = c.out[0];
  const StateView &k = c.state[0], &v = c.state[1];
  const std::int64_t n = q.shape[0], heads = q.shape[1], d = q.shape[2], dv = out.shape[2];
  const std::int64_t total = k.length + k.appended;
  if (d == 0 || dv == 0 || heads == 0 || n == 0) return {};
  const std::int64_t kv_heads = k.row_bytes / (d * static_cast<std::int64_t>(sizeof(float)));
  if (kv_heads < 1 || k.row_bytes != kv_heads * d * 4 || v.row_bytes != kv_heads * dv * 4 || heads % kv_heads != 0)
    return {StatusCode::internal, "queries and state do not fit each other"};
  if (v.length + v.appended != total || total < n) return {StatusCode::internal, "keys and values differ in length"};
  parallel_for(*c.parallel, n * heads, [&](std::int64_t task, int) {
    const std::int64_t i = task / heads, h = task % heads, kv = h / (heads / kv_heads);
    const float* query = q.as<float>() + i * q.stride[0] + h * q.stride[1];
    float* result = out.as<float>() + i * out.stride[0] + h * out.stride[1];
    const std::int64_t seen = p.causal != 0 ? total - n + i + 1 : total;
    const auto score = [&](std::int64_t position) {
      const float* key = reinterpret_cast<const float*>(row_at(k, position)) + kv * d;
      double sum = 0;
      for (std::int64_t e = 0; e < d; ++e) sum += static_cast<double>(query[e * q.stride[2]]) * key[e];
      return sum * p.scale;
    };
    double largest = -INFINITY, norm = 0;
    for (std::int64_t t = 0; t < seen; ++t) largest = std::fmax(largest, score(t));
    for (std::int64_t t = 0; t < seen; ++t) norm += std::exp(score(t) - largest);
    for (std::int64_t e = 0; e < dv; ++e) {
      double sum = 0;
      for (std::int64_t t = 0; t < seen; ++t)
        sum += std::exp(score(t) - largest) * (reinterpret_cast<const float*>(row_at(v, t)) + kv * dv)[e];
      result[e * out.stride[2]] = static_cast<float>(sum / norm);
    }
  });
  return {};
}

}  // namespace

extern const Kernel state_append_ref, state_attention_ref;
const Kernel state_append_ref{
    .name = "state_append_ref", .op = "StateAppend", .reference = true, .in{Port::dense}, .run = run_append};
const Kernel state_attention_ref{.name = "state_attention_ref",
                                 .op = "StateAttention",
                                 .reference = true,
                                 .in{Port::strided},
                                 .out{Port::strided},
                                 .run = run_attention};

}  // namespace monza::ops
