#include "passes/rewrite.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <stdexcept>
#include <utility>

#include "base/constraint.h"
#include "tensor/dtype.h"

namespace monza {

bool is_pure(const ir::Node& node) {
  return node.bodies.empty() && !ir::has(node.op->flags, ir::OpFlag::effect) &&
         !ir::has(node.op->flags, ir::OpFlag::control);
}

const ir::Node* only_user(const ir::Graph& graph, ir::ValueId id) {
  if (graph.is_output(id) || graph.user_count(id) != 1) return nullptr;
  return &graph.node(graph.users(id)[0]);
}

Provenance provenance_of(const ir::Node& node) { return {node.origins, node.constraint}; }

std::optional<Provenance> both(const Provenance& a, const Provenance& b) {
  const std::optional<Constraint> constraint = both(a.constraint, b.constraint);
  if (!constraint) return std::nullopt;
  return Provenance{ir::merge(a.origins, b.origins), *constraint};
}

const ir::Node& insert_node(ir::Graph& graph, ir::NodeId before, const ir::OpDef& op, std::vector<ir::ValueId> inputs,
                            ir::Attrs attrs, int output_count, const Provenance& from,
                            std::vector<std::unique_ptr<ir::Graph>>&& bodies) {
  ir::Node& node =
      graph.insert_node(before, op, std::move(inputs), std::move(attrs), output_count, from.origins, std::move(bodies));
  node.constraint = from.constraint;
  return node;
}

void replace_value(ir::Graph& graph, ir::ValueId old, ir::ValueId replacement) {
  const ir::Node* node = graph.producer(old);
  graph.replace_uses(old, replacement);
  if (node == nullptr) return;
  for (ir::ValueId v : node->outputs)
    if (graph.is_used(v)) return;
  const std::string name = graph.value(old).name;
  graph.remove_node(node->id);
  ir::Value& heir = graph.value(replacement);
  if (heir.name.empty()) heir.name = name;
}

void undo(ir::Graph& graph, ir::NodeId first_new) {
  for (ir::NodeId id = graph.model().next_node; id-- > first_new;)
    if (graph.has_node(id)) graph.remove_node(id);
}

void give_up(ir::Graph& graph, PassContext& context, std::string_view what, ir::NodeId node, ir::NodeId first_new,
             const Error& error) {
  const ir::Node& at = std::as_const(graph).node(node);
  // What has a hint is a limit of the model, no fault of the guard.
  if (context.options().strict_rewrites && error.hint().empty())
    throw std::logic_error(fmt::format("the rewrite '{}' at {} cannot be made, which its guard should have known: {}",
                                       what, ir::describe(graph, at), error.what()));
  // The fact alone: the rest says where the new node came from.
  context.near_miss(what, graph, at, "the new node is refused: " + error.fact().substr(0, error.fact().find('\n')));
  undo(graph, first_new);
}

namespace {
/// Where a value is read: an input of a node, or an output of the graph (kNone).
struct Use {
  ir::ValueId value;
  ir::NodeId node;
  std::size_t index;
};

std::vector<Use> uses_of(const ir::Graph& graph, ir::ValueId value) {
  std::vector<Use> uses;
  for (const ir::NodeId id : graph.users(value)) {
    const std::vector<ir::ValueId>& inputs = graph.node(id).inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i] == value) uses.push_back({value, id, i});
  }
  for (std::size_t i = 0; i < graph.outputs().size(); ++i)
    if (graph.outputs()[i].value == value) uses.push_back({value, ir::kNone, i});
  return uses;
}

/// What inference says of a value.
bool same_facts(const ir::Value& a, const ir::Value& b) {
  return a.type == b.type && a.content == b.content && !a.fractions == !b.fractions && !a.constant == !b.constant;
}

