#include "engine/io_types.h"

#include <set>

#include "base/error.h"
#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

DType wanted(const std::map<std::string, DType>& types, const std::string& name, const ir::Type& type) {
  if (type.kind != ir::ValueKind::tensor) return type.dtype;
  if (const auto it = types.find(name); it != types.end()) return it->second;
  const auto all = types.find("");
  return all != types.end() && is_float(type.dtype) ? all->second : type.dtype;
}

constexpr const char* kNumbers = "a type of floats or integers";

ir::Attrs to_type(DType type) { return {{"to", std::string(dtype_name(type))}}; }

}  // namespace

void set_io_types(ir::Graph& graph, const std::map<std::string, DType>& types) {
  std::set<std::string> known;
  for (const ir::ValueId id : graph.inputs()) {
    const std::string name = graph.value(id).name;
    known.insert(name);
    const DType inside = graph.value(id).type.dtype, outside = wanted(types, name, graph.value(id).type);
    if (inside == outside) continue;
    if (!is_float(outside) && !is_integer(outside))
      fail_hint(kNumbers, "input '{}' cannot be taken as {}", name, dtype_name(outside));
    const std::vector<ir::NodeId> users = graph.users(id);
    graph.value(id).type.dtype = outside;
    if (!is_integer(outside)) graph.value(id).content.reset();
    const ir::OriginSet origins = graph.value(id).origins;
    ir::Node& cast = graph.order().empty() ? graph.add_node(ir::get_op("Cast"), {id}, to_type(inside), 1, origins)
                                           : graph.insert_node(graph.order().front(), ir::get_op("Cast"), {id},
                                                               to_type(inside), 1, origins);
    const ir::ValueId converted = cast.outputs[0];
    for (const ir::NodeId user : users)
      for (ir::ValueId& input : graph.node(user).inputs)
        if (input == id) input = converted;
    for (std::size_t i = 0; i < graph.outputs().size(); ++i)
      if (graph.outputs()[i].value == id) graph.set_output(i, converted);
  }
  for (std::size_t i = 0; i < graph.outputs().size(); ++i) {
    const std::string name = graph.outputs()[i].name;
    const ir::ValueId id = graph.outputs()[i].value;
    known.insert(name);
    const DType inside = graph.value(id).type.dtype, outside = wanted(types, name, graph.value(id).type);
    if (inside == outside) continue;
    if (!is_float(outside) && !is_integer(outside))
      fail_hint(kNumbers, "output '{}' cannot be given as {}", name, dtype_name(outside));
    graph.set_output(i,
                     graph.add_node(ir::get_op("Cast"), {id}, to_type(outside), 1, graph.value(id).origins).outputs[0]);
  }
  for (const auto& [name, type] : types)
    if (!name.empty() && !known.contains(name)) {
      std::string names;
      for (const std::string& n : known) names += (names.empty() ? "'" : ", '") + n + "'";
      fail_hint("one of " + names, "the model has no input or output '{}' to give the type {}", name, dtype_name(type));
    }
}

}  // namespace monza
