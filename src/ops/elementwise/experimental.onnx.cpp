// Operators of ONNX's first experiments, which old exporters (CoreML's converter above all) wrote and ONNX Runtime
// still takes: they were never in a released opset.
#include "import/api.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using Ints = std::vector<std::int64_t>;

void require_pictures(OnnxNode& n, ir::ValueId x) {
  if (const std::size_t rank = n.type(x).rank(); rank != 4) fail("input has rank {}, not 4", rank);
}

ir::ValueId scalar(OnnxNode& n, ir::ValueId like, float value) {
  return n.constant_value(ir::constant_scalar(n.type(like).dtype, static_cast<double>(value)));
}

/// x * scale + bias of the channel.
void import_image_scaler(OnnxNode& n) {
  const ir::ValueId x = n.input(0);
  require_pictures(n, x);
  if (n.type(x).dtype != DType::f32) fail("pictures of {} are not supported", dtype_name(n.type(x).dtype));
  auto bias = n.floats("bias");
  const ir::ValueId scaled = n.add1("Mul", {x, scalar(n, x, n.f("scale", 1))});
  const auto channels = n.type(x).shape[1].try_constant();
  const auto count = static_cast<std::int64_t>(bias.size());
  if (channels && *channels != count) fail("{} biases for {} channels", count, *channels);
  n.bind(0, n.add1("Add", {scaled, n.constant_value(ir::constant_f32(std::move(bias), Shape{count, 1, 1}))}));
}

/// alpha * x + beta
void import_affine(OnnxNode& n) {
  const ir::ValueId x = n.input(0);
  const ir::ValueId scaled = n.add1("Mul", {x, scalar(n, x, n.f("alpha", 1))});
  n.bind(0, n.add1("Add", {scaled, scalar(n, x, n.f("beta", 0))}));
}

/// border = [left, top, right, bottom] goes off; or a picture of scale = [height, width] from the left and top border.
void import_crop(OnnxNode& n) {
  const ir::ValueId x = n.input(0);
  require_pictures(n, x);
  const Ints border = n.ints("border"), size = n.ints("scale");
  if (border.size() != 4) fail("border has {} elements, not 4", border.size());
  for (const std::int64_t b : border)
    if (b < 0) fail("border has an element of {}", b);
  const ir::SymShape& shape = n.type(x).shape;
  Ints ends{-border[3], -border[2]};
  for (std::size_t a = 0; a < 2; ++a)
    if (ends[a] == 0) ends[a] = INT64_MAX;
  if (!size.empty()) {
    if (size.size() != 2) fail("scale has {} elements, not 2", size.size());
    ends = {border[1] + size[0], border[0] + size[1]};
  }
  for (std::size_t a = 0; a < 2; ++a) {
    const std::int64_t begin = border[1 - a], end = size.empty() ? border[3 - a] : size[a];
    if (const auto extent = shape[2 + a].try_constant(); extent && (end < 0 || begin + end > *extent))
      fail("what is cropped reaches {} past {} in dimension {}", begin + end, *extent, 2 + a);
  }
  n.bind(0, n.add1("Slice", {x}, {{"starts", Ints{border[1], border[0]}}, {"ends", ends}, {"axes", Ints{2, 3}}}));
}

constexpr OnnxImporter kExperimentalImporters[] = {
    {.op_type = "ImageScaler", .import = import_image_scaler},
    {.op_type = "Affine", .import = import_affine},
    {.op_type = "Crop", .import = import_crop},
};

}  // namespace

extern const OnnxImporters experimental_onnx{kExperimentalImporters};

}  // namespace monza::ops
