#include "engine/input_roles.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

/// What an operator does with an input beside computing with it, a bit an input. OpDef::shape_inputs says more.
struct Reads {
  std::string_view op;
  std::uint32_t deciding, indices;
};
constexpr Reads kReads[] = {
    {"Slice", 0b11110, 0}, {"Pad", 0b1010, 0},          {"Range", 0b111, 0},    {"Resize", 0b1100, 0},
    {"NonZero", 0b1, 0},   {"Compress", 0b10, 0},       {"Unique", 0b1, 0},     {"SplitToSequence", 0b10, 0},
    {"If", 0b1, 0},        {"Loop", 0b11, 0},           {"OneHot", 0b10, 0b1},  {"Gather", 0, 0b10},
    {"GatherND", 0, 0b10}, {"GatherElements", 0, 0b10}, {"ScatterND", 0, 0b10}, {"ScatterElements", 0, 0b10}};

/// Operators that are not pointwise and hand the elements of their first input on, or of all of them (Concat).
constexpr std::string_view kMoves[] = {"Reshape",   "Flatten",   "Squeeze",   "Unsqueeze",  "Transpose",
                                       "Expand",    "Tile",      "Concat",    "Split",      "Slice",
                                       "Gather",    "Pad",       "CumSum",    "ArgMax",     "ArgMin",
                                       "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "Range"};

/// The inputs of the model whose elements a value holds or is computed from.
using Sources = std::set<std::string>;

class Walk {
 public:
  explicit Walk(const ir::Graph& graph) {
    for (const ir::ValueId id : graph.inputs()) {
      const ir::Value& v = graph.value(id);
      if (is_integer(v.type.dtype) || v.type.dtype == DType::boolean) sources_[id] = {v.name};
    }
    for (const auto& [id, element] : graph.model().specialised)
      if (graph.has_value(id)) roles_.deciding.insert(graph.value(id).name);
    visit(graph);
  }
  InputRoles roles() { return std::move(roles_); }

 private:
  void visit(const ir::Graph& graph) {
    for (const ir::NodeId id : graph.order()) {
      const ir::Node& node = graph.node(id);
      const Reads* reads =
          std::find_if(std::begin(kReads), std::end(kReads), [&](const Reads& r) { return r.op == node.op->name; });
      const bool known = reads != std::end(kReads);
      note(node, node.op->shape_inputs | (known ? reads->deciding : 0), roles_.deciding);
      note(node, known ? reads->indices : 0, roles_.indices);
      enter_bodies(node);
      const bool pointwise = has(node.op->flags, ir::OpFlag::pointwise);
      if (!pointwise && std::find(std::begin(kMoves), std::end(kMoves), node.op->name) == std::end(kMoves)) continue;
      const bool all = pointwise || std::string_view(node.op->name) == "Concat";
      Sources from;
      for (std::size_t i = 0; i < (all ? node.inputs.size() : std::min<std::size_t>(1, node.inputs.size())); ++i)
        if (const auto it = sources_.find(node.inputs[i]); it != sources_.end())
          from.insert(it->second.begin(), it->second.end());
      if (!from.empty())
        for (const ir::ValueId out : node.outputs) sources_[out] = from;
    }
  }
  void note(const ir::Node& node, std::uint32_t inputs, Sources& role) {
    for (std::size_t i = 0; i < node.inputs.size() && i < 32; ++i)
      if (const auto it = sources_.find(node.inputs[i]); (inputs >> i & 1u) != 0 && it != sources_.end())
        role.insert(it->second.begin(), it->second.end());
  }
  /// The inputs of a body are the last ones of its node.
  void enter_bodies(const ir::Node& node) {
    for (const auto& body : node.bodies) {
      const auto& inner = body->inputs();
      const std::size_t skipped = std::max(node.inputs.size(), inner.size()) - inner.size();
      for (std::size_t i = 0; i < inner.size() && i + skipped < node.inputs.size(); ++i)
        if (const auto it = sources_.find(node.inputs[i + skipped]); it != sources_.end())
          sources_[inner[i]] = it->second;
      visit(*body);
    }
  }

  std::map<ir::ValueId, Sources> sources_;
  InputRoles roles_;
};

}  // namespace

InputRoles input_roles(const ir::Graph& graph) { return Walk(graph).roles(); }

}  // namespace monza
