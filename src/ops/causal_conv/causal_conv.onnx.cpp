// ONNX CausalConvWithState: a depthwise convolution over time whose left context comes from the past.
#include <limits>

#include "import/api.h"

namespace monza::ops {
namespace {

void import_causal_conv(OnnxNode& n) {
  const ir::ValueId x = n.input(0), weight = n.input(1);
  const ir::SymShape& w = n.type(weight).shape;
  if (n.type(x).rank() != 3 || w.size() != 3)
    fail("input and weight have ranks {} and {}, not 3", n.type(x).rank(), w.size());
  const auto channels = w[0].try_constant(), reach = w[2].try_constant();
  if (!channels || !reach) fail("the weight's shape {} must be known", ir::to_string(w));
  const std::int64_t context = *reach - 1;
  const auto absent = [&](int i) { return n.input_count() <= i || n.input(i) == ir::kNone; };
  const std::string activation = n.s("activation", "none");
  if (activation != "none" && activation != "silu" && activation != "swish")
    fail("activation \"{}\" is not none, silu or swish", activation);

  ir::ValueId padded = x;
  if (!absent(3)) padded = n.add1("Concat", {n.input(3), x}, {{"axis", std::int64_t{2}}});
  else if (context > 0)
    padded = n.add1("Pad", {x},
                    {{"mode", std::string("constant")}, {"pads", std::vector<std::int64_t>{0, 0, context, 0, 0, 0}}});
  std::vector<ir::ValueId> inputs{padded, weight};
  if (!absent(2)) inputs.push_back(n.input(2));
  ir::ValueId y = n.add1("Conv", std::move(inputs), {{"group", *channels}});
  if (activation != "none") y = n.add1("Swish", {y}, {{"alpha", 1.0}});
  n.bind(0, y);
  if (n.has_output(1)) {
    // The last `context` positions; a start beyond the end leaves none.
    constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
    const std::vector<std::int64_t> start{context > 0 ? -context : kEnd}, end{kEnd}, axis{2};
    n.bind(1, n.add1("Slice", {padded}, {{"starts", start}, {"ends", end}, {"axes", axis}}));
  }
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "CausalConvWithState", .import = import_causal_conv},
};

}  // namespace

extern const OnnxImporters causal_conv_onnx{kImporters};

}  // namespace monza::ops
