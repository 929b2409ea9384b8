// QLSTM, plainly: a direction after the other, all sequences step by step, sums in double.
#include <algorithm>
#include <cmath>

#include "kernel/kernel.h"
#include "ops/rnn/rnn.params.h"
#include "ops/rnn/rnn.ref.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

/// Numbers as whole ones between 0 and 255, less `zero`, times `scale`.
struct Rounding {
  float scale = 1;
  double zero = 0;

  /// As DynamicQuantizeLinear decides; NaN counts nothing.
  void set(float low, float high) {
    scale = high == low ? 1.0F : (high - low) / 255.0F;
    const double offset = std::nearbyint((0.0F - low) / scale);
    zero = std::isnan(offset) ? 0 : std::clamp(offset, 0.0, 255.0);
  }
  /// The whole number without its zero point.
  double operator()(float v) const {
    const double q = std::nearbyint(v / scale);
    return std::clamp((std::isnan(q) ? 0 : q) + zero, 0.0, 255.0) - zero;
  }
};

struct QuantizedLayer {
  const KernelContext& c;
  const RnnParams& p;
  std::int64_t time, batch, inputs, hidden, d = 0;
  double *gate, *h, *next, *cell;  ///< [4 hidden], [batch, hidden] thrice

  float at(int input, std::int64_t i, std::int64_t j, std::int64_t k) const {
    const TensorView& v = c.in[input];
    return v.as<float>()[i * v.stride[0] + j * v.stride[1] + k * v.stride[2]];
  }
  float x(std::int64_t t, std::int64_t n, std::int64_t i) const {
    return p.batch_first ? at(0, n, t, i) : at(0, t, n, i);
  }
  double state(int input, std::int64_t n, std::int64_t k) const {
    if (!c.has_input(input)) return 0;
    return p.batch_first ? at(input, n, d, k) : at(input, d, n, k);
  }
  double list(int input, std::int64_t k) const {
    const TensorView& v = c.in[input];
    return c.has_input(input) ? v.as<float>()[d * v.stride[0] + k * v.stride[1]] : 0;
  }
  /// Of this direction, or of one of its columns.
  double column(int input, std::int64_t row) const {
    if (!c.has_input(input)) return 0;
    const TensorView& v = c.in[input];
    return element_access(v.dtype).load(v.data, d * v.stride[0] + (v.shape.rank == 2 ? row * v.stride[1] : 0));
  }
  /// A weight of matrix `input`, whole.
  double weight(int input, std::int64_t k, std::int64_t row) const {
    const TensorView& v = c.in[input];
    const double w = element_access(v.dtype).load(v.data, d * v.stride[0] + k * v.stride[1] + row * v.stride[2]);
    return w - column(2 * input + 7, row);
  }
  std::int64_t length(std::int64_t n) const {
    return c.has_input(4) ? c.in[4].as<std::int32_t>()[n * c.in[4].stride[0]] : time;
  }
  double activated(int which, double v) const {
    return apply_activation(p.activation[d * 3 + which],
                            p.clip > 0 ? std::clamp(v, -static_cast<double>(p.clip), static_cast<double>(p.clip)) : v);
  }
  double peephole(int which, std::int64_t k) const { return list(7, which * hidden + k); }

  Rounding input_rounding() const {
    float low = 0, high = 0;
    for (std::int64_t t = 0; t < time; ++t)
      for (std::int64_t n = 0; n < batch; ++n)
        for (std::int64_t i = 0; i < inputs; ++i) {
          low = x(t, n, i) < low ? x(t, n, i) : low;
          high = x(t, n, i) > high ? x(t, n, i) : high;
        }
    Rounding r;
    r.set(low, high);
    return r;
  }
  Rounding state_rounding() const {
    float low = 0, high = 0;
    for (std::int64_t i = 0; i < batch * hidden; ++i) {
      const auto v = static_cast<float>(h[i]);
      low = v < low ? v : low;
      high = v > high ? v : high;
    }
    Rounding r;
    r.set(low, high);
    return r;
  }

