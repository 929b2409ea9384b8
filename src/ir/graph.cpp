#include "ir/graph.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza::ir {

struct Graph::Impl {
  // Node-based maps: references stay valid while other values and nodes come and go.
  std::unordered_map<ValueId, Value> values;
  std::unordered_map<NodeId, std::unique_ptr<Node>> nodes;

  // Readers of each value, in no order, and a rank for each node that rises along the order. Kept up to date by every
  // change that Graph makes itself; built again when asked for after somebody else may have changed a node's inputs.
  bool index_valid = false;
  std::unordered_map<ValueId, std::vector<NodeId>> users;
  std::unordered_map<NodeId, std::uint64_t> rank;
  static constexpr std::uint64_t kGap = std::uint64_t(1) << 24;

  void build_ranks(const Graph& graph) {
    rank.clear();
    std::uint64_t next = kGap;
    for (NodeId id : graph.order_) {
      rank[id] = next;
      next += kGap;
    }
  }
  void build_index(const Graph& graph) {
    if (index_valid) return;
    users.clear();
    for (NodeId id : graph.order_) add_reader(*nodes.at(id));
    build_ranks(graph);
    index_valid = true;
  }
  void add_reader(const Node& node) {
    for (ValueId v : node.inputs)
      if (v != kNone) add_reader(v, node.id);
  }
  void add_reader(ValueId v, NodeId id) {
    auto& list = users[v];
    if (std::find(list.begin(), list.end(), id) == list.end()) list.push_back(id);
  }
  void remove_reader(const Node& node) {
    for (ValueId v : node.inputs) {
      auto it = users.find(v);
      if (it == users.end()) continue;
      std::erase(it->second, node.id);
      if (it->second.empty()) users.erase(it);
    }
  }
  /// Ranks a node that was just placed at `at` of the order between its neighbours.
  void place(const Graph& graph, std::size_t at) {
    const std::uint64_t low = at == 0 ? 0 : rank.at(graph.order_[at - 1]);
    const bool last = at + 1 == graph.order_.size();
    const std::uint64_t high = last ? low + 2 * kGap : rank.at(graph.order_[at + 1]);
    if (high - low < 2) build_ranks(graph);
    else rank[graph.order_[at]] = low + (high - low) / 2;
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
  return all;
}

std::uint32_t Model::add_origin(std::string name, std::string op_type) {
  origins.push_back({std::move(name), std::move(op_type)});
  return static_cast<std::uint32_t>(origins.size() - 1);
}

Graph::Graph(std::shared_ptr<Model> model, std::string name)
    : model_(std::move(model)), name_(std::move(name)), impl_(std::make_unique<Impl>()) {}
Graph::~Graph() = default;

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
    copy->order_ = from.order_;
    copy->impl_->values = from.impl_->values;
    for (const auto& [id, node] : from.impl_->nodes) {
      auto n = std::make_unique<Node>();
      n->id = node->id;
      n->op = node->op;
      n->inputs = node->inputs;
      n->outputs = node->outputs;
      n->attrs = node->attrs;
      n->origins = node->origins;
      n->precision = node->precision;
      n->device = node->device;
      for (const auto& body : node->bodies) n->bodies.push_back(self(self, *body, model));
      copy->impl_->nodes.emplace(id, std::move(n));
    }
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
void store(Graph& graph, Node& node, std::vector<InferContext::Result> results) {
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    Value& v = graph.value(node.outputs[i]);
    v.type = std::move(results[i].type);
    v.content = std::move(results[i].content);
  }
}
}  // namespace

Node& Graph::insert_node(NodeId before, const OpDef& op, std::vector<ValueId> inputs, Attrs attrs, int output_count,
                         OriginSet origins, std::vector<std::unique_ptr<Graph>> bodies) {
  std::vector<ValueId> ids;
  for (int i = 0; i < output_count; ++i) ids.push_back(model_->next_value++);
  return place_node(before, op, std::move(inputs), std::move(attrs), std::move(ids), std::move(origins),
                    std::move(bodies));
}

Node& Graph::place_node(NodeId before, const OpDef& op, std::vector<ValueId> inputs, Attrs attrs,
                        std::vector<ValueId> output_ids, OriginSet origins,
                        std::vector<std::unique_ptr<Graph>> bodies) {
  check_origins(*model_, origins, fmt::format("a new {} node", op.name));
  auto place = order_.end();
  if (before != kNone) {
    place = std::find(order_.begin(), order_.end(), before);
    if (place == order_.end()) fail("node {} is not in the graph", before);
  }
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
    for (ValueId v : node.outputs) impl_->values.erase(v);
    throw;
  }
  const auto at = static_cast<std::size_t>(place - order_.begin());
  order_.insert(place, node.id);
  impl_->nodes.emplace(node.id, std::move(owned));
  if (impl_->index_valid) {
    impl_->add_reader(node);
    impl_->place(*this, at);
  }
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
  outputs_.push_back({std::move(name), value});
}

