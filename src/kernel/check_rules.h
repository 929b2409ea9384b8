// Words that the operators' checks are written with.
#pragma once

#include "kernel/check.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza {

/// if (!condition) the step is refused for that reason.
#define MONZA_REQUIRE(condition, reason) \
  do {                                   \
    if (!(condition)) return reason;     \
  } while (false)

/// What most refusals say.
inline constexpr Refusal kTypes = "the element types do not fit the operator";
inline constexpr Refusal kShapes = "input and output do not fit each other";

/// How many operands a step must and may have. Beyond the first `least` ones operands may be absent.
struct Arity {
  int least_in = 1, most_in = 1, least_out = 1, most_out = 1, extents = 0;
};
inline Refusal refuse_arity(const CheckContext& c, const Arity& a) {
  MONZA_REQUIRE(c.in_count >= a.least_in && c.in_count <= a.most_in, "another number of inputs than the operator has");
  MONZA_REQUIRE(c.out_count >= a.least_out && c.out_count <= a.most_out,
                "another number of outputs than the operator has");
  for (int i = 0; i < a.least_in; ++i) MONZA_REQUIRE(c.in[i].present(), "an input is missing");
  for (int i = 0; i < a.least_out; ++i) MONZA_REQUIRE(c.out[i].present(), "an output is missing");
  MONZA_REQUIRE(c.extents == a.extents, kOtherExtents);
  return nullptr;
}

/// Has elements that references can read and write one by one.
inline bool plain(const TensorView& v) { return element_access(v.dtype).load != nullptr; }
/// Integers or booleans.
inline bool integral(const TensorView& v) { return plain(v) && (is_integer(v.dtype) || v.dtype == DType::boolean); }
/// What indices are written in.
inline bool is_index(const TensorView& v) { return v.dtype == DType::i32 || v.dtype == DType::i64; }
inline bool is_8bit(const TensorView& v) { return v.dtype == DType::u8 || v.dtype == DType::i8; }
/// Elements that move as bits of one width.
inline bool same_bits(const TensorView& a, const TensorView& b) {
  return dtype_bits(a.dtype) == dtype_bits(b.dtype) && dtype_bits(a.dtype) > 0 && !is_block_encoding(a.dtype) &&
         !is_block_encoding(b.dtype);
}

inline bool one_element(const TensorView& v) { return v.shape.numel() == 1; }
/// A vector of n elements.
inline bool vector_of(const TensorView& v, std::int64_t n) { return v.shape.rank == 1 && v.shape[0] == n; }
/// A vector (or a scalar) of at least n elements.
inline bool list_of(const TensorView& v, std::int64_t n) { return v.shape.rank <= 1 && v.shape.numel() >= n; }
/// numpy's broadcasting of `from` to `to`.
inline bool broadcasts(const Shape& from, const Shape& to) {
  if (from.rank > to.rank) return false;
  for (int i = 0; i < from.rank; ++i) {
    const std::int64_t e = from[from.rank - 1 - i];
    if (e != 1 && e != to[to.rank - 1 - i]) return false;
  }
  return true;
}
/// Equal except along axis `axis`.
inline bool same_but(const Shape& a, const Shape& b, int axis) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i)
    if (i != axis && a[i] != b[i]) return false;
  return true;
}
/// `part` [0, extent) of each axis lies within `whole`.
inline bool within(const Shape& part, const Shape& whole) {
  if (part.rank != whole.rank) return false;
  for (int i = 0; i < part.rank; ++i)
    if (part[i] > whole[i]) return false;
  return true;
}
inline bool is_axis(std::int64_t axis, int rank) { return axis >= 0 && axis < rank; }
/// Factors up to which products of a few of them stay far from 64 bits.
inline bool sane(std::int64_t v, std::int64_t low = 0) { return v >= low && v <= (std::int64_t{1} << 31); }

}  // namespace monza
