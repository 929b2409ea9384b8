// HardSwish: x * clip(x + 3, 0, 6) / 6, in the forms that exporters spell it.
#include <cmath>

#include "passes/fusions/fusions.h"
#include "passes/pattern.h"

namespace monza {
namespace {
/// 1/6 as far as an f32 can tell it: 0.1667 is another function.
bool is_sixth_and_half(const ir::Graph&, const ir::Node& n) {
  return std::abs(attrs_of(n).f("alpha") - 1.0 / 6) < 1e-7 && std::abs(attrs_of(n).f("beta") - 0.5) < 1e-6;
}

void fuse_hardswish(ir::Graph& graph, PassContext& context) {
  const Pattern x = any("x");
  const Pattern shifted = sum({x, scalar(3)});
  const Pattern relu6 =
      either({op("Clip", {shifted, scalar(0), scalar(6)}), op("Min", {op("Relu", {shifted}), scalar(6)}),
              op("Clip", {op("Relu", {shifted}), absent(), scalar(6)})});
  const Pattern gate = op("HardSigmoid", {x}).where(is_sixth_and_half);
  const auto replace = [](const Match& m) { return m.add("HardSwish", {m["x"]}); };
  apply(graph, context,
        {{"x * relu6(x + 3) / 6", product({x, relu6, scalar(1.0 / 6)}), nullptr, replace},
         {"x * hard_sigmoid(x)", product({x, gate}), nullptr, replace}});
}
}  // namespace

const Pass hardswish_pass{"fuse_hardswish", "x * clip(x + 3, 0, 6) / 6 becomes HardSwish", fuse_hardswish};
}  // namespace monza
