#include "engine/value_types.h"

namespace monza {
namespace {

OnnxInput typed(const std::string& name, const ir::Type& type) {
  OnnxInput value{name, type.dtype, true, {}, {}};
  for (const ir::Expr& extent : type.shape) {
    value.shape.push_back(extent.try_constant().value_or(-1));
    const auto terms = extent.terms();
    const bool symbol = value.shape.back() < 0 && terms.size() == 1 && terms[0].coefficient == 1 &&
                        terms[0].atoms.size() == 1 && terms[0].atoms[0]->kind == ir::AtomKind::symbol;
    value.symbols.push_back(symbol ? terms[0].atoms[0]->name : std::string());
  }
  return value;
}

}  // namespace

std::map<std::string, OnnxInput> value_types(const ir::Graph& graph) {
  std::map<std::string, OnnxInput> types;
  const auto take = [&](const std::string& name, ir::ValueId v) {
    const ir::Type& type = graph.value(v).type;
    if (!name.empty() && type.kind == ir::ValueKind::tensor) types.insert_or_assign(name, typed(name, type));
  };
  for (const ir::ValueId v : graph.values()) take(graph.value(v).name, v);
  for (const auto& o : graph.outputs()) take(o.name, o.value);
  return types;
}

}  // namespace monza
