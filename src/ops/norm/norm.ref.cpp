// Plain normalisations: sums in double, any strides.
#include <cmath>

#include "kernel/kernel.h"
#include "kernel/nd_loop.h"
#include "kernel/reference.h"
#include "ops/norm/norm.params.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

struct Moments {
  double mean, variance;
};

/// Mean and variance of the elements of a loop that starts at `base`.
Moments moments(const AxisLoop& loop, const ElementAccess& access, const void* data, std::int64_t base) {
  const auto n = static_cast<double>(loop.count());
  double sum = 0, squares = 0;
  loop.each([&](std::int64_t i) { sum += access.load(data, base + i); });
  const double mean = sum / n;
  loop.each([&](std::int64_t i) {
    const double d = access.load(data, base + i) - mean;
    squares += d * d;
  });
  return {mean, squares / n};
}

/// Element c of a vector.
double element(const TensorView& v, std::int64_t c) { return element_access(v.dtype).load(v.data, c * v.stride[0]); }

Status run_batch_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<BatchNormParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess &from = element_access(x.dtype), &to = element_access(out.dtype);
  const AxisLoop loop = axes_of(x, ~2u);
  for (std::int64_t ch = 0; ch < x.shape[1]; ++ch) {
    double mean = element(c.in[3], ch), variance = element(c.in[4], ch);
    if (p.training) {
      const Moments m = moments(loop, from, x.data, ch * x.stride[1]);
      const auto store = [&](int i, double v) {
        if (i < c.out_count) element_access(c.out[i].dtype).store(c.out[i].data, ch * c.out[i].stride[0], v);
      };
      store(1, mean * p.momentum + m.mean * (1 - p.momentum));
      store(2, variance * p.momentum + m.variance * (1 - p.momentum));
      mean = m.mean;
      variance = m.variance;
    }
    const double scale = element(c.in[1], ch) / std::sqrt(variance + p.epsilon), bias = element(c.in[2], ch);
    TensorView slice_in = x, slice_out = out;
    slice_in.shape[1] = slice_out.shape[1] = 1;
    const TensorView* in[] = {&slice_in};
    for_each_broadcast<1>(*c.parallel, slice_out, in, [&](std::int64_t o, const std::int64_t* i) {
      const double v = from.load(x.data, i[0] + ch * x.stride[1]);
      to.store(out.data, o + ch * out.stride[1], (v - mean) * scale + bias);
    });
  }
  return {};
}

Status run_layer_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LayerNormParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  std::uint32_t mask = 0;
  for (int a = p.axis; a < x.shape.rank; ++a) mask |= 1u << a;
  const ElementAccess &from = element_access(x.dtype), &to = element_access(out.dtype);
  const AxisLoop row = axes_of(x, mask);
  if (row.count() == 0) return {};
  // Scale and bias broadcast to x: their strides on x's axes.
  std::int64_t stride[2][kMaxRank] = {};
  bool has[2] = {c.has_input(1), c.has_input(2)};
  for (int k = 0; k < 2; ++k)
    if (has[k]) broadcast_strides(c.in[k + 1], x.shape, stride[k]);
  std::int64_t index[kMaxRank] = {};
  const std::int64_t rows = x.shape.count(0, p.axis);
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int64_t i = 0, o = 0, s[2] = {}, stat[2] = {};
    for (int a = 0; a < p.axis; ++a) {
      i += index[a] * x.stride[a];
      o += index[a] * out.stride[a];
      for (int k = 0; k < 2; ++k) {
        s[k] += index[a] * stride[k][a];
        if (k + 1 < c.out_count && c.out[k + 1].present()) stat[k] += index[a] * c.out[k + 1].stride[a];
      }
    }
    Moments m{};
    if (p.rms) {
      double squares = 0;
      row.each([&](std::int64_t e) {
        const double v = from.load(x.data, i + e);
        squares += v * v;
      });
      m.variance = squares / static_cast<double>(row.count());
    } else {
      m = moments(row, from, x.data, i);
    }
    const double inverse = 1 / std::sqrt(m.variance + p.epsilon);
    std::int64_t at[kMaxRank] = {};
    for (std::int64_t n = row.count(); n > 0; --n) {
      std::int64_t ie = i, oe = o, se[2] = {s[0], s[1]};
      for (int a = p.axis; a < x.shape.rank; ++a) {
        ie += at[a] * x.stride[a];
        oe += at[a] * out.stride[a];
        for (int k = 0; k < 2; ++k) se[k] += at[a] * stride[k][a];
      }
      double v = (from.load(x.data, ie) - m.mean) * inverse;
      if (has[0]) v *= element_access(c.in[1].dtype).load(c.in[1].data, se[0]);
      if (has[1]) v += element_access(c.in[2].dtype).load(c.in[2].data, se[1]);
      to.store(out.data, oe, v);
      for (int a = x.shape.rank - 1; a >= p.axis && ++at[a] == x.shape[a]; --a) at[a] = 0;
    }
    const double stats[2] = {m.mean, inverse};
    for (int k = 0; k < 2; ++k)
      if (k + 1 < c.out_count && c.out[k + 1].present())
        element_access(c.out[k + 1].dtype).store(c.out[k + 1].data, stat[k], stats[k]);
    for (int a = p.axis - 1; a >= 0 && ++index[a] == x.shape[a]; --a) index[a] = 0;
  }
  return {};
}

