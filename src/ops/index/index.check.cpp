// What the kernels of this family rely on: index tensors that fit what they index; the indices themselves are checked
// by the kernels.
#include "kernel/check_rules.h"
#include "ops/index/index.params.h"

namespace monza::ops {
namespace {

constexpr Refusal kIndexShapes = "input, indices and output do not fit each other";
constexpr Refusal kIndexAxis = "the axis lies outside the rank";

/// Axes [from, from + count) of `a` against those of `b` from `at`.
bool equal_axes(const Shape& a, int from, const Shape& b, int at, int count) {
  if (count < 0 || from < 0 || at < 0 || from + count > a.rank || at + count > b.rank) return false;
  for (int i = 0; i < count; ++i)
    if (a[from + i] != b[at + i]) return false;
  return true;
}

Refusal check_gather(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  const int axis = c.params_as<GatherParams>().axis;
  const Shape &x = c.in[0].shape, &indices = c.in[1].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]) && is_index(c.in[1]), kTypes);
  MONZA_REQUIRE(is_axis(axis, x.rank), kIndexAxis);
  MONZA_REQUIRE(out.rank == x.rank - 1 + indices.rank && equal_axes(x, 0, out, 0, axis) &&
                    equal_axes(indices, 0, out, axis, indices.rank) &&
                    equal_axes(x, axis + 1, out, axis + indices.rank, x.rank - axis - 1),
                kIndexShapes);
  return nullptr;
}

Refusal check_gather_elements(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  const int axis = c.params_as<GatherParams>().axis;
  const Shape &x = c.in[0].shape, &indices = c.in[1].shape;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]) && is_index(c.in[1]), kTypes);
  MONZA_REQUIRE(is_axis(axis, x.rank), kIndexAxis);
  MONZA_REQUIRE(indices.rank == x.rank && c.out[0].shape == indices, kIndexShapes);
  for (int a = 0; a < x.rank; ++a) MONZA_REQUIRE(a == axis || indices[a] <= x[a], kIndexShapes);
  return nullptr;
}

Refusal check_gather_nd(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  const int batch = c.params_as<GatherParams>().batch_dims;
  const Shape &x = c.in[0].shape, &indices = c.in[1].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]) && is_index(c.in[1]), kTypes);
  const int tuples = indices.rank - 1;
  MONZA_REQUIRE(tuples >= 0 && batch >= 0 && batch <= tuples && batch <= x.rank, kIndexShapes);
  MONZA_REQUIRE(indices[tuples] <= x.rank - batch, "an index has more elements than there are axes");
  const int used = batch + static_cast<int>(indices[tuples]);
  MONZA_REQUIRE(out.rank == tuples + x.rank - used && equal_axes(indices, 0, out, 0, tuples) &&
                    equal_axes(x, used, out, tuples, x.rank - used),
                kIndexShapes);
  for (int a = 0; a < batch; ++a) MONZA_REQUIRE(indices[a] <= x[a], kIndexShapes);
  return nullptr;
}

/// The output starts as a copy of the input; reductions look at the elements.
Refusal refuse_scatter(const CheckContext& c) {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 3})) return r;
  const auto reduction = c.params_as<ScatterParams>().reduction;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]) && c.in[2].dtype == c.in[0].dtype && c.out[0].dtype == c.in[0].dtype &&
                    is_index(c.in[1]),
                kTypes);
  MONZA_REQUIRE(reduction == ScatterParams::Reduction::none || plain(c.out[0]), kTypes);
  MONZA_REQUIRE(c.in[0].shape == c.out[0].shape, kIndexShapes);
  return nullptr;
}

Refusal check_scatter_elements(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_scatter(c)) return r;
  const int axis = c.params_as<ScatterParams>().axis;
  const Shape &out = c.out[0].shape, &indices = c.in[1].shape;
  MONZA_REQUIRE(is_axis(axis, out.rank), kIndexAxis);
  MONZA_REQUIRE(within(indices, c.in[2].shape) && indices.rank == out.rank, kIndexShapes);
  for (int a = 0; a < out.rank; ++a) MONZA_REQUIRE(a == axis || indices[a] <= out[a], kIndexShapes);
  return nullptr;
}

Refusal check_scatter_nd(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_scatter(c)) return r;
  const Shape &out = c.out[0].shape, &indices = c.in[1].shape, &updates = c.in[2].shape;
  const int tuples = indices.rank - 1;
  MONZA_REQUIRE(tuples >= 0 && indices[tuples] <= out.rank, "an index has more elements than there are axes");
  const int used = static_cast<int>(indices[tuples]);
  MONZA_REQUIRE(updates.rank == tuples + out.rank - used && equal_axes(indices, 0, updates, 0, tuples) &&
                    equal_axes(out, used, updates, tuples, out.rank - used),
                kIndexShapes);
  return nullptr;
}

