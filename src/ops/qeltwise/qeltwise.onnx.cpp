// com.microsoft's QLinear operators on one or several tensors, as ONNX Runtime's quantiser writes them. All but two
// become Q/DQ around the operator on floats, which the passes turn into integer kernels where there are some.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

ir::ValueId dequantized(OnnxNode& n, int x, int scale, int zero) {
  return n.add1("DequantizeLinear", trimmed({n.input(x), n.input(scale), input_or_none(n, zero)}));
}
/// Output 0 is `y`, quantised by inputs `scale` and `zero`.
void bind_quantized(OnnxNode& n, ir::ValueId y, int scale, int zero) {
  n.bind(0, n.add1("QuantizeLinear", trimmed({y, n.input(scale), input_or_none(n, zero)})));
}

/// (a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero)
void import_binary(OnnxNode& n, const char* op) {
  bind_quantized(n, n.add1(op, {dequantized(n, 0, 1, 2), dequantized(n, 3, 4, 5)}), 6, 7);
}
void import_mul(OnnxNode& n) { import_binary(n, "Mul"); }
void import_add(OnnxNode& n) {
  // QAdd's operands have one shape; those that broadcast are added as floats.
  if (!(n.type(n.input(0)).shape == n.type(n.input(3)).shape)) return import_binary(n, "Add");
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < n.input_count(); ++i) inputs.push_back(n.input(i));
  n.bind(0, n.add1("QAdd", std::move(inputs)));
}

/// (x, x_scale, x_zero, y_scale, y_zero)
void import_unary(OnnxNode& n, const char* op, ir::Attrs attrs = {}) {
  bind_quantized(n, n.add1(op, {dequantized(n, 0, 1, 2)}, std::move(attrs)), 3, 4);
}
void import_sigmoid(OnnxNode& n) { import_unary(n, "Sigmoid"); }
void import_leaky_relu(OnnxNode& n) {
  import_unary(n, "LeakyRelu", {{"alpha", static_cast<double>(n.f("alpha", 0.01F))}});
}
void import_softmax(OnnxNode& n) {
  const std::int64_t opset = n.i("opset", 13);
  if (opset < 13 && n.i("axis", -1) != -1 &&
      n.i("axis", -1) + 1 != static_cast<std::int64_t>(n.type(n.input(0)).rank()))
    fail("the softmax of opset {} over several axes is not supported", opset);
  import_unary(n, "Softmax", {{"axis", n.i("axis", -1)}});
}
void import_reduce_mean(OnnxNode& n) {
  ir::Attrs attrs{{"keepdims", n.i("keepdims", 1)}};
  if (n.has_attr("axes")) attrs.set("axes", n.ints("axes"));
  import_unary(n, "ReduceMean", std::move(attrs));
}

void import_global_pool(OnnxNode& n) {
  if (n.i("channels_last", 0) != 0) fail("channels_last is not supported");
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < n.input_count(); ++i) inputs.push_back(n.input(i));
  n.bind(0, n.add1("QGlobalAveragePool", std::move(inputs)));
}

void import_average_pool(OnnxNode& n) {
  if (n.i("channels_last", 0) != 0) fail("channels_last is not supported");
  const std::size_t rank = n.type(n.input(0)).rank();
  if (rank < 3) fail("input has rank {}; at least one spatial axis is needed", rank);
  ir::Attrs attrs{{"kernel_shape", n.ints("kernel_shape")},
                  {"strides", n.ints("strides", std::vector<std::int64_t>(rank - 2, 1))},
                  {"count_include_pad", n.i("count_include_pad", 0)},
                  {"ceil_mode", n.i("ceil_mode", 0)}};
  const std::string auto_pad = n.s("auto_pad", "NOTSET");
  const auto pads = n.ints("pads", std::vector<std::int64_t>(2 * (rank - 2), 0));
  if (auto_pad == "SAME_UPPER") attrs.set("auto_pad", std::string("same_upper"));
  else if (auto_pad == "SAME_LOWER") attrs.set("auto_pad", std::string("same_lower"));
  else if (auto_pad == "NOTSET") attrs.set("pads", pads);
  import_unary(n, "AveragePool", std::move(attrs));
}

/// (y_scale, y_zero, then x, x_scale, x_zero of every part)
void import_concat(OnnxNode& n) {
  if (n.input_count() % 3 != 2)
    fail("{} inputs are not a scale, a zero point and three of every part", n.input_count());
  std::vector<ir::ValueId> parts;
  for (int i = 2; i + 2 < n.input_count(); i += 3) parts.push_back(dequantized(n, i, i + 1, i + 2));
  bind_quantized(n, n.add1("Concat", std::move(parts), {{"axis", n.i("axis", 0)}}), 0, 1);
}

/// (condition, x, x_scale, x_zero, y, y_scale, y_zero, z_scale, z_zero)
void import_where(OnnxNode& n) {
  bind_quantized(n, n.add1("Where", {n.input(0), dequantized(n, 1, 2, 3), dequantized(n, 4, 5, 6)}), 7, 8);
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "QLinearAdd", .domain = "com.microsoft", .import = import_add},
    {.op_type = "QLinearMul", .domain = "com.microsoft", .import = import_mul},
    {.op_type = "QLinearSigmoid", .domain = "com.microsoft", .import = import_sigmoid},
    {.op_type = "QLinearLeakyRelu", .domain = "com.microsoft", .import = import_leaky_relu},
    {.op_type = "QLinearSoftmax", .domain = "com.microsoft", .import = import_softmax},
    {.op_type = "QLinearReduceMean", .domain = "com.microsoft", .import = import_reduce_mean},
    {.op_type = "QLinearAveragePool", .domain = "com.microsoft", .import = import_average_pool},
    {.op_type = "QLinearGlobalAveragePool", .domain = "com.microsoft", .import = import_global_pool},
    {.op_type = "QLinearConcat", .domain = "com.microsoft", .import = import_concat},
    {.op_type = "QLinearWhere", .domain = "com.microsoft", .import = import_where},
};

}  // namespace

extern const OnnxImporters qeltwise_onnx{kImporters};

}  // namespace monza::ops
