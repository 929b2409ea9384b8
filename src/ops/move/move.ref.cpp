// Operators that come down to one strided copy or a few: reshapes, Transpose, Expand, Tile, Concat, Split, Slice,
// blocks.
#include "kernel/copy.h"
#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/move/move.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

Status run_copy(const KernelContext& c) noexcept { return copy_view(c.in[0], c.out[0], *c.parallel); }

Status run_transpose(const KernelContext& c) noexcept {
  const auto& p = c.params_as<TransposeParams>();
  CopyAxes axes;
  for (int i = 0; i < p.rank; ++i) axes.add(c.out[0].shape[i], c.in[0].stride[p.perm[i]], c.out[0].stride[i]);
  return copy_elements(c.in[0].data, c.out[0].data, dtype_bits(c.in[0].dtype), axes, *c.parallel);
}

Status run_expand(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &out = c.out[0];
  CopyAxes axes;
  for (int i = 0; i < out.shape.rank; ++i) {
    const int from = i - (out.shape.rank - x.shape.rank);
    const std::int64_t stride = from < 0 || x.shape[from] == 1 ? 0 : x.stride[from];
    axes.add(out.shape[i], stride, out.stride[i]);
  }
  return copy_elements(x.data, out.data, dtype_bits(x.dtype), axes, *c.parallel);
}

Status run_tile(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &out = c.out[0];
  CopyAxes axes;
  for (int i = 0; i < out.shape.rank; ++i) {
    if (x.shape[i] == 0) return {};
    axes.add(out.shape[i] / x.shape[i], 0, out.stride[i] * x.shape[i]);
    axes.add(x.shape[i], x.stride[i], out.stride[i]);
  }
  return copy_elements(x.data, out.data, dtype_bits(x.dtype), axes, *c.parallel);
}

/// Copies between `part` and the elements of `whole` from `start` on axis `axis`.
Status copy_part(const TensorView& part, const TensorView& whole, int axis, std::int64_t start, bool into,
                 Parallel& parallel) {
  CopyAxes axes;
  const int bits = dtype_bits(part.dtype);
  const std::int64_t at = start * whole.stride[axis];
  if (bits < 8 && at * bits % 8 != 0) {
    // The part begins inside a byte.
    const ElementAccess& access = element_access(part.dtype);
    Walk<2> walk(part.shape, part.stride, whole.stride);
    for (; !walk.done; walk.next()) {
      if (into) access.store(whole.data, at + walk.offset[1], access.load(part.data, walk.offset[0]));
      else access.store(part.data, walk.offset[0], access.load(whole.data, at + walk.offset[1]));
    }
    return {};
  }
  void* inside = element_address(whole.data, bits, at);
  for (int i = 0; i < part.shape.rank; ++i)
    axes.add(part.shape[i], into ? part.stride[i] : whole.stride[i], into ? whole.stride[i] : part.stride[i]);
  return copy_elements(into ? part.data : inside, into ? inside : part.data, bits, axes, parallel);
}

Status run_concat(const KernelContext& c) noexcept {
  const int axis = c.params_as<AxisParams>().axis;
  std::int64_t start = 0;
  for (int i = 0; i < c.in_count; ++i) {
    if (Status s = copy_part(c.in[i], c.out[0], axis, start, true, *c.parallel); !s) return s;
    start += c.in[i].shape[axis];
  }
  return {};
}

Status run_split(const KernelContext& c) noexcept {
  const int axis = c.params_as<AxisParams>().axis;
  std::int64_t start = 0;
  for (int i = 0; i < c.out_count; ++i) {
    if (c.out[i].data != nullptr)
      if (Status s = copy_part(c.out[i], c.in[0], axis, start, false, *c.parallel); !s) return s;
    start += c.out[i].shape[axis];
  }
  return {};
}

/// Elements of a 1-D integer input, else `fallback`.
std::int64_t integer_at(const KernelContext& c, int input, std::int64_t i, std::int64_t fallback) {
  if (!c.has_input(input)) return fallback;
  const TensorView& v = c.in[input];
  return element_access(v.dtype).load_int(v.data, i * (v.shape.rank > 0 ? v.stride[0] : 1));
}

