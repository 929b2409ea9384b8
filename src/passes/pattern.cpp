#include "passes/pattern.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/constraint.h"
#include "base/error.h"
#include "base/limits.h"
#include "kernel/registry.h"
#include "passes/rewrite.h"

namespace monza {

struct Pattern::Data {
  enum class Kind { any, constant, scalar, number, absent, rest, op, product, sum, either } kind = Kind::any;
  std::string name;              // capture
  std::string number_name;       // number: capture of the value
  double value = 0;              // scalar
  std::vector<std::string> ops;  // op: names
  int output = 0;                // op: which output
  std::vector<Pattern> operands;
  bool shared = false;
  std::function<bool(const ir::Graph&, const ir::Node&)> condition;
};

namespace {
using Data = Pattern::Data;
using Kind = Data::Kind;

Pattern make(Data data) { return Pattern(std::make_shared<const Data>(std::move(data))); }

std::vector<std::string> split(std::string_view names) {
  std::vector<std::string> list;
  while (true) {
    const auto bar = names.find('|');
    list.emplace_back(names.substr(0, bar));
    if (bar == names.npos) return list;
    names.remove_prefix(bar + 1);
  }
}
}  // namespace

Pattern Pattern::as(std::string name) const {
  Data d = *data_;
  d.name = std::move(name);
  return make(std::move(d));
}
Pattern Pattern::shared() const {
  Data d = *data_;
  d.shared = true;
  return make(std::move(d));
}
Pattern Pattern::where(std::function<bool(const ir::Graph&, const ir::Node&)> condition) const {
  Data d = *data_;
  d.condition = std::move(condition);
  return make(std::move(d));
}

Pattern any(std::string name) { return make({.kind = Kind::any, .name = std::move(name)}); }
Pattern constant(std::string name) { return make({.kind = Kind::constant, .name = std::move(name)}); }
Pattern scalar(double value) { return make({.kind = Kind::scalar, .value = value}); }
Pattern number(std::string name) { return make({.kind = Kind::number, .number_name = std::move(name)}); }
Pattern absent() { return make({.kind = Kind::absent}); }
Pattern rest() { return make({.kind = Kind::rest}); }
Pattern op(std::string_view names, std::vector<Pattern> inputs) { return op_output(names, std::move(inputs), 0); }
Pattern op_output(std::string_view names, std::vector<Pattern> inputs, int index) {
  return make({.kind = Kind::op, .ops = split(names), .output = index, .operands = std::move(inputs)});
}
Pattern product(std::vector<Pattern> operands) {
  return make({.kind = Kind::product, .operands = std::move(operands)});
}
Pattern sum(std::vector<Pattern> operands) { return make({.kind = Kind::sum, .operands = std::move(operands)}); }
Pattern either(std::vector<Pattern> alternatives) {
  return make({.kind = Kind::either, .operands = std::move(alternatives)});
}

Pattern quotient(Pattern a, Pattern b) {
  return either({op("Div", {a, b}), product({a, op("Reciprocal", {b})}), product({a, op("Div", {scalar(1), b})})});
}
Pattern square(Pattern x) { return either({op("Pow", {x, scalar(2)}), op("Mul", {x, x})}); }

std::optional<double> scalar_value(const ir::Graph& graph, ir::ValueId id) {
  if (id == ir::kNone) return std::nullopt;
  const ir::Constant* c = graph.value(id).constant.get();
  if (c == nullptr || c->numel() != 1 || c->dtype == DType::string || c->dtype == DType::c64 || c->dtype == DType::c128)
    return std::nullopt;
  return ir::to_doubles(*c)[0];
}

ir::ValueId Match::operator[](std::string_view name) const {
  auto it = values.find(name);
  if (it == values.end()) fail("the pattern captures no value '{}'", name);
  return it->second;
}
double Match::number(std::string_view name) const {
  auto it = numbers.find(name);
  if (it == numbers.end()) fail("the pattern captures no number '{}'", name);
  return it->second;
}
const ir::Node& Match::node(std::string_view name) const { return *graph->producer((*this)[name]); }
const ir::Value& Match::output() const { return graph->value(std::as_const(*graph).node(root).outputs[0]); }

ir::OriginSet Match::origins() const {
  ir::OriginSet all;
  for (ir::NodeId id : nodes) all = ir::merge(all, std::as_const(*graph).node(id).origins);
  return all;
}
std::optional<Constraint> Match::constraint() const {
  std::optional<Constraint> all{std::in_place};
  for (ir::NodeId id : nodes)
    if (all) all = both(*all, std::as_const(*graph).node(id).constraint);
  return all;
}
ir::ValueId Match::add(std::string_view op, std::vector<ir::ValueId> inputs, ir::Attrs attrs) const {
  return insert_node(*graph, root, ir::get_op(op), std::move(inputs), std::move(attrs), 1,
                     {origins(), constraint().value()})
      .outputs[0];
}
ir::ValueId Match::add_constant(std::shared_ptr<const ir::Constant> constant) const {
  return graph->add_constant({}, std::move(constant), origins());
}

namespace {

bool close(double a, double b) { return std::abs(a - b) <= 1e-4 * std::abs(b) || a == b; }

/// Finds a match by trying alternatives in turn; `next` continues with what is left and says whether it worked out.
class Matcher {
 public:
  explicit Matcher(const ir::Graph& graph) : graph_(graph) {}

