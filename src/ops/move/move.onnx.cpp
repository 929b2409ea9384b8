// ONNX operators that move elements, every opset: what became an input later is an attribute before.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

void import_reshape(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.copy_ints("shape");
  n.ignore("consumed_inputs");
  p.integers("shape", 1, 1);
  if (n.i("allowzero", 0) != 0) p.attrs.set("allowzero", std::int64_t{1});
  p.add("Reshape");
}

void import_flatten(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.attrs.set("axis", n.i("axis", 1));
  p.add("Flatten");
}

void import_squeeze(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.copy_ints("axes");
  p.integers("axes", 1, 1);
  p.add("Squeeze");
}

void import_unsqueeze(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.copy_ints("axes");
  p.integers("axes", 1, 1);
  p.add("Unsqueeze");
}

void import_transpose(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  std::vector<std::int64_t> reversed;
  for (std::size_t i = n.type(n.input(0)).rank(); i > 0; --i) reversed.push_back(static_cast<std::int64_t>(i) - 1);
  p.attrs.set("perm", n.ints("perm", reversed));
  p.add("Transpose");
}

void import_expand(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.integers("shape", 1, 1);
  p.add("Expand");
}

void import_tile(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.integers("repeats", 1, 1);
  p.add("Tile");
}

/// Tile 1 takes a count and an axis instead of a count for each axis.
void import_tile_1(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  const ir::Constant *tiles = n.constant(n.input(1)), *axis = n.constant(n.input(2));
  if (tiles == nullptr || axis == nullptr || tiles->numel() != 1 || axis->numel() != 1)
    fail_hint("export the model at opset 6 or later",
              "tiles and axis of Tile at opset {} must be constants of one element", n.opset());
  std::vector<std::int64_t> repeats(n.type(n.input(0)).rank(), 1);
  const double at = ir::to_doubles(*axis)[0], count = ir::to_doubles(*tiles)[0];
  if (!(at >= 0 && at < static_cast<double>(repeats.size()))) fail("axis {} lies outside [0, {})", at, repeats.size());
  if (!(count >= 0 && count < 0x1p53)) fail("tiles is {}, which is no count", count);
  repeats[static_cast<std::size_t>(at)] = static_cast<std::int64_t>(count);
  p.attrs.set("repeats", repeats);
  p.add("Tile");
}

void import_concat(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < n.input_count(); ++i) p.input(i, i);
  p.attrs.set("axis", n.i("axis", 1));  // opsets before 4 have this default, later ones require it
  p.add("Concat");
}

void import_split(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.attrs.set("axis", n.i("axis", 0));
  p.copy_ints("split");
  p.integers("split", 1, 1);
  const std::int64_t outputs = n.i("num_outputs", n.output_count());
  if (outputs != n.output_count()) fail("num_outputs is {}, but {} outputs are named", outputs, n.output_count());
  const auto out = n.add("Split", p.take_inputs(), std::move(p.attrs), n.output_count());
  n.bind_all(out);
}

void import_slice(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  for (const char* name : {"starts", "ends", "axes"}) p.copy_ints(name);
  p.integers("starts", 1, 1);
  p.integers("ends", 2, 2);
  p.integers("axes", 3, 3);
  p.integers("steps", 4, 4);
  p.add("Slice");
}

void import_pad(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  const std::string mode = n.s("mode", "constant");
  p.attrs.set("mode", mode);
  if (n.has_attr("pads")) p.attrs.set("pads", n.ints("pads"));
  if (n.has_attr("paddings")) p.attrs.set("pads", n.ints("paddings"));
  // Pads and axes go together: the kernel reads both, or neither.
  const bool axes_known = n.input_count() <= 3 || n.input(3) == ir::kNone || n.constant(n.input(3)) != nullptr;
  if (axes_known) p.integers("pads", 1, 1);
  else p.input(1, 1);
  if (n.has_attr("value")) {
    const float value = n.f("value", 0);
    if (value != 0 && mode == "constant")
      p.put(2, n.constant_value(ir::constant_scalar(n.type(n.input(0)).dtype, value)));
  }
  p.input(2, 2);
  p.integers("axes", 3, 3);
  p.add("Pad");
}

void import_center_crop_pad(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.integers("shape", 1, 1);
  p.copy_ints("axes");
  p.add("CenterCropPad");
}

void import_depth_to_space(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.attrs.set("blocksize", std::vector<std::int64_t>(2, n.i("blocksize", 1)));
  p.attrs.set("mode", n.s("mode", "DCR"));
  p.add("DepthToSpace");
}

void import_space_to_depth(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.attrs.set("blocksize", std::vector<std::int64_t>(2, n.i("blocksize", 1)));
  p.add("SpaceToDepth");
}

