// Gather*, Scatter* and TensorScatter on a GPU over any strides. Bound by memory: what is gathered is read and written
// once, as wide as strides and addresses allow. Where an index lies outside its axis zeros are gathered, and nothing is
// scattered; the run fails.
#include "ops/index/index.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_kernel.cuh"
#include "ops/shared/gpu_move.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

/// Indices, and how to say that one of them lies outside of its axis.
class Indices : public TensorView {
 public:
  explicit Indices(const KernelContext& c) : TensorView(c.in[1]), outside_(c) {}
  /// An i32 or i64 index, counted from the end where it is negative; -1 outside of the extent.
  __device__ std::int64_t at(std::int64_t offset, std::int64_t extent) const {
    std::int64_t i = dtype == DType::i32 ? as<std::int32_t>()[offset] : as<std::int64_t>()[offset];
    if (i < 0) i += extent;
    if (i >= 0 && i < extent) return i;
    outside_.raise();
    return -1;
  }

 private:
  FaultReport outside_;
};

/// Axes of the output: those before the gathered one (of x, y), those of the indices (of indices, y), those after (of
/// x, y).
struct GatherAxes {
  Axes<2> before, picks, inner;
  std::int64_t extent, step;  ///< of x on the gathered axis
};

template <typename T>
__global__ void gather_kernel(GatherAxes g, Indices indices, const T* x, T* y) {
  for_each(g.before.count * g.picks.count * g.inner.count, [&](std::int64_t i) {
    std::int64_t before[2], pick[2], inner[2];
    const std::int64_t row = divide(i, g.inner.count), outer = divide(row, g.picks.count);
    g.inner.at(i - row * g.inner.count, inner);
    g.picks.at(row - outer * g.picks.count, pick);
    g.before.at(outer, before);
    const std::int64_t index = indices.at(pick[0], g.extent);
    y[before[1] + pick[1] + inner[1]] = index < 0 ? T{} : x[before[0] + index * g.step + inner[0]];
  });
}

/// Two elements become one of twice the bytes where all of them lie in such pairs.
bool widen(GatherAxes& g, std::int64_t bytes, const void* x, const void* y) {
  Axes<2>& inner = g.inner;
  if (inner.rank == 0 || inner.stride[0][0] != 1 || inner.stride[1][0] != 1 || inner.extent[0] % 2 != 0 ||
      g.step % 2 != 0)
    return false;
  if ((reinterpret_cast<std::uintptr_t>(x) | reinterpret_cast<std::uintptr_t>(y)) %
          static_cast<std::uintptr_t>(2 * bytes) !=
      0)
    return false;
  // f(stride) for all strides of x and y but those of the innermost axis.
  const auto each = [&](auto&& f) {
    f(g.step);
    for (int a = 0; a < g.picks.rank; ++a) f(g.picks.stride[1][a]);
    for (int k = 0; k < 2; ++k) {
      for (int a = 0; a < g.before.rank; ++a) f(g.before.stride[k][a]);
      for (int a = 1; a < inner.rank; ++a) f(inner.stride[k][a]);
    }
  };
  bool even = true;
  each([&](std::int64_t& stride) { even = even && stride % 2 == 0; });
  if (!even) return false;
  each([](std::int64_t& stride) { stride /= 2; });
  inner.extent[0] /= 2;
  inner.count /= 2;
  return true;
}

Status run_gather(const KernelContext& c) noexcept {
  const int axis = c.params_as<GatherParams>().axis;
  const TensorView &x = c.in[0], &y = c.out[0];
  const Indices indices(c);
  if (y.shape.numel() == 0) return {};
  GatherAxes g{{}, {}, {}, x.shape[axis], x.stride[axis]};
  const int more = indices.shape.rank - 1;  // axes of the output beyond those of the input
  for (int a = x.shape.rank - 1; a > axis; --a) g.inner.add(x.shape[a], {x.stride[a], y.stride[a + more]});
  for (int a = more; a >= 0; --a) g.picks.add(indices.shape[a], {indices.stride[a], y.stride[axis + a]});
  for (int a = axis - 1; a >= 0; --a) g.before.add(x.shape[a], {x.stride[a], y.stride[a]});
  std::int64_t bytes = dtype_bits(x.dtype) / 8;
  while (bytes < 16 && widen(g, bytes, x.data, y.data)) bytes *= 2;
  const unsigned blocks = blocks_for(g.before.count * g.picks.count * g.inner.count);
  const auto launch = [&](auto type) {
    using T = typename decltype(type)::type;
    gather_kernel<<<blocks, kThreads, 0, stream_of(c)>>>(g, indices, x.as<const T>(), y.as<T>());
  };
  if (bytes == 16) launch(Type<uint4>{});
  else with_size(static_cast<int>(bytes) * 8, launch);
  return launched();
}