  using Next = std::function<bool(const Match&)>;

  bool match(const Pattern& pattern, ir::ValueId v, const Match& m, const Next& next) {
    const Data& p = pattern.data();
    if (v == ir::kNone) return p.kind == Kind::absent && next(m);
    switch (p.kind) {
      case Kind::absent:
      case Kind::rest: return false;
      case Kind::any: return capture(p, v, m, next);
      case Kind::constant:
        if (!graph_.value(v).constant) return miss(m, v, "a constant");
        return capture(p, v, m, next);
      case Kind::scalar: {
        auto s = scalar_value(graph_, v);
        if (!s || !close(*s, p.value)) return miss(m, v, fmt::format("the constant {}", p.value));
        return next(m);
      }
      case Kind::number: {
        auto s = scalar_value(graph_, v);
        if (!s) return miss(m, v, "a constant number");
        return capture_number(p.number_name, *s, m, next);
      }
      case Kind::either:
        for (const Pattern& alternative : p.operands)
          if (match(alternative, v, m, [&](const Match& n) { return capture(p, v, n, next); })) return true;
        return false;
      case Kind::op: return match_op(p, v, m, next);
      case Kind::product:
      case Kind::sum: return match_chain(p, v, m, next);
    }
    return false;
  }

  /// How far the best attempt came, and what it missed.
  std::size_t best = 0;
  std::string missed;

 private:
  bool miss(const Match& m, ir::ValueId v, const std::string& wanted) {
    if (m.nodes.size() + m.shared.size() <= best) return false;
    best = m.nodes.size() + m.shared.size();
    const ir::Node* producer = graph_.producer(v);
    const ir::Value& value = graph_.value(v);
    missed = fmt::format("{} is expected, but there is {}", wanted,
                         producer != nullptr ? ir::describe(graph_, *producer)
                                             : (value.constant ? "the constant '" : "the input '") + value.name + "' " +
                                                   ir::to_string(value.type));
    return false;
  }

  bool capture(const Data& p, ir::ValueId v, const Match& m, const Next& next) {
    if (p.name.empty()) return next(m);
    if (auto it = m.values.find(p.name); it != m.values.end()) {
      if (it->second != v) return miss(m, v, "the value '" + graph_.value(it->second).name + "' again");
      return next(m);
    }
    Match n = m;
    n.values.emplace(p.name, v);
    return next(n);
  }
  bool capture_number(const std::string& name, double value, const Match& m, const Next& next) {
    if (name.empty()) return next(m);
    if (auto it = m.numbers.find(name); it != m.numbers.end()) return close(it->second, value) && next(m);
    Match n = m;
    n.numbers.emplace(name, value);
    return next(n);
  }