void Graph::set_output(std::size_t index, ValueId value) {
  if (!has_value(value)) fail("output '{}' is value {}, which is not in the graph", outputs_.at(index).name, value);
  outputs_.at(index).value = value;
}

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
  return *it->second;
}
Node& Graph::node(NodeId id) {
  impl_->index_valid = false;  // the caller may change its inputs
  return const_cast<Node&>(std::as_const(*this).node(id));
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
  return it == impl_->nodes.end() ? nullptr : it->second.get();
}

std::vector<NodeId> Graph::users(ValueId id) const {
  impl_->build_index(*this);
  auto it = impl_->users.find(id);
  if (it == impl_->users.end()) return {};
  std::vector<NodeId> list = it->second;
  if (list.size() > 1)
    std::sort(list.begin(), list.end(), [&](NodeId a, NodeId b) { return impl_->rank.at(a) < impl_->rank.at(b); });
  return list;
}

bool Graph::is_output(ValueId id) const {
  return std::any_of(outputs_.begin(), outputs_.end(), [&](const Output& o) { return o.value == id; });
}

void Graph::replace_uses(ValueId from, ValueId to) {
  if (from == to) return;
  Value& target = value(to);
  const Value& source = value(from);
  OriginSet origins = source.origins;
  if (source.producer != kNone) origins = merge(origins, std::as_const(*this).node(source.producer).origins);
  for (NodeId id : users(from)) {
    for (ValueId& v : impl_->nodes.at(id)->inputs)
      if (v == from) v = to;
    impl_->add_reader(to, id);
  }
  impl_->users.erase(from);
  for (Output& o : outputs_)
    if (o.value == from) o.value = to;
  target.origins = merge(target.origins, origins);
  if (target.producer != kNone) {
    Node& p = *impl_->nodes.at(target.producer);
    p.origins = merge(p.origins, origins);
  }
}

void Graph::remove_node(NodeId id) {
  const Node& n = std::as_const(*this).node(id);
  for (ValueId v : n.outputs)
    if (is_output(v) || !users(v).empty()) fail("{} cannot be removed: an output of it is used", describe(*this, n));
  for (ValueId v : n.outputs) impl_->values.erase(v);
  order_.erase(std::find(order_.begin(), order_.end(), id));
  if (impl_->index_valid) {
    impl_->remove_reader(n);
    impl_->rank.erase(id);
  }
  impl_->nodes.erase(id);
}

void Graph::remove_unused_values() {
  impl_->build_index(*this);
  std::unordered_set<ValueId> kept(inputs_.begin(), inputs_.end());
  for (const Output& o : outputs_) kept.insert(o.value);
  std::erase_if(impl_->values, [&](const auto& entry) {
    const Value& v = entry.second;
    return v.producer == kNone && kept.count(v.id) == 0 && impl_->users.count(v.id) == 0;
  });
}

void Graph::remove_input(std::size_t index) {
  const ValueId v = inputs_.at(index);
  if (is_output(v) || !users(v).empty()) fail("input '{}' cannot be removed: it is used", value(v).name);
  inputs_.erase(inputs_.begin() + static_cast<std::ptrdiff_t>(index));
  impl_->values.erase(v);
}

void Graph::infer_all() {
  for (NodeId id : order_) {
    Node& n = *impl_->nodes.at(id);
    store(*this, n, infer_node(*this, n));
  }
}

void Graph::sort() {
  // Kahn's algorithm; among ready nodes the earliest in the present order comes first.
  impl_->build_index(*this);
  std::unordered_map<NodeId, std::size_t> position;
  std::unordered_map<NodeId, std::size_t> waiting;
  std::vector<std::size_t> ready;  // a heap of positions
  auto later = [](std::size_t a, std::size_t b) { return a > b; };
  const std::vector<NodeId> old = order_;
  for (std::size_t i = 0; i < old.size(); ++i) {
    std::unordered_set<ValueId> distinct;
    for (ValueId v : impl_->nodes.at(old[i])->inputs)
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
    for (ValueId v : impl_->nodes.at(id)->outputs) {
      auto it = impl_->users.find(v);
      if (it == impl_->users.end()) continue;
      for (NodeId u : it->second)
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
        names += (names.empty() ? "" : ", ") + describe(*this, *impl_->nodes.at(id));
    fail("the graph has a cycle; nodes in it or behind it: {}{}", names, listed > 8 ? ", ..." : "");
  }
  order_ = std::move(sorted);
  impl_->index_valid = false;
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
