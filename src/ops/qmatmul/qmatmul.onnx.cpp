// ONNX MatMulInteger, QLinearMatMul, and com.microsoft's MatMulIntegerToFloat, DynamicQuantizeMatMul, QGemm.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"
#include "ops/shared/requantize.params.h"

namespace monza::ops {
namespace {

void import_integer(OnnxNode& n) {
  n.bind(0, n.add1("MatMulInteger", trimmed({n.input(0), n.input(1), input_or_none(n, 2), input_or_none(n, 3)})));
}

void import_qlinear(OnnxNode& n) {
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < 8; ++i) inputs.push_back(input_or_none(n, i));
  n.bind(0, n.add1("QMatMul", trimmed(std::move(inputs))));
}

void import_to_float(OnnxNode& n) {  // a, b, a_scale, b_scale, a_zero?, b_zero?, bias?
  n.bind(0, n.add1("QMatMul", trimmed({n.input(0), n.input(2), input_or_none(n, 4), n.input(1), n.input(3),
                                       input_or_none(n, 5), ir::kNone, ir::kNone, input_or_none(n, 6)})));
}

void import_dynamic(OnnxNode& n) {  // a (f32), b, b_scale, b_zero?, bias?
  const auto q = n.add("DynamicQuantizeLinear", {n.input(0)}, {}, 3);
  n.bind(0, n.add1("QMatMul", trimmed({q[0], q[1], q[2], n.input(1), n.input(2), input_or_none(n, 3), ir::kNone,
                                       ir::kNone, input_or_none(n, 4)})));
}

void import_qgemm(OnnxNode& n) {  // a, a_scale, a_zero, b, b_scale, b_zero, c?, y_scale?, y_zero?
  if (n.i("transA", 0) != 0) fail("transA is not supported");
  if (n.f("alpha", 1.0F) != 1.0F) fail("alpha is not 1");
  ir::Attrs attrs;
  if (n.i("transB", 0) != 0) attrs.set("trans_b", std::int64_t{1});
  n.bind(0, n.add1("QMatMul",
                   trimmed({n.input(0), n.input(1), n.input(2), n.input(3), n.input(4), n.input(5), input_or_none(n, 7),
                            input_or_none(n, 8), input_or_none(n, 6)}),
                   std::move(attrs)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "MatMulInteger", .since = 10, .import = import_integer},
    {.op_type = "QLinearMatMul", .since = 10, .import = import_qlinear},
    {.op_type = "MatMulIntegerToFloat", .domain = "com.microsoft", .import = import_to_float},
    {.op_type = "DynamicQuantizeMatMul", .domain = "com.microsoft", .import = import_dynamic},
    {.op_type = "QGemm", .domain = "com.microsoft", .import = import_qgemm},
};

}  // namespace

extern const OnnxImporters qmatmul_onnx{kImporters};

}  // namespace monza::ops
