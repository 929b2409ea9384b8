// Plain attention: one row of scores at a time in double; any strides.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/attention/attention.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// An operand with its four logical axes [batch, heads, length, size], whatever its rank.
struct Operand {
  const ElementAccess* access = nullptr;
  void* data = nullptr;
  std::int64_t extent[4] = {}, stride[4] = {};

  Operand() = default;
  Operand(const TensorView& v, std::int64_t heads) : access(&element_access(v.dtype)), data(v.data) {
    if (v.shape.rank == 4) {
      for (int i = 0; i < 4; ++i) {
        extent[i] = v.shape[i];
        stride[i] = v.stride[i];
      }
      return;
    }
    const std::int64_t size = v.shape[2] / heads;
    const std::int64_t extents[] = {v.shape[0], heads, v.shape[1], size};
    const std::int64_t strides[] = {v.stride[0], size * v.stride[2], v.stride[1], v.stride[2]};
    for (int i = 0; i < 4; ++i) {
      extent[i] = extents[i];
      stride[i] = strides[i];
    }
  }
  std::int64_t at(std::int64_t b, std::int64_t h, std::int64_t l, std::int64_t d) const {
    return b * stride[0] + h * stride[1] + l * stride[2] + d * stride[3];
  }
  double load(std::int64_t b, std::int64_t h, std::int64_t l, std::int64_t d) const {
    return access->load(data, at(b, h, l, d));
  }
  void store(std::int64_t b, std::int64_t h, std::int64_t l, std::int64_t d, double v) const {
    access->store(data, at(b, h, l, d), v);
  }
};

/// What the mask does to a score: it adds `bias`, or puts the score of masked keys in its place, or hides the key.
struct MaskEffect {
  double bias = 0;
  bool replaces = false, hides = false;
};
MaskEffect effect_of(const KernelContext& c, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  if (!c.has_input(3)) return {};
  const TensorView& m = c.in[3];
  const std::int64_t index[4] = {b, h, i, j};
  if (j >= m.shape[m.shape.rank - 1]) return {.hides = true};
  std::int64_t at = 0;
  for (int a = 0; a < m.shape.rank; ++a) {
    const std::int64_t k = index[4 - m.shape.rank + a];
    at += (m.shape[a] == 1 ? 0 : k) * m.stride[a];
  }
  const double v = element_access(m.dtype).load(m.data, at);
  if (m.dtype != DType::boolean) return {.bias = v};
  const bool replaces = c.params_as<AttentionParams>().masked != kMinusInfinity;
  return {.replaces = v == 0 && replaces, .hides = v == 0 && !replaces};
}

/// A key or value sequence: the past and what is new.
struct Sequence {
  Operand past, fresh;
  std::int64_t past_length = 0;
  double load(std::int64_t b, std::int64_t h, std::int64_t l, std::int64_t d) const {
    return l < past_length ? past.load(b, h, l, d) : fresh.load(b, h, l - past_length, d);
  }
};

std::size_t scratch_attention(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const AttentionParams*>(q.params);
  const OperandDesc& k = q.input(1);
  const std::int64_t length = (p.q_heads ? k.shape[1] : k.shape[2]) + (q.has_input(4) ? q.input(4).shape[2] : 0);
  return static_cast<std::size_t>(length) * sizeof(double) * static_cast<std::size_t>(q.threads);
}

