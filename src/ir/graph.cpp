#include "ir/graph.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/limits.h"
#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza::ir {

struct Graph::Impl {
  /// A node and its place in the execution order, which is a list: passes insert and remove anywhere in long graphs.
  struct Entry {
    std::unique_ptr<Node> node;
    NodeId before = kNone, after = kNone;
    std::uint64_t rank = 0;  ///< rises along the order
  };
  /// Nodes that read a value, in no order. Those that were removed stay in the list until it is asked for.
  struct Readers {
    std::vector<NodeId> ids;
    std::size_t live = 0;
  };
  // Node-based maps: references stay valid while other values and nodes come and go.
  std::unordered_map<ValueId, Value> values;
  std::unordered_map<NodeId, Entry> nodes;
  NodeId first = kNone, last = kNone;
  std::vector<NodeId> order;  ///< the list written out, when order_valid
  bool order_valid = true;
  std::unordered_map<ValueId, std::vector<std::size_t>> output_at;  ///< places of a value among the outputs

  // Kept up to date by every change that Graph makes itself; built again when asked for after somebody else may have
  // changed a node's inputs.
  bool index_valid = false;
  std::unordered_map<ValueId, Readers> readers;
  static constexpr std::uint64_t kGap = static_cast<std::uint64_t>(1) << 24;

  Entry& entry(NodeId id) { return nodes.find(id)->second; }

  const std::vector<NodeId>& listed() {
    if (!order_valid) {
      order.clear();
      for (NodeId id = first; id != kNone; id = entry(id).after) order.push_back(id);
      order_valid = true;
    }
    return order;
  }
  /// Makes `ids` the order.
  void list(std::vector<NodeId> ids) {
    order = std::move(ids);
    order_valid = true;
    first = order.empty() ? kNone : order.front();
    last = order.empty() ? kNone : order.back();
    for (std::size_t i = 0; i < order.size(); ++i) {
      Entry& e = entry(order[i]);
      e.before = i > 0 ? order[i - 1] : kNone;
      e.after = i + 1 < order.size() ? order[i + 1] : kNone;
    }
    build_ranks();
  }
  void link(NodeId id, NodeId before) {
    Entry& e = entry(id);
    e.after = before;
    e.before = before == kNone ? last : entry(before).before;
    (e.before == kNone ? first : entry(e.before).after) = id;
    (e.after == kNone ? last : entry(e.after).before) = id;
    if (e.after == kNone && order_valid) order.push_back(id);
    else order_valid = false;
    const std::uint64_t low = e.before == kNone ? 0 : entry(e.before).rank;
    const std::uint64_t high = e.after == kNone ? low + 2 * kGap : entry(e.after).rank;
    if (high - low < 2) build_ranks();
    else e.rank = low + (high - low) / 2;
  }
  void unlink(NodeId id) {
    const Entry& e = entry(id);
    (e.before == kNone ? first : entry(e.before).after) = e.after;
    (e.after == kNone ? last : entry(e.after).before) = e.before;
    if (e.after == kNone && order_valid) order.pop_back();
    else order_valid = false;
  }
  void build_ranks() {
    std::uint64_t next = kGap;
    for (NodeId id = first; id != kNone; id = entry(id).after, next += kGap) entry(id).rank = next;
  }
  void build_index() {
    if (index_valid) return;
    readers.clear();
    for (NodeId id = first; id != kNone; id = entry(id).after) add_reader(*entry(id).node);
    index_valid = true;
  }
  /// A node that reads nothing yet. One value may be several of its inputs.
  void add_reader(const Node& node) {
    for (ValueId v : node.inputs) {
      if (v == kNone) continue;
      Readers& r = readers[v];
      if (r.ids.empty() || r.ids.back() != node.id) r.ids.push_back(node.id), ++r.live;
    }
  }
  void remove_reader(const Node& node) {
    std::vector<ValueId> read = node.inputs;
    std::sort(read.begin(), read.end());
    read.erase(std::unique(read.begin(), read.end()), read.end());
    for (ValueId v : read)
      if (auto it = readers.find(v); it != readers.end() && --it->second.live == 0) readers.erase(it);
  }
  void erase_value(Model& model, ValueId v) {
    const auto it = values.find(v);
    model.expression_bytes -= it->second.expression_bytes;
    values.erase(it);
  }
  /// The readers of a value, or null.
  const std::vector<NodeId>* readers_of(ValueId v) {
    build_index();
    auto it = readers.find(v);
    if (it == readers.end()) return nullptr;
    Readers& r = it->second;
    if (r.live != r.ids.size()) std::erase_if(r.ids, [&](NodeId id) { return nodes.count(id) == 0; });
    return &r.ids;
  }
};

