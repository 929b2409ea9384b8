// ONNX Resize of every opset, Upsample, GridSample, AffineGrid.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

/// ONNX input `i`, of floats: attribute `name` where it is a constant, else graph input `to`. False when absent or
/// empty.
bool floats(OnnxNode& n, NodeParts& p, const char* name, int to, int i) {
  if (i >= n.input_count() || n.input(i) == ir::kNone) return false;
  const ir::Constant* c = n.constant(n.input(i));
  if (c == nullptr) {
    if (ir::product(n.type(n.input(i)).shape) == ir::Expr(0)) return false;
    p.put(to, n.input(i));
    return true;
  }
  if (c->numel() == 0) return false;
  p.attrs.set(name, ir::to_doubles(*c));
  return true;
}

std::string mode_of(OnnxNode& n) {
  const std::string mode = n.s("mode", "nearest");
  if (mode == "bilinear" || mode == "trilinear") return "linear";
  return mode == "bicubic" ? "cubic" : mode;
}

/// Upsample 1, 7 and 9 and Resize 10 know one transformation: a pixel's corner, rounded down.
void set_simple(OnnxNode& n, NodeParts& p) {
  p.attrs.set("mode", mode_of(n));
  p.attrs.set("coordinate_transformation_mode", std::string("asymmetric"));
  p.attrs.set("nearest_mode", std::string("floor"));
}

void import_upsample_1(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  set_simple(n, p);
  p.attrs.set("scales", std::vector<double>{1, 1, static_cast<double>(n.f("height_scale", 1)),
                                            static_cast<double>(n.f("width_scale", 1))});
  p.add("Resize");
}

void import_upsample_7(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  set_simple(n, p);
  const auto scales = n.floats("scales");
  p.attrs.set("scales", std::vector<double>(scales.begin(), scales.end()));
  p.add("Resize");
}

void import_resize_10(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  set_simple(n, p);
  floats(n, p, "scales", 2, 1);
  p.add("Resize");
}

void import_resize(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.attrs.set("mode", mode_of(n));
  const std::string transform = n.s("coordinate_transformation_mode", "half_pixel");
  p.attrs.set("coordinate_transformation_mode", transform);
  p.attrs.set("nearest_mode", n.s("nearest_mode", "round_prefer_floor"));
  if (transform == "tf_crop_and_resize") floats(n, p, "roi", 1, 1);
  if (!floats(n, p, "scales", 2, 2)) p.integers("sizes", 3, 3);
  p.attrs.set("cubic_coeff_a", static_cast<double>(n.f("cubic_coeff_a", -0.75F)));
  p.attrs.set("extrapolation_value", static_cast<double>(n.f("extrapolation_value", 0)));
  if (n.i("exclude_outside", 0) != 0) p.attrs.set("exclude_outside", std::int64_t{1});
  if (n.i("antialias", 0) != 0) p.attrs.set("antialias", std::int64_t{1});
  if (n.has_attr("axes")) p.attrs.set("axes", n.ints("axes"));
  const std::string policy = n.s("keep_aspect_ratio_policy", "stretch");
  if (policy != "stretch") p.attrs.set("keep_aspect_ratio_policy", policy);
  p.add("Resize");
}

void import_grid_sample(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.input(1, 1);
  const std::string mode = n.s("mode", n.opset() >= 20 ? "linear" : "bilinear");
  p.attrs.set("mode", mode == "bilinear" ? std::string("linear") : mode == "bicubic" ? std::string("cubic") : mode);
  p.attrs.set("padding_mode", n.s("padding_mode", "zeros"));
  p.attrs.set("align_corners", n.i("align_corners", 0));
  p.add("GridSample");
}

void import_affine_grid(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.integers("size", 1, 1);
  p.attrs.set("align_corners", n.i("align_corners", 0));
  p.add("AffineGrid");
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "Upsample", .until = 6, .import = import_upsample_1},
    {.op_type = "Upsample", .since = 7, .until = 8, .import = import_upsample_7},
    {.op_type = "Upsample", .since = 9, .import = import_resize_10},
    {.op_type = "Resize", .until = 10, .import = import_resize_10},
    {.op_type = "Resize", .since = 11, .import = import_resize},
    {.op_type = "GridSample", .import = import_grid_sample},
    {.op_type = "AffineGrid", .import = import_affine_grid},
};

}  // namespace

extern const OnnxImporters resize_onnx{kImporters};

}  // namespace monza::ops
