// ONNX DeformConv.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

void import_deform_conv(OnnxNode& n) {
  NodeParts p(n);
  for (int i = 0; i < n.input_count(); ++i) p.input(i, i);
  const auto kernel = n.ints("kernel_shape");
  const ir::SymShape& w = n.type(n.input(1)).shape;
  for (std::size_t i = 0; i < kernel.size(); ++i)
    if (kernel.size() + 2 != w.size() || !(w[i + 2] == ir::Expr(kernel[i])))
      fail("kernel_shape disagrees with the weight's shape {}", ir::to_string(w));
  for (const char* name : {"strides", "dilations", "pads"}) p.copy_ints(name);
  p.attrs.set("group", n.i("group", 1));
  p.attrs.set("offset_group", n.i("offset_group", 1));
  p.add("DeformConv");
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "DeformConv", .import = import_deform_conv},
};

}  // namespace

extern const OnnxImporters deform_conv_onnx{kImporters};

}  // namespace monza::ops
