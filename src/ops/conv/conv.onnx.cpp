// ONNX Conv, every opset: pads resolved where the extents are known.
#include "import/api.h"
#include "ops/conv/conv.def.h"

namespace monza::ops {

ir::Attrs conv_attrs_of(OnnxNode& n, ir::ValueId x, ir::ValueId w) {
  const std::size_t rank = n.type(w).rank();
  if (rank < 3 || n.type(x).rank() != rank) fail("input has rank {}, weight {}", n.type(x).rank(), rank);
  const std::size_t axes = rank - 2;
  const auto kernel = n.ints("kernel_shape");
  for (std::size_t i = 0; i < kernel.size(); ++i)
    if (kernel.size() != axes || !(n.type(w).shape[i + 2] == ir::Expr(kernel[i])))
      fail("kernel_shape disagrees with the weight's shape {}", ir::to_string(n.type(w).shape));

  const auto strides = n.ints("strides", std::vector<std::int64_t>(axes, 1));
  const auto dilations = n.ints("dilations", std::vector<std::int64_t>(axes, 1));
  auto pads = n.ints("pads", std::vector<std::int64_t>(2 * axes, 0));
  if (strides.size() != axes || dilations.size() != axes || pads.size() != 2 * axes)
    fail("strides, dilations and pads have {}, {} and {} entries for {} spatial axes", strides.size(), dilations.size(),
         pads.size(), axes);
  const std::string auto_pad = n.s("auto_pad", "NOTSET");
  ir::Attrs attrs;
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    const bool upper = auto_pad == "SAME_UPPER";
    bool known = true;
    for (std::size_t i = 0; i < axes; ++i) {
      const auto k = n.type(w).shape[i + 2].try_constant();
      const auto in = n.type(x).shape[i + 2].try_constant();
      // With stride 1 the pads do not depend on the extent.
      if (!k || strides[i] < 1 || (strides[i] != 1 && !in)) {
        known = false;
        break;
      }
      const std::int64_t reach = (*k - 1) * dilations[i] + 1;
      const std::int64_t total =
          strides[i] == 1 ? reach - 1 : ((*in + strides[i] - 1) / strides[i] - 1) * strides[i] + reach - *in;
      const std::int64_t small = std::max<std::int64_t>(total, 0) / 2, large = std::max<std::int64_t>(total, 0) - small;
      pads[i] = upper ? small : large;
      pads[i + axes] = upper ? large : small;
    }
    if (!known) {
      attrs.set("auto_pad", std::string(upper ? "same_upper" : "same_lower"));
      pads.assign(2 * axes, 0);
    }
  } else if (auto_pad == "VALID") {
    pads.assign(2 * axes, 0);
  } else if (auto_pad != "NOTSET") {
    fail("auto_pad \"{}\" is not known", auto_pad);
  }
  attrs.set("strides", strides);
  attrs.set("dilations", dilations);
  attrs.set("pads", pads);
  attrs.set("group", n.i("group", 1));
  return attrs;
}

namespace {

void import_conv(OnnxNode& n) {
  const ir::ValueId x = n.input(0), w = n.input(1);
  ir::Attrs attrs = conv_attrs_of(n, x, w);
  std::vector<ir::ValueId> inputs{x, w};
  if (n.input_count() > 2 && n.input(2) != ir::kNone) inputs.push_back(n.input(2));
  n.bind(0, n.add1("Conv", std::move(inputs), std::move(attrs)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "Conv", .import = import_conv},
};

}  // namespace

extern const OnnxImporters conv_onnx{kImporters};

}  // namespace monza::ops
