// Normalisations on a GPU over any strides, as the references have them: sums in double; one thread, a warp or a block
// a row.
#include "kernel/nd_loop.h"
#include "ops/norm/norm.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_kernel.cuh"
#include "ops/shared/gpu_rows.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

/// A tensor's elements, whose type the launch names.
struct Elements {
  void* data = nullptr;
  DType type = DType::invalid;
  Elements() = default;
  explicit Elements(const TensorView& v) : data(v.data), type(v.dtype) {}
  __device__ double operator[](std::int64_t i) const { return load_float(data, type, i); }
  __device__ void set(std::int64_t i, double v) const { store_float(data, type, i, v); }
};
/// Element c of a vector is at(c).
struct Vector : Elements {
  std::int64_t stride = 0;
  Vector() = default;
  explicit Vector(const TensorView& v) : Elements(v), stride(v.stride[0]) {}
  __device__ double at(std::int64_t c) const { return (*this)[c * stride]; }
};

struct Moments {
  double mean, variance;
};
/// Mean and variance of the elements x[base + element(i)] for i below n, over the lanes of a row.
template <typename F>
__device__ Moments moments(const Elements& x, std::int64_t n, int lane, int lanes, F&& offset) {
  double sum = 0, squares = 0;
  for (std::int64_t i = lane; i < n; i += lanes) sum += x[offset(i)];
  const double mean = sum_over_lanes(sum, lanes) / static_cast<double>(n);
  for (std::int64_t i = lane; i < n; i += lanes) {
    const double d = x[offset(i)] - mean;
    squares += d * d;
  }
  return {mean, sum_over_lanes(squares, lanes) / static_cast<double>(n)};
}

/// Operands: x, y, scale, bias.
__global__ void layer_norm_kernel(LayerNormParams p, Axes<6> rows, Axes<4> row, int lanes, Elements x, Elements y,
                                  Elements scale, Elements bias, Elements mean, Elements inverse) {
  for_each_row(rows.count, lanes, [&](std::int64_t r, int lane, bool active) {
    std::int64_t at[6] = {}, e[4];
    if (active) rows.at(r, at);
    const std::int64_t n = active ? row.count : 0;
    const auto offset = [&](std::int64_t i) {
      row.at(i, e);
      return at[0] + e[0];
    };
    Moments m{};
    if (p.rms) {
      double squares = 0;
      for (std::int64_t i = lane; i < n; i += lanes) {
        const double v = x[offset(i)];
        squares += v * v;
      }
      m.variance = sum_over_lanes(squares, lanes) / static_cast<double>(n);
    } else {
      m = moments(x, n, lane, lanes, offset);
    }
    const double factor = 1 / sqrt(m.variance + p.epsilon);
    for (std::int64_t i = lane; i < n; i += lanes) {
      double v = (x[offset(i)] - m.mean) * factor;
      if (scale.data != nullptr) v *= scale[at[2] + e[2]];
      if (bias.data != nullptr) v += bias[at[3] + e[3]];
      y.set(at[1] + e[1], v);
    }
    if (!active || lane != 0) return;
    if (mean.data != nullptr) mean.set(at[4], m.mean);
    if (inverse.data != nullptr) inverse.set(at[5], factor);
  });
}

Status run_layer_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LayerNormParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  std::int64_t vectors[2][kMaxRank] = {}, stats[2][kMaxRank] = {};
  Elements operand[4];
  for (int k = 0; k < 2; ++k) {
    if (c.has_input(k + 1)) {
      broadcast_strides(c.in[k + 1], x.shape, vectors[k]);
      operand[k] = Elements(c.in[k + 1]);
    }
    if (k + 1 < c.out_count && c.out[k + 1].present()) {
      for (int a = 0; a < p.axis; ++a) stats[k][a] = c.out[k + 1].stride[a];
      operand[k + 2] = Elements(c.out[k + 1]);
    }
  }
  const std::uint32_t outer = (1u << p.axis) - 1;
  Axes<6> rows;
  Axes<4> row;
  rows.add(x.shape, outer, {x.stride, y.stride, vectors[0], vectors[1], stats[0], stats[1]});
  row.add(x.shape, ~outer, {x.stride, y.stride, vectors[0], vectors[1]});
  if (rows.count == 0 || row.count == 0) return {};
  const int lanes = lanes_for(rows.count, row.count, row.stride[0][0] == 1);
  layer_norm_kernel<<<blocks_for_rows(rows.count, lanes), kThreads, 0, stream_of(c)>>>(
      p, rows, row, lanes, Elements(x), Elements(y), operand[0], operand[1], operand[2], operand[3]);
  return launched();
}