std::string to_string(const Type& type) {
  std::string text(type.dtype == DType::invalid ? "unknown" : dtype_name(type.dtype));
  if (type.elements != Elements::shaped) {
    text += type.elements == Elements::none ? " none" : " any";
  } else if (type.varying == 0) {
    text += to_string(type.shape);
  } else {
    text += '[';
    for (std::size_t a = 0; a < type.rank(); ++a)
      text += (a > 0 ? "," : "") + std::string((type.varying >> a & 1) != 0 ? "<=" : "") + to_string(type.shape[a]);
    text += ']';
  }
  switch (type.kind) {
    case ValueKind::tensor: return text;
    case ValueKind::sequence: return "seq(" + text + ")";
    case ValueKind::optional: return "optional(" + text + ")";
    case ValueKind::state: return "state(" + text + ")";
    case ValueKind::optional_sequence: return "optional(seq(" + text + "))";
  }
  return text;
}

OriginSet merge(const OriginSet& a, const OriginSet& b) {
  OriginSet all;
  all.reserve(a.size() + b.size());
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  if (all.size() > kMaxOrigins) all.resize(kMaxOrigins);
  return all;
}

std::uint32_t Model::add_origin(std::string name, std::string op_type) {
  origins.push_back({std::move(name), std::move(op_type)});
  return static_cast<std::uint32_t>(origins.size() - 1);
}

Graph::Graph(std::shared_ptr<Model> model, std::string name)
    : model_(std::move(model)), name_(std::move(name)), impl_(std::make_unique<Impl>()) {}
Graph::~Graph() {
  model_->nodes -= static_cast<std::int64_t>(impl_->nodes.size());
  for (const auto& [id, value] : impl_->values) model_->expression_bytes -= value.expression_bytes;
}

namespace {
void check_origins(const Model& model, const OriginSet& origins, std::string_view what) {
  if (origins.empty()) fail("{} has no origin in the model", what);
  for (std::size_t i = 0; i < origins.size(); ++i)
    if (origins[i] >= model.origins.size() || (i > 0 && origins[i] <= origins[i - 1]))
      fail("{} has an origin set that is not a sorted set of the model's origins", what);
}
}  // namespace

std::unique_ptr<Graph> Graph::clone() const {
  auto copy_onto = [](auto& self, const Graph& from, const std::shared_ptr<Model>& model) -> std::unique_ptr<Graph> {
    auto copy = std::make_unique<Graph>(model, from.name_);
    copy->inputs_ = from.inputs_;
    copy->outputs_ = from.outputs_;
    copy->impl_->values = from.impl_->values;
    copy->impl_->output_at = from.impl_->output_at;
    for (const auto& [id, entry] : from.impl_->nodes) {
      const Node* node = entry.node.get();
      auto n = std::make_unique<Node>();
      n->id = node->id;
      n->op = node->op;
      n->inputs = node->inputs;
      n->outputs = node->outputs;
      n->attrs = node->attrs;
      n->origins = node->origins;
      n->constraint = node->constraint;
      for (const auto& body : node->bodies) n->bodies.push_back(self(self, *body, model));
      copy->impl_->nodes[id].node = std::move(n);
    }
    copy->impl_->list(from.order());
    return copy;
  };
  return copy_onto(copy_onto, *this, std::make_shared<Model>(*model_));
}

ValueId Graph::add_input(std::string name, Type type, OriginSet origins) {
  check_origins(*model_, origins, fmt::format("input '{}'", name));
  if (type.shape.size() > static_cast<std::size_t>(kMaxRank))
    fail("input '{}' has rank {}; at most {} is supported", name, type.shape.size(), kMaxRank);
  Value v;
  v.id = model_->next_value++;
  v.name = std::move(name);
  v.type = std::move(type);
  v.origins = std::move(origins);
  inputs_.push_back(v.id);
  const ValueId id = v.id;
  impl_->values.emplace(id, std::move(v));
  return id;
}

ValueId Graph::add_constant(std::string name, std::shared_ptr<const Constant> constant, OriginSet origins) {
  check_origins(*model_, origins, fmt::format("constant '{}'", name));
  Value v;
  v.id = model_->next_value++;
  v.name = std::move(name);
  v.type.dtype = constant->dtype;
  for (int i = 0; i < constant->shape.rank; ++i) v.type.shape.emplace_back(constant->shape[i]);
  v.constant = std::move(constant);
  v.origins = std::move(origins);
  const ValueId id = v.id;
  impl_->values.emplace(id, std::move(v));
  return id;
}

