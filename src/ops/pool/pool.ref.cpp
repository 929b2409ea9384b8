// Plain pooling: one output element at a time, in double (integers exactly); any strides.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernel/copy.h"
#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/pool/pool.params.h"
#include "tensor/cell.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

struct Strides {
  std::int64_t in[3], out[3], index[3];
};

Strides strides_of(const PoolParams& p, const KernelContext& c) {
  Strides s = {};
  for (int i = 0; i < p.spatial; ++i) {
    const int to = i + 3 - p.spatial;
    s.in[to] = c.in[0].stride[i + 2];
    s.out[to] = c.out[0].stride[i + 2];
    if (c.out_count > 1) s.index[to] = c.out[1].stride[i + 2];
  }
  return s;
}

/// Calls window(n, c, output index) for each output element; bodies run on all threads.
template <typename F>
void for_each_window(const KernelContext& c, const PoolWindow& w, F&& window) {
  const std::int64_t channels = c.in[0].shape[1];
  parallel_for(*c.parallel, c.in[0].shape[0] * channels, [&](std::int64_t plane, int) {
    std::int64_t o[3];
    for (o[0] = 0; o[0] < w.out[0]; ++o[0])
      for (o[1] = 0; o[1] < w.out[1]; ++o[1])
        for (o[2] = 0; o[2] < w.out[2]; ++o[2]) window(plane / channels, plane % channels, o);
  });
}

/// What a window covers along one axis: its positions [begin, end) lie inside the input, `padded` of them in the padded
/// input.
struct Cover {
  std::int64_t begin, end, padded;
};

Cover cover_of(const PoolWindow& w, int axis, std::int64_t o) {
  const std::int64_t start = o * w.stride[axis] - w.pad[axis], step = w.dilation[axis], kernel = w.kernel[axis];
  // Positions whose place in the input is below `limit`.
  const auto below = [&](std::int64_t limit) {
    return limit <= start ? 0 : std::min(kernel, (limit - start + step - 1) / step);
  };
  const std::int64_t begin = below(0);
  return {begin, std::max(begin, below(w.in[axis])), below(w.in[axis] + w.pad_end[axis])};
}

/// Calls element(input index) for each position of the window that lies inside the input. A window may be much larger
/// than the input: its other positions are not visited.
template <typename F>
void for_each_element(const PoolWindow& w, const std::int64_t* o, F&& element) {
  Cover c[3];
  for (int a = 0; a < 3; ++a) c[a] = cover_of(w, a, o[a]);
  const auto place = [&](int a, std::int64_t k) { return o[a] * w.stride[a] + k * w.dilation[a] - w.pad[a]; };
  std::int64_t at[3];
  for (std::int64_t i = c[0].begin; i < c[0].end; ++i) {
    at[0] = place(0, i);
    for (std::int64_t j = c[1].begin; j < c[1].end; ++j) {
      at[1] = place(1, j);
      for (std::int64_t k = c[2].begin; k < c[2].end; ++k) {
        at[2] = place(2, k);
        element(at);
      }
    }
  }
}