/// Rows: the channels of each element of the batch, or, in training, each channel of all. Operands: x, y, channel.
__global__ void batch_norm_kernel(BatchNormParams p, Axes<3> rows, Axes<2> row, int lanes, Elements x, Elements y,
                                  Vector scale, Vector bias, Vector mean, Vector variance, Vector new_mean,
                                  Vector new_variance) {
  for_each_row(rows.count, lanes, [&](std::int64_t r, int lane, bool active) {
    std::int64_t at[3] = {}, e[2];
    if (active) rows.at(r, at);
    const std::int64_t n = active ? row.count : 0, channel = at[2];
    Moments m{};
    if (p.training) {
      m = moments(x, n, lane, lanes, [&](std::int64_t i) {
        row.at(i, e);
        return at[0] + e[0];
      });
    } else if (active) {
      m = {mean.at(channel), variance.at(channel)};
    }
    if (!active) return;
    if (p.training && lane == 0) {
      if (new_mean.data != nullptr)
        new_mean.set(channel * new_mean.stride, mean.at(channel) * p.momentum + m.mean * (1 - p.momentum));
      if (new_variance.data != nullptr)
        new_variance.set(channel * new_variance.stride,
                         variance.at(channel) * p.momentum + m.variance * (1 - p.momentum));
    }
    const double factor = scale.at(channel) / sqrt(m.variance + p.epsilon), shift = bias.at(channel);
    for (std::int64_t i = lane; i < n; i += lanes) {
      row.at(i, e);
      y.set(at[1] + e[1], (x[at[0] + e[0]] - m.mean) * factor + shift);
    }
  });
}

Status run_batch_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<BatchNormParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t channel[kMaxRank] = {0, 1};
  const std::uint32_t outer = p.training ? 2u : 3u;
  Axes<3> rows;
  Axes<2> row;
  rows.add(x.shape, outer, {x.stride, y.stride, channel});
  row.add(x.shape, ~outer, {x.stride, y.stride});
  // Training of no elements still tells of its moments, which are NaN.
  if (rows.count == 0 || (row.count == 0 && !p.training)) return {};
  const int lanes = lanes_for(rows.count, row.count, row.stride[0][0] == 1);
  const auto output = [&](int i) {
    return p.training && i < c.out_count && c.out[i].present() ? Vector(c.out[i]) : Vector();
  };
  batch_norm_kernel<<<blocks_for_rows(rows.count, lanes), kThreads, 0, stream_of(c)>>>(
      p, rows, row, lanes, Elements(x), Elements(y), Vector(c.in[1]), Vector(c.in[2]), Vector(c.in[3]), Vector(c.in[4]),
      output(1), output(2));
  return launched();
}

/// Rows: the groups. Operands of a row: x, y, channel in the group.
__global__ void group_norm_kernel(GroupNormParams p, Axes<3> rows, Axes<3> row, int lanes, Elements x, Elements y,
                                  Vector scale, Vector bias) {
  for_each_row(rows.count, lanes, [&](std::int64_t r, int lane, bool active) {
    std::int64_t at[3] = {}, e[3];
    if (active) rows.at(r, at);
    const std::int64_t n = active ? row.count : 0;
    const Moments m = moments(x, n, lane, lanes, [&](std::int64_t i) {
      row.at(i, e);
      return at[0] + e[0];
    });
    const double inverse = 1 / sqrt(m.variance + p.epsilon);
    for (std::int64_t i = lane; i < n; i += lanes) {
      row.at(i, e);
      const std::int64_t channel = at[2] + e[2];
      y.set(at[1] + e[1], (x[at[0] + e[0]] - m.mean) * (scale.at(channel) * inverse) + bias.at(channel));
    }
  });
}

Status run_group_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<GroupNormParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t channels = x.shape[1], groups = p.groups == 0 ? channels : p.groups;
  if (groups == 0 || x.shape.numel() == 0) return {};
  const std::int64_t per_group = channels / groups, channel[kMaxRank] = {};
  Axes<3> rows, row;
  row.add(x.shape, ~3u, {x.stride, y.stride, channel});
  row.add(per_group, {x.stride[1], y.stride[1], 1});
  rows.add(groups, {per_group * x.stride[1], per_group * y.stride[1], per_group});
  rows.add(x.shape, 1u, {x.stride, y.stride, channel});
  const int lanes = lanes_for(rows.count, row.count, true);
  group_norm_kernel<<<blocks_for_rows(rows.count, lanes), kThreads, 0, stream_of(c)>>>(
      p, rows, row, lanes, Elements(x), Elements(y), Vector(c.in[1]), Vector(c.in[2]));
  return launched();
}

