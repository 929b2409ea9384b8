#include "ops/shared/bodies.def.h"

#include <map>
#include <utility>

#include "base/error.h"

namespace monza::ops {

std::vector<ir::ValueId> inline_body(ir::Graph& graph, ir::Graph& body, const std::vector<ir::ValueId>& inputs) {
  if (body.inputs().size() != inputs.size())
    fail("the body has {} inputs, the node gives it {}", body.inputs().size(), inputs.size());
  std::map<ir::ValueId, ir::ValueId> now;
  for (std::size_t i = 0; i < body.inputs().size(); ++i) now[body.inputs()[i]] = inputs[i];
  const auto value_of = [&](ir::ValueId id) {
    if (id == ir::kNone) return id;
    const auto found = now.find(id);
    if (found != now.end()) return found->second;
    const ir::Value& v = body.value(id);
    if (!v.constant) fail("a body uses a value that nothing in it makes");
    return now[id] = graph.add_constant({}, v.constant, v.origins);
  };
  for (ir::NodeId id : std::vector<ir::NodeId>(body.order())) {
    ir::Node& node = body.node(id);
    std::vector<ir::ValueId> mapped;
    for (ir::ValueId v : node.inputs) mapped.push_back(value_of(v));
    const std::vector<ir::ValueId> old = node.outputs;
    const ir::Node& made = graph.add_node(*node.op, std::move(mapped), node.attrs, static_cast<int>(old.size()),
                                          node.origins, std::move(node.bodies));
    for (std::size_t i = 0; i < old.size(); ++i) now[old[i]] = made.outputs[i];
  }
  std::vector<ir::ValueId> outputs;
  for (const auto& output : body.outputs()) outputs.push_back(value_of(output.value));
  return outputs;
}

}  // namespace monza::ops
