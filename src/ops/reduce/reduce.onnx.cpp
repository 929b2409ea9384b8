// ONNX Reduce*, ArgMax, ArgMin, CumSum and CumProd of every opset.
#include "import/api.h"

namespace monza::ops {
namespace {

/// Axes are an attribute, or an input from opset 13 (ReduceSum) or 18 on: a constant one becomes the attribute.
void import_reduce(OnnxNode& n) {
  ir::Attrs attrs{{"keepdims", n.i("keepdims", 1)}};
  std::vector<std::int64_t> axes = n.ints("axes");
  if (n.i("noop_with_empty_axes", 0) != 0) attrs.set("noop_with_empty_axes", std::int64_t{1});
  std::vector<ir::ValueId> inputs{n.input(0)};
  if (n.input_count() > 1 && n.input(1) != ir::kNone) {
    if (const ir::Constant* constant = n.constant(n.input(1))) axes = ir::to_ints(*constant);
    else inputs.push_back(n.input(1));
  }
  if (!axes.empty()) attrs.set("axes", std::move(axes));
  n.bind(0, n.add1(n.op_type(), std::move(inputs), std::move(attrs)));
}

void import_arg(OnnxNode& n) {
  ir::Attrs attrs{{"axis", n.i("axis", 0)}, {"keepdims", n.i("keepdims", 1)}};
  if (n.i("select_last_index", 0) != 0) attrs.set("select_last_index", std::int64_t{1});
  n.bind(0, n.add1(n.op_type(), {n.input(0)}, std::move(attrs)));
}

void import_cumulative(OnnxNode& n) {
  n.bind(0, n.add1(n.op_type(), {n.input(0), n.input(1)},
                   {{"exclusive", n.i("exclusive", 0)}, {"reverse", n.i("reverse", 0)}}));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "ReduceSum", .import = import_reduce},
    {.op_type = "ReduceMean", .import = import_reduce},
    {.op_type = "ReduceMax", .import = import_reduce},
    {.op_type = "ReduceMin", .import = import_reduce},
    {.op_type = "ReduceProd", .import = import_reduce},
    {.op_type = "ReduceL1", .import = import_reduce},
    {.op_type = "ReduceL2", .import = import_reduce},
    {.op_type = "ReduceLogSum", .import = import_reduce},
    {.op_type = "ReduceLogSumExp", .import = import_reduce},
    {.op_type = "ReduceSumSquare", .import = import_reduce},
    {.op_type = "ArgMax", .import = import_arg},
    {.op_type = "ArgMin", .import = import_arg},
    {.op_type = "CumSum", .import = import_cumulative},
    {.op_type = "CumProd", .import = import_cumulative},
};

}  // namespace

extern const OnnxImporters reduce_onnx{kImporters};

}  // namespace monza::ops