  /// The match with the node added, or nullopt when it is in already in another role.
  static Match with(const Match& m, const ir::Node& node, bool shared) {
    Match n = m;
    auto& list = shared ? n.shared : n.nodes;
    if (std::find(list.begin(), list.end(), node.id) == list.end()) list.push_back(node.id);
    return n;
  }

  bool match_op(const Data& p, ir::ValueId v, const Match& m, const Next& next) {
    const ir::Node* node = graph_.producer(v);
    const bool named = node != nullptr && std::find(p.ops.begin(), p.ops.end(), node->op->name) != p.ops.end();
    if (!named || graph_.value(v).output_index != p.output) return miss(m, v, p.ops[0]);
    if (p.condition && !p.condition(graph_, *node)) return miss(m, v, p.ops[0] + " with the attributes of the pattern");
    const Match n = with(m, *node, p.shared);
    std::vector<ir::ValueId> inputs = node->inputs;
    const bool open_end = !p.operands.empty() && p.operands.back().data().kind == Kind::rest;
    const std::size_t count = p.operands.size() - (open_end ? 1 : 0);
    if (inputs.size() < count) inputs.resize(count, ir::kNone);
    if (!open_end)
      for (std::size_t i = count; i < inputs.size(); ++i)
        if (inputs[i] != ir::kNone) return miss(n, v, fmt::format("{} with {} inputs", p.ops[0], count));
    auto done = [&](const Match& k) { return capture(p, v, k, next); };
    if (match_inputs(p, inputs, 0, count, n, done)) return true;
    if (!ir::has(node->op->flags, ir::OpFlag::commutative) || count < 2) return false;
    std::swap(inputs[0], inputs[1]);
    return match_inputs(p, inputs, 0, count, n, done);
  }

  bool match_inputs(const Data& p, const std::vector<ir::ValueId>& inputs, std::size_t i, std::size_t count,
                    const Match& m, const Next& next) {
    if (i == count) return next(m);
    return match(p.operands[i], inputs[i], m,
                 [&](const Match& n) { return match_inputs(p, inputs, i + 1, count, n, next); });
  }

  /// The operands of a tree of multiplications (or additions), its scalar constants gathered.
  struct Chain {
    std::vector<ir::ValueId> operands;
    double scalar = 0;
    std::vector<const ir::Node*> nodes;
  };
  /// No formula is longer, and a file may have it as long as it likes.
  static constexpr std::size_t kLongestChain = 32;
  void flatten(bool multiply, ir::ValueId v, bool root, bool deep, Chain& chain) const {
    if (auto s = scalar_value(graph_, v); s && !root) {
      chain.scalar = multiply ? chain.scalar * *s : chain.scalar + *s;
      return;
    }
    const ir::Node* node = graph_.producer(v);
    const bool inside = root || (deep && graph_.user_count(v) == 1 && !graph_.is_output(v));
    if (node != nullptr && inside && chain.operands.size() < 8 && chain.nodes.size() < kLongestChain) {
      const std::string_view name = node->op->name;
      if (name == (multiply ? "Mul" : "Add")) {
        chain.nodes.push_back(node);
        flatten(multiply, node->inputs[0], false, deep, chain);
        flatten(multiply, node->inputs[1], false, deep, chain);
        return;
      }
      if (name == (multiply ? "Div" : "Sub")) {
        auto s = scalar_value(graph_, node->inputs[1]);
        if (s && (!multiply || *s != 0)) {
          chain.nodes.push_back(node);
          chain.scalar = multiply ? chain.scalar / *s : chain.scalar - *s;
          flatten(multiply, node->inputs[0], false, deep, chain);
          return;
        }
      }
      if (multiply && name == "Neg") {
        chain.nodes.push_back(node);
        chain.scalar = -chain.scalar;
        flatten(multiply, node->inputs[0], false, deep, chain);
        return;
      }
    }
    chain.operands.push_back(v);
  }

