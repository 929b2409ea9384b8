// Gather*, Scatter*, TensorScatter on any strides; elements move as bits unless a reduction looks inside.
#include <algorithm>
#include <cstring>

#include "kernel/copy.h"
#include "kernel/kernel.h"
#include "kernel/reference.h"
#include "ops/index/index.params.h"
#include "tensor/cell.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

constexpr Status kOutOfRange{StatusCode::out_of_range, "an index lies outside its axis"};

/// An i32 or i64 index.
std::int64_t index_at(const TensorView& v, std::int64_t offset) {
  return v.dtype == DType::i32 ? v.as<std::int32_t>()[offset] : v.as<std::int64_t>()[offset];
}

/// Counts negative indices from the end; false when the index is outside.
bool normalize(std::int64_t& index, std::int64_t extent) {
  if (index < 0) index += extent;
  return index >= 0 && index < extent;
}

/// Axes [begin, begin + count) of a view as a view of their own.
TensorView part_of(const TensorView& v, int begin, int count) {
  TensorView part = v;
  part.shape.rank = count;
  for (int i = 0; i < count; ++i) {
    part.shape[i] = v.shape[begin + i];
    part.stride[i] = v.stride[begin + i];
  }
  return part;
}

Status run_gather(const KernelContext& c) noexcept {
  const int axis = c.params_as<GatherParams>().axis;
  const TensorView &x = c.in[0], &indices = c.in[1], &out = c.out[0];
  const std::int64_t extent = x.shape[axis];
  for (Walk<1> walk(indices.shape, indices.stride); !walk.done; walk.next()) {
    std::int64_t i = index_at(indices, walk.offset[0]);
    if (!normalize(i, extent)) return kOutOfRange;
  }
  if (out.shape.numel() == 0) return {};
  // Output axes: those before `axis`, those of the indices, those after.
  const int after = x.shape.rank - axis - 1;
  const TensorView out_before = part_of(out, 0, axis), out_inner = part_of(out, axis + indices.shape.rank, after);
  const TensorView out_at = part_of(out, axis, indices.shape.rank);
  const TensorView x_inner = part_of(x, axis + 1, after);
  const int bits = dtype_bits(x.dtype);
  if (bits >= 8 && x_inner.dense() && out_inner.dense()) {
    const std::int64_t width = bits / 8, row = x_inner.shape.numel() * width;
    const std::int64_t picks = indices.shape.numel(), rows = out_before.shape.numel() * picks;
    const std::int64_t grain = std::max<std::int64_t>(1, 65536 / std::max<std::int64_t>(row, 64));
    parallel_for(*c.parallel, (rows + grain - 1) / grain, [&](std::int64_t task, int) {
      const std::int64_t begin = task * grain, end = std::min(rows, begin + grain);
      Walk<2> before(out_before.shape, x.stride, out_before.stride);
      Walk<2> at(indices.shape, indices.stride, out_at.stride);
      before.seek(begin / picks);
      at.seek(begin % picks);
      for (std::int64_t r = begin; r < end; ++r) {
        std::int64_t i = index_at(indices, at.offset[0]);
        normalize(i, extent);
        const char* from = x.as<char>() + (before.offset[0] + i * x.stride[axis]) * width;
        char* to = out.as<char>() + (before.offset[1] + at.offset[1]) * width;
        std::memcpy(to, from, static_cast<std::size_t>(row));
        at.next();
        if (at.done) {
          at.done = false;
          before.next();
        }
      }
    });
    return {};
  }
  with_cell(bits, [&](auto cell) {
    using C = decltype(cell);
    for (Walk<2> before(out_before.shape, x.stride, out_before.stride); !before.done; before.next())
      for (Walk<2> at(indices.shape, indices.stride, out_at.stride); !at.done; at.next()) {
        std::int64_t i = index_at(indices, at.offset[0]);
        normalize(i, extent);
        const std::int64_t from = before.offset[0] + i * x.stride[axis], to = before.offset[1] + at.offset[1];
        for (Walk<2> inner(x_inner.shape, x_inner.stride, out_inner.stride); !inner.done; inner.next())
          C::set(out.data, to + inner.offset[1], C::get(x.data, from + inner.offset[0]));
      }
  });
  return {};
}