Status run_attention(const KernelContext& c) noexcept {
  const auto& p = c.params_as<AttentionParams>();
  const Operand q(c.in[0], p.q_heads);
  Sequence k, v;
  k.fresh = Operand(c.in[1], p.kv_heads);
  v.fresh = Operand(c.in[2], p.kv_heads);
  if (c.has_input(4)) {
    k.past = Operand(c.in[4], 0);
    v.past = Operand(c.in[5], 0);
    k.past_length = v.past_length = c.in[4].shape[2];
  }
  const Operand y(c.out[0], p.q_heads);
  const std::int64_t batch = q.extent[0], heads = q.extent[1], rows = q.extent[2], size = q.extent[3],
                     v_size = v.fresh.extent[3];
  const std::int64_t kv_heads = k.fresh.extent[1], keys = k.past_length + k.fresh.extent[2];
  const double scale = p.scale != 0 ? p.scale : 1 / std::sqrt(static_cast<double>(size));
  const bool lengths = c.has_input(6);

  for (int which = 1; which < 3 && which < c.out_count; ++which) {
    if (!c.out[which].present()) continue;
    const Sequence& s = which == 1 ? k : v;
    const Operand present(c.out[which], 0);
    parallel_for(*c.parallel, batch * kv_heads, [&](std::int64_t task, int) {
      for (std::int64_t l = 0; l < keys; ++l)
        for (std::int64_t d = 0; d < present.extent[3]; ++d)
          present.store(task / kv_heads, task % kv_heads, l, d, s.load(task / kv_heads, task % kv_heads, l, d));
    });
  }

  const bool shows = c.out_count > 3 && c.out[3].present();
  const Operand scores = shows ? Operand(c.out[3], 0) : Operand();
  const auto show = [&](AttentionParams::Scores stage, std::int64_t b, std::int64_t h, std::int64_t i,
                        const double* row) {
    if (shows && p.scores == stage)
      for (std::int64_t j = 0; j < keys; ++j) scores.store(b, h, i, j, row[j]);
  };
  parallel_for(*c.parallel, batch * heads * rows, [&](std::int64_t task, int worker) {
    const std::int64_t i = task % rows, h = task / rows % heads, b = task / rows / heads, hk = h / (heads / kv_heads);
    double* row = reinterpret_cast<double*>(c.scratch) + worker * keys;
    for (std::int64_t j = 0; j < keys; ++j) {
      double dot = 0;
      for (std::int64_t d = 0; d < size; ++d) dot += q.load(b, h, i, d) * k.load(b, hk, j, d);
      row[j] = dot * scale;
    }
    if (p.softcap <= 0) show(AttentionParams::Scores::capped, b, h, i, row);
    if (p.softcap > 0)
      for (std::int64_t j = 0; j < keys; ++j) row[j] = p.softcap * std::tanh(row[j] / p.softcap);
    show(AttentionParams::Scores::raw, b, h, i, row);
    if (p.softcap > 0) show(AttentionParams::Scores::capped, b, h, i, row);

    // A length may be any number: within bounds that lie beyond every position, so that it can be counted with.
    constexpr std::int64_t kFar = std::int64_t{1} << 60;
    const std::int64_t valid =
        lengths ? std::clamp(element_access(DType::i64).load_int(c.in[6].data, b * c.in[6].stride[0]), -kFar, kFar)
                : keys;
    const std::int64_t position = i + (lengths && !c.has_input(4) ? valid - rows : k.past_length);
    bool attends = false;
    double largest = kMinusInfinity, sum = 0;
    for (std::int64_t j = 0; j < keys; ++j) {
      const MaskEffect mask = effect_of(c, b, h, i, j);
      const bool hidden = mask.hides || (p.causal && j > position) ||
                          (p.left_window >= 0 && position - j > p.left_window) ||
                          (p.right_window >= 0 && j - position > p.right_window) || j >= valid;
      row[j] = hidden ? kMinusInfinity : mask.replaces ? p.masked : row[j] + mask.bias;
      attends = attends || (!hidden && mask.bias != kMinusInfinity);
      largest = std::isnan(row[j]) ? row[j] : std::fmax(largest, row[j]);
    }
    show(AttentionParams::Scores::masked, b, h, i, row);
    const bool zero = !attends && !p.nan_rows;
    for (std::int64_t j = 0; j < keys; ++j) {
      row[j] = zero ? 0 : std::exp(row[j] - largest);
      sum += row[j];
    }
    for (std::int64_t j = 0; j < keys && sum != 0; ++j) row[j] /= sum;
    show(AttentionParams::Scores::softmax, b, h, i, row);
    for (std::int64_t d = 0; d < v_size; ++d) {
      double total = 0;
      for (std::int64_t j = 0; j < keys && !zero; ++j) total += row[j] * v.load(b, hk, j, d);
      y.store(b, h, i, d, total);
    }
  });
  return {};
}

Status run_rotary(const KernelContext& c) noexcept {
  const auto& p = c.params_as<RotaryParams>();
  const Operand x(c.in[0], p.heads), y(c.out[0], p.heads);
  const TensorView &cos = c.in[1], &sin = c.in[2];
  const ElementAccess &cos_access = element_access(cos.dtype), &sin_access = element_access(sin.dtype);
  const std::int64_t dim = p.dim == 0 ? x.extent[3] : p.dim, half = dim / 2;
  if (c.has_input(3)) {
    const TensorView& position = c.in[3];
    for (std::int64_t b = 0; b < x.extent[0]; ++b)
      for (std::int64_t l = 0; l < x.extent[2]; ++l) {
        const std::int64_t at = position.as<std::int64_t>()[b * position.stride[0] + l * position.stride[1]];
        if (at < 0 || at >= cos.shape[0] || at >= sin.shape[0])
          return {StatusCode::out_of_range, "RotaryEmbedding: a position lies outside the tables"};
      }
  }
  parallel_for(*c.parallel, x.extent[0] * x.extent[2], [&](std::int64_t task, int) {
    const std::int64_t b = task / x.extent[2], l = task % x.extent[2];
    const auto row = [&](const TensorView& table) {
      if (!c.has_input(3)) return (table.shape[0] == 1 ? 0 : b) * table.stride[0] + l * table.stride[1];
      const TensorView& position = c.in[3];
      return position.as<std::int64_t>()[b * position.stride[0] + l * position.stride[1]] * table.stride[0];
    };
    const std::int64_t cos_row = row(cos), sin_row = row(sin);
    const std::int64_t cos_step = cos.stride[cos.shape.rank - 1], sin_step = sin.stride[sin.shape.rank - 1];
    for (std::int64_t h = 0; h < x.extent[1]; ++h) {
      for (std::int64_t k = 0; k < half; ++k) {
        const std::int64_t first = p.interleaved ? 2 * k : k, second = p.interleaved ? 2 * k + 1 : half + k;
        const double a = x.load(b, h, l, first), d = x.load(b, h, l, second);
        const double cosine = cos_access.load(cos.data, cos_row + k * cos_step),
                     sine = sin_access.load(sin.data, sin_row + k * sin_step);
        y.store(b, h, l, first, cosine * a - sine * d);
        y.store(b, h, l, second, sine * a + cosine * d);
      }
      for (std::int64_t d = dim; d < x.extent[3]; ++d) y.store(b, h, l, d, x.load(b, h, l, d));
    }
  });
  return {};
}

}  // namespace

extern const Kernel attention_ref{.name = "attention_ref",
                                  .op = "Attention",
                                  .reference = true,
                                  .in{Port::strided},
                                  .out{Port::strided},
                                  .scratch_bytes = scratch_attention,
                                  .run = run_attention};
extern const Kernel rotary_ref = reference_kernel("rotary_ref", "RotaryEmbedding", run_rotary, 1);

}  // namespace monza::ops
