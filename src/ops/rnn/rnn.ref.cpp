// Plain recurrent layers: one sequence and direction at a time, in double; any strides.
#include <algorithm>
#include <cmath>

#include "kernel/kernel.h"
#include "ops/rnn/rnn.params.h"
#include "ops/rnn/rnn.ref.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

/// Doubles of one sequence's state: gates, h, next h, c.
std::int64_t state_size(const RnnParams& p) { return (p.gates() + 3) * static_cast<std::int64_t>(p.hidden); }

std::size_t scratch_rnn(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(state_size(*static_cast<const RnnParams*>(q.params))) * 8 *
         static_cast<std::size_t>(q.threads);
}

struct Layer {
  const KernelContext& c;
  const RnnParams& p;
  const ElementAccess& access;
  std::int64_t d = 0, n = 0;  // direction, batch item
  double *gate = nullptr, *h = nullptr, *next = nullptr, *cell = nullptr;

  double at(int input, std::int64_t i, std::int64_t j, std::int64_t k) const {
    const TensorView& v = c.in[input];
    return access.load(v.data, i * v.stride[0] + j * v.stride[1] + (v.shape.rank > 2 ? k * v.stride[2] : 0));
  }
  double state(int input, std::int64_t k) const {
    if (!c.has_input(input)) return 0;
    return p.batch_first ? at(input, n, d, k) : at(input, d, n, k);
  }
  double clipped(double v) const {
    return p.clip > 0 ? std::clamp(v, -static_cast<double>(p.clip), static_cast<double>(p.clip)) : v;
  }
  double activated(int which, double v) const { return apply_activation(p.activation[d * 3 + which], clipped(v)); }
  double peephole(int which, std::int64_t k) const { return c.has_input(7) ? at(7, d, which * p.hidden + k, 0) : 0; }

  double input_product(std::int64_t row, std::int64_t t) const {
    const std::int64_t width = c.in[0].shape[2];
    double sum = c.has_input(3) ? at(3, d, row, 0) : 0;
    for (std::int64_t i = 0; i < width; ++i)
      sum += at(1, d, row, i) * (p.batch_first ? at(0, n, t, i) : at(0, t, n, i));
    return sum;
  }
  /// r row times the state (times `factor` element by element when given), with its bias.
  double hidden_product(std::int64_t row, const double* factor) const {
    double sum = c.has_input(3) ? at(3, d, p.gates() * static_cast<std::int64_t>(p.hidden) + row, 0) : 0;
    for (std::int64_t i = 0; i < p.hidden; ++i) sum += at(2, d, row, i) * h[i] * (factor != nullptr ? factor[i] : 1);
    return sum;
  }

  void step(std::int64_t t) {
    const std::int64_t hidden = p.hidden;
    switch (p.kind) {
      case RnnParams::Kind::rnn:
        for (std::int64_t k = 0; k < hidden; ++k)
          next[k] = activated(0, input_product(k, t) + hidden_product(k, nullptr));
        break;
      case RnnParams::Kind::gru: {
        double *z = gate, *r = gate + hidden;
        for (std::int64_t k = 0; k < 2 * hidden; ++k)
          gate[k] = activated(0, input_product(k, t) + hidden_product(k, nullptr));
        for (std::int64_t k = 0; k < hidden; ++k) {
          const std::int64_t row = 2 * hidden + k;
          const double recurrent = p.linear_before_reset ? r[k] * hidden_product(row, nullptr) : hidden_product(row, r);
          const double candidate = activated(1, input_product(row, t) + recurrent);
          next[k] = (1 - z[k]) * candidate + z[k] * h[k];
        }
        break;
      }
      case RnnParams::Kind::lstm: {
        for (std::int64_t k = 0; k < 4 * hidden; ++k) gate[k] = input_product(k, t) + hidden_product(k, nullptr);
        const double *i = gate, *o = gate + hidden, *f = gate + 2 * hidden, *g = gate + 3 * hidden;
        for (std::int64_t k = 0; k < hidden; ++k) {
          const double in = activated(0, i[k] + peephole(0, k) * cell[k]);
          const double forget = p.input_forget ? 1 - in : activated(0, f[k] + peephole(2, k) * cell[k]);
          cell[k] = forget * cell[k] + in * activated(1, g[k]);
          // The state is not clipped on its way out, only what the gates see.
          next[k] = activated(0, o[k] + peephole(1, k) * cell[k]) * apply_activation(p.activation[d * 3 + 2], cell[k]);
        }
        break;
      }
    }
    std::swap(h, next);
  }

