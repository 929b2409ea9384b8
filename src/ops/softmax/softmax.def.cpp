// Softmax, LogSoftmax and Hardmax: shapes and parameters.
#include <string_view>

#include "ir/op.h"
#include "ops/softmax/softmax.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

std::int64_t axis_of(const ir::AttrReader& attrs, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  const std::int64_t axis = attrs.i("axis");
  // Flattening may begin after the last axis: then every element is alone.
  const std::int64_t last = attrs.i("flatten") != 0 ? r : r - 1;
  if (axis < -r || axis > last) fail("axis {} lies outside [-{}, {}]", axis, r, last);
  return axis < 0 ? axis + r : axis;
}

void infer(ir::InferContext& c) {
  const DType type = c.dtype(0);
  if (type != DType::f32 && type != DType::f64 && type != DType::f16 && type != DType::bf16)
    c.fail("element type {} is not a floating point type", dtype_name(type));
  if (c.shape(0).empty() && c.attrs().i("flatten") == 0) c.fail("the input is a scalar");
  axis_of(c.attrs(), c.shape(0).size());
  c.set_output(0, type, c.shape(0));
}

void params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  SoftmaxParams p;
  const std::string_view name = n.node.op->name;
  p.kind = name == "Softmax"      ? SoftmaxKind::softmax
           : name == "LogSoftmax" ? SoftmaxKind::log_softmax
                                  : SoftmaxKind::hardmax;
  const auto rank = n.input(0).rank();
  p.axis = static_cast<std::int32_t>(axis_of(n.attrs(), rank));
  p.end = n.attrs().i("flatten") != 0 ? static_cast<std::int32_t>(rank) : p.axis + 1;
  blob.set(p);
}

/// Largest, subtract, exponential, sum, divide.
double flops(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  return 5.0 * static_cast<double>(in[0].numel());
}

constexpr ir::AttrDef kAttrs[] = {{"axis", -1}, {"flatten", 0}};

constexpr ir::OpDef kOps[] = {
    {.name = "Softmax", .attrs = kAttrs, .infer = infer, .params = params, .flops = flops},
    {.name = "LogSoftmax", .attrs = kAttrs, .infer = infer, .params = params, .flops = flops},
    {.name = "Hardmax", .attrs = kAttrs, .infer = infer, .params = params, .flops = flops},
};

}  // namespace

extern const ir::OpList softmax_ops{kOps};

}  // namespace monza::ops