  void step(std::int64_t n, std::int64_t t, const Rounding& of_input, const Rounding& of_state) {
    for (std::int64_t row = 0; row < 4 * hidden; ++row) {
      double from_input = 0, from_state = 0;
      for (std::int64_t i = 0; i < inputs; ++i) from_input += of_input(x(t, n, i)) * weight(1, i, row);
      for (std::int64_t k = 0; k < hidden; ++k)
        from_state += of_state(static_cast<float>(h[n * hidden + k])) * weight(2, k, row);
      gate[row] = list(3, row) + list(3, 4 * hidden + row) + from_input * of_input.scale * column(8, row) +
                  from_state * of_state.scale * column(10, row);
    }
    const double *i = gate, *o = gate + hidden, *f = gate + 2 * hidden, *g = gate + 3 * hidden;
    for (std::int64_t k = 0; k < hidden; ++k) {
      double& memory = cell[n * hidden + k];
      const double in = activated(0, i[k] + peephole(0, k) * memory);
      const double forget = p.input_forget ? 1 - in : activated(0, f[k] + peephole(2, k) * memory);
      memory = forget * memory + in * activated(1, g[k]);
      next[n * hidden + k] =
          activated(0, o[k] + peephole(1, k) * memory) * apply_activation(p.activation[d * 3 + 2], memory);
    }
  }

  void store(int output, std::int64_t n, const double* values) const {
    if (output >= c.out_count || c.out[output].data == nullptr) return;
    const TensorView& v = c.out[output];
    float* to = v.as<float>() + (p.batch_first ? n * v.stride[0] + d * v.stride[1] : d * v.stride[0] + n * v.stride[1]);
    for (std::int64_t k = 0; k < hidden; ++k) to[k * v.stride[2]] = static_cast<float>(values[k]);
  }
  void store_step(std::int64_t n, std::int64_t t, const double* values) const {
    if (c.out[0].data == nullptr) return;
    const TensorView& v = c.out[0];
    float* to = v.as<float>() + (p.batch_first ? n * v.stride[0] + t * v.stride[1] + d * v.stride[2]
                                               : t * v.stride[0] + d * v.stride[1] + n * v.stride[2]);
    for (std::int64_t k = 0; k < hidden; ++k)
      to[k * v.stride[3]] = values != nullptr ? static_cast<float>(values[k]) : 0;
  }

  void run() {
    const Rounding of_input = input_rounding();
    for (std::int64_t n = 0; n < batch; ++n)
      for (std::int64_t k = 0; k < hidden; ++k) {
        h[n * hidden + k] = state(5, n, k);
        cell[n * hidden + k] = state(6, n, k);
      }
    const bool reverse = p.direction == RnnParams::Direction::reverse || d == 1;
    for (std::int64_t s = 0; s < time; ++s) {
      const Rounding of_state = state_rounding();
      std::copy_n(h, batch * hidden, next);
      for (std::int64_t n = 0; n < batch; ++n) {
        const bool within = s < length(n);
        const std::int64_t t = within && reverse ? length(n) - 1 - s : s;
        if (within) step(n, t, of_input, of_state);
        store_step(n, t, within ? next + n * hidden : nullptr);
      }
      std::swap(h, next);
    }
    for (std::int64_t n = 0; n < batch; ++n) {
      store(1, n, h + n * hidden);
      store(2, n, cell + n * hidden);
    }
  }
};

std::size_t scratch_qlstm(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const RnnParams*>(q.params);
  const std::int64_t batch = q.in[0].shape[p.batch_first ? 0 : 1];
  return static_cast<std::size_t>((4 + 3 * batch) * p.hidden) * sizeof(double);
}

Status run_qlstm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<RnnParams>();
  const Shape& x = c.in[0].shape;
  QuantizedLayer layer{.c = c,
                       .p = p,
                       .time = x[p.batch_first ? 1 : 0],
                       .batch = x[p.batch_first ? 0 : 1],
                       .inputs = x[2],
                       .hidden = p.hidden};
  for (std::int64_t n = 0; c.has_input(4) && n < layer.batch; ++n)
    if (layer.length(n) < 0 || layer.length(n) > layer.time)
      return {StatusCode::out_of_range, "a sequence length is out of range"};
  layer.gate = reinterpret_cast<double*>(c.scratch);
  layer.h = layer.gate + 4 * layer.hidden;
  layer.next = layer.h + layer.batch * layer.hidden;
  layer.cell = layer.next + layer.batch * layer.hidden;
  for (; layer.d < p.directions(); ++layer.d) layer.run();
  return {};
}

}  // namespace

extern const Kernel qlstm_ref{.name = "qlstm_ref",
                              .op = "QLSTM",
                              .arithmetic = {Precision::int8, DType::i32},
                              .reference = true,
                              .batch_invariant = false,
                              .in{Port::strided},
                              .out{Port::strided},
                              .scratch_bytes = scratch_qlstm,
                              .run = run_qlstm};

}  // namespace monza::ops
