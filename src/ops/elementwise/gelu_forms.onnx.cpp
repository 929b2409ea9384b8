// com.microsoft's activations, which ONNX Runtime's optimiser writes: GELU in four forms.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

/// Input 0, plus input 1 where there is one.
ir::ValueId biased(OnnxNode& n) {
  const ir::ValueId bias = input_or_none(n, 1);
  return bias == ir::kNone ? n.input(0) : n.add1("Add", {n.input(0), bias});
}

void import_gelu(OnnxNode& n) { n.bind(0, n.add1("Gelu", {biased(n)})); }

void import_fast_gelu(OnnxNode& n) { n.bind(0, n.add1("Gelu", {biased(n)}, {{"approximate", std::string("tanh")}})); }

/// x sigmoid(alpha x).
void import_quick_gelu(OnnxNode& n) {
  n.bind(0, n.add1("Swish", {n.input(0)}, {{"alpha", static_cast<double>(n.f("alpha", 1.702F))}}));
}

constexpr OnnxImporter kGeluImporters[] = {
    {.op_type = "Gelu", .domain = "com.microsoft", .import = import_gelu},
    {.op_type = "BiasGelu", .domain = "com.microsoft", .import = import_gelu},
    {.op_type = "FastGelu", .domain = "com.microsoft", .import = import_fast_gelu},
    {.op_type = "QuickGelu", .domain = "com.microsoft", .import = import_quick_gelu},
};

}  // namespace

extern const OnnxImporters gelu_forms_onnx{kGeluImporters};

}  // namespace monza::ops
