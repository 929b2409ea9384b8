// GatherElements, GatherND, ScatterElements and ScatterND over dense tensors: offsets are sums of products with strides
// that are known before the loop.
//
// Bound by latency of the memory that the indices jump in; what is done besides is one multiplication an index.
#include <cstring>

#include "kernel/copy.h"
#include "kernel/kernel.h"
#include "ops/index/index.params.h"
#include "tensor/cell.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

constexpr Status kOutOfRange{StatusCode::out_of_range, "an index lies outside its axis"};

Refusal accepts_bytes(const KernelQuery& q) noexcept {
  return dtype_bits(q.input(0).dtype) >= 8 ? nullptr : "moves elements of whole bytes";
}
/// Indices cover every axis but the one they index along as the tensor does, so that its offsets follow from theirs.
Refusal accepts_along(const KernelQuery& q, int axis) noexcept {
  const Shape &x = q.input(0).shape, &indices = q.input(1).shape;
  for (int a = 0; a < x.rank; ++a)
    if (a != axis && x[a] != indices[a]) return "the indices cover a part of an axis";
  return accepts_bytes(q);
}
Refusal accepts_gather_elements(const KernelQuery& q) noexcept {
  return accepts_along(q, static_cast<const GatherParams*>(q.params)->axis);
}
Refusal accepts_reduction(const KernelQuery& q) noexcept {
  const auto reduction = static_cast<const ScatterParams*>(q.params)->reduction;
  using R = ScatterParams::Reduction;
  if (reduction == R::none || (reduction == R::add && q.input(0).dtype == DType::f32)) return nullptr;
  return "a reduction other than a sum of f32";
}
Refusal accepts_scatter_elements(const KernelQuery& q) noexcept {
  if (const Refusal r = accepts_reduction(q)) return r;
  return accepts_along(q, static_cast<const ScatterParams*>(q.params)->axis);
}
Refusal accepts_scatter_nd(const KernelQuery& q) noexcept {
  if (const Refusal r = accepts_reduction(q)) return r;
  return accepts_bytes(q);
}

/// f(pointer to the indices), of i32 or i64.
template <typename F>
auto with_indices(const TensorView& v, F&& f) {
  return v.dtype == DType::i32 ? f(v.as<const std::int32_t>()) : f(v.as<const std::int64_t>());
}
template <typename Index>
MONZA_INLINE bool normalize(Index raw, std::int64_t extent, std::int64_t& index) {
  index = static_cast<std::int64_t>(raw);
  if (index < 0) index += extent;
  return static_cast<std::uint64_t>(index) < static_cast<std::uint64_t>(extent);
}

/// [outer, extent, inner] around an axis.
struct Around {
  std::int64_t outer = 1, inner = 1;
  Around(const Shape& shape, int axis) {
    for (int a = 0; a < axis; ++a) outer *= shape[a];
    for (int a = axis + 1; a < shape.rank; ++a) inner *= shape[a];
  }
};

/// move(position among the indices, offset in the tensor) for each of them, in order; false where an index is outside.
template <typename Index, typename F>
MONZA_INLINE bool for_each_along(const Index* indices, const Around& r, std::int64_t count, std::int64_t extent,
                                 F&& move) {
  std::int64_t at = 0, index;
  if (r.inner == 1) {
    for (std::int64_t o = 0; o < r.outer; ++o)
      for (const std::int64_t end = at + count; at < end; ++at) {
        if (!normalize(indices[at], extent, index)) return false;
        move(at, o * extent + index);
      }
    return true;
  }
  for (std::int64_t o = 0; o < r.outer; ++o)
    for (std::int64_t e = 0; e < count; ++e)
      for (std::int64_t i = 0; i < r.inner; ++i, ++at) {
        if (!normalize(indices[at], extent, index)) return false;
        move(at, (o * extent + index) * r.inner + i);
      }
  return true;
}

/// Whether tensors lie alike but along `axis`, as for_each_along takes for granted: shapes of a run may differ where
/// those of the plan did not.
bool alike(const Shape& x, const Shape& indices, int axis) {
  for (int a = 0; a < x.rank; ++a)
    if (a != axis && x[a] != indices[a]) return false;
  return true;
}

