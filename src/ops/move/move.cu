// Operators that come down to moves of elements on a GPU: reshapes, Transpose, Expand, Tile, Concat, Split, Slice,
// blocks. Bound by memory: every byte is read and written once.
#include "kernel/nd_loop.h"
#include "ops/move/move.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_kernel.cuh"
#include "ops/shared/gpu_move.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

template <typename T>
__global__ void reshape_kernel(Axes<1> from, Axes<1> to, const T* x, T* y) {
  for_each(to.count, [&](std::int64_t i) {
    std::int64_t a[1], b[1];
    from.at(i, a);
    to.at(i, b);
    y[b[0]] = x[a[0]];
  });
}

/// The dense elements of `v` under another shape.
TensorView dense_as(const TensorView& v, const Shape& shape) {
  TensorView dense = v;
  dense.shape = shape;
  dense.set_dense();
  return dense;
}

Status move(const TensorView& x, const TensorView& y, const KernelContext& c) {
  MoveAxes axes;
  axes.add(y.shape, ~0u, {x.stride, y.stride});
  return move_elements(axes, dtype_bits(x.dtype), x.data, y.data, stream_of(c));
}

/// Elements in row-major order, under another shape.
Status run_reshape(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  if (x.shape == y.shape) return move(x, y, c);
  if (y.dense()) return move(x, dense_as(y, x.shape), c);
  if (x.dense()) return move(dense_as(x, y.shape), y, c);
  Axes<1> from, to;
  from.add(x.shape, ~0u, {x.stride});
  to.add(y.shape, ~0u, {y.stride});
  if (to.count == 0) return {};
  const bool known = with_size(dtype_bits(x.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    reshape_kernel<<<blocks_for(to.count), kThreads, 0, stream_of(c)>>>(from, to, x.as<T>(), y.as<T>());
  });
  return known ? launched() : kOtherType;
}

Status run_transpose(const KernelContext& c) noexcept {
  const auto& p = c.params_as<TransposeParams>();
  TensorView x = c.in[0];
  for (int i = 0; i < p.rank; ++i) x.stride[i] = c.in[0].stride[p.perm[i]];
  return move(x, c.out[0], c);
}

Status run_expand(const KernelContext& c) noexcept {
  TensorView x = c.in[0];
  broadcast_strides(c.in[0], c.out[0].shape, x.stride);
  return move(x, c.out[0], c);
}

Status run_tile(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  MoveAxes axes;
  for (int i = y.shape.rank - 1; i >= 0; --i) {
    if (x.shape[i] == 0) return {};
    axes.add(x.shape[i], {x.stride[i], y.stride[i]});
    axes.add(y.shape[i] / x.shape[i], {0, y.stride[i] * x.shape[i]});
  }
  return move_elements(axes, dtype_bits(x.dtype), x.data, y.data, stream_of(c));
}

constexpr int kMostParts = 32;  ///< of a launch

/// Columns [begin, begin + end[count - 1]) of rows of `total` columns, each in one of some tensors of the same rows.
struct Parts {
  int count = 0, into = 0;  ///< into: the parts are read, the whole is written
  std::int64_t rows = 0, total = 0, begin = 0;
  std::int64_t end[kMostParts] = {};
  void* part[kMostParts] = {};
};

template <typename T>
__global__ void parts_kernel(Parts p, T* whole) {
  const std::int64_t columns = p.end[p.count - 1];
  for_each(p.rows * columns, [&](std::int64_t i) {
    const std::int64_t row =
        (i | columns) >> 32 == 0
            ? static_cast<std::int64_t>(static_cast<std::uint32_t>(i) / static_cast<std::uint32_t>(columns))
            : i / columns;
    const std::int64_t column = i - row * columns;
    int k = 0;
    while (column >= p.end[k]) ++k;
    const std::int64_t first = k == 0 ? 0 : p.end[k - 1];
    T *own = static_cast<T*>(p.part[k]) + row * (p.end[k] - first) + column - first,
      *at = whole + row * p.total + p.begin + column;
    if (p.into) *at = *own;
    else *own = *at;
  });
}