template <typename T>
__global__ void gather_elements_kernel(int axis, TensorView x, Indices indices, TensorView y, std::int64_t count) {
  for_each(count, [&](std::int64_t i) {
    std::int64_t index[kMaxRank];
    unravel(indices.shape, i, index);
    const std::int64_t to = offset_of(y, index);
    index[axis] = indices.at(offset_of(indices, index), x.shape[axis]);
    y.as<T>()[to] = index[axis] < 0 ? T{} : x.as<T>()[offset_of(x, index)];
  });
}

Status run_gather_elements(const KernelContext& c) noexcept {
  const std::int64_t count = c.out[0].shape.numel();
  if (count == 0) return {};
  const bool known = with_size(dtype_bits(c.in[0].dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    gather_elements_kernel<T><<<blocks_for(count), kThreads, 0, stream_of(c)>>>(c.params_as<GatherParams>().axis,
                                                                                c.in[0], Indices(c), c.out[0], count);
  });
  return known ? launched() : kOtherType;
}

/// Adds to `at` the offset in `x` that the index tuple at `offset` names, its first index being of axis `first`.
__device__ bool tuple_offset(const TensorView& x, const Indices& indices, std::int64_t offset, int first,
                             std::int64_t& at) {
  const int last = indices.shape.rank - 1;
  for (int k = 0; k < indices.shape[last]; ++k) {
    const std::int64_t i = indices.at(offset + k * indices.stride[last], x.shape[first + k]);
    if (i < 0) return false;
    at += i * x.stride[first + k];
  }
  return true;
}

/// The first axes of the output count tuples, its other ones are those of x that a tuple leaves.
template <typename T>
__global__ void gather_nd_kernel(int batch, TensorView x, Indices indices, TensorView y, std::int64_t count) {
  const int tuples = indices.shape.rank - 1, used = batch + static_cast<int>(indices.shape[tuples]);
  for_each(count, [&](std::int64_t i) {
    std::int64_t index[kMaxRank], from = 0, tuple = 0;
    unravel(y.shape, i, index);
    for (int a = 0; a < tuples; ++a) tuple += index[a] * indices.stride[a];
    for (int a = 0; a < batch; ++a) from += index[a] * x.stride[a];
    for (int a = used; a < x.shape.rank; ++a) from += index[tuples + a - used] * x.stride[a];
    y.as<T>()[offset_of(y, index)] = tuple_offset(x, indices, tuple, batch, from) ? x.as<T>()[from] : T{};
  });
}

Status run_gather_nd(const KernelContext& c) noexcept {
  const std::int64_t count = c.out[0].shape.numel();
  if (count == 0) return {};
  const bool known = with_size(dtype_bits(c.in[0].dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    gather_nd_kernel<T><<<blocks_for(count), kThreads, 0, stream_of(c)>>>(c.params_as<GatherParams>().batch_dims,
                                                                          c.in[0], Indices(c), c.out[0], count);
  });
  return known ? launched() : kOtherType;
}

template <typename V>
__device__ V reduced(ScatterParams::Reduction reduction, V old, V update) {
  switch (reduction) {
    case ScatterParams::Reduction::add: return old + update;
    case ScatterParams::Reduction::mul: return old * update;
    case ScatterParams::Reduction::max: return old < update ? update : old;
    case ScatterParams::Reduction::min: return update < old ? update : old;
    case ScatterParams::Reduction::none: break;
  }
  return update;
}

/// y[to] = reduction(y[to], updates[from]).
__device__ void update_element(const TensorView& y, std::int64_t to, const TensorView& updates, std::int64_t from,
                               ScatterParams::Reduction reduction) {
  const DType type = y.dtype;
  if (!integral(type)) {
    store_float(y.data, type, to,
                reduced(reduction, load_float(y.data, type, to), load_float(updates.data, type, from)));
    return;
  }
  // Sums and products wrap, as the integer types do.
  const std::int64_t old = load_integer(y.data, type, to), update = load_integer(updates.data, type, from);
  const bool order = reduction == ScatterParams::Reduction::max || reduction == ScatterParams::Reduction::min;
  store_integer(y.data, type, to,
                order && !is_unsigned(type)
                    ? reduced(reduction, old, update)
                    : static_cast<std::int64_t>(
                          reduced(reduction, static_cast<std::uint64_t>(old), static_cast<std::uint64_t>(update))));
}

template <typename T>
__device__ void set_element(const TensorView& y, std::int64_t to, const TensorView& updates, std::int64_t from) {
  y.as<T>()[to] = updates.as<T>()[from];
}

