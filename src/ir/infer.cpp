// Shape and type inference of one node.
#include <algorithm>
#include <cmath>

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

namespace {
/// Shapes travel in few floats; many are a model's numbers.
constexpr std::int64_t kMaxFloats = 64;

/// The elements of a float constant as fractions of whole numbers that f32 holds; nullopt where one is none.
std::optional<Fractions> fractions_of(const Constant& constant) {
  constexpr double kLargest = 1 << 24;
  constexpr std::int64_t kLargestDivisor = 1 << 10;
  if ((constant.dtype != DType::f32 && constant.dtype != DType::f64) || constant.numel() > kMaxFloats)
    return std::nullopt;
  const std::vector<double> elements = to_doubles(constant);
  Fractions result;
  for (const double v : elements) {
    const auto whole = [&] { return v * static_cast<double>(result.divisor); };
    while (whole() != std::floor(whole()) && result.divisor < kLargestDivisor) result.divisor *= 2;
    if (!(std::abs(whole()) <= kLargest) || whole() != std::floor(whole())) return std::nullopt;
  }
  for (const double v : elements)
    result.numerators.emplace_back(static_cast<std::int64_t>(v * static_cast<double>(result.divisor)));
  return result;
}
}  // namespace

std::optional<std::vector<Expr>> InferContext::known_content(int i) const {
  if (!has_input(i)) return std::nullopt;
  const Value& value = graph_.value(node_.inputs[static_cast<std::size_t>(i)]);
  if (value.content) return value.content;
  if (!value.constant || value.constant->numel() > kMaxContent) return std::nullopt;
  if (is_integer(value.type.dtype) || value.type.dtype == DType::boolean) {
    const std::vector<std::int64_t> elements = to_ints(*value.constant);
    return std::vector<Expr>(elements.begin(), elements.end());
  }
  if (auto fractions = fractions_of(*value.constant); fractions && fractions->divisor == 1)
    return std::move(fractions->numerators);
  return std::nullopt;
}

std::optional<Fractions> InferContext::known_fractions(int i) const {
  if (auto whole = known_content(i)) return Fractions{std::move(*whole), 1};
  if (!has_input(i)) return std::nullopt;
  const Value& value = graph_.value(node_.inputs[static_cast<std::size_t>(i)]);
  if (value.fractions) return value.fractions;
  return value.constant && value.constant->numel() <= kMaxContent ? fractions_of(*value.constant) : std::nullopt;
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

bool InferContext::is_extent(int i, const Expr& e) const {
  constexpr std::size_t kMostNodes = 64;
  std::vector<ValueId> work;
  if (has_input(i)) work.push_back(node_.inputs[static_cast<std::size_t>(i)]);
  for (std::size_t k = 0; k < work.size() && k < kMostNodes; ++k) {
    const Node* producer = graph_.producer(work[k]);
    if (producer == nullptr) continue;
    if (std::string_view(producer->op->name) == "Shape") {
      const SymShape& shape = graph_.value(producer->inputs[0]).type.shape;
      if (std::find(shape.begin(), shape.end(), e) != shape.end()) return true;
      continue;
    }
    for (const ValueId v : producer->inputs)
      if (v != kNone && std::find(work.begin(), work.end(), v) == work.end()) work.push_back(v);
  }
  return false;
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
  if (i < 0 || i >= output_count()) return;
  Result& r = results_[static_cast<std::size_t>(i)];
  const std::int64_t most = is_float(r.type.dtype) ? kMaxFloats : kMaxContent;
  if (elements.size() <= static_cast<std::size_t>(most)) r.content = std::move(elements);
}

void InferContext::set_fractions(int i, Fractions elements) {
  if (elements.divisor == 1) return set_content(i, std::move(elements.numerators));
  if (i < 0 || i >= output_count() || elements.numerators.size() > static_cast<std::size_t>(kMaxFloats)) return;
  results_[static_cast<std::size_t>(i)].fractions = std::move(elements);
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

/// The beginning of a text that may be formulas of many lines.
std::string shortened(std::string text) {
  constexpr std::size_t kMost = 400;
  if (text.size() <= kMost) return text;
  return text.substr(0, kMost) + fmt::format("... ({} characters)", text.size());
}

/// Each input's type, and what it is and comes from.
std::string evidence(const Graph& graph, const Node& node) {
  std::string text;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNone || !graph.has_value(node.inputs[i])) continue;
    const Value& v = graph.value(node.inputs[i]);
    text += fmt::format("\n  input {}: {}", i, shortened(to_string(v.type)));
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
    attrs_of(node).check(op.name);
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
    throw Error(shortened(e.fact()) + evidence(graph, node), e.hint()).at(describe(graph, node));
  }
}

}  // namespace monza::ir
