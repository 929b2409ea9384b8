// Resize (and Upsample), GridSample, AffineGrid.
#include "ops/resize/resize.params.h"

#include <algorithm>
#include <iterator>

#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

template <typename E, std::size_t N>
E choice(const ir::AttrReader& attrs, const char* name, const std::string_view (&names)[N]) {
  const std::string text = attrs.s(name);
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == text) return static_cast<E>(i);
  fail("{} \"{}\" is not known", name, text);
}

constexpr std::string_view kModes[] = {"nearest", "linear", "cubic"};
constexpr std::string_view kTransforms[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                                            "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
constexpr std::string_view kNearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

std::vector<std::size_t> resized_axes(const ir::AttrReader& attrs, std::size_t rank) {
  if (attrs.has("axes")) return axes_of(attrs.ints("axes"), rank);
  std::vector<std::size_t> all(rank);
  for (std::size_t i = 0; i < rank; ++i) all[i] = i;
  return all;
}

/// An extent computed in floating point.
std::int64_t extent_of(double v) {
  if (!(v >= 0) || v > 0x1p53) fail("an extent would be {}", v);
  return static_cast<std::int64_t>(v);
}

/// floor(extent * scale), for a scale with a small denominator exactly, else with the bits the scale has.
Expr scaled(const Expr& extent, double scale) {
  if (!(scale >= kSmallestScale) || scale > 1e6) fail("the scale {} is out of range", scale);
  if (auto v = extent.try_constant()) return extent_of(static_cast<float>(*v) * static_cast<float>(scale));
  for (std::int64_t q = 1; q <= 64; ++q) {
    const double p = scale * static_cast<double>(q);
    if (std::fabs(p - std::round(p)) < 1e-6 * p)
      return ir::floor_div(extent * Expr(static_cast<std::int64_t>(std::round(p))), q);
  }
  return ir::floor_div(extent * Expr(static_cast<std::int64_t>(std::round(scale * 16777216.0))), 16777216);
}

/// Scales that are constants: as an attribute, or a constant input 2.
std::optional<std::vector<double>> known_scales(const ir::AttrReader& attrs, const ir::Constant* input) {
  if (attrs.has("scales")) return attrs.floats("scales");
  if (input != nullptr) return ir::to_doubles(*input);
  return std::nullopt;
}

/// The one scale of an aspect-ratio policy, from known extents.
double policy_scale(const std::string& policy, const std::vector<std::int64_t>& in,
                    const std::vector<std::int64_t>& sizes) {
  double scale = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] < 1) fail("an empty axis has no aspect ratio to keep");
    const double s = static_cast<double>(sizes[i]) / static_cast<double>(in[i]);
    scale = i == 0 ? s : policy == "not_larger" ? std::min(scale, s) : std::max(scale, s);
  }
  return scale;
}

/// Largest scale that a build reserves memory for when scales are only known at run time.
constexpr std::int64_t kLargestReadScale = 16;

/// Resize(x, roi?, scales?, sizes?) {scales?, sizes?, roi?, axes?, mode, ...}.
void infer_resize(ir::InferContext& c) {
  const ir::SymShape x = c.shape(0);
  if (!is_float(c.dtype(0)) && !is_integer(c.dtype(0)))
    c.fail("element type {} is not supported", dtype_name(c.dtype(0)));
  const auto axes = resized_axes(c.attrs(), x.size());
  ir::SymShape out = x;
  if (c.attrs().has("sizes") || c.has_input(3)) {
    const auto sizes = numbers(c, "sizes", 3);
    if (sizes.size() != axes.size()) c.fail("{} sizes for {} axes", sizes.size(), axes.size());
    const std::string policy = c.attrs().s("keep_aspect_ratio_policy");
    if (policy == "stretch") {
      for (std::size_t i = 0; i < axes.size(); ++i) out[axes[i]] = sizes[i];
    } else if (policy == "not_larger" || policy == "not_smaller") {
      const auto known = all_constant(sizes);
      std::vector<std::int64_t> in;
      for (std::size_t a : axes)
        if (auto v = x[a].try_constant()) in.push_back(*v);
      if (!known || in.size() != axes.size())
        throw Error("keep_aspect_ratio_policy " + policy + " needs extents and sizes that are known at build",
                    "give the input's shape with --shape, or resize with policy stretch");
      const double scale = policy_scale(policy, in, *known);
      for (std::size_t i = 0; i < axes.size(); ++i)
        out[axes[i]] = extent_of(std::floor(scale * static_cast<double>(in[i]) + 0.5));
    } else {
      c.fail("keep_aspect_ratio_policy \"{}\" is not known", policy);
    }
  } else if (const auto scales = known_scales(c.attrs(), c.constant(2))) {
    if (scales->size() != axes.size()) c.fail("{} scales for {} axes", scales->size(), axes.size());
    for (std::size_t i = 0; i < axes.size(); ++i) out[axes[i]] = scaled(x[axes[i]], (*scales)[i]);
  } else if (c.has_input(2)) {
    if (c.shape(2).size() != 1) c.fail("scales have rank {}, not 1", c.shape(2).size());
    require_equal(c.shape(2)[0], static_cast<std::int64_t>(axes.size()), "scales and axes differ in number");
    for (std::size_t a : axes) out[a] = c.new_extent(0, x[a] * Expr(kLargestReadScale));
  } else {
    c.fail("neither scales nor sizes are given");
  }
  if (c.has_input(1) && c.attrs().s("coordinate_transformation_mode") == kTransforms[6])
    require_equal(ir::product(c.shape(1)), 2 * static_cast<std::int64_t>(axes.size()),
                  "elements of roi and ends of the resized axes differ in number");
  c.set_output(0, c.dtype(0), std::move(out));
}

