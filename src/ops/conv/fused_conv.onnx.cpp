// com.microsoft's FusedConv(x, w, bias?, sum?): a convolution, what is added to it, and an activation.
#include "import/api.h"
#include "ops/conv/conv.def.h"
#include "ops/shared/fused_activation.onnx.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

void import_fused_conv(OnnxNode& n) {
  const ir::ValueId x = n.input(0), w = n.input(1), sum = input_or_none(n, 3);
  ir::ValueId y = n.add1("Conv", trimmed({x, w, input_or_none(n, 2)}), conv_attrs_of(n, x, w));
  if (sum != ir::kNone) y = n.add1("Add", {y, sum});
  const std::string activation = n.s("activation", "");
  n.bind(0, add_fused_activation(n, y, activation, n.floats("activation_params")));
}

constexpr OnnxImporter kFusedImporters[] = {
    {.op_type = "FusedConv", .domain = "com.microsoft", .import = import_fused_conv},
};

}  // namespace

extern const OnnxImporters fused_conv_onnx{kFusedImporters};

}  // namespace monza::ops