Refusal check_tensor_scatter(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 3})) return r;
  const int axis = c.params_as<TensorScatterParams>().axis;
  const Shape &out = c.out[0].shape, &update = c.in[1].shape;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]) && same_bits(c.in[1], c.out[0]), kTypes);
  MONZA_REQUIRE(axis >= 1 && axis < out.rank, kIndexAxis);
  MONZA_REQUIRE(c.in[0].shape == out && same_but(update, out, axis), kIndexShapes);
  MONZA_REQUIRE(!c.has_input(2) || (is_index(c.in[2]) && vector_of(c.in[2], out[0])), kIndexShapes);
  return nullptr;
}

Refusal check_non_zero(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.extents = 1})) return r;
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == DType::i64, kTypes);
  MONZA_REQUIRE(out.rank == 2 && out[0] == x.rank && out[1] >= x.numel(), kIndexShapes);
  return nullptr;
}

Refusal check_compress(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2, .extents = 1})) return r;
  const auto& p = c.params_as<SelectParams>();
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]) && c.in[1].dtype == DType::boolean && c.in[1].shape.rank == 1, kTypes);
  MONZA_REQUIRE(p.flat != 0 || is_axis(p.axis, x.rank), kIndexAxis);
  const std::int64_t rows = p.flat ? x.numel() : x[p.axis], listed = c.in[1].shape[0];
  const std::int64_t most = rows < listed ? rows : listed;
  if (p.flat) MONZA_REQUIRE(out.rank == 1 && out[0] >= most, kIndexShapes);
  else MONZA_REQUIRE(same_but(x, out, p.axis) && out[p.axis] >= most, kIndexShapes);
  return nullptr;
}

Refusal check_unique(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_out = 4, .extents = 1})) return r;
  const auto& p = c.params_as<SelectParams>();
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(p.flat != 0 || is_axis(p.axis, x.rank), kIndexAxis);
  const std::int64_t rows = p.flat ? x.numel() : x[p.axis];
  if (p.flat) MONZA_REQUIRE(out.rank == 1 && out[0] >= rows, kIndexShapes);
  else MONZA_REQUIRE(same_but(x, out, p.axis) && out[p.axis] >= rows, kIndexShapes);
  for (int i = 1; i < c.out_count; ++i)
    MONZA_REQUIRE(!c.has_output(i) || (c.out[i].dtype == DType::i64 && list_of(c.out[i], rows)), kIndexShapes);
  return nullptr;
}

Refusal check_topk(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2, .most_out = 2})) return r;
  const int axis = c.params_as<TopKParams>().axis;
  const Shape &x = c.in[0].shape, &values = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(is_axis(axis, x.rank), kIndexAxis);
  MONZA_REQUIRE(same_but(x, values, axis) && values[axis] <= x[axis], kIndexShapes);
  MONZA_REQUIRE(!c.has_output(1) || (c.out[1].dtype == DType::i64 && c.out[1].shape == values), kIndexShapes);
  return nullptr;
}

Refusal check_nms(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 5, .extents = 1})) return r;
  const Shape &boxes = c.in[0].shape, &scores = c.in[1].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(c.in[0].dtype == DType::f32 && c.in[1].dtype == DType::f32 && c.out[0].dtype == DType::i64, kTypes);
  MONZA_REQUIRE(boxes.rank == 3 && scores.rank == 3 && boxes[2] == 4 && boxes[0] == scores[0] && boxes[1] == scores[2],
                "boxes and scores do not fit each other");
  MONZA_REQUIRE(out.rank == 2 && out[1] == 3, kIndexShapes);
  for (int i = 2; i < c.in_count; ++i)
    MONZA_REQUIRE(!c.has_input(i) || (one_element(c.in[i]) && c.in[i].dtype == (i == 2 ? DType::i64 : DType::f32)),
                  "a limit is not one number");
  return nullptr;
}

constexpr OperatorCheck kIndexChecks[] = {
    {"Gather", check_gather},         {"GatherElements", check_gather_elements},
    {"GatherND", check_gather_nd},    {"ScatterElements", check_scatter_elements},
    {"ScatterND", check_scatter_nd},  {"TensorScatter", check_tensor_scatter},
    {"NonZero", check_non_zero},      {"Compress", check_compress},
    {"Unique", check_unique},         {"TopK", check_topk},
    {"NonMaxSuppression", check_nms},
};

}  // namespace

extern const CheckList index_checks{kIndexChecks};

}  // namespace monza::ops