void params_resize(const ir::NodeView& n, ir::ParamsBlob& blob) {
  ResizeParams p;
  const ir::AttrReader attrs = n.attrs();
  p.mode = choice<ResizeParams::Mode>(attrs, "mode", kModes);
  p.transform = choice<ResizeParams::Transform>(attrs, "coordinate_transformation_mode", kTransforms);
  p.nearest = choice<ResizeParams::Nearest>(attrs, "nearest_mode", kNearest);
  p.antialias = attrs.i("antialias") != 0;
  p.exclude_outside = attrs.i("exclude_outside") != 0;
  p.cubic_a = attrs.f("cubic_coeff_a");
  p.extrapolation = attrs.f("extrapolation_value");
  const ir::SymShape& x = n.input(0).shape;
  const auto axes = resized_axes(attrs, x.size());
  p.axes_count = static_cast<std::int64_t>(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) p.axis[i] = static_cast<std::int64_t>(axes[i]);
  for (int i = 0; i < kMaxRank; ++i) {
    p.scale[i] = 1;
    p.roi_end[i] = 1;
  }
  if (attrs.has("sizes") || n.has_input(3)) {
    p.scales = ResizeParams::Scales::extents;
    if (attrs.s("keep_aspect_ratio_policy") != "stretch") {
      // The scale is the policy's, the same for every axis, and not the quotient of the rounded extents.
      const auto sizes = constant_numbers(n, "sizes", 3);  // known: inference needs them
      std::vector<std::int64_t> in;
      for (std::size_t a : axes) in.push_back(x[a].constant());
      const double scale = policy_scale(attrs.s("keep_aspect_ratio_policy"), in, *sizes);
      p.scales = ResizeParams::Scales::known;
      for (std::size_t a : axes) p.scale[a] = scale;
    }
  } else if (const auto scales = known_scales(attrs, n.constant(2))) {
    p.scales = ResizeParams::Scales::known;
    for (std::size_t i = 0; i < axes.size(); ++i) p.scale[axes[i]] = (*scales)[i];
  } else {
    p.scales = ResizeParams::Scales::read;
  }
  if (p.transform == ResizeParams::Transform::tf_crop_and_resize) {
    std::vector<double> roi = attrs.floats("roi");
    if (roi.empty() && n.constant(1)) roi = ir::to_doubles(*n.constant(1));
    if (roi.empty() && n.has_input(1)) {
      p.roi_is_input = 1;
    } else if (roi.size() != 2 * axes.size()) {
      fail("roi has {} elements for {} axes", roi.size(), axes.size());
    } else {
      for (std::size_t i = 0; i < axes.size(); ++i) {
        p.roi_begin[axes[i]] = roi[i];
        p.roi_end[axes[i]] = roi[axes.size() + i];
      }
    }
  }
  blob.set(p);
}

constexpr std::string_view kSampleModes[] = {"linear", "nearest", "cubic"};
constexpr std::string_view kSamplePaddings[] = {"zeros", "border", "reflection"};

/// GridSample(x [N, C, in...], grid [N, out..., axes]) {mode, padding_mode, align_corners}.
void infer_grid_sample(ir::InferContext& c) {
  const ir::SymShape &x = c.shape(0), &grid = c.shape(1);
  if (x.size() < 3 || x.size() > 5 || grid.size() != x.size())
    c.fail("input has rank {}, grid {}", x.size(), grid.size());
  require_equal(grid.back(), static_cast<std::int64_t>(x.size()) - 2,
                "coordinates of a grid point and spatial axes differ in number");
  require_equal(x[0], grid[0], "input and grid differ in batch");
  if (!is_float(c.dtype(0)) || !is_float(c.dtype(1))) c.fail("input and grid must be of floating point types");
  ir::SymShape out{x[0], x[1]};
  out.insert(out.end(), grid.begin() + 1, grid.end() - 1);
  c.set_output(0, c.dtype(0), std::move(out));
}