namespace {
std::int64_t bytes_of(const std::vector<Expr>& expressions) {
  std::int64_t bytes = 0;
  for (const Expr& e : expressions) bytes += e.bytes();
  return bytes;
}

void store(Graph& graph, Node& node, std::vector<InferContext::Result> results) {
  Model& model = graph.model();
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    Value& v = graph.value(node.outputs[i]);
    v.type = std::move(results[i].type);
    v.content = std::move(results[i].content);
    v.fractions = std::move(results[i].fractions);
    model.expression_bytes -= v.expression_bytes;
    v.expression_bytes = bytes_of(v.type.shape) + (v.content ? bytes_of(*v.content) : 0) +
                         (v.fractions ? bytes_of(v.fractions->numerators) : 0);
    model.expression_bytes += v.expression_bytes;
  }
  if (model.expression_bytes <= model.limits.expression_bytes) return;
  try {
    check_limit(model.limits, &Limits::expression_bytes, model.expression_bytes,
                "bytes of symbolic shapes and elements");
  } catch (const Error& e) {
    throw e.at(describe(graph, node));
  }
}
}  // namespace

Node& Graph::insert_node(NodeId before, const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, int output_count,
                         OriginSet origins, std::vector<std::unique_ptr<Graph>>&& bodies) {
  std::vector<ValueId> ids;
  for (int i = 0; i < output_count; ++i) ids.push_back(model_->next_value++);
  return place_node(before, op, std::move(inputs), std::move(attrs), std::move(ids), std::move(origins),
                    std::move(bodies));
}

Node& Graph::place_node(NodeId before, const OpDef& op, std::vector<ValueId> inputs, Attrs attrs,
                        std::vector<ValueId> output_ids, OriginSet origins,
                        std::vector<std::unique_ptr<Graph>>&& bodies) {
  check_origins(*model_, origins, fmt::format("a new {} node", op.name));
  // Importers may make several nodes of one, and passes hold the old and the new for a while.
  if (const std::int64_t most = model_->limits.nodes; model_->nodes >= most && model_->nodes - most >= most)
    fail_hint(fmt::format("{} {} (Limits::nodes), if the model is to be trusted", limit_option(&Limits::nodes),
                          model_->nodes / 2 + 1),
              "the graph grows to {} nodes, more than twice the limit of {}", model_->nodes + 1, most);
  if (before != kNone && !has_node(before)) fail("node {} is not in the graph", before);
  auto owned = std::make_unique<Node>();
  Node& node = *owned;
  node.id = model_->next_node++;
  node.op = &op;
  // Optional inputs at the end that are absent need no place.
  while (!inputs.empty() && inputs.back() == kNone && inputs.size() > static_cast<std::size_t>(op.min_inputs))
    inputs.pop_back();
  node.inputs = std::move(inputs);
  node.attrs = std::move(attrs);
  node.origins = std::move(origins);
  node.bodies = std::move(bodies);
  for (ValueId v : node.inputs)
    if (v != kNone && !has_value(v)) fail("a new {} node reads value {}, which is not in the graph", op.name, v);
  for (std::size_t i = 0; i < output_ids.size(); ++i) {
    Value v;
    v.id = output_ids[i];
    v.producer = node.id;
    v.output_index = static_cast<int>(i);
    v.origins = node.origins;
    node.outputs.push_back(v.id);
    impl_->values.emplace(v.id, std::move(v));
  }
  try {
    store(*this, node, infer_node(*this, node));
  } catch (...) {
    for (ValueId v : node.outputs) impl_->erase_value(*model_, v);
    bodies = std::move(node.bodies);
    throw;
  }
  impl_->nodes[node.id].node = std::move(owned);
  impl_->link(node.id, before);
  ++model_->nodes;
  if (impl_->index_valid) impl_->add_reader(node);
  return node;
}

Node& Graph::add_node(const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, int output_count, OriginSet origins,
                      std::vector<std::unique_ptr<Graph>> bodies, std::vector<std::string> output_names) {
  Node& node =
      insert_node(kNone, op, std::move(inputs), std::move(attrs), output_count, std::move(origins), std::move(bodies));
  for (std::size_t i = 0; i < output_names.size() && i < node.outputs.size(); ++i)
    value(node.outputs[i]).name = std::move(output_names[i]);
  return node;
}