/// One launch for some parts, if all that is moved is dense; the number of parts that it took, else 0.
int move_dense(const TensorView* part, int count, const TensorView& whole, int axis, std::int64_t start, bool into,
               const KernelContext& c) {
  Parts p;
  p.into = into;
  if (!whole.dense()) return 0;
  const std::int64_t inner = whole.shape.count(axis + 1, whole.shape.rank) * (dtype_bits(whole.dtype) / 8);
  std::uintptr_t unit = reinterpret_cast<std::uintptr_t>(whole.data) |
                        static_cast<std::uintptr_t>(whole.shape[axis] * inner) |
                        static_cast<std::uintptr_t>(start * inner);
  int taken = 0;
  std::int64_t columns = 0;
  for (; taken < count && p.count < kMostParts; ++taken) {
    const TensorView& v = part[taken];
    if (v.data == nullptr || !v.dense()) break;
    if (v.shape[axis] == 0) continue;
    columns += v.shape[axis] * inner;
    unit |= reinterpret_cast<std::uintptr_t>(v.data) | static_cast<std::uintptr_t>(columns);
    p.part[p.count] = v.data;
    p.end[p.count++] = columns;
  }
  if (p.count < 2) return 0;
  p.rows = whole.shape.count(0, axis);
  if (p.rows * columns == 0) return taken;
  const auto launch = [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr std::int64_t kSize = sizeof(T);
    p.total = whole.shape[axis] * inner / kSize;
    p.begin = start * inner / kSize;
    for (int k = 0; k < p.count; ++k) p.end[k] /= kSize;
    parts_kernel<<<blocks_for(p.rows * p.end[p.count - 1]), kThreads, 0, stream_of(c)>>>(p, whole.as<T>());
  };
  if (unit % 16 == 0) launch(Type<uint4>{});
  else with_size(unit % 8 == 0 ? 64 : unit % 4 == 0 ? 32 : unit % 2 == 0 ? 16 : 8, launch);
  return taken;
}

/// Moves between parts and the whole that they make up along an axis.
Status move_parts(const TensorView* part, int count, const TensorView& whole, int axis, bool into,
                  const KernelContext& c) {
  const int bits = dtype_bits(whole.dtype);
  std::int64_t start = 0;
  for (int i = 0; i < count;) {
    const int taken = move_dense(part + i, count - i, whole, axis, start, into, c);
    if (taken == 0 && part[i].data != nullptr) {
      TensorView inside = whole;
      inside.data = whole.as<std::byte>() + start * whole.stride[axis] * (bits / 8);
      inside.shape = part[i].shape;
      if (const Status s = into ? move(part[i], inside, c) : move(inside, part[i], c); !s) return s;
    }
    for (const int next = i + (taken == 0 ? 1 : taken); i < next; ++i) start += part[i].shape[axis];
  }
  return launched();
}

Status run_concat(const KernelContext& c) noexcept {
  return move_parts(c.in, c.in_count, c.out[0], c.params_as<AxisParams>().axis, true, c);
}
Status run_split(const KernelContext& c) noexcept {
  return move_parts(c.out, c.out_count, c.in[0], c.params_as<AxisParams>().axis, false, c);
}

Status move_blocks(const KernelContext& c, bool to_space) {
  const BlockViews v =
      block_views(c.params_as<BlockParams>(), to_space ? c.in[0] : c.out[0], to_space ? c.out[0] : c.in[0]);
  const TensorView &from = to_space ? v.deep : v.wide, &to = to_space ? v.wide : v.deep;
  MoveAxes axes;
  for (int a = from.shape.rank - 1; a >= 0; --a) axes.add(from.shape[a], {from.stride[a], to.stride[a]});
  return move_elements(axes, dtype_bits(from.dtype), from.data, to.data, stream_of(c));
}
Status run_depth_to_space(const KernelContext& c) noexcept { return move_blocks(c, true); }
Status run_space_to_depth(const KernelContext& c) noexcept { return move_blocks(c, false); }

/// A slice whose starts and steps are read on the device. What would lie outside of the input is its nearest element.
template <typename T>
__global__ void slice_kernel(SliceParams p, int count, TensorView x, TensorView starts, TensorView axes,
                             TensorView steps, TensorView y, std::int64_t total) {
  const int rank = x.shape.rank;
  std::int64_t start[kMaxRank] = {}, step[kMaxRank];
  for (int i = 0; i < rank; ++i) step[i] = 1;
  const auto read = [](const TensorView& v, int i, std::int64_t fallback) {
    return v.data == nullptr ? fallback : load_integer(v.data, v.dtype, i * (v.shape.rank > 0 ? v.stride[0] : 1));
  };
  for (int i = 0; i < count; ++i) {
    std::int64_t axis = read(axes, i, p.axis[i]), s = read(starts, i, p.start[i]);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) continue;
    const std::int64_t by = read(steps, i, p.step[i]), extent = x.shape[static_cast<int>(axis)];
    if (s < 0) s += extent;
    const std::int64_t last = by > 0 ? extent : extent - 1;
    start[axis] = s < 0 ? 0 : s > last ? last : s;
    step[axis] = by;
  }
  for_each(total, [&](std::int64_t i) {
    std::int64_t index[kMaxRank], from = 0;
    unravel(y.shape, i, index);
    for (int a = 0; a < rank; ++a) {
      const std::int64_t at = start[a] + index[a] * step[a];
      from += (at < 0 ? 0 : at >= x.shape[a] ? x.shape[a] - 1 : at) * x.stride[a];
    }
    y.as<T>()[offset_of(y, index)] = x.as<T>()[from];
  });
}

