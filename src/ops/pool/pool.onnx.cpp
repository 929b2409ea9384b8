// ONNX pooling, every opset: pads resolved where the extents are known.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

/// kernel_shape, strides, dilations, pads and auto_pad of a node over `axes` spatial axes.
void read_windows(OnnxNode& n, NodeParts& p, bool pool) {
  const ir::SymShape& x = n.type(n.input(0)).shape;
  if (x.size() < 3) fail("input has rank {}; at least one spatial axis is needed", x.size());
  const std::size_t axes = x.size() - 2;
  const auto kernel = n.ints("kernel_shape");
  const auto strides = n.ints("strides", std::vector<std::int64_t>(axes, 1));
  auto pads = n.ints("pads", std::vector<std::int64_t>(2 * axes, 0));
  const auto dilations =
      pool ? n.ints("dilations", std::vector<std::int64_t>(axes, 1)) : std::vector<std::int64_t>(axes, 1);
  if (kernel.size() != axes || strides.size() != axes || dilations.size() != axes || pads.size() != 2 * axes)
    fail("kernel_shape, strides, dilations and pads have {}, {}, {} and {} entries for {} spatial axes", kernel.size(),
         strides.size(), dilations.size(), pads.size(), axes);
  const std::string auto_pad = pool ? n.s("auto_pad", "NOTSET") : "NOTSET";
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    // Left to the definition: the pads follow from the extents of each run.
    p.attrs.set("auto_pad", std::string(auto_pad == "SAME_UPPER" ? "same_upper" : "same_lower"));
    pads.assign(2 * axes, 0);
  } else if (auto_pad == "VALID") {
    pads.assign(2 * axes, 0);
  } else if (auto_pad != "NOTSET") {
    fail("auto_pad \"{}\" is not known", auto_pad);
  }
  p.attrs.set("kernel_shape", kernel);
  p.attrs.set("strides", strides);
  p.attrs.set("pads", pads);
  if (!pool) return;
  p.attrs.set("dilations", dilations);
  // auto_pad "VALID" counts the windows that fit, whatever ceil_mode says.
  if (n.i("ceil_mode", 0) != 0 && auto_pad == "NOTSET") p.attrs.set("ceil_mode", std::int64_t{1});
}

void import_max_pool(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  read_windows(n, p, true);
  if (n.i("storage_order", 0) != 0) p.attrs.set("storage_order", std::int64_t{1});
  const int outputs = n.output_count() > 1 && n.has_output(1) ? 2 : 1;
  const auto out = n.add("MaxPool", p.take_inputs(), std::move(p.attrs), outputs);
  for (int i = 0; i < outputs; ++i)
    if (n.has_output(i)) n.bind(i, out[static_cast<std::size_t>(i)]);
}

void import_average_pool(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  read_windows(n, p, true);
  p.attrs.set("count_include_pad", n.i("count_include_pad", 0));
  p.add("AveragePool");
}

void import_lp_pool(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  read_windows(n, p, true);
  p.attrs.set("p", n.i("p", 2));
  p.add("LpPool");
}

void import_global(OnnxNode& n, const char* op) {
  NodeParts p(n);
  p.input(0, 0);
  p.attrs.set("global", std::int64_t{1});
  p.add(op);
}
void import_global_max_pool(OnnxNode& n) { import_global(n, "MaxPool"); }
void import_global_average_pool(OnnxNode& n) { import_global(n, "AveragePool"); }
void import_global_lp_pool(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.attrs.set("global", std::int64_t{1});
  p.attrs.set("p", n.i("p", 2));
  p.add("LpPool");
}

void import_max_unpool(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.input(1, 1);
  p.integers("output_shape", 2, 2);
  read_windows(n, p, false);
  p.add("MaxUnpool");
}

void import_roi_align(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < 3; ++i) p.input(i, i);
  p.attrs.set("mode", n.s("mode", "avg"));
  // Opset 10 has no half-pixel shift of the boxes.
  p.attrs.set("coordinate_transformation_mode",
              n.opset() >= 16 ? n.s("coordinate_transformation_mode", "half_pixel") : std::string("output_half_pixel"));
  p.attrs.set("output_height", n.i("output_height", 1));
  p.attrs.set("output_width", n.i("output_width", 1));
  p.attrs.set("sampling_ratio", n.i("sampling_ratio", 0));
  p.attrs.set("spatial_scale", static_cast<double>(n.f("spatial_scale", 1)));
  p.add("RoiAlign");
}

void import_max_roi_pool(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.input(1, 1);
  const auto shape = n.ints("pooled_shape");
  if (shape.size() != 2) fail("pooled_shape has {} entries, not 2", shape.size());
  p.attrs.set("output_height", shape[0]);
  p.attrs.set("output_width", shape[1]);
  p.attrs.set("spatial_scale", static_cast<double>(n.f("spatial_scale", 1)));
  p.add("MaxRoiPool");
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "MaxPool", .import = import_max_pool},
    {.op_type = "AveragePool", .import = import_average_pool},
    {.op_type = "LpPool", .import = import_lp_pool},
    {.op_type = "GlobalMaxPool", .import = import_global_max_pool},
    {.op_type = "GlobalAveragePool", .import = import_global_average_pool},
    {.op_type = "GlobalLpPool", .import = import_global_lp_pool},
    {.op_type = "MaxUnpool", .import = import_max_unpool},
    {.op_type = "RoiAlign", .import = import_roi_align},
    {.op_type = "MaxRoiPool", .import = import_max_roi_pool},
};

}  // namespace

extern const OnnxImporters pool_onnx{kImporters};

}  // namespace monza::ops