/// move(offset in what has the shape `moved`, offset in x) for each index, whatever the extents are; false where an
/// index is outside.
template <typename Index, typename F>
bool for_each_anywhere(const Index* indices, const Shape& shape, const Shape& moved, const Shape& x, int axis,
                       F&& move) {
  for (std::int64_t at = 0; at < shape.numel(); ++at) {
    std::int64_t index, rest = at, to = 0, from = 0, moved_step = 1, step = 1;
    if (!normalize(indices[at], x[axis], index)) return false;
    for (int a = shape.rank - 1; a >= 0; --a) {
      const std::int64_t i = rest % shape[a];
      rest /= shape[a];
      to += i * moved_step;
      from += (a == axis ? index : i) * step;
      moved_step *= moved[a];
      step *= x[a];
    }
    move(to, from);
  }
  return true;
}

Status run_gather_elements(const KernelContext& c) noexcept {
  const int axis = c.params_as<GatherParams>().axis;
  const TensorView &x = c.in[0], &indices = c.in[1], &out = c.out[0];
  if (indices.shape.numel() == 0) return {};
  bool good = true;
  with_cell(dtype_bits(x.dtype), [&](auto cell) {
    using T = typename decltype(cell)::Bits;
    const T* from = x.as<const T>();
    T* to = out.as<T>();
    good = with_indices(indices, [&](const auto* list) {
      const auto move = [=](std::int64_t at, std::int64_t source) { to[at] = from[source]; };
      if (!alike(x.shape, indices.shape, axis))
        return for_each_anywhere(list, indices.shape, indices.shape, x.shape, axis, move);
      return for_each_along(list, Around(indices.shape, axis), indices.shape[axis], x.shape[axis], move);
    });
  });
  return good ? Status() : kOutOfRange;
}

Status start_from_input(const KernelContext& c) {
  return c.in[0].data == c.out[0].data ? Status() : copy_view(c.in[0], c.out[0], *c.parallel);
}

Status run_scatter_elements(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ScatterParams>();
  const TensorView &indices = c.in[1], &updates = c.in[2], &out = c.out[0];
  if (Status s = start_from_input(c); !s) return s;
  if (indices.shape.numel() == 0) return {};
  const Around around(indices.shape, p.axis);
  bool good = true;
  const auto each = [&](auto&& move) {
    good = with_indices(indices, [&](const auto* list) {
      if (!alike(out.shape, indices.shape, p.axis) || !(updates.shape == indices.shape))
        return for_each_anywhere(list, indices.shape, updates.shape, out.shape, p.axis, move);
      return for_each_along(list, around, indices.shape[p.axis], out.shape[p.axis], move);
    });
  };
  if (p.reduction == ScatterParams::Reduction::add)
    each([&](std::int64_t at, std::int64_t to) { out.as<float>()[to] += updates.as<const float>()[at]; });
  else
    with_cell(dtype_bits(out.dtype), [&](auto cell) {
      using C = decltype(cell);
      each([&](std::int64_t at, std::int64_t to) { C::set(out.data, to, C::get(updates.data, at)); });
    });
  return good ? Status() : kOutOfRange;
}

/// Tuples of indices into the axes of `x` from `first` on: where each begins, in elements.
struct Tuples {
  std::int64_t stride[kMaxRank], extent[kMaxRank];
  int length;
  std::int64_t row = 1;  ///< elements behind a tuple

  Tuples(const TensorView& x, const TensorView& indices, int first)
      : length(static_cast<int>(indices.shape[indices.shape.rank - 1])) {
    std::int64_t step = 1;
    for (int a = x.shape.rank - 1; a >= first; --a) {
      if (a - first < length) {
        stride[a - first] = step;
        extent[a - first] = x.shape[a];
      } else {
        row *= x.shape[a];
      }
      step *= x.shape[a];
    }
  }
  template <typename Index>
  MONZA_INLINE bool offset(const Index* tuple, std::int64_t& at) const {
    at = 0;
    for (int k = 0; k < length; ++k) {
      std::int64_t index;
      if (!normalize(tuple[k], extent[k], index)) return false;
      at += index * stride[k];
    }
    return true;
  }
};

