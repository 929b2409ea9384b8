// What the kernels of this family rely on: shapes that follow from each other; what is read from inputs the kernels
// check themselves.
#include "kernel/check_rules.h"
#include "ops/move/move.params.h"

namespace monza::ops {
namespace {

constexpr Refusal kMoveAxis = "an axis lies outside the rank";

Refusal check_reshape(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2})) return r;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(c.in[0].shape.numel() == c.out[0].shape.numel(), kShapes);
  return nullptr;
}

Refusal check_transpose(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  const auto& p = c.params_as<TransposeParams>();
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(p.rank == x.rank && out.rank == x.rank, kShapes);
  std::uint32_t seen = 0;
  for (int i = 0; i < x.rank; ++i) {
    MONZA_REQUIRE(is_axis(p.perm[i], x.rank) && (seen >> p.perm[i] & 1u) == 0, "the axes are no permutation");
    seen |= 1u << p.perm[i];
    MONZA_REQUIRE(out[i] == x[p.perm[i]], kShapes);
  }
  return nullptr;
}

Refusal check_expand(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2})) return r;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(broadcasts(c.in[0].shape, c.out[0].shape), kShapes);
  return nullptr;
}

Refusal check_tile(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2})) return r;
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(x.rank == out.rank, kShapes);
  for (int i = 0; i < x.rank; ++i) MONZA_REQUIRE(x[i] == 0 ? out[i] == 0 : out[i] % x[i] == 0, kShapes);
  return nullptr;
}

Refusal check_concat(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 1 << 30})) return r;
  const int axis = c.params_as<AxisParams>().axis;
  const Shape& out = c.out[0].shape;
  MONZA_REQUIRE(is_axis(axis, out.rank), kMoveAxis);
  std::int64_t sum = 0;
  for (int i = 0; i < c.in_count; ++i) {
    MONZA_REQUIRE(c.in[i].present() && c.in[i].dtype == c.out[0].dtype && same_bits(c.in[i], c.out[0]), kTypes);
    MONZA_REQUIRE(same_but(c.in[i].shape, out, axis), kShapes);
    sum += c.in[i].shape[axis];
    MONZA_REQUIRE(sum <= out[axis], kShapes);
  }
  return nullptr;
}

Refusal check_split(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2, .most_out = 1 << 30})) return r;
  const int axis = c.params_as<AxisParams>().axis;
  const Shape& x = c.in[0].shape;
  MONZA_REQUIRE(is_axis(axis, x.rank), kMoveAxis);
  std::int64_t sum = 0;
  for (int i = 0; i < c.out_count; ++i) {
    MONZA_REQUIRE(c.out[i].dtype == c.in[0].dtype && same_bits(c.in[0], c.out[i]), kTypes);
    MONZA_REQUIRE(same_but(c.out[i].shape, x, axis), kShapes);
    sum += c.out[i].shape[axis];
    MONZA_REQUIRE(sum <= x[axis], kShapes);
  }
  return nullptr;
}

