#include <algorithm>
#include <string>
#include <utility>

#include "passes/fusions/product.h"
#include "quant/passes.h"
#include "quant/sites.h"

namespace monza::quant {
namespace {

void run_observe(ir::Graph& graph, PassContext& context) {
  if (context.in_body()) return;  // what a body computes is no value of the model
  const auto* plan = context.quantization();
  const std::map<std::string, std::string> none;
  const Sites sites = find_sites(graph, plan != nullptr ? plan->kept : none, [](const std::string&) { return true; });
  const auto has_output = [&](const std::string& name) {
    return std::any_of(graph.outputs().begin(), graph.outputs().end(),
                       [&](const ir::Graph::Output& o) { return o.name == name; });
  };
  for (const ValueGroup& group : sites.groups)
    for (const ir::ValueId v : group.sources) {
      const std::string name = std::as_const(graph).value(v).name;
      if (!name.empty() && !has_output(name)) graph.add_output(name, v);
    }
  for (const ir::NodeId id : sites.products) {
    const ir::Node& product = std::as_const(graph).node(id);
    const ir::ValueId v = product.inputs[0];
    const std::string& value = std::as_const(graph).value(v).name;
    const std::string name = std::string(operands_of(product).conv ? kConvInput : kMatrixInput) + value;
    if (!value.empty() && !has_output(name)) graph.add_output(name, v);
  }
}

}  // namespace

const Pass observe_pass{"observe", "values that would be quantised become outputs", run_observe};

}  // namespace monza::quant