Status run_group_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<GroupNormParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess &from = element_access(x.dtype), &to = element_access(out.dtype);
  const std::int64_t channels = x.shape[1], groups = p.groups == 0 ? channels : p.groups;
  if (groups == 0 || x.shape.numel() == 0) return {};
  const std::int64_t per_group = channels / groups;
  AxisLoop group = axes_of(x, ~3u);
  group.add(per_group, x.stride[1]);
  parallel_for(*c.parallel, x.shape[0] * groups, [&](std::int64_t task, int) {
    const std::int64_t n = task / groups, g = task % groups;
    const std::int64_t first = g * per_group;
    const Moments m = moments(group, from, x.data, n * x.stride[0] + first * x.stride[1]);
    const double inverse = 1 / std::sqrt(m.variance + p.epsilon);
    for (std::int64_t ch = first; ch < first + per_group; ++ch) {
      const double scale = element(c.in[1], ch) * inverse, bias = element(c.in[2], ch);
      std::int64_t at[kMaxRank] = {};
      for (std::int64_t e = x.shape.count(2, x.shape.rank); e > 0; --e) {
        std::int64_t i = n * x.stride[0] + ch * x.stride[1], o = n * out.stride[0] + ch * out.stride[1];
        for (int a = 2; a < x.shape.rank; ++a) {
          i += at[a] * x.stride[a];
          o += at[a] * out.stride[a];
        }
        to.store(out.data, o, (from.load(x.data, i) - m.mean) * scale + bias);
        for (int a = x.shape.rank - 1; a >= 2 && ++at[a] == x.shape[a]; --a) at[a] = 0;
      }
    }
  });
  return {};
}

Status run_lrn(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LrnParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const std::int64_t channels = x.shape[1], before = (p.size - 1) / 2, after = p.size / 2;
  const TensorView first = without_axes(x, 2u), first_out = without_axes(out, 2u);
  const TensorView* in[] = {&first};
  for_each_broadcast<1>(*c.parallel, first_out, in, [&](std::int64_t o, const std::int64_t* i) {
    for (std::int64_t ch = 0; ch < channels; ++ch) {
      double squares = 0;
      for (std::int64_t k = ch - before < 0 ? 0 : ch - before; k <= ch + after && k < channels; ++k) {
        const double v = access.load(x.data, i[0] + k * x.stride[1]);
        squares += v * v;
      }
      const double v = access.load(x.data, i[0] + ch * x.stride[1]);
      access.store(out.data, o + ch * out.stride[1],
                   v / std::pow(p.bias + p.alpha / p.size * squares, static_cast<double>(p.beta)));
    }
  });
  return {};
}

Status run_lp_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LpNormParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const ElementAccess& access = element_access(x.dtype);
  const std::uint32_t mask = 1u << p.axis;
  const std::int64_t extent = x.shape[p.axis];
  const TensorView first = without_axes(x, mask), first_out = without_axes(out, mask);
  const TensorView* in[] = {&first};
  if (extent == 0) return {};
  for_each_broadcast<1>(*c.parallel, first_out, in, [&](std::int64_t o, const std::int64_t* i) {
    double norm = 0;
    for (std::int64_t e = 0; e < extent; ++e) {
      const double v = access.load(x.data, i[0] + e * x.stride[p.axis]);
      norm += p.p == 1 ? std::fabs(v) : v * v;
    }
    if (p.p == 2) norm = std::sqrt(norm);
    for (std::int64_t e = 0; e < extent; ++e) {
      const double v = access.load(x.data, i[0] + e * x.stride[p.axis]);
      access.store(out.data, o + e * out.stride[p.axis], norm == 0 ? 0 : v / norm);
    }
  });
  return {};
}

}  // namespace

extern const Kernel batch_norm_ref = reference_kernel("batch_norm_ref", "BatchNormalization", run_batch_norm);
extern const Kernel layer_norm_ref = reference_kernel("layer_norm_ref", "LayerNormalization", run_layer_norm);
extern const Kernel rms_norm_ref = reference_kernel("rms_norm_ref", "RMSNormalization", run_layer_norm);
extern const Kernel group_norm_ref = reference_kernel("group_norm_ref", "GroupNormalization", run_group_norm);
extern const Kernel instance_norm_ref = reference_kernel("instance_norm_ref", "InstanceNormalization", run_group_norm);
extern const Kernel lrn_ref = reference_kernel("lrn_ref", "LRN", run_lrn);
extern const Kernel lp_norm_ref = reference_kernel("lp_norm_ref", "LpNormalization", run_lp_norm);

}  // namespace monza::ops
