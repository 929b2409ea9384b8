// Integers that inference knows: they become constants, and shapes of Reshape and Expand become attributes, which
// leaves the nodes that computed them dead.
#include <cstring>

#include "passes/rewrite.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

std::shared_ptr<const ir::Constant> constant_of(const ir::Value& v) {
  Shape shape;
  for (const ir::Expr& e : v.type.shape) {
    const auto extent = e.try_constant();
    if (!extent) return nullptr;
    shape.dim[shape.rank++] = *extent;
  }
  const int bits = dtype_bits(v.type.dtype);
  if (bits < 8 || bits > 64 || !(is_integer(v.type.dtype) || v.type.dtype == DType::boolean)) return nullptr;
  std::vector<std::int64_t> elements;
  for (const ir::Expr& e : *v.content) {
    const auto c = e.try_constant();
    if (!c) return nullptr;
    elements.push_back(*c);
  }
  auto [constant, bytes] = ir::allocate_constant(v.type.dtype, shape);
  const std::size_t size = static_cast<std::size_t>(bits) / 8;
  // Little endian: the low bytes of the 64-bit value are the narrower one.
  for (std::size_t i = 0; i < elements.size(); ++i) std::memcpy(bytes.data() + i * size, &elements[i], size);
  return constant;
}

void known_values(ir::Graph& graph, PassContext& context) {
  const std::vector<ir::NodeId> order = graph.order();
  for (ir::NodeId id : order) {
    const ir::Node& node = std::as_const(graph).node(id);
    if (!is_pure(node) || node.outputs.empty()) continue;
    const std::vector<ir::ValueId> outputs = node.outputs;
    for (ir::ValueId v : outputs) {
      const ir::Value& value = graph.value(v);
      if (!value.content || (graph.users(v).empty() && !graph.is_output(v))) continue;
      auto constant = constant_of(value);
      if (!constant) continue;
      if (!context.allow("known at build", graph, node)) return;
      const ir::ValueId c = graph.add_constant({}, std::move(constant), ir::merge(value.origins, node.origins));
      graph.replace_uses(v, c);
    }
  }
}

void known_targets(ir::Graph& graph, PassContext& context) {
  const std::vector<ir::NodeId> order = graph.order();
  for (ir::NodeId id : order) {
    const ir::Node& node = std::as_const(graph).node(id);
    if (std::string_view(node.op->name) != "Reshape" || attrs_of(node).has("shape") || node.inputs.size() < 2) continue;
    const ir::Type from = graph.value(node.inputs[0]).type, to = graph.value(node.outputs[0]).type;
    const auto target = reshape_target(from.shape, to.shape);
    if (!target) continue;
    const ir::ValueId x = node.inputs[0], old = node.outputs[0];
    const ir::Node& simple =
        insert_node(graph, id, *node.op, {x}, ir::Attrs{{"shape", *target}}, 1, provenance_of(node));
    const ir::ValueId replacement = simple.outputs[0];
    if (graph.value(replacement).type != to || !context.allow("its shape became an attribute", graph, node)) {
      graph.remove_node(simple.id);
      continue;
    }
    replace_value(graph, old, replacement);
  }
}

void run_shape_arithmetic(ir::Graph& graph, PassContext& context) {
  known_values(graph, context);
  known_targets(graph, context);
}
}  // namespace

const Pass shape_arithmetic_pass{"shape_arithmetic", "makes integers and shapes that inference knows constant",
                                 run_shape_arithmetic, true};
}  // namespace monza
