// ONNX Softmax, LogSoftmax and Hardmax: before opset 13 they flatten the axes from `axis` on.
#include "import/api.h"

namespace monza::ops {
namespace {

void import(OnnxNode& n) {
  const bool flatten = n.opset() < 13;
  const auto rank = static_cast<std::int64_t>(n.type(n.input(0)).rank());
  std::int64_t axis = n.i("axis", flatten ? 1 : -1);
  ir::Attrs attrs;
  if (flatten) {
    if (axis < 0) axis += rank;
    // Over the last axis alone both mean the same.
    if (axis != rank - 1) attrs.set("flatten", std::int64_t{1});
  }
  attrs.set("axis", axis);
  n.bind(0, n.add1(n.op_type(), {n.input(0)}, std::move(attrs)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "Softmax", .import = import},
    {.op_type = "LogSoftmax", .import = import},
    {.op_type = "Hardmax", .import = import},
};

}  // namespace

extern const OnnxImporters softmax_onnx{kImporters};

}  // namespace monza::ops
