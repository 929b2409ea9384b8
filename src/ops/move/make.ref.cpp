// Shape, Size, ConstantOfShape, Range, EyeLike, OneHot: written from shapes and scalars.
#include <cmath>

#include "kernel/copy.h"
#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/move/move.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

Status run_shape(const KernelContext& c) noexcept {
  const int start = c.params_as<ShapeParams>().start;
  for (int i = 0; i < c.out[0].shape[0]; ++i)
    c.out[0].as<std::int64_t>()[i * c.out[0].stride[0]] = c.in[0].shape[start + i];
  return {};
}

Status run_size(const KernelContext& c) noexcept {
  *c.out[0].as<std::int64_t>() = c.in[0].shape.numel();
  return {};
}

Status run_fill(const KernelContext& c) noexcept {
  return fill_view(c.out[0], c.params_as<FillParams>().value, *c.parallel);
}

Status run_range(const KernelContext& c) noexcept {
  const TensorView& out = c.out[0];
  const ElementAccess& access = element_access(out.dtype);
  if (is_integer(out.dtype)) {
    // Unsigned, so that what no element of a sound range does is defined too: it wraps.
    const auto start = static_cast<std::uint64_t>(access.load_int(c.in[0].data, 0)),
               delta = static_cast<std::uint64_t>(access.load_int(c.in[2].data, 0));
    for (std::int64_t i = 0; i < out.shape[0]; ++i)
      access.store_int(out.data, i * out.stride[0],
                       static_cast<std::int64_t>(start + static_cast<std::uint64_t>(i) * delta));
    return {};
  }
  const double start = access.load(c.in[0].data, 0), limit = access.load(c.in[1].data, 0),
               delta = access.load(c.in[2].data, 0);
  std::int64_t count = out.shape[0], stride = out.stride[0];
  if (c.params_as<RangeParams>().reports) {
    const double wanted = std::ceil((limit - start) / delta);
    if (!(wanted <= static_cast<double>(out.shape[0])))
      return {StatusCode::resource_exhausted, "Range: more elements than the bound set at build"};
    count = wanted > 0 ? static_cast<std::int64_t>(wanted) : 0;
    c.extents[0] = count;
    stride = 1;
  }
  for (std::int64_t i = 0; i < count; ++i) access.store(out.data, i * stride, start + static_cast<double>(i) * delta);
  return {};
}

Status run_eye(const KernelContext& c) noexcept {
  const TensorView& out = c.out[0];
  const ElementAccess& access = element_access(out.dtype);
  if (access.store == nullptr) return {StatusCode::internal, "EyeLike: element type"};
  const std::int64_t k = c.params_as<EyeParams>().k;
  for (std::int64_t i = 0; i < out.shape[0]; ++i)
    for (std::int64_t j = 0; j < out.shape[1]; ++j)
      access.store(out.data, i * out.stride[0] + j * out.stride[1], j - i == k ? 1 : 0);
  return {};
}

Status run_one_hot(const KernelContext& c) noexcept {
  const auto& p = c.params_as<OneHotParams>();
  const TensorView &indices = c.in[0], &values = c.in[2];
  TensorView out = c.out[0];
  const int axis = static_cast<int>(p.axis);
  const ElementAccess &read_index = element_access(indices.dtype), &value = element_access(out.dtype);
  if (value.store == nullptr || read_index.load_int == nullptr) return {StatusCode::internal, "OneHot: element type"};
  if (p.reports) {
    const std::int64_t depth = element_access(c.in[1].dtype).load_int(c.in[1].data, 0);
    if (depth < 0) return {StatusCode::invalid_argument, "OneHot: depth is negative"};
    if (depth > out.shape[axis])
      return {StatusCode::resource_exhausted, "OneHot: depth is above the bound set at build"};
    out.shape[axis] = depth;
    out.set_dense();
    c.extents[0] = depth;
  }
  const std::int64_t depth = out.shape[axis];
  const double off = value.load(values.data, 0), on = value.load(values.data, values.stride[0]);
  // Strides of the indices as seen from the output.
  std::int64_t stride[kMaxRank];
  for (int i = 0, j = 0; i < out.shape.rank; ++i) stride[i] = i == axis ? 0 : indices.stride[j++];
  Walk<2> walk(out.shape, out.stride, stride);
  for (; !walk.done; walk.next()) {
    std::int64_t index = read_index.load_int(indices.data, walk.offset[1]);
    if (index < 0) index += depth;
    value.store(out.data, walk.offset[0], index == walk.index[axis] ? on : off);
  }
  return {};
}

}  // namespace

extern const Kernel shape_ref = reference_kernel("shape_ref", "Shape", run_shape);
extern const Kernel size_ref = reference_kernel("size_ref", "Size", run_size);
extern const Kernel constant_of_shape_ref = reference_kernel("constant_of_shape_ref", "ConstantOfShape", run_fill);
extern const Kernel range_ref = reference_kernel("range_ref", "Range", run_range);
extern const Kernel eye_like_ref = reference_kernel("eye_like_ref", "EyeLike", run_eye);
extern const Kernel one_hot_ref = reference_kernel("one_hot_ref", "OneHot", run_one_hot);

}  // namespace monza::ops
