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

}  // namespace

#define MONZA_IMPORT(symbol, type, function) \
  extern const OnnxImporter symbol##_onnx;   \
  const OnnxImporter symbol##_onnx{.op_type = type, .import = function};
MONZA_IMPORT(reduce_sum, "ReduceSum", import_reduce)
MONZA_IMPORT(reduce_mean, "ReduceMean", import_reduce)
MONZA_IMPORT(reduce_max, "ReduceMax", import_reduce)
MONZA_IMPORT(reduce_min, "ReduceMin", import_reduce)
MONZA_IMPORT(reduce_prod, "ReduceProd", import_reduce)
MONZA_IMPORT(reduce_l1, "ReduceL1", import_reduce)
MONZA_IMPORT(reduce_l2, "ReduceL2", import_reduce)
MONZA_IMPORT(reduce_log_sum, "ReduceLogSum", import_reduce)
MONZA_IMPORT(reduce_log_sum_exp, "ReduceLogSumExp", import_reduce)
MONZA_IMPORT(reduce_sum_square, "ReduceSumSquare", import_reduce)
MONZA_IMPORT(arg_max, "ArgMax", import_arg)
MONZA_IMPORT(arg_min, "ArgMin", import_arg)
MONZA_IMPORT(cum_sum, "CumSum", import_cumulative)
MONZA_IMPORT(cum_prod, "CumProd", import_cumulative)

}  // namespace monza::ops
