// State of sequences: plain loops over the rows of a batch and their positions, found through the block tables one at a
// time.
#include <cmath>
#include <cstring>

#include "kernel/kernel.h"
#include "kernel/state.h"
#include "ops/state/state.params.h"
#include "tensor/dtype.h"
#include "tensor/float_convert.h"

namespace monza::ops {
namespace {

constexpr Status kNoState{StatusCode::invalid_argument, "no sequence is bound"};
constexpr Status kOtherCount{StatusCode::invalid_argument,
                             "the run has another number of new positions than the batch of sequences"};

void encode_i8(const float* from, std::int64_t width, std::int8_t* to, float* scale) {
  float largest = 0;
  bool finite = true;
  for (std::int64_t e = 0; e < width; ++e) {
    largest = std::fmax(largest, std::fabs(from[e]));
    finite = finite && std::isfinite(from[e]);
  }
  *scale = finite ? largest / 127 : NAN;
  for (std::int64_t e = 0; e < width; ++e) {
    const float q = *scale > 0 ? std::nearbyint(from[e] / *scale) : 0;
    to[e] = static_cast<std::int8_t>(std::fmin(std::fmax(q, -127.0f), 127.0f));  // a subnormal scale is inexact
  }
}

void encode(const StateFormat& format, const float* from, std::byte* to) {
  if (format.dtype == DType::i8) {
    float scale;
    encode_i8(from, format.width, reinterpret_cast<std::int8_t*>(to), &scale);
    std::memcpy(to + scale_offset(format), &scale, sizeof scale);
    return;
  }
  const auto narrow = format.dtype == DType::f16 ? f32_to_f16 : f32_to_bf16;
  for (std::int64_t e = 0; e < format.width; ++e) reinterpret_cast<std::uint16_t*>(to)[e] = narrow(from[e]);
}

/// A vector of a state, read as f32.
class StoredVector {
 public:
  StoredVector(const StateView& s, const StateRow& row, std::int64_t position, std::int64_t vector)
      : dtype_(s.format.dtype), data_(position_at(s, row, position) + vector * s.format.vector_bytes) {
    if (dtype_ == DType::i8) std::memcpy(&scale_, data_ + scale_offset(s.format), sizeof scale_);
  }
  float operator[](std::int64_t e) const {
    const auto as = [&](auto type) { return reinterpret_cast<const decltype(type)*>(data_)[e]; };
    switch (dtype_) {
      case DType::f16: return f16_to_f32(as(std::uint16_t{}));
      case DType::bf16: return bf16_to_f32(as(std::uint16_t{}));
      case DType::i8: return static_cast<float>(as(std::int8_t{})) * scale_;
      default: return as(float{});
    }
  }

