// ONNX ConvTranspose, every opset: auto_pad and output_shape resolved into pads and output_padding.
#include <algorithm>

#include "import/api.h"

namespace monza::ops {
namespace {

void import_convtranspose(OnnxNode& n) {
  const ir::ValueId x = n.input(0), w = n.input(1);
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
  auto extra = n.ints("output_padding", std::vector<std::int64_t>(axes, 0));
  auto output_shape = n.ints("output_shape");
  const std::string auto_pad = n.s("auto_pad", "NOTSET");
  if (strides.size() != axes || dilations.size() != axes || pads.size() != 2 * axes || extra.size() != axes)
    fail("strides, dilations, pads and output_padding have {}, {}, {} and {} entries for {} spatial axes",
         strides.size(), dilations.size(), pads.size(), extra.size(), axes);
  // Some exporters write the whole shape.
  if (output_shape.size() == rank) output_shape.erase(output_shape.begin(), output_shape.begin() + 2);
  if (!output_shape.empty() && output_shape.size() != axes)
    fail("output_shape has {} entries for {} spatial axes", output_shape.size(), axes);
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  if (!same && auto_pad != "NOTSET" && auto_pad != "VALID") fail("auto_pad \"{}\" is not known", auto_pad);
  if (auto_pad == "VALID") pads.assign(2 * axes, 0);
  if (same || !output_shape.empty())
    for (std::size_t i = 0; i < axes; ++i) {
      const auto k = n.type(w).shape[i + 2].try_constant();
      const auto in = n.type(x).shape[i + 2].try_constant();
      if (!k) fail("the weight's extents are not known");
      const std::int64_t reach = (*k - 1) * dilations[i] + 1;
      if (!output_shape.empty() && !in) fail("output_shape needs a known extent of the input on spatial axis {}", i);
      const std::int64_t total = output_shape.empty()
                                     ? extra[i] + reach - strides[i]  // out = in * stride, whatever the extent
                                     : strides[i] * (*in - 1) + extra[i] + reach - output_shape[i];
      // Below 0 there are more outputs than the kernel reaches: those at both ends hold the bias.
      const std::int64_t half = total >> 1;  // rounded down
      pads[i] = auto_pad == "SAME_UPPER" ? half : total - half;
      pads[i + axes] = total - pads[i];
    }
  ir::Attrs attrs;
  attrs.set("strides", strides);
  attrs.set("dilations", dilations);
  attrs.set("pads", pads);
  attrs.set("output_padding", extra);
  attrs.set("group", n.i("group", 1));
  std::vector<ir::ValueId> inputs{x, w};
  if (n.input_count() > 2 && n.input(2) != ir::kNone) inputs.push_back(n.input(2));
  n.bind(0, n.add1("ConvTranspose", std::move(inputs), std::move(attrs)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "ConvTranspose", .import = import_convtranspose},
};

}  // namespace

extern const OnnxImporters convtranspose_onnx{kImporters};

}  // namespace monza::ops