  void store_state(int output, const double* values) const {
    if (output >= c.out_count || c.out[output].data == nullptr) return;
    const TensorView& v = c.out[output];
    const std::int64_t base = p.batch_first ? n * v.stride[0] + d * v.stride[1] : d * v.stride[0] + n * v.stride[1];
    for (std::int64_t k = 0; k < p.hidden; ++k) access.store(v.data, base + k * v.stride[2], values[k]);
  }
  void store_output(std::int64_t t, const double* values) const {
    if (c.out[0].data == nullptr) return;
    const TensorView& v = c.out[0];
    const std::int64_t base = p.batch_first ? n * v.stride[0] + t * v.stride[1] + d * v.stride[2]
                                            : t * v.stride[0] + d * v.stride[1] + n * v.stride[2];
    for (std::int64_t k = 0; k < p.hidden; ++k)
      access.store(v.data, base + k * v.stride[3], values != nullptr ? values[k] : 0);
  }
};

Status run_rnn(const KernelContext& c) noexcept {
  const auto& p = c.params_as<RnnParams>();
  const TensorView& x = c.in[0];
  const ElementAccess& access = element_access(x.dtype);
  const std::int64_t batch = x.shape[p.batch_first ? 0 : 1], time = x.shape[p.batch_first ? 1 : 0];
  for (std::int64_t n = 0; c.has_input(4) && n < batch; ++n) {
    const std::int32_t length = c.in[4].as<std::int32_t>()[n * c.in[4].stride[0]];
    if (length < 0 || length > time) return {StatusCode::out_of_range, "a sequence length is out of range"};
  }
  parallel_for(*c.parallel, batch * p.directions(), [&](std::int64_t task, int worker) {
    Layer layer{c, p, access};
    layer.d = task / batch;
    layer.n = task % batch;
    const std::int64_t hidden = p.hidden;
    layer.gate = reinterpret_cast<double*>(c.scratch) + worker * state_size(p);
    layer.h = layer.gate + p.gates() * hidden;
    layer.next = layer.h + hidden;
    layer.cell = layer.next + hidden;
    for (std::int64_t k = 0; k < hidden; ++k) {
      layer.h[k] = layer.state(5, k);
      layer.cell[k] = p.kind == RnnParams::Kind::lstm ? layer.state(6, k) : 0;
    }
    const std::int64_t length = c.has_input(4) ? c.in[4].as<std::int32_t>()[layer.n * c.in[4].stride[0]] : time;
    const bool reverse = p.direction == RnnParams::Direction::reverse || layer.d == 1;
    for (std::int64_t s = 0; s < length; ++s) {
      const std::int64_t t = reverse ? length - 1 - s : s;
      layer.step(t);
      layer.store_output(t, layer.h);
    }
    for (std::int64_t t = length; t < time; ++t) layer.store_output(t, nullptr);
    layer.store_state(1, layer.h);
    if (p.kind == RnnParams::Kind::lstm) layer.store_state(2, layer.cell);
  });
  return {};
}

consteval Kernel recurrence_kernel(const char* name, const char* op) {
  return {.name = name,
          .op = op,
          .reference = true,
          .in{Port::strided},
          .out{Port::strided},
          .scratch_bytes = scratch_rnn,
          .run = run_rnn};
}

}  // namespace

extern const Kernel rnn_ref = recurrence_kernel("rnn_ref", "RNN");
extern const Kernel gru_ref = recurrence_kernel("gru_ref", "GRU");
extern const Kernel lstm_ref = recurrence_kernel("lstm_ref", "LSTM");

}  // namespace monza::ops