Refusal check_slice(const CheckContext& c) noexcept {
  const auto& p = c.params_as<SliceParams>();
  const int rank = c.in_count > 0 ? c.in[0].shape.rank : 0;
  if (const Refusal r = refuse_arity(c, {.most_in = 5, .extents = p.reports != 0 ? rank : 0})) return r;
  MONZA_REQUIRE(c.in[0].dtype == c.out[0].dtype && same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(dtype_bits(c.in[0].dtype) >= 8 || plain(c.in[0]), kTypes);
  MONZA_REQUIRE(c.out[0].shape.rank == rank && p.count >= -1 && p.count <= kMaxRank, kShapes);
  std::int64_t count = p.count;
  for (int i = 1; i < c.in_count && p.count < 0; ++i)
    if (c.has_input(i)) count = c.in[i].shape.numel();
  MONZA_REQUIRE(count >= 0, kShapes);
  for (int i = 1; i < c.in_count; ++i)
    MONZA_REQUIRE(!c.has_input(i) || (integral(c.in[i]) && list_of(c.in[i], count < kMaxRank ? count : kMaxRank)),
                  "starts, ends, axes and steps differ in number");
  return nullptr;
}

/// Depth times blocks, space over block: `deep` against `wide`.
Refusal refuse_blocks(const CheckContext& c, const Shape& deep, const Shape& wide) {
  const auto& p = c.params_as<BlockParams>();
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(p.spatial >= 1 && p.spatial <= kBlockAxes && deep.rank == 2 + p.spatial && wide.rank == deep.rank &&
                    deep[0] == wide[0],
                kShapes);
  std::int64_t depth = wide[1];
  for (int i = 0; i < p.spatial; ++i) {
    const std::int64_t b = p.block[i];
    std::int64_t extent;
    MONZA_REQUIRE(b >= 1 && b <= 1 << 20 && !__builtin_mul_overflow(depth, b, &depth) &&
                      !__builtin_mul_overflow(deep[2 + i], b, &extent) && extent == wide[2 + i],
                  kShapes);
  }
  MONZA_REQUIRE(depth == deep[1], kShapes);
  return nullptr;
}
Refusal check_depth_to_space(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  return refuse_blocks(c, c.in[0].shape, c.out[0].shape);
}
Refusal check_space_to_depth(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  return refuse_blocks(c, c.out[0].shape, c.in[0].shape);
}

Refusal check_pad(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 4})) return r;
  const auto& p = c.params_as<PadParams>();
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(c.in[0].shape.rank == c.out[0].shape.rank, kShapes);
  MONZA_REQUIRE(p.mode >= PadParams::Mode::constant && p.mode <= PadParams::Mode::wrap, "the mode is unknown");
  MONZA_REQUIRE(!c.has_input(2) || (c.in[2].dtype == c.in[0].dtype && c.in[2].shape.numel() >= 1),
                "the padding value is not one element of the input's type");
  if (p.known != 0) return nullptr;
  MONZA_REQUIRE(c.has_input(1) && integral(c.in[1]) && c.in[1].shape.rank <= 1, "the pads are not a list of integers");
  MONZA_REQUIRE(c.has_input(3) ? integral(c.in[3]) && list_of(c.in[3], c.in[1].shape.numel() / 2)
                               : c.in[1].shape.numel() / 2 <= c.in[0].shape.rank,
                "pads and axes differ in number");
  return nullptr;
}

Refusal check_center_crop_pad(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2})) return r;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(c.in[0].shape.rank == c.out[0].shape.rank, kShapes);
  return nullptr;
}

Refusal check_reverse_sequence(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  const auto& p = c.params_as<ReverseSequenceParams>();
  const Shape& x = c.in[0].shape;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]) && integral(c.in[1]), kTypes);
  MONZA_REQUIRE(x == c.out[0].shape, kShapes);
  MONZA_REQUIRE(is_axis(p.batch_axis, x.rank) && is_axis(p.time_axis, x.rank) && p.batch_axis != p.time_axis,
                kMoveAxis);
  MONZA_REQUIRE(vector_of(c.in[1], x[p.batch_axis]), "there is not one length for each sequence");
  return nullptr;
}

Refusal check_trilu(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2})) return r;
  MONZA_REQUIRE(same_bits(c.in[0], c.out[0]), kTypes);
  MONZA_REQUIRE(c.in[0].shape == c.out[0].shape && c.in[0].shape.rank >= 2, kShapes);
  MONZA_REQUIRE(!c.has_input(1) || (integral(c.in[1]) && one_element(c.in[1])), "the diagonal is not one integer");
  return nullptr;
}