Status run_slice(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SliceParams>();
  const TensorView& x = c.in[0];
  TensorView out = c.out[0];
  const int rank = x.shape.rank;
  std::int64_t start[kMaxRank] = {}, step[kMaxRank];
  for (int i = 0; i < rank; ++i) step[i] = 1;
  if (p.reports) out.shape = x.shape;
  std::int64_t count = p.count;
  for (int i = 1; i < 5 && p.count < 0; ++i)
    if (c.has_input(i)) count = c.in[i].shape.numel();
  bool seen[kMaxRank] = {};
  for (std::int64_t i = 0; i < count && i < kMaxRank; ++i) {
    std::int64_t axis = p.count < 0 ? integer_at(c, 3, i, p.axis[i]) : p.axis[i];
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank || seen[axis])
      return {StatusCode::invalid_argument, "Slice: an axis is out of range or given twice"};
    seen[axis] = true;
    std::int64_t s = p.count < 0 ? integer_at(c, 1, i, p.start[i]) : p.start[i];
    const std::int64_t stride = p.count < 0 ? integer_at(c, 4, i, p.step[i]) : p.step[i];
    const std::int64_t extent = x.shape[static_cast<int>(axis)];
    if (stride == 0) return {StatusCode::invalid_argument, "Slice: a step is 0"};
    if (s < 0) s += extent;
    const std::int64_t last = stride > 0 ? extent : extent - 1;
    s = s < 0 ? 0 : s > last ? last : s;
    start[axis] = s;
    step[axis] = stride;
    if (!p.reports) continue;
    std::int64_t e = integer_at(c, 2, i, 0);
    if (e < 0) e = e < -extent ? -1 : e + extent;
    if (stride > 0) {
      e = e < 0 ? 0 : e > extent ? extent : e;
      out.shape[static_cast<int>(axis)] = e > s ? (e - s - 1) / stride + 1 : 0;
    } else {
      e = e < -1 ? -1 : e > extent - 1 ? extent - 1 : e;
      out.shape[static_cast<int>(axis)] = s > e ? (stride == INT64_MIN ? 1 : (s - e - 1) / -stride + 1) : 0;
    }
  }
  if (p.reports) {
    out.set_dense();
    for (int i = 0; i < rank; ++i) c.extents[i] = out.shape[i];
  }
  if (out.shape.numel() == 0) return {};
  // The output's extents were computed from the same numbers, but elsewhere: the elements must lie within the input.
  for (int i = 0; i < rank; ++i) {
    std::int64_t last;
    if (__builtin_mul_overflow(out.shape[i] - 1, step[i], &last) || __builtin_add_overflow(last, start[i], &last) ||
        last < 0 || last >= x.shape[i] || start[i] < 0 || start[i] >= x.shape[i])
      return {StatusCode::out_of_range, "Slice: the output reaches over the input"};
    if (out.shape[i] > c.out[0].shape[i])
      return {StatusCode::resource_exhausted, "Slice: more elements than the bound set at build"};
  }
  std::int64_t offset = 0;
  CopyAxes axes;
  const int bits = dtype_bits(x.dtype);
  for (int i = 0; i < rank; ++i) {
    offset += start[i] * x.stride[i];
    const std::int64_t apart = out.shape[i] > 1 ? x.stride[i] * step[i] : 0;
    axes.add(out.shape[i], apart, out.stride[i]);
  }
  if (bits >= 8) return copy_elements(element_address(x.data, bits, offset), out.data, bits, axes, *c.parallel);
  const ElementAccess& access = element_access(x.dtype);
  Walk<2> walk(out.shape, axes.from, out.stride);
  for (; !walk.done; walk.next()) access.store(out.data, walk.offset[1], access.load(x.data, offset + walk.offset[0]));
  return {};
}

Status run_blocks(const KernelContext& c, bool to_space) {
  const BlockViews v =
      block_views(c.params_as<BlockParams>(), to_space ? c.in[0] : c.out[0], to_space ? c.out[0] : c.in[0]);
  const TensorView &from = to_space ? v.deep : v.wide, &to = to_space ? v.wide : v.deep;
  CopyAxes axes;
  for (int a = 0; a < from.shape.rank; ++a) axes.add(from.shape[a], from.stride[a], to.stride[a]);
  return copy_elements(from.data, to.data, dtype_bits(from.dtype), axes, *c.parallel);
}
Status run_depth_to_space(const KernelContext& c) noexcept { return run_blocks(c, true); }
Status run_space_to_depth(const KernelContext& c) noexcept { return run_blocks(c, false); }

}  // namespace

extern const Kernel reshape_ref = reference_kernel("reshape_ref", "Reshape", run_copy);
extern const Kernel flatten_ref = reference_kernel("flatten_ref", "Flatten", run_copy);
extern const Kernel squeeze_ref = reference_kernel("squeeze_ref", "Squeeze", run_copy);
extern const Kernel unsqueeze_ref = reference_kernel("unsqueeze_ref", "Unsqueeze", run_copy);
extern const Kernel transpose_ref = reference_kernel("transpose_ref", "Transpose", run_transpose);
extern const Kernel expand_ref = reference_kernel("expand_ref", "Expand", run_expand);
extern const Kernel tile_ref = reference_kernel("tile_ref", "Tile", run_tile);
extern const Kernel concat_ref = reference_kernel("concat_ref", "Concat", run_concat);
extern const Kernel split_ref = reference_kernel("split_ref", "Split", run_split);
extern const Kernel slice_ref = reference_kernel("slice_ref", "Slice", run_slice);
extern const Kernel depth_to_space_ref = reference_kernel("depth_to_space_ref", "DepthToSpace", run_depth_to_space);
extern const Kernel space_to_depth_ref = reference_kernel("space_to_depth_ref", "SpaceToDepth", run_space_to_depth);

}  // namespace monza::ops