/// Operands: x, y, channel.
__global__ void lrn_kernel(LrnParams p, Axes<3> all, std::int64_t channels, std::int64_t step, Elements x, Elements y) {
  const std::int64_t before = (p.size - 1) / 2, after = p.size / 2;
  for_each(all.count, [&](std::int64_t i) {
    std::int64_t at[3];
    all.at(i, at);
    const std::int64_t channel = at[2], first = channel - before < 0 ? 0 : channel - before,
                       last = channel + after < channels ? channel + after : channels - 1;
    double squares = 0;
    for (std::int64_t k = first; k <= last; ++k) {
      const double v = x[at[0] + (k - channel) * step];
      squares += v * v;
    }
    y.set(at[1], x[at[0]] / pow(p.bias + p.alpha / p.size * squares, static_cast<double>(p.beta)));
  });
}

Status run_lrn(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t channel[kMaxRank] = {0, 1};
  Axes<3> all;
  all.add(x.shape, ~0u, {x.stride, y.stride, channel});
  if (all.count == 0) return {};
  lrn_kernel<<<blocks_for(all.count), kThreads, 0, stream_of(c)>>>(c.params_as<LrnParams>(), all, x.shape[1],
                                                                   x.stride[1], Elements(x), Elements(y));
  return launched();
}

__global__ void lp_norm_kernel(int power, Axes<2> rows, Axes<2> row, int lanes, Elements x, Elements y) {
  for_each_row(rows.count, lanes, [&](std::int64_t r, int lane, bool active) {
    std::int64_t at[2] = {}, e[2];
    if (active) rows.at(r, at);
    const std::int64_t n = active ? row.count : 0;
    double norm = 0;
    for (std::int64_t i = lane; i < n; i += lanes) {
      row.at(i, e);
      const double v = x[at[0] + e[0]];
      norm += power == 1 ? fabs(v) : v * v;
    }
    norm = sum_over_lanes(norm, lanes);
    if (power == 2) norm = sqrt(norm);
    for (std::int64_t i = lane; i < n; i += lanes) {
      row.at(i, e);
      y.set(at[1] + e[1], norm == 0 ? 0 : x[at[0] + e[0]] / norm);
    }
  });
}

Status run_lp_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LpNormParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  Axes<2> rows, row;
  rows.add(x.shape, ~(1u << p.axis), {x.stride, y.stride});
  row.add(x.shape, 1u << p.axis, {x.stride, y.stride});
  if (rows.count == 0 || row.count == 0) return {};
  const int lanes = lanes_for(rows.count, row.count, row.contiguous(0));
  lp_norm_kernel<<<blocks_for_rows(rows.count, lanes), kThreads, 0, stream_of(c)>>>(p.p, rows, row, lanes, Elements(x),
                                                                                    Elements(y));
  return launched();
}

Refusal accepts_floats(const KernelQuery& q) noexcept {
  for (int i = 0; i < q.in_count; ++i)
    if (q.in[i].present() && !is_stored_float(q.in[i].dtype)) return "its element types have no CUDA kernel";
  for (int i = 0; i < q.out_count; ++i)
    if (q.out[i].present() && !is_stored_float(q.out[i].dtype)) return "its element types have no CUDA kernel";
  return nullptr;
}

}  // namespace

extern const Kernel batch_norm_cuda =
    gpu::plain_kernel("batch_norm_cuda", "BatchNormalization", run_batch_norm, accepts_floats);
extern const Kernel layer_norm_cuda =
    gpu::plain_kernel("layer_norm_cuda", "LayerNormalization", run_layer_norm, accepts_floats);
extern const Kernel rms_norm_cuda =
    gpu::plain_kernel("rms_norm_cuda", "RMSNormalization", run_layer_norm, accepts_floats);
extern const Kernel group_norm_cuda =
    gpu::plain_kernel("group_norm_cuda", "GroupNormalization", run_group_norm, accepts_floats);
extern const Kernel instance_norm_cuda =
    gpu::plain_kernel("instance_norm_cuda", "InstanceNormalization", run_group_norm, accepts_floats);
extern const Kernel lrn_cuda = gpu::plain_kernel("lrn_cuda", "LRN", run_lrn, accepts_floats);
extern const Kernel lp_norm_cuda = gpu::plain_kernel("lp_norm_cuda", "LpNormalization", run_lp_norm, accepts_floats);

}  // namespace monza::ops