  bool match_chain(const Data& p, ir::ValueId v, const Match& m, const Next& next) {
    const bool multiply = p.kind == Kind::product;
    std::vector<const Pattern*> wanted;
    double scalar = multiply ? 1 : 0;
    const std::string* number = nullptr;
    for (const Pattern& operand : p.operands) {
      const Data& d = operand.data();
      if (d.kind == Kind::scalar) scalar = multiply ? scalar * d.value : scalar + d.value;
      else if (d.kind == Kind::number) number = &d.number_name;
      else wanted.push_back(&operand);
    }
    // The whole tree first; then one operation alone, whose operands may be trees of their own.
    std::size_t previous = 0;
    for (bool deep : {true, false}) {
      Chain chain;
      chain.scalar = multiply ? 1 : 0;
      flatten(multiply, v, true, deep, chain);
      if (!deep && chain.nodes.size() == previous) return false;
      previous = chain.nodes.size();
      if (chain.operands.size() != wanted.size() || (chain.nodes.empty() && wanted.size() > 1)) {
        if (deep) miss(m, v, fmt::format("a {} of {} operands", multiply ? "product" : "sum", wanted.size()));
        continue;
      }
      if (number == nullptr && !close(chain.scalar, scalar)) {
        miss(m, v, fmt::format("the constant {}", scalar));
        continue;
      }
      Match n = m;
      for (const ir::Node* node : chain.nodes) n = with(n, *node, p.shared);
      std::vector<bool> taken(wanted.size(), false);
      auto finish = [&](const Match& k) {
        auto captured = [&](const Match& c) { return capture(p, v, c, next); };
        return number != nullptr
                   ? capture_number(*number, multiply ? chain.scalar / scalar : chain.scalar - scalar, k, captured)
                   : captured(k);
      };
      if (permute(chain.operands, wanted, 0, taken, n, finish)) return true;
    }
    return false;
  }

  bool permute(const std::vector<ir::ValueId>& operands, const std::vector<const Pattern*>& wanted, std::size_t i,
               std::vector<bool>& taken, const Match& m, const Next& next) {
    if (i == wanted.size()) return next(m);
    for (std::size_t k = 0; k < operands.size(); ++k) {
      if (taken[k]) continue;
      taken[k] = true;
      const bool found = match(*wanted[i], operands[k], m,
                               [&](const Match& n) { return permute(operands, wanted, i + 1, taken, n, next); });
      taken[k] = false;
      if (found) return true;
    }
    return false;
  }

