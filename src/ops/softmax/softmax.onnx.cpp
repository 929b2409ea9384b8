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

}  // namespace

extern const OnnxImporter softmax_onnx, log_softmax_onnx, hardmax_onnx;
const OnnxImporter softmax_onnx{.op_type = "Softmax", .import = import};
const OnnxImporter log_softmax_onnx{.op_type = "LogSoftmax", .import = import};
const OnnxImporter hardmax_onnx{.op_type = "Hardmax", .import = import};

}  // namespace monza::ops
