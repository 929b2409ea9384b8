// A sequence whose making is seen is a list of values: what is taken from it at a known position is one of them.
#include <algorithm>

#include "passes/rewrite.h"

namespace monza {
namespace {

using Values = std::vector<ir::ValueId>;
constexpr std::size_t kLongest = 1024;

bool is(const ir::Node& node, std::string_view op) { return op == node.op->name; }

/// The constant position in input i of a node, counted from 0; `fallback` where there is none. Nullopt where it is not
/// known or lies outside [0, most].
std::optional<std::size_t> position(const ir::Graph& graph, const ir::Node& node, std::size_t i, std::int64_t length,
                                    std::int64_t fallback, std::int64_t most) {
  std::int64_t at = fallback;
  if (i < node.inputs.size() && node.inputs[i] != ir::kNone) {
    const auto& constant = graph.value(node.inputs[i]).constant;
    if (!constant || constant->numel() != 1) return std::nullopt;
    at = ir::to_ints(*constant)[0];
    if (at < 0) at += length;
  }
  if (at < 0 || at > most) return std::nullopt;
  return static_cast<std::size_t>(at);
}

/// The tensors of a list, when the nodes that make it are all in this graph.
std::optional<Values> tensors_of(const ir::Graph& graph, ir::ValueId list) {
  std::vector<const ir::Node*> chain;  // from the list back to where it begins
  std::optional<Values> found;
  while (!found) {
    const ir::Node* node = graph.producer(list);
    if (node == nullptr || chain.size() > kLongest) return std::nullopt;
    if (is(*node, "SequenceConstruct")) {
      found = node->inputs;
      break;
    }
    const bool changes = is(*node, "SequenceInsert") || is(*node, "SequenceErase");
    if (!changes && !is(*node, "OptionalOf") && !is(*node, "OptionalGetSequence")) return std::nullopt;
    if (changes) chain.push_back(node);
    list = node->inputs[0];
  }
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
    const auto length = static_cast<std::int64_t>(found->size());
    if (is(**it, "SequenceInsert")) {
      const auto at = position(graph, **it, 2, length, length, length);
      if (!at) return std::nullopt;
      found->insert(found->begin() + static_cast<std::ptrdiff_t>(*at), (*it)->inputs[1]);
    } else {
      const auto at = position(graph, **it, 1, length, length - 1, length - 1);
      if (!at) return std::nullopt;
      found->erase(found->begin() + static_cast<std::ptrdiff_t>(*at));
    }
  }
  if (found->size() > kLongest) return std::nullopt;
  return found;
}

std::int64_t normal_axis(const ir::Node& node, std::size_t rank) {
  const std::int64_t axis = attrs_of(node).i("axis");
  return axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis;
}

/// Sizes of the pieces of a SplitToSequence, when all are known.
std::optional<std::vector<std::int64_t>> split_sizes(const ir::Graph& graph, const ir::Node& node) {
  const ir::SymShape& x = graph.value(node.inputs[0]).type.shape;
  const auto whole = x[static_cast<std::size_t>(normal_axis(node, x.size()))].try_constant();
  if (!whole || *whole < 1) return std::nullopt;
  std::int64_t size = 1;
  if (node.inputs.size() > 1 && node.inputs[1] != ir::kNone) {
    const auto& split = graph.value(node.inputs[1]).constant;
    if (!split || split->numel() < 1) return std::nullopt;
    const auto sizes = ir::to_ints(*split);
    if (split->shape.rank > 0) return sizes.size() <= kLongest ? std::optional(sizes) : std::nullopt;
    size = sizes[0];
  }
  if (size < 1 || (*whole + size - 1) / size > static_cast<std::int64_t>(kLongest)) return std::nullopt;
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(*whole / size), size);
  if (*whole % size != 0) sizes.push_back(*whole % size);
  return sizes;
}

/// What stands for a node's output; kNone where nothing is known.
struct Known {
  ir::ValueId value = ir::kNone;
  const char* what = "";
};