  const ir::Graph& graph_;
};

/// Operators that a match of the pattern can end in.
void roots(const Pattern& pattern, std::vector<std::string>& names) {
  const Data& p = pattern.data();
  if (p.kind == Kind::op) names.insert(names.end(), p.ops.begin(), p.ops.end());
  if (p.kind == Kind::product) names.insert(names.end(), {"Mul", "Div", "Neg"});
  if (p.kind == Kind::sum) names.insert(names.end(), {"Add", "Sub"});
  if (p.kind == Kind::either)
    for (const Pattern& a : p.operands) roots(a, names);
}

/// Fewest nodes that a match consists of.
std::size_t size_of(const Pattern& pattern) {
  const Data& p = pattern.data();
  std::size_t n = p.kind == Kind::op || p.kind == Kind::product || p.kind == Kind::sum ? 1 : 0;
  std::size_t least = p.operands.empty() ? 0 : SIZE_MAX;
  for (const Pattern& o : p.operands) {
    if (p.kind == Kind::either) least = std::min(least, size_of(o));
    else n += size_of(o);
  }
  return p.kind == Kind::either ? least : n;
}

/// "" if nothing outside the match reads what lies inside, and one kernel could do what is asked of all of it.
std::string closed(const ir::Graph& graph, const Match& m) {
  for (ir::NodeId id : m.nodes) {
    if (std::find(m.shared.begin(), m.shared.end(), id) != m.shared.end()) continue;
    const ir::Node& node = graph.node(id);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const ir::ValueId v = node.outputs[i];
      if (id == m.root && i == 0) continue;
      if (graph.is_output(v))
        return fmt::format("the result of {} is also an output of the graph", ir::describe(graph, node));
      for (ir::NodeId user : graph.users(v))
        if (std::find(m.nodes.begin(), m.nodes.end(), user) == m.nodes.end())
          return fmt::format("the result of {} is also read by {}", ir::describe(graph, node),
                             ir::describe(graph, graph.node(user)));
    }
  }
  return m.constraint() ? "" : kNothingInCommon;
}

/// Finds where the fusion fits at `root`; else notes a near miss.
std::optional<Match> find_match(ir::Graph& graph, PassContext& context, const Fusion& fusion, std::size_t least,
                                ir::NodeId root) {
  const ir::Graph& g = graph;
  const ir::Node& node = g.node(root);
  Match found;
  std::string refusal;
  Match start;
  start.graph = &graph;
  start.root = root;
  Matcher matcher(graph);
  const bool matched = matcher.match(fusion.pattern, node.outputs[0], start, [&](const Match& m) {
    Match candidate = m;
    // The root leads the list, so that removal goes from results to operands.
    std::string reason = closed(g, candidate);
    if (reason.empty() && fusion.guard) reason = fusion.guard(candidate);
    if (!reason.empty()) {
      if (refusal.empty()) refusal = reason;
      return false;
    }
    found = std::move(candidate);
    return true;
  });
  if (matched) return found;
  if (!refusal.empty()) context.near_miss(fusion.name, graph, node, refusal);
  else if (matcher.best >= 3 && matcher.best + 1 >= least) context.near_miss(fusion.name, graph, node, matcher.missed);
  return std::nullopt;
}

/// What a rewrite removes, readers before what they read.
std::vector<ir::NodeId> doomed_nodes(const ir::Graph& graph, const Match& m) {
  std::vector<ir::NodeId> doomed = m.nodes;
  std::erase_if(doomed,
                [&](ir::NodeId id) { return std::find(m.shared.begin(), m.shared.end(), id) != m.shared.end(); });
  std::sort(doomed.begin(), doomed.end(), [&](ir::NodeId a, ir::NodeId b) { return graph.is_before(b, a); });
  doomed.erase(std::unique(doomed.begin(), doomed.end()), doomed.end());
  return doomed;
}

/// "" if `replacement`, made of the nodes from `first_new` on, may take the place of `old`; else why not.
std::string refuse_replacement(const ir::Graph& graph, Device usual, ir::ValueId old, ir::ValueId replacement,
                               ir::NodeId first_new, const std::vector<ir::NodeId>& doomed) {
  if (graph.value(replacement).type != graph.value(old).type)
    return fmt::format("the result would be {} instead of {}", ir::to_string(graph.value(replacement).type),
                       ir::to_string(graph.value(old).type));
  // Operands that a pattern takes as they come may be results of what it removes: softmax(s * c + s).
  std::vector<ir::ValueId> read{replacement};
  for (ir::NodeId id = first_new; id < graph.model().next_node; ++id) {
    if (!graph.has_node(id)) continue;
    const ir::Node& node = graph.node(id);
    read.insert(read.end(), node.inputs.begin(), node.inputs.end());
    Constraint asked = node.constraint;
    if (asked.devices.empty()) asked.devices.insert(usual);
    const bool needs_kernel = node.op->aliases == nullptr && !has(node.op->flags, ir::OpFlag::control);
    if (needs_kernel && !asked.devices.contains(Device::cpu) && !has_kernel(node.op->name, {{}, asked.devices}))
      return fmt::format("no kernel of {} runs on {}", node.op->name, to_string(asked.devices));
    if (!asked.precisions.empty() && node.op->flops != nullptr && !has_kernel(node.op->name, asked))
      return fmt::format("no kernel of {} computes in {}, which is asked of it", node.op->name,
                         to_string(asked.precisions));
  }
  for (const ir::ValueId v : read) {
    const ir::Node* producer = v == ir::kNone ? nullptr : graph.producer(v);
    if (producer != nullptr && std::find(doomed.begin(), doomed.end(), producer->id) != doomed.end())
      return fmt::format("the result of {} would be removed and is still read", ir::describe(graph, *producer));
  }
  return "";
}

/// Tries one fusion at one node. True if the graph changed.
bool try_fusion(ir::Graph& graph, PassContext& context, const Fusion& fusion, std::size_t least, ir::NodeId root) {
  const std::optional<Match> found = find_match(graph, context, fusion, least, root);
  if (!found || !context.open()) return false;
  const ir::Node& node = std::as_const(graph).node(root);
  // Rewrites may make changed copies of weights, one after the other.
  std::int64_t& left = context.fold_budget().all_bytes;
  if (left < 0) {
    context.near_miss(fusion.name, graph, node,
                      "constants that passes made take too much (" + limit_option(&Limits::fold_bytes) + ")");
    return false;
  }

  const ir::NodeId first_new = graph.model().next_node;
  const ir::ValueId first_value = graph.model().next_value;
  const ir::ValueId old = node.outputs[0];
  const std::vector<ir::NodeId> doomed = doomed_nodes(graph, *found);
  ir::ValueId replacement = ir::kNone;
  const bool made = attempt(graph, context, fusion.name, root, [&] {
    replacement = fusion.replace(*found);
    return true;
  });
  if (!made) return false;
  const std::string reason = refuse_replacement(graph, context.options().device, old, replacement, first_new, doomed);
  if (!reason.empty()) {
    context.near_miss(fusion.name, graph, node, reason);
    undo(graph, first_new);
    return false;
  }
  for (ir::ValueId v = first_value; v < graph.model().next_value; ++v)
    if (graph.has_value(v) && graph.value(v).constant)
      left -= static_cast<std::int64_t>(graph.value(v).constant->bytes.size());
  context.allow(fusion.name, graph, node);
  const std::string name = graph.value(old).name;
  graph.replace_uses(old, replacement);
  for (const ir::NodeId id : doomed) graph.remove_node(id);
  if (!graph.has_value(old) && graph.value(replacement).name.empty()) graph.value(replacement).name = name;
  return true;
}
}  // namespace

void apply(ir::Graph& graph, PassContext& context, const std::vector<Fusion>& fusions) {
  struct Entry {
    const Fusion* fusion;
    std::vector<std::string> roots;
    std::size_t least;
  };
  std::vector<Entry> entries;
  for (const Fusion& f : fusions) {
    entries.push_back({&f, {}, size_of(f.pattern)});
    roots(f.pattern, entries.back().roots);
  }
  const ir::ValueId first_value = graph.model().next_value;
  bool changed = true;
  while (changed && context.open()) {
    changed = false;
    const std::vector<ir::NodeId> order = graph.order();
    for (ir::NodeId id : order) {
      if (!graph.has_node(id)) continue;
      const std::string_view name = std::as_const(graph).node(id).op->name;
      for (const Entry& e : entries) {
        if (std::find(e.roots.begin(), e.roots.end(), name) == e.roots.end()) continue;
        if (try_fusion(graph, context, *e.fusion, e.least, id)) {
          changed = true;
          break;
        }
      }
    }
  }
  // Constants of rewrites that were taken back.
  if (graph.model().next_value != first_value) graph.remove_unused_values();
}

}  // namespace monza