 private:
  DType dtype_;
  const std::byte* data_;
  float scale_ = 1;
};

/// in: state, rows [n, position...] dense. Nothing is written when the rows of one sequence do not all fit.
Status run_append(const KernelContext& c) noexcept {
  if (const Status s = check_state_append(c); !s) return s;
  const StateView& s = c.state[0];
  const StateFormat& f = s.format;
  const TensorView& in = c.in[1];
  const std::int64_t n = in.shape[0], elements = f.vectors * f.width;
  const bool converts = in.dtype != f.dtype;
  for (std::int64_t r = 0; r < s.row_count; ++r) {
    StateRow& row = s.rows[r];
    for (std::int64_t i = new_begin(s, r); i < new_end(s, r, n); ++i, ++row.appended) {
      const std::byte* from = in.as<std::byte>() + i * elements * dtype_bits(in.dtype) / 8;
      std::byte* to = position_at(s, row, row.length + row.appended);
      if (!converts) std::memcpy(to, from, static_cast<std::size_t>(f.position_bytes));
      for (std::int64_t v = 0; converts && v < f.vectors; ++v)
        encode(f, reinterpret_cast<const float*>(from) + v * f.width, to + v * f.vector_bytes);
    }
  }
  return {};
}

/// One query and head over positions [begin, seen) of row r. Two passes: the largest score first, so that no
/// exponential overflows.
void attend(const KernelContext& c, std::int64_t r, std::int64_t i, std::int64_t h, std::int64_t begin,
            std::int64_t seen) {
  const TensorView &q = c.in[0], &out = c.out[0];
  const StateView &k = c.state[0], &v = c.state[1];
  const double scale = c.params_as<StateAttentionParams>().scale, cap = c.params_as<StateAttentionParams>().cap;
  const std::int64_t kv = h / (q.shape[1] / k.format.vectors);
  const float* query = q.as<float>() + i * q.stride[0] + h * q.stride[1];
  float* result = out.as<float>() + i * out.stride[0] + h * out.stride[1];
  const auto score = [&](std::int64_t position) {
    const StoredVector key(k, k.rows[r], position, kv);
    double sum = 0;
    for (std::int64_t e = 0; e < q.shape[2]; ++e) sum += static_cast<double>(query[e * q.stride[2]]) * key[e];
    return cap > 0 ? cap * std::tanh(sum * scale / cap) : sum * scale;
  };
  double largest = -INFINITY, norm = 0;
  for (std::int64_t t = begin; t < seen; ++t) largest = std::fmax(largest, score(t));
  for (std::int64_t t = begin; t < seen; ++t) norm += std::exp(score(t) - largest);
  for (std::int64_t e = 0; e < out.shape[2]; ++e) {
    double sum = 0;
    for (std::int64_t t = begin; t < seen; ++t)
      sum += std::exp(score(t) - largest) * StoredVector(v, v.rows[r], t, kv)[e];
    result[e * out.stride[2]] = static_cast<float>(sum / norm);
  }
}

Status run_attention(const KernelContext& c) noexcept {
  if (const Status s = check_state_attention(c); !s) return s;
  const StateView& k = c.state[0];
  const std::int64_t n = c.in[0].shape[0], heads = c.in[0].shape[1];
  const auto& p = c.params_as<StateAttentionParams>();
  for (std::int64_t r = 0; r < k.row_count; ++r) {
    const std::int64_t first = new_begin(k, r), end = new_end(k, r, n), held = k.rows[r].length + k.rows[r].appended;
    parallel_for(*c.parallel, (end - first) * heads, [&](std::int64_t task, int) {
      const std::int64_t i = first + task / heads;
      const std::int64_t seen = p.causal != 0 ? held - (end - i) + 1 : held;
      attend(c, r, i, task % heads, p.window > 0 && seen > p.window ? seen - p.window : 0, seen);
    });
  }
  return {};
}

}  // namespace

Status check_state_append(const KernelContext& c) noexcept {
  if (c.state_count != 1) return kNoState;
  const StateView& s = c.state[0];
  const StateFormat& f = s.format;
  const TensorView& in = c.in[1];
  const std::int64_t n = in.shape[0], elements = in.shape.count(1, in.shape.rank);
  const bool converts = in.dtype != f.dtype;
  if (elements != f.vectors * f.width || (converts && in.dtype != DType::f32) || (!converts && f.dtype == DType::i8))
    return {StatusCode::internal, "the rows are of another size or type than the state's"};
  if (!covers_all(s, n)) return kOtherCount;
  for (std::int64_t r = 0; r < s.row_count; ++r) {
    const StateRow& row = s.rows[r];
    if (new_end(s, r, n) - new_begin(s, r) > row.capacity - row.length - row.appended)
      return Status(StatusCode::resource_exhausted, "the sequence has no room for the rows: reserve it first")
          .at_row(r);
  }
  return {};
}

Status check_state_attention(const KernelContext& c) noexcept {
  if (c.state_count != 2) return kNoState;
  const StateView &k = c.state[0], &v = c.state[1];
  const Shape& q = c.in[0].shape;
  if (k.format.vectors < 1 || k.format.vectors != v.format.vectors || q[1] % k.format.vectors != 0 ||
      k.format.width != q[2] || v.format.width != c.out[0].shape[2])
    return {StatusCode::internal, "queries and state do not fit each other"};
  if (!covers_all(k, q[0])) return kOtherCount;
  for (std::int64_t r = 0; r < k.row_count; ++r) {
    const std::int64_t held = k.rows[r].length + k.rows[r].appended;
    if (v.rows[r].length + v.rows[r].appended != held || held < new_end(k, r, q[0]) - new_begin(k, r))
      return Status(StatusCode::internal, "keys and values differ in length, or lack the new positions").at_row(r);
  }
  return {};
}

extern const Kernel state_append_ref{.name = "state_append_ref",
                                     .op = "StateAppend",
                                     .reference = true,
                                     .version = 2,
                                     .in{Port::dense},
                                     .run = run_append};
extern const Kernel state_attention_ref{.name = "state_attention_ref",
                                        .op = "StateAttention",
                                        .reference = true,
                                        .version = 4,
                                        .in{Port::strided},
                                        .out{Port::strided},
                                        .run = run_attention};

}  // namespace monza::ops
