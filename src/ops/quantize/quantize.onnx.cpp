// ONNX QuantizeLinear and DequantizeLinear (opsets 10 to 25), DynamicQuantizeLinear.
#include "import/api.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// ONNX's number of an element type, as the graph names the type.
std::string type_name(std::int64_t onnx_type) { return std::string(dtype_name(dtype_from_onnx(onnx_type))); }

ir::Attrs common_attrs(OnnxNode& n) {
  ir::Attrs attrs;
  if (n.opset() >= 13) {
    attrs.set("axis", n.i("axis", 1));
  }
  if (n.opset() >= 21) {
    if (const auto block = n.i("block_size", 0)) attrs.set("block_size", block);
    if (const auto type = n.i("output_dtype", 0)) attrs.set("output_type", type_name(type));
  }
  return attrs;
}

std::vector<ir::ValueId> inputs_of(OnnxNode& n) {
  std::vector<ir::ValueId> inputs{n.input(0), n.input(1)};
  if (n.input_count() > 2 && n.input(2) != ir::kNone) inputs.push_back(n.input(2));
  return inputs;
}

void import_quantize(OnnxNode& n) {
  ir::Attrs attrs = common_attrs(n);
  if (n.opset() >= 19 && n.i("saturate", 1) == 0) attrs.set("saturate", std::int64_t{0});
  if (n.opset() >= 23)
    if (const auto precision = n.i("precision", 0)) attrs.set("precision", type_name(precision));
  n.bind(0, n.add1("QuantizeLinear", inputs_of(n), std::move(attrs)));
}

void import_dequantize(OnnxNode& n) { n.bind(0, n.add1("DequantizeLinear", inputs_of(n), common_attrs(n))); }

/// com.microsoft's forms have the axis at every version.
void import_ms(OnnxNode& n, const char* op) {
  ir::Attrs attrs;
  attrs.set("axis", n.i("axis", 1));
  if (const auto block = n.i("block_size", 0)) attrs.set("block_size", block);
  n.bind(0, n.add1(op, inputs_of(n), std::move(attrs)));
}
void import_ms_quantize(OnnxNode& n) { import_ms(n, "QuantizeLinear"); }
void import_ms_dequantize(OnnxNode& n) { import_ms(n, "DequantizeLinear"); }

void import_dynamic(OnnxNode& n) {
  const auto out = n.add("DynamicQuantizeLinear", {n.input(0)}, {}, 3);
  for (int i = 0; i < 3; ++i)
    if (n.has_output(i)) n.bind(i, out[static_cast<std::size_t>(i)]);
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "QuantizeLinear", .since = 10, .import = import_quantize},
    {.op_type = "DequantizeLinear", .since = 10, .import = import_dequantize},
    {.op_type = "DynamicQuantizeLinear", .since = 11, .import = import_dynamic},
    {.op_type = "QuantizeLinear", .domain = "com.microsoft", .import = import_ms_quantize},
    {.op_type = "DequantizeLinear", .domain = "com.microsoft", .import = import_ms_dequantize},
};

}  // namespace

extern const OnnxImporters quantize_onnx{kImporters};

}  // namespace monza::ops
