// com.microsoft's QLinearAdd and QLinearGlobalAveragePool.
#include "import/api.h"

namespace monza::ops {
namespace {

void import_add(OnnxNode& n) {
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < n.input_count(); ++i) inputs.push_back(n.input(i));
  const auto at = [&](int i) { return i < n.input_count() ? n.input(i) : ir::kNone; };
  if (n.type(at(0)).shape == n.type(at(3)).shape) {
    n.bind(0, n.add1("QAdd", std::move(inputs)));
    return;
  }
  // QAdd's operands have one shape; those that broadcast are added as floats.
  const ir::ValueId a = n.add1("DequantizeLinear", {at(0), at(1), at(2)}),
                    b = n.add1("DequantizeLinear", {at(3), at(4), at(5)});
  n.bind(0, n.add1("QuantizeLinear", {n.add1("Add", {a, b}), at(6), at(7)}));
}

void import_pool(OnnxNode& n) {
  if (n.i("channels_last", 0) != 0) fail("channels_last is not supported");
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < n.input_count(); ++i) inputs.push_back(n.input(i));
  n.bind(0, n.add1("QGlobalAveragePool", std::move(inputs)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "QLinearAdd", .domain = "com.microsoft", .import = import_add},
    {.op_type = "QLinearGlobalAveragePool", .domain = "com.microsoft", .import = import_pool},
};

}  // namespace

extern const OnnxImporters qeltwise_onnx{kImporters};

}  // namespace monza::ops
