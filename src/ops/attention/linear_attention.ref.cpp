// Plain LinearAttention: the state in double, position after position.
#include <cmath>

#include "kernel/kernel.h"
#include "ops/attention/linear_attention.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

/// Element (b, t, i) of a tensor of three axes.
double load3(const TensorView& v, std::int64_t b, std::int64_t t, std::int64_t i) {
  return element_access(v.dtype).load(v.data, b * v.stride[0] + t * v.stride[1] + i * v.stride[2]);
}

std::size_t scratch_linear(const KernelQuery& q) noexcept {
  const Shape& state = q.out[1].shape;
  return static_cast<std::size_t>(q.threads) * static_cast<std::size_t>((state[2] + 1) * state[3]) * sizeof(double);
}

Status run_linear(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LinearAttentionParams>();
  const TensorView &q = c.in[0], &k = c.in[1], &v = c.in[2], &y = c.out[0], &after = c.out[1];
  const std::int64_t heads = p.kv_heads, group = p.q_heads / p.kv_heads, size = after.shape[2], v_size = after.shape[3];
  const double scale = p.scale != 0 ? p.scale : 1 / std::sqrt(static_cast<double>(size));
  const ElementAccess &y_access = element_access(y.dtype), &state_access = element_access(after.dtype);
  parallel_for(*c.parallel, after.shape[0] * heads, [&](std::int64_t task, int worker) {
    const std::int64_t b = task / heads, h = task % heads;
    double* state = reinterpret_cast<double*>(c.scratch) + worker * (size + 1) * v_size;
    double* fresh = state + size * v_size;
    const auto at = [&](const TensorView& s, std::int64_t d, std::int64_t m) {
      return b * s.stride[0] + h * s.stride[1] + d * s.stride[2] + m * s.stride[3];
    };
    for (std::int64_t d = 0; d < size; ++d)
      for (std::int64_t m = 0; m < v_size; ++m)
        state[d * v_size + m] =
            c.has_input(3) ? element_access(c.in[3].dtype).load(c.in[3].data, at(c.in[3], d, m)) : 0;
    for (std::int64_t t = 0; t < q.shape[1]; ++t) {
      if (c.has_input(4)) {
        const bool per_key = c.in[4].shape[2] != heads || (size == 1 && c.in[4].shape[2] == heads * size);
        for (std::int64_t d = 0; d < size; ++d) {
          const double factor = std::exp(load3(c.in[4], b, t, per_key ? h * size + d : h));
          for (std::int64_t m = 0; m < v_size; ++m) state[d * v_size + m] *= factor;
        }
      }
      for (std::int64_t m = 0; m < v_size; ++m) {
        fresh[m] = load3(v, b, t, h * v_size + m);
        if (!c.has_input(5)) continue;
        double known = 0;
        for (std::int64_t d = 0; d < size; ++d) known += state[d * v_size + m] * load3(k, b, t, h * size + d);
        fresh[m] = load3(c.in[5], b, t, c.in[5].shape[2] == 1 ? 0 : h) * (fresh[m] - known);
      }
      for (std::int64_t d = 0; d < size; ++d)
        for (std::int64_t m = 0; m < v_size; ++m) state[d * v_size + m] += load3(k, b, t, h * size + d) * fresh[m];
      for (std::int64_t head = h * group; head < (h + 1) * group; ++head)
        for (std::int64_t m = 0; m < v_size; ++m) {
          double sum = 0;
          for (std::int64_t d = 0; d < size; ++d) sum += state[d * v_size + m] * load3(q, b, t, head * size + d);
          y_access.store(y.data, b * y.stride[0] + t * y.stride[1] + (head * v_size + m) * y.stride[2], scale * sum);
        }
    }
    for (std::int64_t d = 0; d < size; ++d)
      for (std::int64_t m = 0; m < v_size; ++m) state_access.store(after.data, at(after, d, m), state[d * v_size + m]);
  });
  return {};
}

}  // namespace

extern const Kernel linear_attention_ref{.name = "linear_attention_ref",
                                         .op = "LinearAttention",
                                         .reference = true,
                                         .in{Port::strided},
                                         .out{Port::strided},
                                         .scratch_bytes = scratch_linear,
                                         .run = run_linear};

}  // namespace monza::ops
