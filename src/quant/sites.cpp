#include "quant/sites.h"

#include <algorithm>
#include <string_view>

#include "ir/op.h"
#include "passes/fusions/product.h"
#include "passes/rewrite.h"

namespace monza::quant {
namespace {

bool is_product(const ir::Node& n) {
  const std::string_view op = n.op->name;
  return op == "Conv" || op == "MatMul";
}

/// Nodes of one input with elements, each element of whose outputs is one of it. Those that take a few of many
/// elements (Gather) are not here: all of them would be quantised for those.
bool moves_elements(const ir::Node& n) {
  const std::string_view op = n.op->name;
  for (const char* move :
       {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "DepthToSpace", "SpaceToDepth"})
    if (op == move) return true;
  if (op == "MaxPool") return n.outputs.size() == 1;
  return op == "Resize" && attrs_of(n).s("mode") == "nearest" &&
         attrs_of(n).s("coordinate_transformation_mode") != "tf_crop_and_resize";
}

class Finder {
 public:
  Finder(const ir::Graph& graph, const IsKnown& is_known) : graph_(graph), is_known_(is_known) {}

  Sites find(const std::map<std::string, std::string>& kept) {
    for (const ir::ValueId v : graph_.inputs()) know(v);
    for (const ir::NodeId id : graph_.order())
      for (const ir::ValueId v : graph_.node(id).outputs) know(v);
    for (const ir::NodeId id : graph_.order())
      if (is_product(graph_.node(id))) choose(graph_.node(id), kept);
    for (const ir::NodeId id : sites_.products) read_as_integers({id, 0});
    while (!open_.empty()) {
      const ir::ValueId v = open_.back();
      open_.pop_back();
      go_back(v);
    }
    // What a product or sum quantises on its way out exists as integers alone; so does what is moved.
    for (const auto& [value, parent] : parent_)
      if (!is_source(value) || quantises_its_result(value)) sites_.integers.insert(value);
    collect_groups();
    return std::move(sites_);
  }

 private:
  static std::vector<std::size_t> moved_inputs(const ir::Node& n) {
    std::vector<std::size_t> inputs{0};
    if (std::string_view(n.op->name) == "Concat")
      for (std::size_t i = 1; i < n.inputs.size(); ++i) inputs.push_back(i);
    return inputs;
  }
  bool floats(ir::ValueId v) const {
    const ir::Value& value = graph_.value(v);
    return value.type.kind == ir::ValueKind::tensor && value.type.dtype == DType::f32 && !value.constant;
  }
  /// The node that makes `v` only moves elements of values that are floats.
  bool is_moved(const ir::Node* n) const {
    if (n == nullptr || (!moves_elements(*n) && std::string_view(n->op->name) != "Concat")) return false;
    const auto inputs = moved_inputs(*n);
    return std::all_of(inputs.begin(), inputs.end(), [&](std::size_t i) { return floats(n->inputs[i]); });
  }

  /// Notes whether the ranges of all that `v` is made of are known. Values come in execution order.
  void know(ir::ValueId v) {
    if (!floats(v)) return;
    const ir::Node* n = graph_.producer(v);
    bool known = false;
    if (is_moved(n)) {
      const auto inputs = moved_inputs(*n);
      known = std::all_of(inputs.begin(), inputs.end(), [&](std::size_t i) { return has_range(n->inputs[i]); });
    } else {
      const std::string& name = graph_.value(v).name;
      known = !name.empty() && is_known_(name);
    }
    if (known) known_.insert(v);
  }
  bool has_range(ir::ValueId v) const { return known_.contains(v); }

  void choose(const ir::Node& product, const std::map<std::string, std::string>& kept) {
    std::string why = integer_product_refusal(graph_, product);
    if (const auto it = kept.find(product_name(graph_, product)); why.empty() && it != kept.end())
      why = it->second.empty() ? "it is kept in floats" : it->second;
    if (why.empty() && !has_range(product.inputs[0])) why = "no range is known of what it reads";
    if (!why.empty()) {
      sites_.kept.push_back({product.id, std::move(why)});
      return;
    }
    sites_.products.push_back(product.id);
    products_.insert(product.id);
  }