Status run_gather_elements(const KernelContext& c) noexcept {
  const int axis = c.params_as<GatherParams>().axis;
  const TensorView &x = c.in[0], &indices = c.in[1], &out = c.out[0];
  Status status;
  with_cell(dtype_bits(x.dtype), [&](auto cell) {
    using C = decltype(cell);
    for (Walk<2> walk(indices.shape, indices.stride, out.stride); !walk.done; walk.next()) {
      std::int64_t i = index_at(indices, walk.offset[0]), from = 0;
      if (!normalize(i, x.shape[axis])) {
        status = kOutOfRange;
        return;
      }
      for (int a = 0; a < x.shape.rank; ++a) from += (a == axis ? i : walk.index[a]) * x.stride[a];
      C::set(out.data, walk.offset[1], C::get(x.data, from));
    }
  });
  return status;
}

/// Adds to `at` the offset in `x` that the index tuple at `offset` names, its first index being of axis `first`.
bool tuple_offset(const TensorView& x, const TensorView& indices, std::int64_t offset, int first, std::int64_t* at) {
  const int last = indices.shape.rank - 1;
  for (int k = 0; k < indices.shape[last]; ++k) {
    std::int64_t i = index_at(indices, offset + k * indices.stride[last]);
    if (!normalize(i, x.shape[first + k])) return false;
    *at += i * x.stride[first + k];
  }
  return true;
}

Status run_gather_nd(const KernelContext& c) noexcept {
  const int batch = c.params_as<GatherParams>().batch_dims;
  const TensorView &x = c.in[0], &indices = c.in[1], &out = c.out[0];
  const int tuples = indices.shape.rank - 1;  // axes that count tuples
  const int used = batch + static_cast<int>(indices.shape[tuples]);
  const TensorView outer = part_of(out, 0, tuples), inner = part_of(out, tuples, x.shape.rank - used);
  const TensorView x_inner = part_of(x, used, x.shape.rank - used);
  Status status;
  with_cell(dtype_bits(x.dtype), [&](auto cell) {
    using C = decltype(cell);
    for (Walk<2> walk(outer.shape, indices.stride, outer.stride); !walk.done; walk.next()) {
      std::int64_t from = 0;
      for (int b = 0; b < batch; ++b) from += walk.index[b] * x.stride[b];
      if (!tuple_offset(x, indices, walk.offset[0], batch, &from)) {
        status = kOutOfRange;
        return;
      }
      for (Walk<2> row(inner.shape, x_inner.stride, inner.stride); !row.done; row.next())
        C::set(out.data, walk.offset[1] + row.offset[1], C::get(x.data, from + row.offset[0]));
    }
  });
  return status;
}

template <typename T>
T reduced(ScatterParams::Reduction reduction, T old, T update) {
  switch (reduction) {
    case ScatterParams::Reduction::add: return old + update;
    case ScatterParams::Reduction::mul: return old * update;
    case ScatterParams::Reduction::max: return old < update ? update : old;
    case ScatterParams::Reduction::min: return update < old ? update : old;
    case ScatterParams::Reduction::none: break;
  }
  return update;
}

/// out[to] = reduction(out[to], updates[from]).
void update_element(const TensorView& out, std::int64_t to, const TensorView& updates, std::int64_t from,
                    ScatterParams::Reduction reduction, const ElementAccess& access) {
  if (reduction == ScatterParams::Reduction::none) {
    with_cell(dtype_bits(out.dtype), [&](auto cell) { cell.set(out.data, to, cell.get(updates.data, from)); });
  } else if (is_float(out.dtype)) {
    access.store(out.data, to, reduced(reduction, access.load(out.data, to), access.load(updates.data, from)));
  } else {
    // Sums and products wrap, as the integer types do.
    const auto old = static_cast<std::uint64_t>(access.load_int(out.data, to));
    const auto update = static_cast<std::uint64_t>(access.load_int(updates.data, from));
    const bool order = reduction == ScatterParams::Reduction::max || reduction == ScatterParams::Reduction::min;
    const std::uint64_t value = order && is_signed(out.dtype)
                                    ? static_cast<std::uint64_t>(reduced(reduction, static_cast<std::int64_t>(old),
                                                                         static_cast<std::int64_t>(update)))
                                    : reduced(reduction, old, update);
    access.store_int(out.data, to, static_cast<std::int64_t>(value));
  }
}

/// The output starts as a copy of the input, unless it lies over it.
Status start_from_input(const KernelContext& c) {
  if (c.in[0].data == c.out[0].data) return {};
  return copy_view(c.in[0], c.out[0], *c.parallel);
}

