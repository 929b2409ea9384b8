// LinearAttention on a GPU, plainly: a thread a column of a state, which meets no other column; in double.
#include <cmath>

#include "ops/attention/linear_attention.params.h"
#include "ops/shared/gpu_any.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

struct Rows {
  const void* data = nullptr;
  DType dtype = DType::invalid;
  std::int64_t stride[4] = {}, width = 0;
  Rows() = default;
  explicit Rows(const TensorView& v) : data(v.data), dtype(v.dtype), width(v.shape[2]) {
    for (int i = 0; i < v.shape.rank; ++i) stride[i] = v.stride[i];
  }
  /// Element (b, t, i) of a tensor of three axes.
  __device__ double at(std::int64_t b, std::int64_t t, std::int64_t i) const {
    return load_float(data, dtype, b * stride[0] + t * stride[1] + i * stride[2]);
  }
  __device__ std::int64_t state(std::int64_t b, std::int64_t h, std::int64_t d, std::int64_t m) const {
    return b * stride[0] + h * stride[1] + d * stride[2] + m * stride[3];
  }
};

struct Problem {
  Rows q, k, v, before, decay, beta, y, after;
  std::int64_t length, heads, group, size, v_size;
  double scale;
};

__global__ void linear_kernel(Problem s, std::int64_t count, double* scratch) {
  for_each(count, [&](std::int64_t column) {
    const std::int64_t m = column % s.v_size, h = column / s.v_size % s.heads, b = column / s.v_size / s.heads;
    // [size] of this column, the columns of all next to each other.
    double* state = scratch + column;
    for (std::int64_t d = 0; d < s.size; ++d)
      state[d * count] =
          s.before.data != nullptr ? load_float(s.before.data, s.before.dtype, s.before.state(b, h, d, m)) : 0;
    const bool per_key = s.decay.width != s.heads || s.size == 1;
    for (std::int64_t t = 0; t < s.length; ++t) {
      if (s.decay.data != nullptr)
        for (std::int64_t d = 0; d < s.size; ++d)
          state[d * count] *= exp(s.decay.at(b, t, per_key ? h * s.size + d : h));
      double fresh = s.v.at(b, t, h * s.v_size + m);
      if (s.beta.data != nullptr) {
        double known = 0;
        for (std::int64_t d = 0; d < s.size; ++d) known += state[d * count] * s.k.at(b, t, h * s.size + d);
        fresh = s.beta.at(b, t, s.beta.width == 1 ? 0 : h) * (fresh - known);
      }
      for (std::int64_t d = 0; d < s.size; ++d) state[d * count] += s.k.at(b, t, h * s.size + d) * fresh;
      for (std::int64_t head = h * s.group; head < (h + 1) * s.group; ++head) {
        double sum = 0;
        for (std::int64_t d = 0; d < s.size; ++d) sum += state[d * count] * s.q.at(b, t, head * s.size + d);
        store_float(const_cast<void*>(s.y.data), s.y.dtype,
                    b * s.y.stride[0] + t * s.y.stride[1] + (head * s.v_size + m) * s.y.stride[2], s.scale * sum);
      }
    }
    for (std::int64_t d = 0; d < s.size; ++d)
      store_float(const_cast<void*>(s.after.data), s.after.dtype, s.after.state(b, h, d, m), state[d * count]);
  });
}

std::size_t scratch_linear(const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(q.out[1].shape.numel()) * sizeof(double);
}

Status run_linear(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LinearAttentionParams>();
  const Shape& after = c.out[1].shape;
  const std::int64_t count = after[0] * p.kv_heads * after[3];
  if (count == 0) return {};
  const auto input = [&](int i) { return c.has_input(i) ? Rows(c.in[i]) : Rows(); };
  const Problem s{.q = Rows(c.in[0]),
                  .k = Rows(c.in[1]),
                  .v = Rows(c.in[2]),
                  .before = input(3),
                  .decay = input(4),
                  .beta = input(5),
                  .y = Rows(c.out[0]),
                  .after = Rows(c.out[1]),
                  .length = c.in[0].shape[1],
                  .heads = p.kv_heads,
                  .group = p.q_heads / p.kv_heads,
                  .size = after[2],
                  .v_size = after[3],
                  .scale = p.scale != 0 ? p.scale : 1 / std::sqrt(static_cast<double>(after[2]))};
  linear_kernel<<<blocks_for(count, 64), 64, 0, stream_of(c)>>>(s, count, reinterpret_cast<double*>(c.scratch));
  return launched();
}

Refusal accepts_linear(const KernelQuery& q) noexcept {
  for (int i = 0; i < q.in_count; ++i)
    if (q.has_input(i) && !is_stored_float(q.input(i).dtype)) return "its element types have no CUDA kernel";
  for (int i = 0; i < q.out_count; ++i)
    if (q.out[i].present() && !is_stored_float(q.out[i].dtype)) return "its element types have no CUDA kernel";
  return nullptr;
}

}  // namespace

extern const Kernel linear_attention_cuda{.name = "linear_attention_cuda",
                                          .op = "LinearAttention",
                                          .device = DeviceKind::cuda,
                                          .in{Port::strided},
                                          .out{Port::strided},
                                          .accepts = accepts_linear,
                                          .scratch_bytes = scratch_linear,
                                          .run = run_linear};

}  // namespace monza::ops