Refusal check_col2im(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 3})) return r;
  const auto& p = c.params_as<Col2ImParams>();
  const Shape &x = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(p.axes >= 1 && p.axes <= kMaxRank - 2 && x.rank == 3 && out.rank == p.axes + 2 && x[0] == out[0],
                kShapes);
  bool reads = false;
  for (int i = 0; i < p.axes; ++i) {
    MONZA_REQUIRE(p.block[i] >= -1 && sane(p.dilation[i], 1) && sane(p.stride[i], 1) && sane(p.pad_begin[i]) &&
                      sane(p.pad_end[i]) && sane(out[i + 2]),
                  "a stride, dilation, pad or extent is out of range");
    reads |= p.block[i] < 0;
  }
  MONZA_REQUIRE(!reads || (c.has_input(2) && integral(c.in[2]) && list_of(c.in[2], p.axes)),
                "the block's extents are missing");
  return nullptr;
}

Refusal check_shape(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  const int start = c.params_as<ShapeParams>().start;
  MONZA_REQUIRE(c.out[0].dtype == DType::i64, kTypes);
  MONZA_REQUIRE(c.out[0].shape.rank == 1 && start >= 0 && start <= c.in[0].shape.rank &&
                    c.out[0].shape[0] <= c.in[0].shape.rank - start,
                kShapes);
  return nullptr;
}

Refusal check_size(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(c.out[0].dtype == DType::i64 && one_element(c.out[0]), kTypes);
  return nullptr;
}

Refusal check_fill(const CheckContext& c) noexcept { return refuse_arity(c, {.least_in = 0, .most_in = 1}); }

Refusal check_range(const CheckContext& c) noexcept {
  const bool reports = c.params_as<RangeParams>().reports != 0;
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = 3, .extents = reports ? 1 : 0})) return r;
  MONZA_REQUIRE(plain(c.out[0]) && c.out[0].shape.rank == 1, kTypes);
  for (int i = 0; i < 3; ++i)
    MONZA_REQUIRE(c.in[i].dtype == c.out[0].dtype && one_element(c.in[i]),
                  "a limit is not one number of the output's type");
  return nullptr;
}

Refusal check_eye(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 0})) return r;
  MONZA_REQUIRE(plain(c.out[0]), kTypes);
  MONZA_REQUIRE(c.out[0].shape.rank == 2, kShapes);
  return nullptr;
}

Refusal check_one_hot(const CheckContext& c) noexcept {
  const auto& p = c.params_as<OneHotParams>();
  if (const Refusal r = refuse_arity(c, {.least_in = 1, .most_in = 3, .extents = p.reports != 0 ? 1 : 0})) return r;
  const Shape &indices = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && plain(c.out[0]) && c.has_input(2) && c.in[2].dtype == c.out[0].dtype, kTypes);
  MONZA_REQUIRE(out.rank == indices.rank + 1, kShapes);
  MONZA_REQUIRE(is_axis(p.axis, out.rank), kMoveAxis);
  for (int i = 0, j = 0; i < out.rank; ++i)
    if (i != p.axis) MONZA_REQUIRE(out[i] == indices[j++], kShapes);
  MONZA_REQUIRE(vector_of(c.in[2], 2), "there are not two values");
  MONZA_REQUIRE(p.reports == 0 || (c.has_input(1) && plain(c.in[1]) && one_element(c.in[1])),
                "the depth is not one number");
  return nullptr;
}

constexpr OperatorCheck kMoveChecks[] = {
    {"Reshape", check_reshape},
    {"Flatten", check_reshape},
    {"Squeeze", check_reshape},
    {"Unsqueeze", check_reshape},
    {"Transpose", check_transpose},
    {"Expand", check_expand},
    {"Tile", check_tile},
    {"Concat", check_concat},
    {"Split", check_split},
    {"Slice", check_slice},
    {"DepthToSpace", check_depth_to_space},
    {"SpaceToDepth", check_space_to_depth},
    {"Pad", check_pad},
    {"CenterCropPad", check_center_crop_pad},
    {"ReverseSequence", check_reverse_sequence},
    {"Trilu", check_trilu},
    {"Col2Im", check_col2im},
    {"Shape", check_shape},
    {"Size", check_size},
    {"ConstantOfShape", check_fill},
    {"Range", check_range},
    {"EyeLike", check_eye},
    {"OneHot", check_one_hot},
};

}  // namespace

extern const CheckList move_checks{kMoveChecks};

}  // namespace monza::ops