/// Without a reduction a thread an update: the standard has no two of them for one element. With one a thread takes all
/// updates of a line along the axis, in order. `lines`: the shape of the indices, with extent 1 on the axis for that.
template <typename F>
__device__ void scatter_elements(int axis, const Indices& indices, const TensorView& y, const TensorView& updates,
                                 Shape lines, F&& update) {
  const std::int64_t each = indices.shape[axis] / lines[axis];
  std::int64_t count = 1;
  for (int a = 0; a < lines.rank; ++a) count *= lines[a];
  for_each(count, [&](std::int64_t i) {
    std::int64_t index[kMaxRank];
    unravel(lines, i, index);
    for (std::int64_t k = 0; k < each; ++k) {
      if (each > 1) index[axis] = k;
      const std::int64_t from = offset_of(updates, index), at = index[axis],
                         to = indices.at(offset_of(indices, index), y.shape[axis]);
      if (to < 0) continue;
      index[axis] = to;
      update(offset_of(y, index), from);
      index[axis] = at;
    }
  });
}

template <typename T>
__global__ void scatter_elements_kernel(int axis, Indices indices, TensorView updates, TensorView y, Shape lines) {
  scatter_elements(axis, indices, y, updates, lines,
                   [&](std::int64_t to, std::int64_t from) { set_element<T>(y, to, updates, from); });
}
__global__ void reduce_elements_kernel(ScatterParams p, Indices indices, TensorView updates, TensorView y,
                                       Shape lines) {
  scatter_elements(p.axis, indices, y, updates, lines,
                   [&](std::int64_t to, std::int64_t from) { update_element(y, to, updates, from, p.reduction); });
}

/// The output starts as a copy of the input, unless it lies over it.
Status start_from_input(const KernelContext& c) {
  const TensorView &x = c.in[0], &y = c.out[0];
  if (x.data == y.data) return {};
  MoveAxes axes;
  axes.add(y.shape, ~0u, {x.stride, y.stride});
  return move_elements(axes, dtype_bits(x.dtype), x.data, y.data, stream_of(c));
}

Status run_scatter_elements(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ScatterParams>();
  const TensorView &updates = c.in[2], &y = c.out[0];
  const Indices indices(c);
  if (const Status s = start_from_input(c); !s) return s;
  if (indices.shape.numel() == 0) return {};
  Shape lines = indices.shape;
  const cudaStream_t stream = stream_of(c);
  if (p.reduction != ScatterParams::Reduction::none) {
    lines[p.axis] = 1;
    reduce_elements_kernel<<<blocks_for(lines.numel()), kThreads, 0, stream>>>(p, indices, updates, y, lines);
    return launched();
  }
  const bool known = with_size(dtype_bits(y.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    scatter_elements_kernel<T><<<blocks_for(lines.numel()), kThreads, 0, stream>>>(p.axis, indices, updates, y, lines);
  });
  return known ? launched() : kOtherType;
}

/// Element `inner` of the tuple that is number `tuple`: where its update is, and where it goes. False: nowhere.
__device__ bool scatter_place(const Indices& indices, const TensorView& updates, const TensorView& y,
                              std::int64_t tuple, std::int64_t inner, std::int64_t& from, std::int64_t& to) {
  const int tuples = indices.shape.rank - 1, used = static_cast<int>(indices.shape[tuples]);
  std::int64_t at = 0;
  from = to = 0;
  for (int a = tuples - 1; a >= 0; --a) {
    const std::int64_t whole = divide(tuple, indices.shape[a]), i = tuple - whole * indices.shape[a];
    tuple = whole;
    at += i * indices.stride[a];
    from += i * updates.stride[a];
  }
  for (int a = y.shape.rank - 1; a >= used; --a) {
    const std::int64_t whole = divide(inner, y.shape[a]), i = inner - whole * y.shape[a];
    inner = whole;
    from += i * updates.stride[tuples + a - used];
    to += i * y.stride[a];
  }
  return tuple_offset(y, indices, at, 0, to);
}

template <typename T>
__global__ void scatter_nd_kernel(Indices indices, TensorView updates, TensorView y, std::int64_t tuples,
                                  std::int64_t inner) {
  for_each(tuples * inner, [&](std::int64_t i) {
    const std::int64_t tuple = divide(i, inner);
    std::int64_t from, to;
    if (scatter_place(indices, updates, y, tuple, i - tuple * inner, from, to)) set_element<T>(y, to, updates, from);
  });
}
/// A thread takes one element of all tuples, in order.
__global__ void reduce_nd_kernel(ScatterParams p, Indices indices, TensorView updates, TensorView y,
                                 std::int64_t tuples, std::int64_t inner) {
  for_each(inner, [&](std::int64_t i) {
    for (std::int64_t tuple = 0; tuple < tuples; ++tuple) {
      std::int64_t from, to;
      if (scatter_place(indices, updates, y, tuple, i, from, to)) update_element(y, to, updates, from, p.reduction);
    }
  });
}

