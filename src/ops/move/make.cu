// Shape, Size, ConstantOfShape, Range, EyeLike and OneHot on a GPU: written from shapes and scalars.
#include "ops/move/move.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_kernel.cuh"
#include "ops/shared/gpu_move.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

__global__ void shape_kernel(Shape shape, int start, int count, std::int64_t* y, std::int64_t stride) {
  const int i = static_cast<int>(threadIdx.x);
  if (i < count) y[i * stride] = shape[start + i];
}

Status run_shape(const KernelContext& c) noexcept {
  const TensorView& y = c.out[0];
  if (y.shape[0] == 0) return {};
  shape_kernel<<<1, 32, 0, stream_of(c)>>>(c.in[0].shape, c.params_as<ShapeParams>().start,
                                           static_cast<int>(y.shape[0]), y.as<std::int64_t>(), y.stride[0]);
  return launched();
}

Status run_size(const KernelContext& c) noexcept {
  shape_kernel<<<1, 32, 0, stream_of(c)>>>(Shape{c.in[0].shape.numel()}, 0, 1, c.out[0].as<std::int64_t>(), 1);
  return launched();
}

template <typename T>
__global__ void fill_kernel(Axes<1> all, T value, T* y) {
  for_each(all.count, [&](std::int64_t i) {
    std::int64_t at[1];
    all.at(i, at);
    y[at[0]] = value;
  });
}

Status run_fill(const KernelContext& c) noexcept {
  const TensorView& y = c.out[0];
  Axes<1> all;
  all.add(y.shape, ~0u, {y.stride});
  if (all.count == 0) return {};
  const bool known = with_size(dtype_bits(y.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    fill_kernel<<<blocks_for(all.count), kThreads, 0, stream_of(c)>>>(
        all, static_cast<T>(c.params_as<FillParams>().value[0]), y.as<T>());
  });
  return known ? launched() : kOtherType;
}

__global__ void range_kernel(DType type, const void* start, const void* delta, void* y, std::int64_t stride,
                             std::int64_t count) {
  for_each(count, [&](std::int64_t i) {
    if (integral(type)) {
      const auto first = static_cast<std::uint64_t>(load_integer(start, type, 0)),
                 step = static_cast<std::uint64_t>(load_integer(delta, type, 0));
      store_integer(y, type, i * stride, static_cast<std::int64_t>(first + static_cast<std::uint64_t>(i) * step));
    } else {
      store_float(y, type, i * stride,
                  load_float(start, type, 0) + static_cast<double>(i) * load_float(delta, type, 0));
    }
  });
}

Status run_range(const KernelContext& c) noexcept {
  const TensorView& y = c.out[0];
  if (y.shape[0] == 0) return {};
  range_kernel<<<blocks_for(y.shape[0]), kThreads, 0, stream_of(c)>>>(y.dtype, c.in[0].data, c.in[2].data, y.data,
                                                                      y.stride[0], y.shape[0]);
  return launched();
}

__global__ void eye_kernel(EyeParams p, TensorView y, std::int64_t count) {
  for_each(count, [&](std::int64_t i) {
    std::int64_t index[kMaxRank];
    unravel(y.shape, i, index);
    store_number(y.data, y.dtype, offset_of(y, index), index[1] - index[0] == p.k ? 1 : 0);
  });
}

Status run_eye(const KernelContext& c) noexcept {
  const TensorView& y = c.out[0];
  const std::int64_t count = y.shape.numel();
  if (count == 0) return {};
  eye_kernel<<<blocks_for(count), kThreads, 0, stream_of(c)>>>(c.params_as<EyeParams>(), y, count);
  return launched();
}

/// `at`: strides of the indices as seen from the output.
template <typename T>
__global__ void one_hot_kernel(int axis, TensorView indices, TensorView at, TensorView values, TensorView y,
                               std::int64_t count) {
  const T off = values.as<T>()[0], on = values.as<T>()[values.stride[0]];
  for_each(count, [&](std::int64_t i) {
    std::int64_t index[kMaxRank];
    unravel(y.shape, i, index);
    const std::int64_t from = offset_of(at, index);
    std::int64_t hot = integral(indices.dtype)
                           ? load_integer(indices.data, indices.dtype, from)
                           : static_cast<std::int64_t>(load_float(indices.data, indices.dtype, from));
    if (hot < 0) hot += y.shape[axis];
    y.as<T>()[offset_of(y, index)] = hot == index[axis] ? on : off;
  });
}

Status run_one_hot(const KernelContext& c) noexcept {
  const TensorView &indices = c.in[0], &y = c.out[0];
  const int axis = static_cast<int>(c.params_as<OneHotParams>().axis);
  const std::int64_t count = y.shape.numel();
  if (count == 0) return {};
  TensorView at = y;
  for (int i = 0, j = 0; i < y.shape.rank; ++i) at.stride[i] = i == axis ? 0 : indices.stride[j++];
  const bool known = with_size(dtype_bits(y.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    one_hot_kernel<T><<<blocks_for(count), kThreads, 0, stream_of(c)>>>(axis, indices, at, c.in[2], y, count);
  });
  return known ? launched() : kOtherType;
}

Refusal accepts_any(const KernelQuery&) noexcept { return nullptr; }
Refusal accepts_bytes(const KernelQuery& q) noexcept {
  return moves(dtype_bits(q.out[0].dtype)) ? nullptr : "its element type has no CUDA kernel";
}
Refusal accepts_number(const KernelQuery& q) noexcept {
  return is_number(q.out[0].dtype) ? nullptr : "its element type has no CUDA kernel";
}
Refusal accepts_range(const KernelQuery& q) noexcept {
  return static_cast<const RangeParams*>(q.params)->reports != 0 ? "the extent is found while running"
                                                                 : accepts_number(q);
}
Refusal accepts_one_hot(const KernelQuery& q) noexcept {
  if (static_cast<const OneHotParams*>(q.params)->reports != 0) return "the extent is found while running";
  return is_number(q.in[0].dtype) ? accepts_number(q) : "its element types have no CUDA kernel";
}

}  // namespace

extern const Kernel shape_cuda = gpu::plain_kernel("shape_cuda", "Shape", run_shape, accepts_any);
extern const Kernel size_cuda = gpu::plain_kernel("size_cuda", "Size", run_size, accepts_any);
extern const Kernel constant_of_shape_cuda =
    gpu::plain_kernel("constant_of_shape_cuda", "ConstantOfShape", run_fill, accepts_bytes);
extern const Kernel range_cuda = gpu::plain_kernel("range_cuda", "Range", run_range, accepts_range);
extern const Kernel eye_like_cuda = gpu::plain_kernel("eye_like_cuda", "EyeLike", run_eye, accepts_number);
extern const Kernel one_hot_cuda = gpu::plain_kernel("one_hot_cuda", "OneHot", run_one_hot, accepts_one_hot);

}  // namespace monza::ops