void params_grid_sample(const ir::NodeView& n, ir::ParamsBlob& blob) {
  GridSampleParams p;
  p.mode = choice<GridSampleParams::Mode>(n.attrs(), "mode", kSampleModes);
  p.padding = choice<GridSampleParams::Padding>(n.attrs(), "padding_mode", kSamplePaddings);
  p.align_corners = n.attrs().i("align_corners") != 0;
  blob.set(p);
}

/// AffineGrid(theta, size?) {size?, align_corners}: size is [N, C, out...].
void infer_affine_grid(ir::InferContext& c) {
  const ir::SymShape& theta = c.shape(0);
  if (theta.size() != 3) c.fail("theta has rank {}, not 3", theta.size());
  const auto size = numbers(c, "size", 1);
  if (size.size() != 4 && size.size() != 5) c.fail("size has {} elements, not 4 or 5", size.size());
  const auto axes = static_cast<std::int64_t>(size.size()) - 2;
  require_equal(theta[1], axes, "rows of theta and spatial axes differ");
  require_equal(theta[2], axes + 1, "columns of theta");
  require_equal(theta[0], size[0], "theta and size differ in batch");
  if (!is_float(c.dtype(0))) c.fail("theta must be of a floating point type");
  ir::SymShape out{size[0]};
  out.insert(out.end(), size.begin() + 2, size.end());
  out.emplace_back(axes);
  c.set_output(0, c.dtype(0), std::move(out));
}

void params_affine_grid(const ir::NodeView& n, ir::ParamsBlob& blob) {
  AffineGridParams p;
  p.align_corners = n.attrs().i("align_corners") != 0;
  blob.set(p);
}

/// Input elements that one of the result is made of, along one axis, where the extent shrinks by `factor` (or grows).
double taps(std::string_view mode, double factor) {
  const double own = mode == "nearest" ? 1 : mode == "linear" ? 2 : 4;
  return own * std::max(factor, 1.0);
}

/// An element of the result reads the product of what each axis reads.
double work_resize(const ir::NodeView& n, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  constexpr double kTap = 4;  // operations
  const std::string mode = n.attrs().s("mode");
  const bool antialias = n.attrs().i("antialias") != 0;
  double work = kTap * static_cast<double>(out[0].numel());
  for (const std::size_t a : resized_axes(n.attrs(), n.input(0).rank())) {
    const double from = static_cast<double>(in[0][static_cast<int>(a)]),
                 to = static_cast<double>(out[0][static_cast<int>(a)]);
    work *= taps(mode, antialias && to > 0 ? from / to : 1);
  }
  return work;
}

double work_grid_sample(const ir::NodeView& n, const std::vector<Shape>&, const std::vector<Shape>& out) {
  constexpr double kTap = 4;  // operations
  double work = kTap * static_cast<double>(out[0].numel());
  for (int a = 2; a < out[0].rank; ++a) work *= taps(n.attrs().s("mode"), 1);
  return work;
}

constexpr ir::AttrDef kResizeAttrs[] = {{"mode", "nearest"},
                                        {"coordinate_transformation_mode", "half_pixel"},
                                        {"nearest_mode", "round_prefer_floor"},
                                        {"antialias", 0},
                                        {"exclude_outside", 0},
                                        {"cubic_coeff_a", -0.75},
                                        {"extrapolation_value", 0.0},
                                        {"keep_aspect_ratio_policy", "stretch"},
                                        {"axes", ir::AttrKind::ints},
                                        {"scales", ir::AttrKind::floats},
                                        {"sizes", ir::AttrKind::ints},
                                        {"roi", ir::AttrKind::floats}};
constexpr ir::AttrDef kGridSampleAttrs[] = {{"mode", "linear"}, {"padding_mode", "zeros"}, {"align_corners", 0}};
constexpr ir::AttrDef kAffineGridAttrs[] = {{"size", ir::AttrKind::ints}, {"align_corners", 0}};

constexpr ir::OpDef kOps[] = {
    {.name = "Resize",
     .attrs = kResizeAttrs,
     .max_inputs = 4,
     .infer = infer_resize,
     .params = params_resize,
     .work = work_resize,
     .shape_inputs = 8},
    {.name = "GridSample",
     .attrs = kGridSampleAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_grid_sample,
     .params = params_grid_sample,
     .work = work_grid_sample},
    {.name = "AffineGrid",
     .attrs = kAffineGridAttrs,
     .max_inputs = 2,
     .infer = infer_affine_grid,
     .params = params_affine_grid,
     .shape_inputs = 2},
};

}  // namespace

extern const ir::OpList resize_ops{kOps};

}  // namespace monza::ops