std::int64_t dot(const std::int64_t* a, const std::int64_t* b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Status run_max_pool(const KernelContext& c) noexcept {
  const auto& p = c.params_as<PoolParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const PoolWindow w = pool_window(p, x.shape.dim + 2, out.shape.dim + 2);
  const Strides s = strides_of(p, c);
  const ElementAccess& access = element_access(x.dtype);
  const bool with_indices = c.out_count > 1 && c.out[1].data != nullptr, exact = !is_float(x.dtype);
  const std::int64_t lowest = exact && is_signed(x.dtype) ? -(std::int64_t{1} << (dtype_bits(x.dtype) - 2)) * 2 : 0;
  const std::int64_t plane_size = w.in[0] * w.in[1] * w.in[2];
  for_each_window(c, w, [&](std::int64_t n, std::int64_t channel, const std::int64_t* o) {
    const std::int64_t base = n * x.stride[0] + channel * x.stride[1];
    bool any = false;
    double best = -std::numeric_limits<double>::infinity();
    std::int64_t best_int = lowest, best_at = 0;
    for_each_element(w, o, [&](const std::int64_t* at) {
      const std::int64_t offset = base + dot(at, s.in);
      bool better;
      if (exact) {
        const std::int64_t v = access.load_int(x.data, offset);
        better = !any || (x.dtype == DType::u64 ? static_cast<std::uint64_t>(v) > static_cast<std::uint64_t>(best_int)
                                                : v > best_int);
        if (better) best_int = v;
      } else {
        const double v = access.load(x.data, offset);
        // A NaN wins, and stays.
        better = !any || v > best || (std::isnan(v) && !std::isnan(best));
        if (better) best = v;
      }
      if (better) {
        any = true;
        best_at =
            p.column_major ? at[0] + w.in[0] * (at[1] + w.in[1] * at[2]) : (at[0] * w.in[1] + at[1]) * w.in[2] + at[2];
      }
    });
    const std::int64_t to = n * out.stride[0] + channel * out.stride[1] + dot(o, s.out);
    if (exact) access.store_int(out.data, to, best_int);
    else access.store(out.data, to, best);
    if (with_indices)
      c.out[1].as<std::int64_t>()[n * c.out[1].stride[0] + channel * c.out[1].stride[1] + dot(o, s.index)] =
          (n * x.shape[1] + channel) * plane_size + best_at;
  });
  return {};
}

Status run_average_pool(const KernelContext& c) noexcept {
  const auto& p = c.params_as<PoolParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const PoolWindow w = pool_window(p, x.shape.dim + 2, out.shape.dim + 2);
  const Strides s = strides_of(p, c);
  const ElementAccess& access = element_access(x.dtype);
  for_each_window(c, w, [&](std::int64_t n, std::int64_t channel, const std::int64_t* o) {
    const std::int64_t base = n * x.stride[0] + channel * x.stride[1];
    double sum = 0, count = 1;
    for_each_element(w, o, [&](const std::int64_t* at) { sum += access.load(x.data, base + dot(at, s.in)); });
    for (int a = 0; a < 3; ++a) {
      const Cover cover = cover_of(w, a, o[a]);
      count *= static_cast<double>(p.count_include_pad ? cover.padded : cover.end - cover.begin);
    }
    access.store(out.data, n * out.stride[0] + channel * out.stride[1] + dot(o, s.out), sum / count);
  });
  return {};
}

Status run_lp_pool(const KernelContext& c) noexcept {
  const auto& p = c.params_as<PoolParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  const PoolWindow w = pool_window(p, x.shape.dim + 2, out.shape.dim + 2);
  const Strides s = strides_of(p, c);
  const ElementAccess& access = element_access(x.dtype);
  for_each_window(c, w, [&](std::int64_t n, std::int64_t channel, const std::int64_t* o) {
    const std::int64_t base = n * x.stride[0] + channel * x.stride[1];
    double sum = 0;
    for_each_element(w, o, [&](const std::int64_t* at) {
      sum += std::pow(std::fabs(access.load(x.data, base + dot(at, s.in))), p.p);
    });
    access.store(out.data, n * out.stride[0] + channel * out.stride[1] + dot(o, s.out), std::pow(sum, 1.0 / p.p));
  });
  return {};
}

Status run_max_unpool(const KernelContext& c) noexcept {
  const auto& p = c.params_as<MaxUnpoolParams>();
  const TensorView &x = c.in[0], &indices = c.in[1], &out = c.out[0];
  // Indices count the elements of the tensor that was pooled; the output may be larger than that at its ends.
  Shape pooled = x.shape;
  for (int i = 0; i < p.spatial; ++i)
    pooled[i + 2] = (x.shape[i + 2] - 1) * p.stride[i] + p.kernel[i] - p.pad_begin[i] - p.pad_end[i];
  const std::int64_t total = pooled.numel();
  const std::uint64_t zero[2] = {};
  if (Status s = fill_view(out, zero, *c.parallel); !s) return s;
  Status status;
  with_cell(dtype_bits(x.dtype), [&](auto cell) {
    for (Walk<2> walk(x.shape, x.stride, indices.stride); !walk.done; walk.next()) {
      const std::int64_t index = indices.as<std::int64_t>()[walk.offset[1]];
      if (index < 0 || index >= total) {
        status = {StatusCode::out_of_range, "MaxUnpool: an index lies outside the output"};
        return;
      }
      Walk<1> target(pooled, out.stride);
      target.seek(index);
      bool inside = true;
      for (int a = 0; a < pooled.rank; ++a) inside = inside && target.index[a] < out.shape[a];
      if (inside) cell.set(out.data, target.offset[0], cell.get(x.data, walk.offset[0]));
    }
  });
  return status;
}

}  // namespace

extern const Kernel max_pool_ref = reference_kernel("max_pool_ref", "MaxPool", run_max_pool);
extern const Kernel average_pool_ref = reference_kernel("average_pool_ref", "AveragePool", run_average_pool);
extern const Kernel lp_pool_ref = reference_kernel("lp_pool_ref", "LpPool", run_lp_pool);
extern const Kernel max_unpool_ref = reference_kernel("max_unpool_ref", "MaxUnpool", run_max_unpool);

}  // namespace monza::ops