void Graph::add_output(std::string name, ValueId value) {
  if (!has_value(value)) fail("output '{}' is value {}, which is not in the graph", name, value);
  impl_->output_at[value].push_back(outputs_.size());
  outputs_.push_back({std::move(name), value});
}

void Graph::set_output(std::size_t index, ValueId value) {
  if (!has_value(value)) fail("output '{}' is value {}, which is not in the graph", outputs_.at(index).name, value);
  std::vector<std::size_t>& old = impl_->output_at[outputs_.at(index).value];
  std::erase(old, index);
  if (old.empty()) impl_->output_at.erase(outputs_[index].value);
  outputs_[index].value = value;
  impl_->output_at[value].push_back(index);
}

const std::vector<NodeId>& Graph::order() const { return impl_->listed(); }
bool Graph::has_value(ValueId id) const { return impl_->values.count(id) != 0; }
const Value& Graph::value(ValueId id) const {
  auto it = impl_->values.find(id);
  if (it == impl_->values.end()) fail("value {} is not in graph '{}'", id, name_);
  return it->second;
}
Value& Graph::value(ValueId id) { return const_cast<Value&>(std::as_const(*this).value(id)); }
bool Graph::has_node(NodeId id) const { return impl_->nodes.count(id) != 0; }
const Node& Graph::node(NodeId id) const {
  auto it = impl_->nodes.find(id);
  if (it == impl_->nodes.end()) fail("node {} is not in graph '{}'", id, name_);
  return *it->second.node;
}
Node& Graph::node(NodeId id) {
  impl_->index_valid = false;  // the caller may change its inputs
  return const_cast<Node&>(std::as_const(*this).node(id));
}
Graph& Graph::body(NodeId id, std::size_t index) { return *std::as_const(*this).node(id).bodies.at(index); }
void Graph::constrain(NodeId id, const Constraint& constraint) {
  const_cast<Node&>(std::as_const(*this).node(id)).constraint = constraint;
}

