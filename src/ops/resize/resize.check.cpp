// What the kernels of this family rely on: axes within the rank, scales that can be divided by, images that are not
// empty.
#include "kernel/check_rules.h"
#include "ops/resize/resize.params.h"

namespace monza::ops {
namespace {

Refusal check_resize(const CheckContext& c) noexcept {
  const auto& p = c.params_as<ResizeParams>();
  const bool reads = p.scales == ResizeParams::Scales::read;
  MONZA_REQUIRE(p.axes_count >= 0 && p.axes_count <= kMaxRank, "an axis lies outside the rank");
  if (const Refusal r = refuse_arity(c, {.most_in = 4, .extents = reads ? static_cast<int>(p.axes_count) : 0}))
    return r;
  const TensorView &x = c.in[0], &out = c.out[0];
  MONZA_REQUIRE(plain(x) && out.dtype == x.dtype, kTypes);
  MONZA_REQUIRE(x.shape.rank == out.shape.rank && p.axes_count <= x.shape.rank, kShapes);
  std::uint32_t resized = 0;
  for (std::int64_t i = 0; i < p.axes_count; ++i) {
    MONZA_REQUIRE(is_axis(p.axis[i], x.shape.rank), "an axis lies outside the rank");
    resized |= 1u << p.axis[i];
  }
  for (int a = 0; a < x.shape.rank; ++a) {
    MONZA_REQUIRE((resized >> a & 1u) != 0 || x.shape[a] == out.shape[a], kShapes);
    MONZA_REQUIRE(p.scale[a] >= kSmallestScale && p.scale[a] <= kLargestScale, "a scale is out of range");
    MONZA_REQUIRE(sane(x.shape[a]) && sane(out.shape[a]), "an extent is out of range");
  }
  if (p.roi_is_input != 0)
    MONZA_REQUIRE(c.has_input(1) && plain(c.in[1]) && vector_of(c.in[1], 2 * p.axes_count),
                  "the region of interest does not fit the axes");
  if (reads)
    MONZA_REQUIRE(c.has_input(2) && plain(c.in[2]) && vector_of(c.in[2], p.axes_count),
                  "scales and axes differ in number");
  return nullptr;
}

Refusal check_grid_sample(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 2})) return r;
  const Shape &x = c.in[0].shape, &grid = c.in[1].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && plain(c.in[1]) && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(
      x.rank >= 3 && x.rank <= 5 && grid.rank == x.rank && out.rank == x.rank && grid[x.rank - 1] == x.rank - 2,
      kShapes);
  MONZA_REQUIRE(out[0] == x[0] && out[1] == x[1] && grid[0] == x[0], kShapes);
  for (int a = 2; a < x.rank; ++a) {
    MONZA_REQUIRE(grid[a - 1] == out[a], kShapes);
    MONZA_REQUIRE(x[a] > 0 || out.numel() == 0, "the image has no pixel to sample");
  }
  return nullptr;
}

Refusal check_affine_grid(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2})) return r;
  const Shape &theta = c.in[0].shape, &out = c.out[0].shape;
  MONZA_REQUIRE(plain(c.in[0]) && c.out[0].dtype == c.in[0].dtype, kTypes);
  MONZA_REQUIRE(out.rank == 4 || out.rank == 5, kShapes);
  const std::int64_t axes = out.rank - 2;
  MONZA_REQUIRE(theta == (Shape{out[0], axes, axes + 1}) && out[out.rank - 1] == axes, kShapes);
  return nullptr;
}

constexpr OperatorCheck kResizeChecks[] = {
    {"Resize", check_resize},
    {"GridSample", check_grid_sample},
    {"AffineGrid", check_affine_grid},
};

}  // namespace

extern const CheckList resize_checks{kResizeChecks};

}  // namespace monza::ops