/// Makes it in front of the node.
Known known_value(ir::Graph& graph, ir::NodeId id) {
  const ir::Node& node = std::as_const(graph).node(id);
  const Provenance own = provenance_of(node);
  const auto constant = [&](std::shared_ptr<const ir::Constant> c) {
    return graph.add_constant({}, std::move(c), own.origins);
  };
  const auto insert = [&](const char* op, Values inputs, ir::Attrs attrs, int outputs = 1) {
    return insert_node(graph, id, ir::get_op(op), std::move(inputs), std::move(attrs), outputs, own).outputs;
  };
  if (is(node, "SplitToSequence")) {
    const auto sizes = split_sizes(graph, node);
    if (!sizes) return {};
    const std::int64_t axis = normal_axis(node, graph.value(node.inputs[0]).type.rank());
    const bool keeps = (node.inputs.size() > 1 && node.inputs[1] != ir::kNone) || attrs_of(node).i("keepdims") != 0;
    const int count = static_cast<int>(sizes->size());
    Values parts = insert("Split", {node.inputs[0]}, {{"axis", axis}, {"split", *sizes}}, count);
    if (!keeps)
      for (ir::ValueId& part : parts) part = insert("Squeeze", {part}, {{"axes", std::vector<std::int64_t>{axis}}})[0];
    return {insert("SequenceConstruct", parts, {})[0], "split into values"};
  }
  const bool at = is(node, "SequenceAt"), length = is(node, "SequenceLength"), concat = is(node, "ConcatFromSequence"),
             get = is(node, "OptionalGet"), has = is(node, "OptionalHas");
  if (!at && !length && !concat && !get && !has) return {};
  if (has) {
    const ir::Node* maker = graph.producer(node.inputs[0]);
    const bool none = maker != nullptr && is(*maker, "OptionalNone");
    const bool made = maker != nullptr && (is(*maker, "SequenceConstruct") || is(*maker, "OptionalOf"));
    if (!none && !made) return {};
    return {constant(ir::constant_scalar(DType::boolean, made ? 1 : 0)), "known to be there or not"};
  }
  const auto list = tensors_of(graph, node.inputs[0]);
  if (!list) return {};
  const auto count = static_cast<std::int64_t>(list->size());
  if (length) return {constant(ir::constant_i64_scalar(count)), "known length"};
  if (at || get) {
    const auto i = position(graph, node, 1, count, 0, count - 1);
    return i ? Known{(*list)[*i], "known element"} : Known{};
  }
  if (count == 0) return {};
  const bool stacks = attrs_of(node).i("new_axis") != 0;
  const std::int64_t axis = normal_axis(node, graph.value(list->front()).type.rank() + (stacks ? 1 : 0));
  Values parts = *list;
  if (stacks)
    for (ir::ValueId& part : parts) part = insert("Unsqueeze", {part}, {{"axes", std::vector<std::int64_t>{axis}}})[0];
  return {insert("Concat", parts, {{"axis", axis}})[0], "known tensors"};
}

void run_known_sequences(ir::Graph& graph, PassContext& context) {
  const std::vector<ir::NodeId> order = graph.order();
  for (const ir::NodeId id : order) {
    if (!graph.has_node(id)) continue;
    if (!context.open()) return;
    const ir::NodeId first_new = graph.model().next_node;
    Known known;
    try {
      known = known_value(graph, id);
    } catch (const Error& error) {
      // Tensors that do not fit each other: a run would say so.
      context.near_miss("known sequence", graph, std::as_const(graph).node(id),
                        "what stands for it is refused: " + error.fact().substr(0, error.fact().find('\n')));
    }
    const ir::Node& node = std::as_const(graph).node(id);
    if (known.value != ir::kNone && exchange(graph, context, known.what, id, {{node.outputs[0], known.value}})) {
      context.allow(known.what, graph, node);
      replace_value(graph, node.outputs[0], known.value);
    } else {
      undo(graph, first_new);
    }
  }
}

}  // namespace

const Pass known_sequences_pass{"known_sequences", "takes elements straight from the values a sequence is made of",
                                run_known_sequences, true};
}  // namespace monza
