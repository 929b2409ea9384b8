// GELU: x / 2 * (1 + erf(x / sqrt 2)), and its approximation x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))).
#include <cmath>

#include "passes/fusions/fusions.h"
#include "passes/pattern.h"

namespace monza {
namespace {
void fuse_gelu(ir::Graph& graph, PassContext& context) {
  const Pattern x = any("x");
  const Pattern erf = op("Erf", {product({x, scalar(M_SQRT1_2)})});

  const Pattern cube = either({op("Pow", {x, scalar(3)}), product({x, x, x}), product({x, op("Pow", {x, scalar(2)})})});
  const Pattern inner =
      either({sum({x, product({cube, scalar(0.044715)})}), sum({x, product({x, x, x, scalar(0.044715)})})});
  const double k = std::sqrt(2 / M_PI);
  // sqrt(2/pi) * x * (1 + 0.044715 * x * x) is the same polynomial, factored.
  const Pattern factored =
      product({x, sum({product({either({op("Pow", {x, scalar(2)}), op("Mul", {x, x})}), scalar(0.044715)}), scalar(1)}),
               scalar(k)});
  const Pattern factored_chain = product({x, sum({product({x, x, scalar(0.044715)}), scalar(1)}), scalar(k)});
  const Pattern tanh = op("Tanh", {either({product({inner, scalar(k)}), factored, factored_chain})});

  const auto half_of = [&](const Pattern& f) {
    return either({product({x, sum({f, scalar(1)}), scalar(0.5)}),                 // 0.5 * x * (1 + f)
                   product({x, sum({product({f, scalar(0.5)}), scalar(0.5)})})});  // x * (0.5 + 0.5 * f)
  };
  const auto exact = [](const Match& m) { return m.add("Gelu", {m["x"]}); };
  const auto approximate = [](const Match& m) {
    return m.add("Gelu", {m["x"]}, {{"approximate", std::string("tanh")}});
  };
  apply(graph, context,
        {{"x / 2 * (1 + erf(x / sqrt 2))", half_of(erf), nullptr, exact},
         {"x / 2 * (1 + tanh(...))", half_of(tanh), nullptr, approximate}});
}
}  // namespace

const Pass gelu_pass{"fuse_gelu", "GELU spelled with Erf or Tanh becomes Gelu", fuse_gelu};
}  // namespace monza