std::vector<ValueId> Graph::values() const {
  std::vector<ValueId> ids;
  ids.reserve(impl_->values.size());
  for (const auto& [id, value] : impl_->values) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

const Node* Graph::producer(ValueId id) const {
  const NodeId n = value(id).producer;
  if (n == kNone) return nullptr;
  auto it = impl_->nodes.find(n);
  return it == impl_->nodes.end() ? nullptr : it->second.node.get();
}

std::vector<NodeId> Graph::users(ValueId id) const {
  const std::vector<NodeId>* found = impl_->readers_of(id);
  if (found == nullptr) return {};
  std::vector<NodeId> list = *found;
  if (list.size() > 1)
    std::sort(list.begin(), list.end(),
              [&](NodeId a, NodeId b) { return impl_->entry(a).rank < impl_->entry(b).rank; });
  return list;
}

bool Graph::is_before(NodeId a, NodeId b) const { return impl_->entry(a).rank < impl_->entry(b).rank; }

std::size_t Graph::user_count(ValueId id) const {
  impl_->build_index();
  const auto it = impl_->readers.find(id);
  return it == impl_->readers.end() ? 0 : it->second.live;
}

bool Graph::is_output(ValueId id) const { return impl_->output_at.count(id) != 0; }
bool Graph::is_used(ValueId id) const { return is_output(id) || user_count(id) != 0; }

void Graph::replace_uses(ValueId from, ValueId to) {
  if (from == to) return;
  Value& target = value(to);
  const Value& source = value(from);
  OriginSet origins = source.origins;
  if (source.producer != kNone) origins = merge(origins, std::as_const(*this).node(source.producer).origins);
  if (const std::vector<NodeId>* found = impl_->readers_of(from)) {
    Impl::Readers& readers = impl_->readers[to];
    if (readers.live != readers.ids.size()) impl_->readers_of(to);
    for (NodeId id : *found) {
      std::vector<ValueId>& inputs = impl_->entry(id).node->inputs;
      // A node that reads both is in the list already.
      if (std::find(inputs.begin(), inputs.end(), to) == inputs.end()) readers.ids.push_back(id), ++readers.live;
      std::replace(inputs.begin(), inputs.end(), from, to);
    }
    impl_->readers.erase(from);
  }
  if (const auto at = impl_->output_at.find(from); at != impl_->output_at.end()) {
    for (const std::size_t i : at->second) outputs_[i].value = to;
    const std::vector<std::size_t> moved = std::move(at->second);
    impl_->output_at.erase(at);
    std::vector<std::size_t>& list = impl_->output_at[to];
    list.insert(list.end(), moved.begin(), moved.end());
  }
  target.origins = merge(target.origins, origins);
  if (target.producer != kNone) {
    Node& p = *impl_->entry(target.producer).node;
    p.origins = merge(p.origins, origins);
  }
}

void Graph::remove_node(NodeId id) {
  const Node& n = std::as_const(*this).node(id);
  for (ValueId v : n.outputs)
    if (is_used(v)) fail("{} cannot be removed: an output of it is used", describe(*this, n));
  for (ValueId v : n.outputs) impl_->erase_value(*model_, v);
  impl_->build_index();
  impl_->remove_reader(n);
  // At once, not at the end of the pass: rewrite after rewrite may replace weights by changed copies.
  for (ValueId v : n.inputs)
    if (v != kNone && has_value(v) && value(v).constant && !is_used(v)) impl_->erase_value(*model_, v);
  impl_->unlink(id);
  impl_->nodes.erase(id);
  --model_->nodes;
}

void Graph::remove_unused_values() {
  const std::unordered_set<ValueId> kept(inputs_.begin(), inputs_.end());
  for (ValueId id : values())
    if (value(id).producer == kNone && kept.count(id) == 0 && !is_used(id)) impl_->erase_value(*model_, id);
}

void Graph::remove_input(std::size_t index) {
  const ValueId v = inputs_.at(index);
  if (is_used(v)) fail("input '{}' cannot be removed: it is used", value(v).name);
  inputs_.erase(inputs_.begin() + static_cast<std::ptrdiff_t>(index));
  impl_->erase_value(*model_, v);
}

void Graph::infer_all() {
  for (NodeId id : order()) infer(id);
}

void Graph::infer(NodeId id) {
  Node& n = *impl_->entry(id).node;
  store(*this, n, infer_node(*this, n));
}

void Graph::sort() {
  // Kahn's algorithm; among ready nodes the earliest in the present order comes first.
  impl_->build_index();
  std::unordered_map<NodeId, std::size_t> position;
  std::unordered_map<NodeId, std::size_t> waiting;
  std::vector<std::size_t> ready;  // a heap of positions
  auto later = [](std::size_t a, std::size_t b) { return a > b; };
  const std::vector<NodeId> old = order();
  for (std::size_t i = 0; i < old.size(); ++i) {
    std::unordered_set<ValueId> distinct;
    for (ValueId v : impl_->entry(old[i]).node->inputs)
      if (v != kNone && value(v).producer != kNone) distinct.insert(v);
    waiting[old[i]] = distinct.size();
    position[old[i]] = i;
    if (distinct.empty()) ready.push_back(i);
  }
  std::make_heap(ready.begin(), ready.end(), later);
  std::vector<NodeId> sorted;
  while (!ready.empty()) {
    std::pop_heap(ready.begin(), ready.end(), later);
    const NodeId id = old[ready.back()];
    ready.pop_back();
    sorted.push_back(id);
    for (ValueId v : impl_->entry(id).node->outputs) {
      const std::vector<NodeId>* readers = impl_->readers_of(v);
      if (readers == nullptr) continue;
      for (NodeId u : *readers)
        if (--waiting[u] == 0) {
          ready.push_back(position[u]);
          std::push_heap(ready.begin(), ready.end(), later);
        }
    }
  }
  if (sorted.size() != old.size()) {
    std::string names;
    int listed = 0;
    for (NodeId id : old)
      if (waiting[id] != 0 && listed++ < 8)
        names += (names.empty() ? "" : ", ") + describe(*this, *impl_->entry(id).node);
    fail("the graph has a cycle; nodes in it or behind it: {}{}", names, listed > 8 ? ", ..." : "");
  }
  impl_->list(std::move(sorted));
}

std::string describe(const Graph& graph, const Node& node) {
  const auto& origins = graph.model().origins;
  std::vector<std::string> names;
  for (std::uint32_t o : node.origins)
    if (o < origins.size()) names.push_back(origins[o].name);
  std::string text = std::string(node.op != nullptr ? node.op->name : "unknown") + " node";
  if (names.empty()) return text + fmt::format(" {}", node.id);
  text += " '" + names[0] + "'";
  if (names.size() == 1) return text;
  text += " (from ONNX nodes ";
  for (std::size_t i = 0; i < names.size() && i < 8; ++i) text += (i > 0 ? ", '" : "'") + names[i] + "'";
  return text + (names.size() > 8 ? ", ...)" : ")");
}

}  // namespace monza::ir