Status run_slice(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SliceParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const int rank = x.shape.rank;
  if (y.shape.numel() == 0) return {};
  if (p.count < 0) {
    std::int64_t count = 0;
    for (int i = 1; i < c.in_count; ++i)
      if (c.has_input(i)) count = c.in[i].shape.numel();
    if (count > kMaxRank) count = kMaxRank;
    if (x.shape.numel() == 0) return {StatusCode::out_of_range, "Slice: the output reaches over the input"};
    const auto input = [&](int i) { return c.has_input(i) ? c.in[i] : TensorView{}; };
    const bool known = with_size(dtype_bits(x.dtype), [&](auto type) {
      using T = typename decltype(type)::type;
      slice_kernel<T><<<blocks_for(y.shape.numel()), kThreads, 0, stream_of(c)>>>(
          p, static_cast<int>(count), x, input(1), input(3), input(4), y, y.shape.numel());
    });
    return known ? launched() : kOtherType;
  }
  TensorView from = x;
  bool seen[kMaxRank] = {};
  std::int64_t start[kMaxRank] = {}, step[kMaxRank];
  for (int i = 0; i < rank; ++i) step[i] = 1;
  for (std::int64_t i = 0; i < p.count && i < kMaxRank; ++i) {
    const std::int64_t axis = p.axis[i] < 0 ? p.axis[i] + rank : p.axis[i];
    if (axis < 0 || axis >= rank || seen[axis])
      return {StatusCode::invalid_argument, "Slice: an axis is out of range or given twice"};
    if (p.step[i] == 0) return {StatusCode::invalid_argument, "Slice: a step is 0"};
    seen[axis] = true;
    const std::int64_t extent = x.shape[static_cast<int>(axis)], last = p.step[i] > 0 ? extent : extent - 1;
    const std::int64_t s = p.start[i] < 0 ? p.start[i] + extent : p.start[i];
    start[axis] = s < 0 ? 0 : s > last ? last : s;
    step[axis] = p.step[i];
  }
  std::int64_t offset = 0;
  for (int i = 0; i < rank; ++i) {
    std::int64_t last;
    if (__builtin_mul_overflow(y.shape[i] - 1, step[i], &last) || __builtin_add_overflow(last, start[i], &last) ||
        last < 0 || last >= x.shape[i] || start[i] < 0 || start[i] >= x.shape[i])
      return {StatusCode::out_of_range, "Slice: the output reaches over the input"};
    offset += start[i] * x.stride[i];
    from.stride[i] = y.shape[i] > 1 ? x.stride[i] * step[i] : 0;
  }
  from.data = x.as<std::byte>() + offset * (dtype_bits(x.dtype) / 8);
  return move(from, y, c);
}

Refusal accepts_bytes(const KernelQuery& q) noexcept {
  for (int i = 0; i < q.out_count; ++i)
    if (q.out[i].present() && !moves(dtype_bits(q.out[i].dtype))) return "its element type has no CUDA kernel";
  return nullptr;
}
Refusal accepts_slice(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const SliceParams*>(q.params);
  if (p.reports != 0) return "the extents are found while running";
  for (int i = 1; i < q.in_count && p.count < 0; ++i)
    if (q.has_input(i) && !integral(q.in[i].dtype)) return "its element types have no CUDA kernel";
  return accepts_bytes(q);
}

}  // namespace

extern const Kernel reshape_cuda = gpu::plain_kernel("reshape_cuda", "Reshape", run_reshape, accepts_bytes);
extern const Kernel flatten_cuda = gpu::plain_kernel("flatten_cuda", "Flatten", run_reshape, accepts_bytes);
extern const Kernel squeeze_cuda = gpu::plain_kernel("squeeze_cuda", "Squeeze", run_reshape, accepts_bytes);
extern const Kernel unsqueeze_cuda = gpu::plain_kernel("unsqueeze_cuda", "Unsqueeze", run_reshape, accepts_bytes);
extern const Kernel transpose_cuda = gpu::plain_kernel("transpose_cuda", "Transpose", run_transpose, accepts_bytes);
extern const Kernel expand_cuda = gpu::plain_kernel("expand_cuda", "Expand", run_expand, accepts_bytes);
extern const Kernel tile_cuda = gpu::plain_kernel("tile_cuda", "Tile", run_tile, accepts_bytes);
extern const Kernel concat_cuda = gpu::plain_kernel("concat_cuda", "Concat", run_concat, accepts_bytes);
extern const Kernel split_cuda = gpu::plain_kernel("split_cuda", "Split", run_split, accepts_bytes);
extern const Kernel slice_cuda = gpu::plain_kernel("slice_cuda", "Slice", run_slice, accepts_slice);
extern const Kernel depth_to_space_cuda =
    gpu::plain_kernel("depth_to_space_cuda", "DepthToSpace", run_depth_to_space, accepts_bytes);
extern const Kernel space_to_depth_cuda =
    gpu::plain_kernel("space_to_depth_cuda", "SpaceToDepth", run_space_to_depth, accepts_bytes);

}  // namespace monza::ops