  void read_as_integers(Use use) {
    sites_.integer_uses.insert(use);
    quantise(graph_.node(use.node).inputs[use.input]);
  }
  void quantise(ir::ValueId v) {
    if (parent_.emplace(v, v).second) open_.push_back(v);
  }

  /// `v` is wanted as integers: so is what it is made of, where that costs nothing but the integers.
  void go_back(ir::ValueId v) {
    const ir::Node* n = graph_.producer(v);
    if (is_moved(n)) {
      for (const std::size_t i : moved_inputs(*n)) {
        read_as_integers({n->id, i});
        join(v, n->inputs[i]);
      }
      // A Split moves integers where all its parts are.
      for (const ir::ValueId other : n->outputs) quantise(other);
      return;
    }
    sources_.insert(v);
    if (const ir::Node* sum = sum_behind(n))
      for (const std::size_t i : {0U, 1U}) read_as_integers({sum->id, i});
    if (averages_integers(n)) read_as_integers({n->id, 0});
  }

  /// The sum of two values of one type that `n` is, or is the bounds of.
  const ir::Node* sum_behind(const ir::Node* n) const {
    if (n == nullptr) return nullptr;
    const std::string_view op = n->op->name;
    if (op == "Relu" || op == "Clip") {
      const ir::Node* inner = graph_.producer(n->inputs[0]);
      if (inner == nullptr || only_user(graph_, inner->outputs[0]) != n) return nullptr;
      n = inner;
    }
    if (std::string_view(n->op->name) != "Add" || n->inputs[0] == n->inputs[1]) return nullptr;
    const ir::Type& type = graph_.value(n->outputs[0]).type;
    for (const ir::ValueId v : n->inputs)
      if (!(graph_.value(v).type == type) || !has_range(v)) return nullptr;
    return n;
  }

  /// An average over everything of what is quantised for nothing.
  bool averages_integers(const ir::Node* n) const {
    if (n == nullptr || std::string_view(n->op->name) != "AveragePool" || attrs_of(*n).i("global") == 0) return false;
    const ir::Node* before = graph_.producer(n->inputs[0]);
    return has_range(n->inputs[0]) && before != nullptr &&
           (products_.contains(before->id) || sum_behind(before) != nullptr);
  }

  /// The node that makes `v` can write it as integers.
  bool quantises_its_result(ir::ValueId v) const {
    const ir::Node* n = graph_.producer(v);
    if (n == nullptr) return false;
    return products_.contains(n->id) || sum_behind(n) != nullptr || averages_integers(n);
  }

  bool is_source(ir::ValueId v) const { return sources_.contains(v); }

  ir::ValueId root(ir::ValueId v) {
    while (parent_.at(v) != v) v = parent_[v] = parent_.at(parent_.at(v));
    return v;
  }
  void join(ir::ValueId a, ir::ValueId b) { parent_[root(a)] = root(b); }

  void collect_groups() {
    std::map<ir::ValueId, std::size_t> group_of_root;
    std::vector<ir::ValueId> values;
    for (const auto& [value, parent] : parent_) values.push_back(value);
    for (const ir::ValueId v : values) {
      const auto [it, added] = group_of_root.emplace(root(v), sites_.groups.size());
      if (added) sites_.groups.emplace_back();
      ValueGroup& group = sites_.groups[it->second];
      group.values.push_back(v);
      if (is_source(v)) group.sources.push_back(v);
      sites_.group_of[v] = it->second;
    }
  }

  const ir::Graph& graph_;
  const IsKnown& is_known_;
  Sites sites_;
  std::set<ir::NodeId> products_;
  std::set<ir::ValueId> sources_;
  std::set<ir::ValueId> known_;
  std::vector<ir::ValueId> open_;              ///< quantised, and not yet gone back from
  std::map<ir::ValueId, ir::ValueId> parent_;  ///< of the disjoint sets of values that share a scale
};

}  // namespace

Sites find_sites(const ir::Graph& graph, const std::map<std::string, std::string>& kept, const IsKnown& is_known) {
  return Finder(graph, is_known).find(kept);
}

}  // namespace monza::quant
