// Loop and Scan: what the runtime copies between the iterations of a body region.
#include <algorithm>
#include <cstring>

#include "plan/data/reach.h"
#include "runtime/executor.h"
#include "tensor/dtype.h"

namespace monza::runtime {
namespace {

using plan::LoopInfo;
using plan::Operand;

constexpr Status kOutgrown{StatusCode::out_of_range, "a value of a loop outgrows the memory planned for it"};

std::uint32_t at(plan::Range range, std::uint32_t i) noexcept { return range.begin + i; }

/// Copies elements of whole bytes between two views of one shape.
void copy_bytes(const std::byte* from, const std::int64_t* from_stride, std::byte* to, const std::int64_t* to_stride,
                const std::int64_t* extent, int rank, std::int64_t element) noexcept {
  if (rank == 0) {
    std::memcpy(to, from, static_cast<std::size_t>(element));
    return;
  }
  if (rank == 1 && from_stride[0] == 1 && to_stride[0] == 1) {
    std::memmove(to, from, static_cast<std::size_t>(extent[0] * element));
    return;
  }
  for (std::int64_t i = 0; i < extent[0]; ++i)
    copy_bytes(from + i * from_stride[0] * element, from_stride + 1, to + i * to_stride[0] * element, to_stride + 1,
               extent + 1, rank - 1, element);
}

Status copy(const TensorView& from, const TensorView& to) noexcept {
  const std::int64_t bits = dtype_bits(from.dtype);
  for (int a = 0; a < from.shape.rank; ++a)
    if (from.shape[a] == 0) return {};
  if (from.dense() && to.dense()) {
    const std::int64_t bytes = plan::reach(from.dtype, Layout::strided, from.shape, from.stride, 0);
    std::memmove(to.data, from.data, static_cast<std::size_t>(bytes));
    return {};
  }
  if (bits < 8) return {StatusCode::internal, "a loop slices elements smaller than a byte"};
  copy_bytes(from.as<std::byte>(), from.stride, to.as<std::byte>(), to.stride, from.shape.dim, from.shape.rank,
             bits / 8);
  return {};
}

/// Shape with axis `axis` inserted before it.
Shape insert_axis(const Shape& shape, int axis, std::int64_t extent) noexcept {
  Shape s;
  s.rank = shape.rank + 1;
  for (int a = 0, from = 0; a < s.rank; ++a) s[a] = a == axis ? extent : shape[from++];
  return s;
}

/// The view without axis `axis`, at `index` along it.
TensorView slice(const TensorView& v, int axis, std::int64_t index) noexcept {
  TensorView s;
  s.dtype = v.dtype;
  s.layout = v.layout;
  s.shape.rank = v.shape.rank - 1;
  for (int a = 0, from = 0; a < s.shape.rank; ++a, ++from) {
    if (from == axis) ++from;
    s.shape[a] = v.shape[from];
    s.stride[a] = v.stride[from];
  }
  s.data = v.as<std::byte>() + index * v.stride[axis] * dtype_bits(v.dtype) / 8;
  return s;
}

}  // namespace

/// Gives a loop's operand the shape of what is about to be copied into it: registers, dense strides, address.
Status Executor::bind_extents(std::int32_t index, const Shape& shape) noexcept {
  const Operand& o = plan_.operands[static_cast<std::size_t>(index)];
  TensorView& v = views_[static_cast<std::size_t>(index)];
  if (shape.rank != o.rank) return {StatusCode::out_of_range, "a value of a loop changes its rank"};
  for (int a = 0; a < shape.rank; ++a) {
    std::int64_t& extent = registers_[static_cast<std::size_t>(o.extent[a])];
    if ((o.bound_axes >> a & 1) != 0) extent = shape[a];
    if (extent != shape[a])
      return {StatusCode::out_of_range, "a value of a loop has another shape than the one planned for"};
    v.shape[a] = shape[a];
  }
  std::int64_t limit;
  std::byte* base = base_of(o, &limit);
  // Extents first: dense strides are products of them.
  const std::int64_t end = plan::dense_reach(o.dtype, v);
  if (end < 0 || end > limit) return kOutgrown;
  v.data = base;
  return {};
}

Status Executor::copy_into(std::int32_t to, std::int32_t from) noexcept {
  if (Status s = bind_extents(to, views_[static_cast<std::size_t>(from)].shape); !s) return s;
  const TensorView &source = views_[static_cast<std::size_t>(from)], &target = views_[static_cast<std::size_t>(to)];
  if (source.data == target.data && source.dense()) return {};
  return copy(source, target);
}

Status Executor::store_scalar(std::int32_t index, std::int64_t value) noexcept {
  if (!plan_.operands[static_cast<std::size_t>(index)].is_static)
    if (Status s = resolve(index); !s) return s;
  const TensorView& v = views_[static_cast<std::size_t>(index)];
  if (v.shape.numel() < 1) return kOutgrown;
  if (v.dtype == DType::i64) {
    *v.as<std::int64_t>() = value;
  } else if (v.dtype == DType::boolean) {
    *v.as<std::uint8_t>() = static_cast<std::uint8_t>(value != 0);
  } else {
    return {StatusCode::internal, "a loop's counter or condition has the wrong type"};
  }
  return {};
}

/// The number of iterations of a Scan: the extent of what it scans, the same for all. Keeps what is scanned.
Status Executor::scan_trips(const LoopInfo& loop, std::int64_t* trips) noexcept {
  TensorView* const scanned = scanned_by(loop);
  for (std::uint32_t j = 0; j < loop.scanned.count; ++j) {
    scanned[j] = views_[at(loop.scanned, j)];
    const std::int64_t axis = plan_.ints[at(loop.scan_axes, j)];
    const std::int64_t extent = scanned[j].shape[static_cast<int>(axis)];
    if (j > 0 && extent != *trips)
      return {StatusCode::invalid_argument, "the sequences that a Scan walks differ in length"};
    *trips = extent;
  }
  return {};
}

Status Executor::run_loop(const LoopInfo& loop) noexcept {
  const auto fresh = [&](std::int32_t operand) {
    return plan_.operands[static_cast<std::size_t>(operand)].is_static ? Status{} : resolve(operand);
  };
  std::int64_t trips = INT64_MAX, go_on = 1;
  for (const plan::Range& range : {loop.carried_in, loop.scanned})
    for (std::uint32_t j = 0; j < range.count; ++j)
      if (Status s = fresh(static_cast<std::int32_t>(at(range, j))); !s) return s;
  if (loop.is_scan != 0)
    if (Status s = scan_trips(loop, &trips); !s) return s;
  if (loop.trip_count >= 0) {
    if (Status s = fresh(loop.trip_count); !s) return s;
    if (Status s = load_element(loop.trip_count, 0, &trips); !s) return s;
  }
  if (loop.condition >= 0) {
    if (Status s = fresh(loop.condition); !s) return s;
    if (Status s = load_element(loop.condition, 0, &go_on); !s) return s;
  }

  std::int64_t i = 0;
  for (; i < trips && go_on != 0; ++i) {
    if (i >= loop.max_trips)
      return {StatusCode::resource_exhausted, "a loop makes more iterations than the engine was built for"};
    if (Status s = begin_iteration(loop, i, trips, go_on != 0); !s) return s;
    if (Status s = run_region(loop.region); !s) return s;
    if (loop.body_condition_out >= 0) {
      if (Status s = fresh(loop.body_condition_out); !s) return s;
      if (Status s = load_element(loop.body_condition_out, 0, &go_on); !s) return s;
    }
    for (const plan::Range& range : {loop.body_carried_out, loop.body_scan_out})
      for (std::uint32_t j = 0; j < range.count; ++j)
        if (Status s = fresh(static_cast<std::int32_t>(at(range, j))); !s) return s;
    if (Status s = end_iteration(loop, i, trips); !s) return s;
  }
  if (loop.trips >= 0) registers_[static_cast<std::size_t>(loop.trips)] = i;
  return finish_loop(loop, i);
}

Status Executor::begin_iteration(const LoopInfo& loop, std::int64_t i, std::int64_t trips, bool condition) noexcept {
  const plan::Range& source = i == 0 ? loop.carried_in : loop.body_carried_out;
  for (std::uint32_t j = 0; j < loop.body_carried_in.count; ++j)
    if (Status s =
            copy_into(static_cast<std::int32_t>(at(loop.body_carried_in, j)), static_cast<std::int32_t>(at(source, j)));
        !s)
      return s;
  if (loop.body_iteration >= 0)
    if (Status s = store_scalar(loop.body_iteration, i); !s) return s;
  if (loop.body_condition_in >= 0)
    if (Status s = store_scalar(loop.body_condition_in, condition ? 1 : 0); !s) return s;
  const std::uint32_t n = loop.scanned.count;
  for (std::uint32_t j = 0; j < n; ++j) {
    const auto axis = static_cast<int>(plan_.ints[at(loop.scan_axes, j)]);
    const bool reverse = plan_.ints[at(loop.scan_axes, n + j)] != 0;
    const TensorView from = slice(scanned_by(loop)[j], axis, reverse ? trips - 1 - i : i);
    const auto to = static_cast<std::int32_t>(at(loop.body_scanned, j));
    if (Status s = bind_extents(to, from.shape); !s) return s;
    if (Status s = copy(from, views_[static_cast<std::size_t>(to)]); !s) return s;
  }
  return {};
}

Status Executor::end_iteration(const LoopInfo& loop, std::int64_t i, std::int64_t trips) noexcept {
  const std::uint32_t n = loop.body_scan_out.count;
  for (std::uint32_t j = 0; j < n; ++j) {
    const TensorView& part = views_[at(loop.body_scan_out, j)];
    const Operand& whole_operand = plan_.operands[at(loop.scan_out, j)];
    int axis = 0;
    bool reverse = false;
    if (loop.scan_axes.count > 0) {
      axis = static_cast<int>(plan_.ints[at(loop.scan_axes, 2 * loop.scanned.count + j)]);
      reverse = plan_.ints[at(loop.scan_axes, 2 * loop.scanned.count + n + j)] != 0;
    }
    if (part.shape.rank + 1 != whole_operand.rank)
      return {StatusCode::out_of_range, "an output of a loop changes its rank"};
    TensorView whole;
    whole.dtype = part.dtype;
    // A Loop stacks along axis 0 and its length is known only at its end; a Scan's is known from its inputs.
    whole.shape = insert_axis(part.shape, axis, loop.is_scan != 0 ? trips : i + 1);
    if (i > 0) {
      const Shape& before = views_[at(loop.scan_out, j)].shape;
      for (int a = 0; a < whole.shape.rank; ++a)
        if (a != axis && before[a] != whole.shape[a])
          return {StatusCode::out_of_range, "an output that a loop stacks changes its shape between iterations"};
    }
    std::int64_t limit;
    whole.data = base_of(whole_operand, &limit);
    const std::int64_t end = plan::dense_reach(whole.dtype, whole);
    if (end < 0 || end > limit) return kOutgrown;
    views_[at(loop.scan_out, j)] = whole;
    const std::int64_t index = reverse ? trips - 1 - i : i;
    if (index * whole.stride[axis] * dtype_bits(whole.dtype) % 8 != 0)
      return {StatusCode::internal, "a loop stacks elements smaller than a byte"};
    if (Status s = copy(part, slice(whole, axis, index)); !s) return s;
  }
  return {};
}

Status Executor::finish_loop(const LoopInfo& loop, std::int64_t trips) noexcept {
  const plan::Range& source = trips == 0 ? loop.carried_in : loop.body_carried_out;
  for (std::uint32_t j = 0; j < loop.carried_out.count; ++j)
    if (Status s =
            copy_into(static_cast<std::int32_t>(at(loop.carried_out, j)), static_cast<std::int32_t>(at(source, j)));
        !s)
      return s;
  for (std::uint32_t j = 0; j < loop.scan_out.count; ++j) {
    const auto operand = static_cast<std::int32_t>(at(loop.scan_out, j));
    const Operand& o = plan_.operands[static_cast<std::size_t>(operand)];
    Shape shape = views_[static_cast<std::size_t>(operand)].shape;
    if (trips == 0) {
      // Nothing was stacked, so extents of the parts are unknown where they vary: the result is empty.
      int axis = 0;
      if (loop.scan_axes.count > 0) axis = static_cast<int>(plan_.ints[at(loop.scan_axes, 2 * loop.scanned.count + j)]);
      shape.rank = o.rank;
      for (int a = 0; a < o.rank; ++a)
        shape[a] = a == axis || (o.bound_axes >> a & 1) != 0 ? 0 : registers_[static_cast<std::size_t>(o.extent[a])];
    }
    if (Status s = bind_extents(operand, shape); !s) return s;
  }
  return {};
}

}  // namespace monza::runtime