void import_reverse_sequence(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.input(1, 1);
  p.attrs.set("batch_axis", n.i("batch_axis", 1));
  p.attrs.set("time_axis", n.i("time_axis", 0));
  p.add("ReverseSequence");
}

void import_trilu(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.input(1, 1);
  p.attrs.set("upper", n.i("upper", 1));
  p.add("Trilu");
}

void import_col2im(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.integers("image_shape", 1, 1);
  p.integers("block_shape", 2, 2);
  for (const char* name : {"dilations", "pads", "strides"}) p.copy_ints(name);
  p.add("Col2Im");
}

void import_shape(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  for (const char* name : {"start", "end"})
    if (n.has_attr(name)) p.attrs.set(name, n.i(name, 0));
  p.add("Shape");
}

void import_size(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  p.add("Size");
}

void import_constant_of_shape(OnnxNode& n) {
  NodeParts p(n);
  if (n.has_attr("value")) p.attrs.set("value", n.tensor("value"));
  p.integers("shape", 0, 0);
  p.add("ConstantOfShape");
}

void import_range(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < 3; ++i) p.input(i, i);
  n.ignore("stash_type");
  p.add("Range");
}

void import_eye_like(OnnxNode& n) {
  NodeParts p(n);
  p.input(0, 0);
  if (n.has_attr("dtype")) p.attrs.set("dtype", std::string(dtype_name(dtype_from_onnx(n.i("dtype", 1)))));
  p.attrs.set("k", n.i("k", 0));
  p.add("EyeLike");
}

void import_one_hot(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < 3; ++i) p.input(i, i);
  p.attrs.set("axis", n.i("axis", -1));
  p.add("OneHot");
}

/// Constant in each of its spellings becomes a constant of the graph.
void import_constant(OnnxNode& n) {
  std::shared_ptr<const ir::Constant> c;
  if (n.has_attr("value")) {
    c = n.tensor("value");
  } else if (n.has_attr("value_int")) {
    c = ir::constant_i64_scalar(n.i("value_int", 0));
  } else if (n.has_attr("value_ints")) {
    c = ir::constant_i64(n.ints("value_ints"));
  } else if (n.has_attr("value_float")) {
    c = ir::constant_f32_scalar(n.f("value_float", 0));
  } else if (n.has_attr("value_floats")) {
    auto values = n.floats("value_floats");
    const Shape shape{static_cast<std::int64_t>(values.size())};
    c = ir::constant_f32(std::move(values), shape);
  } else if (n.has_attr("value_string") || n.has_attr("value_strings")) {
    auto made = std::make_shared<ir::Constant>();
    made->dtype = DType::string;
    if (n.has_attr("value_string")) {
      made->strings = {n.s("value_string", "")};
    } else {
      made->strings = n.strings("value_strings");
      made->shape = Shape{static_cast<std::int64_t>(made->strings.size())};
    }
    c = std::move(made);
  } else {
    fail_hint("export the model with a dense constant",
              "a Constant without a dense value (sparse_value) is not supported");
  }
  n.bind(0, n.constant_value(std::move(c)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "Reshape", .import = import_reshape},
    {.op_type = "Flatten", .import = import_flatten},
    {.op_type = "Squeeze", .import = import_squeeze},
    {.op_type = "Unsqueeze", .import = import_unsqueeze},
    {.op_type = "Transpose", .import = import_transpose},
    {.op_type = "Expand", .import = import_expand},
    {.op_type = "Tile", .until = 5, .import = import_tile_1},
    {.op_type = "Tile", .since = 6, .import = import_tile},
    {.op_type = "Concat", .import = import_concat},
    {.op_type = "Split", .import = import_split},
    {.op_type = "Slice", .import = import_slice},
    {.op_type = "Pad", .import = import_pad},
    {.op_type = "CenterCropPad", .import = import_center_crop_pad},
    {.op_type = "DepthToSpace", .import = import_depth_to_space},
    {.op_type = "SpaceToDepth", .import = import_space_to_depth},
    {.op_type = "ReverseSequence", .import = import_reverse_sequence},
    {.op_type = "Trilu", .import = import_trilu},
    {.op_type = "Col2Im", .import = import_col2im},
    {.op_type = "Shape", .import = import_shape},
    {.op_type = "Size", .import = import_size},
    {.op_type = "ConstantOfShape", .import = import_constant_of_shape},
    {.op_type = "Range", .import = import_range},
    {.op_type = "EyeLike", .import = import_eye_like},
    {.op_type = "OneHot", .import = import_one_hot},
    {.op_type = "Constant", .import = import_constant},
};

}  // namespace

extern const OnnxImporters move_onnx{kImporters};

}  // namespace monza::ops