Status run_scatter_nd(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ScatterParams>();
  const TensorView &updates = c.in[2], &y = c.out[0];
  const Indices indices(c);
  if (const Status s = start_from_input(c); !s) return s;
  const int last = indices.shape.rank - 1;
  const std::int64_t tuples = indices.shape.count(0, last);
  const std::int64_t inner = y.shape.count(static_cast<int>(indices.shape[last]), y.shape.rank);
  if (tuples * inner == 0) return {};
  const cudaStream_t stream = stream_of(c);
  if (p.reduction != ScatterParams::Reduction::none) {
    reduce_nd_kernel<<<blocks_for(inner), kThreads, 0, stream>>>(p, indices, updates, y, tuples, inner);
    return launched();
  }
  const bool known = with_size(dtype_bits(y.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    scatter_nd_kernel<T><<<blocks_for(tuples * inner), kThreads, 0, stream>>>(indices, updates, y, tuples, inner);
  });
  return known ? launched() : kOtherType;
}

template <typename T>
__global__ void tensor_scatter_kernel(TensorScatterParams p, TensorView update, TensorView positions, TensorView y,
                                      std::int64_t count) {
  const std::int64_t length = y.shape[p.axis];
  for_each(count, [&](std::int64_t i) {
    std::int64_t index[kMaxRank], first = 0;
    unravel(update.shape, i, index);
    const std::int64_t from = offset_of(update, index), at = index[0] * positions.stride[0];
    if (positions.data != nullptr)
      first = positions.dtype == DType::i32 ? positions.as<std::int32_t>()[at] : positions.as<std::int64_t>()[at];
    if (first < 0 || (p.circular == 0 && first > length - update.shape[p.axis])) return;
    index[p.axis] = p.circular ? (first % length + index[p.axis]) % length : first + index[p.axis];
    y.as<T>()[offset_of(y, index)] = update.as<T>()[from];
  });
}

Status run_tensor_scatter(const KernelContext& c) noexcept {
  const auto& p = c.params_as<TensorScatterParams>();
  const TensorView &update = c.in[1], &y = c.out[0];
  if (update.shape[p.axis] > y.shape[p.axis])
    return {StatusCode::out_of_range, "TensorScatter: the update is longer than the cache"};
  if (const Status s = start_from_input(c); !s) return s;
  const std::int64_t count = update.shape.numel();
  if (count == 0) return {};
  const bool known = with_size(dtype_bits(y.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    tensor_scatter_kernel<T><<<blocks_for(count), kThreads, 0, stream_of(c)>>>(
        p, update, c.has_input(2) ? c.in[2] : TensorView{}, y, count);
  });
  return known ? launched() : kOtherType;
}

Refusal accepts_bytes(const KernelQuery& q) noexcept {
  return moves(dtype_bits(q.in[0].dtype)) ? nullptr : "its element type has no CUDA kernel";
}
Refusal accepts_scatter(const KernelQuery& q) noexcept {
  if (static_cast<const ScatterParams*>(q.params)->reduction != ScatterParams::Reduction::none &&
      !is_number(q.in[0].dtype))
    return "its element type has no CUDA kernel";
  return accepts_bytes(q);
}

}  // namespace

extern const Kernel gather_cuda = gpu::plain_kernel("gather_cuda", "Gather", run_gather, accepts_bytes);
extern const Kernel gather_elements_cuda =
    gpu::plain_kernel("gather_elements_cuda", "GatherElements", run_gather_elements, accepts_bytes);
extern const Kernel gather_nd_cuda = gpu::plain_kernel("gather_nd_cuda", "GatherND", run_gather_nd, accepts_bytes);
extern const Kernel scatter_elements_cuda =
    gpu::plain_kernel("scatter_elements_cuda", "ScatterElements", run_scatter_elements, accepts_scatter, 1);
extern const Kernel scatter_nd_cuda =
    gpu::plain_kernel("scatter_nd_cuda", "ScatterND", run_scatter_nd, accepts_scatter, 1);
extern const Kernel tensor_scatter_cuda =
    gpu::plain_kernel("tensor_scatter_cuda", "TensorScatter", run_tensor_scatter, accepts_bytes, 1);

}  // namespace monza::ops
