// Shape and type inference of one node.
#include <algorithm>

#include "base/limits.h"
#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza::ir {

bool InferContext::has_input(int i) const {
  return i >= 0 && i < input_count() && node_.inputs[static_cast<std::size_t>(i)] != kNone;
}

const Type& InferContext::input(int i) const {
  if (!has_input(i)) monza::fail("input {} is required", i);
  return graph_.value(node_.inputs[static_cast<std::size_t>(i)]).type;
}

const Constant* InferContext::constant(int i) const {
  return has_input(i) ? graph_.value(node_.inputs[static_cast<std::size_t>(i)]).constant.get() : nullptr;
}

std::optional<std::vector<Expr>> InferContext::known_content(int i) const {
  if (!has_input(i)) return std::nullopt;
  const Value& value = graph_.value(node_.inputs[static_cast<std::size_t>(i)]);
  if (value.content) return value.content;
  if (value.constant && (is_integer(value.type.dtype) || value.type.dtype == DType::boolean) &&
      value.constant->numel() <= kMaxContent) {
    const std::vector<std::int64_t> elements = to_ints(*value.constant);
    return std::vector<Expr>(elements.begin(), elements.end());
  }
  return std::nullopt;
}

std::vector<Expr> InferContext::content(int i) const {
  const Type& type = input(i);
  if (auto known = known_content(i)) {
    // Elements of inputs whose values the profile fixes: the plan will check the ones taken here.
    Model& model = graph_.model();
    if (!model.element_values.empty())
      for (Expr& e : *known)
        e = substitute(e, [&](const Atom& atom) -> std::optional<Expr> {
          const auto it =
              atom.kind == AtomKind::element ? model.element_values.find(atom.value) : model.element_values.end();
          if (it == model.element_values.end()) return std::nullopt;
          model.specialised.emplace(atom.value, atom.index);
          return Expr(it->second.at(static_cast<std::size_t>(atom.index)));
        });
    return *known;
  }
  if (!is_integer(type.dtype))
    monza::fail("input {} must hold integers that can be read before the node runs, but is {}", i, to_string(type));
  const auto count = product(type.shape).try_constant();
  if (!count)
    monza::fail("input {} decides the result's shape, so its element count must be known at build, but it is {}", i,
                to_string(type));
  if (*count > kMaxContent)
    monza::fail("input {} decides the result's shape; at most {} elements are supported, but it is {}", i, kMaxContent,
                to_string(type));
  std::vector<Expr> elements;
  for (std::int64_t k = 0; k < *count; ++k)
    elements.push_back(Expr::element(node_.inputs[static_cast<std::size_t>(i)], k));
  return elements;
}

void InferContext::set_output(int i, DType dtype, SymShape shape, ValueKind kind) {
  if (i < 0 || i >= output_count()) return;  // an optional output that the node does not ask for
  if (shape.size() > static_cast<std::size_t>(kMaxRank))
    monza::fail("output {} would have rank {}; at most {} is supported", i, shape.size(), kMaxRank);
  for (const Expr& e : shape)
    if (auto c = e.try_constant(); c && *c < 0) monza::fail("output {} would have the shape {}", i, to_string(shape));
  Result& r = results_[static_cast<std::size_t>(i)];
  r.set = true;
  r.type = {dtype, std::move(shape), kind};
}

void InferContext::set_output(int i, Type type) {
  set_output(i, type.dtype, type.shape, type.kind);
  if (i < 0 || i >= output_count()) return;
  results_[static_cast<std::size_t>(i)].type = std::move(type);
}

void InferContext::set_content(int i, std::vector<Expr> elements) {
  if (i < 0 || i >= output_count() || elements.size() > static_cast<std::size_t>(kMaxContent)) return;
  results_[static_cast<std::size_t>(i)].content = std::move(elements);
}

Expr InferContext::new_extent(int i, const Expr& bound) {
  // An output the node does not ask for still has its slot in the kernel's report.
  const ValueId value = i < output_count() ? node_.outputs[static_cast<std::size_t>(i)] : node_.outputs[0];
  return Expr::extent(value, extents_++, bound);
}

namespace {
std::string count_text(int low, int high) {
  return low == high ? std::to_string(low) : fmt::format("{} to {}", low, high);
}

/// Each input's type, and what it is and comes from.
std::string evidence(const Graph& graph, const Node& node) {
  std::string text;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNone || !graph.has_value(node.inputs[i])) continue;
    const Value& v = graph.value(node.inputs[i]);
    text += fmt::format("\n  input {}: {}", i, to_string(v.type));
    if (!v.name.empty()) text += fmt::format(" '{}'", v.name);
    if (const Node* producer = graph.producer(v.id))
      text += fmt::format(", output {} of {}", v.output_index, describe(graph, *producer));
    else text += v.constant ? ", a constant" : ", an input of the graph";
  }
  return text;
}
}  // namespace

namespace {
/// Loops infer their bodies until the types of what they carry settle, and the loops inside them do so in each round:
/// with every level of nesting the work may multiply.
class Round {
 public:
  explicit Round(Model& model) : model_(model) {
    if (model.inference_depth++ == 0) model.inferences = 0;
    ++model.inferences;
  }
  ~Round() { --model_.inference_depth; }
  Round(const Round&) = delete;

  void check() const {
    if (model_.inferences <= 10 * model_.limits.nodes) return;
    check_limit(model_.limits, &Limits::nodes, model_.inferences / 10,
                "nodes (tens of inferences until the types of loops inside loops settle)");
  }

 private:
  Model& model_;
};
}  // namespace

std::vector<InferContext::Result> infer_node(Graph& graph, Node& node) {
  const Round round(graph.model());
  try {
    round.check();
    const OpDef& op = *node.op;
    const int inputs = static_cast<int>(node.inputs.size()), outputs = static_cast<int>(node.outputs.size());
    if (inputs < op.min_inputs || inputs > op.max_inputs)
      fail("{} takes {} inputs, but has {}", op.name, count_text(op.min_inputs, op.max_inputs), inputs);
    if (outputs < op.min_outputs || outputs > op.max_outputs)
      fail("{} makes {} outputs, but {} are asked for", op.name, count_text(op.min_outputs, op.max_outputs), outputs);
    if (node.bodies.size() != static_cast<std::size_t>(op.bodies))
      fail("{} holds {} bodies, but has {}", op.name, op.bodies, node.bodies.size());
    if (op.infer == nullptr) fail("operator {} has no shape inference", op.name);
    InferContext context(graph, node);
    op.infer(context);
    for (int i = 0; i < outputs; ++i) {
      const InferContext::Result& r = context.results()[static_cast<std::size_t>(i)];
      if (!r.set || (r.type.dtype == DType::invalid && r.type.kind == ValueKind::tensor))
        fail("{} does not say the type of output {}", op.name, i);
      if (r.content) {
        const auto count = product(r.type.shape).try_constant();
        if (!count || *count != static_cast<std::int64_t>(r.content->size()))
          fail("{} gives {} elements for output {} of shape {}", op.name, r.content->size(), i,
               to_string(r.type.shape));
      }
    }
    return context.results();
  } catch (const Error& e) {
    // An error from inside a body carries its own place and evidence already.
    if (!e.where().empty()) throw e.at(describe(graph, node));
    throw Error(e.fact() + evidence(graph, node), e.hint()).at(describe(graph, node));
  }
}

}  // namespace monza::ir