Status run_scatter_elements(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ScatterParams>();
  const TensorView &indices = c.in[1], &updates = c.in[2], &out = c.out[0];
  const ElementAccess& access = element_access(out.dtype);
  if (p.reduction != ScatterParams::Reduction::none && access.load == nullptr)
    return {StatusCode::internal, "ScatterElements: element type"};
  if (Status s = start_from_input(c); !s) return s;
  for (Walk<2> walk(indices.shape, indices.stride, updates.stride); !walk.done; walk.next()) {
    std::int64_t i = index_at(indices, walk.offset[0]), to = 0;
    if (!normalize(i, out.shape[p.axis])) return kOutOfRange;
    for (int a = 0; a < out.shape.rank; ++a) to += (a == p.axis ? i : walk.index[a]) * out.stride[a];
    update_element(out, to, updates, walk.offset[1], p.reduction, access);
  }
  return {};
}

Status run_scatter_nd(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ScatterParams>();
  const TensorView &indices = c.in[1], &updates = c.in[2], &out = c.out[0];
  const ElementAccess& access = element_access(out.dtype);
  if (p.reduction != ScatterParams::Reduction::none && access.load == nullptr)
    return {StatusCode::internal, "ScatterND: element type"};
  if (Status s = start_from_input(c); !s) return s;
  const int tuples = indices.shape.rank - 1;
  const int used = static_cast<int>(indices.shape[tuples]);
  const TensorView outer = part_of(updates, 0, tuples);
  const TensorView from_inner = part_of(updates, tuples, updates.shape.rank - tuples),
                   to_inner = part_of(out, used, out.shape.rank - used);
  for (Walk<2> walk(outer.shape, indices.stride, outer.stride); !walk.done; walk.next()) {
    std::int64_t to = 0;
    if (!tuple_offset(out, indices, walk.offset[0], 0, &to)) return kOutOfRange;
    for (Walk<2> row(to_inner.shape, from_inner.stride, to_inner.stride); !row.done; row.next())
      update_element(out, to + row.offset[1], updates, walk.offset[1] + row.offset[0], p.reduction, access);
  }
  return {};
}

Status run_tensor_scatter(const KernelContext& c) noexcept {
  const auto& p = c.params_as<TensorScatterParams>();
  const TensorView &update = c.in[1], &out = c.out[0];
  const std::int64_t length = out.shape[p.axis], count = update.shape[p.axis];
  if (count > length) return {StatusCode::out_of_range, "TensorScatter: the update is longer than the cache"};
  for (std::int64_t b = 0; b < out.shape[0] && c.has_input(2); ++b) {
    const std::int64_t at = index_at(c.in[2], b * c.in[2].stride[0]);
    if (at < 0 || (p.circular == 0 && at > length - count))
      return {StatusCode::out_of_range, "TensorScatter: a position is outside the cache"};
  }
  if (Status s = start_from_input(c); !s) return s;
  with_cell(dtype_bits(out.dtype), [&](auto cell) {
    using C = decltype(cell);
    for (Walk<2> walk(update.shape, update.stride, out.stride); !walk.done; walk.next()) {
      const std::int64_t first = c.has_input(2) ? index_at(c.in[2], walk.index[0] * c.in[2].stride[0]) : 0;
      const std::int64_t t = walk.index[p.axis], to = p.circular ? (first % length + t) % length : first + t;
      C::set(out.data, walk.offset[1] + (to - t) * out.stride[p.axis], C::get(update.data, walk.offset[0]));
    }
  });
  return {};
}

}  // namespace

extern const Kernel gather_ref = reference_kernel("gather_ref", "Gather", run_gather);
extern const Kernel gather_elements_ref =
    reference_kernel("gather_elements_ref", "GatherElements", run_gather_elements);
extern const Kernel gather_nd_ref = reference_kernel("gather_nd_ref", "GatherND", run_gather_nd);
extern const Kernel scatter_elements_ref =
    reference_kernel("scatter_elements_ref", "ScatterElements", run_scatter_elements, 1);
extern const Kernel scatter_nd_ref = reference_kernel("scatter_nd_ref", "ScatterND", run_scatter_nd, 1);
extern const Kernel tensor_scatter_ref = reference_kernel("tensor_scatter_ref", "TensorScatter", run_tensor_scatter, 1);

}  // namespace monza::ops