/// Infers the nodes that read one of `changed`, and on from what changes by that; each is noted before it is inferred.
void infer_from(ir::Graph& graph, std::set<ir::ValueId> changed, std::vector<ir::NodeId>& inferred) {
  if (changed.empty()) return;
  for (const ir::NodeId id : std::vector<ir::NodeId>(graph.order())) {
    const ir::Node& node = std::as_const(graph).node(id);
    if (std::none_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId v) { return changed.count(v) != 0; }))
      continue;
    std::vector<ir::Value> before;
    for (const ir::ValueId v : node.outputs) before.push_back(std::as_const(graph).value(v));
    inferred.push_back(id);
    graph.infer(id);
    for (const ir::Value& v : before)
      if (!same_facts(v, std::as_const(graph).value(v.id))) changed.insert(v.id);
  }
}
}  // namespace

bool exchange(ir::Graph& graph, PassContext& context, std::string_view what, ir::NodeId node,
              const std::vector<std::pair<ir::ValueId, ir::ValueId>>& values) {
  std::vector<Use> uses;
  std::set<ir::ValueId> changed;
  for (const auto& [from, to] : values) {
    const std::vector<Use> more = uses_of(graph, from);
    uses.insert(uses.end(), more.begin(), more.end());
    if (!same_facts(std::as_const(graph).value(from), std::as_const(graph).value(to))) changed.insert(to);
  }
  for (const auto& [from, to] : values) graph.replace_uses(from, to);
  std::vector<ir::NodeId> inferred;
  std::string refusal;
  try {
    infer_from(graph, std::move(changed), inferred);
    return true;
  } catch (const Error& error) {
    refusal = "what follows is refused: " + error.fact().substr(0, error.fact().find('\n'));
  }
  for (const Use& use : uses) {
    if (use.node == ir::kNone) graph.set_output(use.index, use.value);
    else graph.node(use.node).inputs[use.index] = use.value;
  }
  for (const ir::NodeId id : inferred) graph.infer(id);
  context.near_miss(what, graph, std::as_const(graph).node(node), refusal);
  return false;
}

std::optional<std::vector<std::int64_t>> reshape_target(const ir::SymShape& from, const ir::SymShape& to) {
  std::vector<std::int64_t> target;
  bool wild = false, empty = false;
  for (std::size_t i = 0; i < to.size(); ++i) {
    empty |= to[i] == ir::Expr(0);
    if (auto c = to[i].try_constant(); c && *c > 0) {
      target.push_back(*c);
    } else if (i < from.size() && from[i] == to[i]) {
      target.push_back(0);
    } else if (!c && !wild) {
      target.push_back(-1);
      wild = true;
    } else {
      return std::nullopt;
    }
  }
  if (wild && empty) return std::nullopt;  // of no elements -1 may be anything
  return target;
}

std::shared_ptr<const ir::Constant> transpose_constant(const ir::Constant& source,
                                                       const std::vector<std::int64_t>& perm) {
  const int bits = dtype_bits(source.dtype);
  if (source.dtype == DType::string || bits < 8 || static_cast<int>(perm.size()) != source.shape.rank) return nullptr;
  const std::size_t size = static_cast<std::size_t>(bits) / 8;
  Shape shape;
  shape.rank = source.shape.rank;
  std::int64_t stride[kMaxRank] = {}, step[kMaxRank] = {}, s = 1;
  for (int i = shape.rank; i-- > 0;) {
    stride[i] = s;
    s *= source.shape[i];
  }
  for (int i = 0; i < shape.rank; ++i) {
    shape.dim[i] = source.shape[static_cast<int>(perm[static_cast<std::size_t>(i)])];
    step[i] = stride[perm[static_cast<std::size_t>(i)]];
  }
  auto [result, bytes] = ir::allocate_constant(source.dtype, shape);
  const std::int64_t count = shape.numel();
  std::int64_t at[kMaxRank] = {}, from = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    std::memcpy(bytes.data() + static_cast<std::size_t>(n) * size,
                source.bytes.data() + static_cast<std::size_t>(from) * size, size);
    for (int i = shape.rank; i-- > 0;) {
      from += step[i];
      if (++at[i] < shape[i]) break;
      from -= step[i] * shape[i];
      at[i] = 0;
    }
  }
  return result;
}

std::shared_ptr<const ir::Constant> reshape_constant(const std::shared_ptr<const ir::Constant>& source,
                                                     const Shape& shape) {
  auto copy = std::make_shared<ir::Constant>(*source);
  copy->shape = shape;
  return copy;
}

}  // namespace monza
