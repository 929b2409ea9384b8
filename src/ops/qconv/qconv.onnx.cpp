// ONNX ConvInteger and QLinearConv.
#include "import/api.h"
#include "ops/conv/conv.def.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

void import_integer(OnnxNode& n) {
  ir::Attrs attrs = conv_attrs_of(n, n.input(0), n.input(1));
  n.bind(0, n.add1("ConvInteger", trimmed({n.input(0), n.input(1), input_or_none(n, 2), input_or_none(n, 3)}),
                   std::move(attrs)));
}

void import_qlinear(OnnxNode& n) {  // x, its scale and zero point, w, its, y's, bias? : QConv's order
  ir::Attrs attrs = conv_attrs_of(n, n.input(0), n.input(3));
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < 9; ++i) inputs.push_back(input_or_none(n, i));
  n.bind(0, n.add1("QConv", trimmed(std::move(inputs)), std::move(attrs)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "ConvInteger", .since = 10, .import = import_integer},
    {.op_type = "QLinearConv", .since = 10, .import = import_qlinear},
};

}  // namespace

extern const OnnxImporters qconv_onnx{kImporters};

}  // namespace monza::ops