Status run_gather_nd(const KernelContext& c) noexcept {
  const int batch = c.params_as<GatherParams>().batch_dims;
  const TensorView &x = c.in[0], &indices = c.in[1], &out = c.out[0];
  if (out.shape.numel() == 0 && indices.shape.numel() == 0) return {};
  const Tuples tuples(x, indices, batch);
  std::int64_t batches = 1, whole = 1, count = 1;
  for (int a = 0; a < batch; ++a) batches *= indices.shape[a];
  for (int a = batch; a < x.shape.rank; ++a) whole *= x.shape[a];
  // The indices may have fewer batches than x.
  const auto batch_of = [&](std::int64_t b) {
    std::int64_t at = 0, step = whole;
    for (int a = batch - 1; a >= 0; --a) {
      at += b % indices.shape[a] * step;
      b /= indices.shape[a];
      step *= x.shape[a];
    }
    return at;
  };
  for (int a = batch; a < indices.shape.rank - 1; ++a) count *= indices.shape[a];
  bool good = true;
  with_cell(dtype_bits(x.dtype), [&](auto cell) {
    using C = decltype(cell);
    using T = typename C::Bits;
    good = with_indices(indices, [&](const auto* list) {
      const T* from = x.as<const T>();
      T* to = out.as<T>();
      for (std::int64_t b = 0; b < batches; ++b) {
        const T* source = from + batch_of(b);
        for (std::int64_t t = 0; t < count; ++t) {
          std::int64_t at;
          if (!tuples.offset(list + (b * count + t) * tuples.length, at)) return false;
          if (tuples.row == 1) *to = source[at];
          else std::memcpy(to, source + at, static_cast<std::size_t>(tuples.row) * sizeof(T));
          to += tuples.row;
        }
      }
      return true;
    });
  });
  return good ? Status() : kOutOfRange;
}

Status run_scatter_nd(const KernelContext& c) noexcept {
  const auto& p = c.params_as<ScatterParams>();
  const TensorView &indices = c.in[1], &updates = c.in[2], &out = c.out[0];
  if (Status s = start_from_input(c); !s) return s;
  const Tuples tuples(out, indices, 0);
  std::int64_t count = 1;
  for (int a = 0; a < indices.shape.rank - 1; ++a) count *= indices.shape[a];
  bool good = true;
  with_cell(dtype_bits(out.dtype), [&](auto cell) {
    using T = typename decltype(cell)::Bits;
    good = with_indices(indices, [&](const auto* list) {
      const T* from = updates.as<const T>();
      for (std::int64_t t = 0; t < count; ++t, from += tuples.row) {
        std::int64_t at;
        if (!tuples.offset(list + t * tuples.length, at)) return false;
        if (p.reduction == ScatterParams::Reduction::add)
          for (std::int64_t i = 0; i < tuples.row; ++i)
            out.as<float>()[at + i] += updates.as<const float>()[t * tuples.row + i];
        else if (tuples.row == 1) out.as<T>()[at] = *from;
        else std::memcpy(out.as<T>() + at, from, static_cast<std::size_t>(tuples.row) * sizeof(T));
      }
      return true;
    });
  });
  return good ? Status() : kOutOfRange;
}

consteval Kernel rows_kernel(const char* name, const char* op, Refusal (*accepts)(const KernelQuery&) noexcept,
                             Status (*run)(const KernelContext&) noexcept, std::uint32_t in_place = 0) {
  return {.name = name,
          .op = op,
          .needs = Isa::avx2,
          .in{Port::dense, Port::dense, Port::dense},
          .out{Port::dense},
          .accepts = accepts,
          .run = run,
          .in_place_inputs = in_place};
}

}  // namespace

extern const Kernel gather_elements_rows_avx2 =
    rows_kernel("gather_elements_rows_avx2", "GatherElements", accepts_gather_elements, run_gather_elements);
extern const Kernel gather_nd_rows_avx2 = rows_kernel("gather_nd_rows_avx2", "GatherND", accepts_bytes, run_gather_nd);
extern const Kernel scatter_elements_rows_avx2 =
    rows_kernel("scatter_elements_rows_avx2", "ScatterElements", accepts_scatter_elements, run_scatter_elements, 1);
extern const Kernel scatter_nd_rows_avx2 =
    rows_kernel("scatter_nd_rows_avx2", "ScatterND", accepts_scatter_nd, run_scatter_nd, 1);

}  // namespace monza::ops
