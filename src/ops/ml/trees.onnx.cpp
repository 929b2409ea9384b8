// TreeEnsembleClassifier and TreeEnsembleRegressor of ai.onnx.ml to TreeEnsemble, whose table of nodes they become.
//
// What the standard leaves open of two classes is done as ONNX Runtime does it (trees whose leaves weigh one class only
// give one score, from which both classes follow).
#include <algorithm>
#include <map>
#include <set>

#include "import/api.h"
#include "ops/ml/ml.params.h"
#include "ops/ml/scores.onnx.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using Ints = std::vector<std::int64_t>;

/// What a leaf adds to a target.
struct Weight {
  std::int64_t target;
  double value;
};

/// A list of numbers that is an attribute of floats or, with `_as_tensor`, a tensor.
std::vector<double> numbers(OnnxNode& n, const std::string& name) {
  if (n.has_attr(name + "_as_tensor")) return ir::to_doubles(*n.tensor(name + "_as_tensor"));
  const auto floats = n.floats(name);
  return {floats.begin(), floats.end()};
}

class Trees {
 public:
  /// `leaf` is the prefix of the attributes of leaves: "class" or "target".
  Trees(OnnxNode& n, const std::string& leaf, DType type) : n_(n), type_(type) {
    read_nodes();
    read_leaves(leaf);
    build();
  }
  /// The sums (or means, or extremes) [N, targets] of x [N, F].
  ir::ValueId add(ir::ValueId x, std::int64_t targets, std::int64_t aggregate) {
    for (const auto& [key, weights] : leaves_)
      for (const Weight& w : weights)
        if (w.target < 0 || w.target >= targets) fail("a leaf is of target {}, there are {}", w.target, targets);
    const auto count = static_cast<std::int64_t>(splits_.size());
    auto [nodes, bytes] = ir::allocate_constant(DType::i64, Shape{count, TreeNode::kFields});
    std::ranges::copy(std::as_bytes(std::span(table_)), bytes.begin());
    return n_.add1("TreeEnsemble",
                   {x, n_.constant_value(nodes), list(splits_), n_.constant_value(ir::constant_i64(targets_)),
                    list(weights_), n_.constant_value(ir::constant_i64(roots_)), list({})},
                   {{"targets", targets}, {"aggregate", aggregate}});
  }
  /// The one target that leaves weigh, or -1 where there are several.
  std::int64_t only_target() const {
    std::set<std::int64_t> seen;
    for (const auto& [key, weights] : leaves_)
      for (const Weight& w : weights) seen.insert(w.target);
    return seen.size() == 1 ? *seen.begin() : -1;
  }
  bool all_positive() const {
    return std::ranges::all_of(weights_, [](double w) { return w >= 0; });
  }

 private:
  using Key = std::pair<std::int64_t, std::int64_t>;  ///< tree, node

  ir::ValueId list(const std::vector<double>& values) const {
    const auto count = static_cast<std::int64_t>(values.size());
    if (type_ == DType::f32)
      return n_.constant_value(ir::constant_f32(std::vector<float>(values.begin(), values.end()), Shape{count}));
    return n_.constant_value(ir::make_constant(type_, Shape{count}, std::as_bytes(std::span(values))));
  }

  void read_nodes() {
    tree_ = n_.ints("nodes_treeids");
    id_ = n_.ints("nodes_nodeids");
    feature_ = n_.ints("nodes_featureids");
    yes_ = n_.ints("nodes_truenodeids");
    no_ = n_.ints("nodes_falsenodeids");
    missing_ = n_.ints("nodes_missing_value_tracks_true");
    mode_ = n_.strings("nodes_modes");
    split_ = numbers(n_, "nodes_values");
    n_.ignore("nodes_hitrates");
    n_.ignore("nodes_hitrates_as_tensor");
    const std::size_t count = id_.size();
    if (missing_.empty()) missing_.assign(count, 0);
    for (const std::size_t size :
         {tree_.size(), feature_.size(), yes_.size(), no_.size(), mode_.size(), split_.size(), missing_.size()})
      if (size != count) fail("tables of {} and of {} nodes", count, size);
    for (std::size_t i = 0; i < count; ++i)
      if (!index_.emplace(Key{tree_[i], id_[i]}, i).second) fail("node {} of tree {} is there twice", id_[i], tree_[i]);
  }

  void read_leaves(const std::string& leaf) {
    const Ints tree = n_.ints(leaf + "_treeids"), node = n_.ints(leaf + "_nodeids"), target = n_.ints(leaf + "_ids");
    const std::vector<double> weight = numbers(n_, leaf + "_weights");
    if (tree.size() != node.size() || tree.size() != target.size() || tree.size() != weight.size())
      fail("{} weights for {} leaves", weight.size(), tree.size());
    for (std::size_t i = 0; i < tree.size(); ++i) {
      const Key key{tree[i], node[i]};
      const auto found = index_.find(key);
      if (found == index_.end()) fail("a weight is of node {} of tree {}, which there is not", node[i], tree[i]);
      if (mode_[found->second] == "LEAF") leaves_[key].push_back({target[i], weight[i]});
    }
  }

  /// What leads to a node: its row of the table, or ~ its first entry of the leaves.
  std::int64_t child(std::int64_t tree, std::int64_t id) {
    const auto found = index_.find({tree, id});
    if (found == index_.end()) fail("a node of tree {} leads to node {}, which there is not", tree, id);
    return place_[found->second];
  }

  void build() {
    place_.resize(id_.size());
    std::int64_t rows = 0;
    for (std::size_t i = 0; i < id_.size(); ++i) {
      if (mode_[i] != "LEAF") {
        place_[i] = rows++;
        continue;
      }
      place_[i] = ~static_cast<std::int64_t>(targets_.size());
      auto& weights = leaves_[{tree_[i], id_[i]}];
      if (weights.empty()) weights.push_back({0, 0});
      for (std::size_t k = 0; k < weights.size(); ++k) {
        targets_.push_back(k + 1 < weights.size() ? ~weights[k].target : weights[k].target);
        weights_.push_back(weights[k].value);
      }
    }
    std::set<std::int64_t> rooted;
    for (std::size_t i = 0; i < id_.size(); ++i) {
      if (rooted.insert(tree_[i]).second) roots_.push_back(place_[i]);
      if (mode_[i] == "LEAF") continue;
      static constexpr std::string_view kModes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE",
                                                    "BRANCH_GT",  "BRANCH_EQ", "BRANCH_NEQ"};
      const auto* mode = std::ranges::find(kModes, mode_[i]);
      if (mode == std::end(kModes)) fail("node {} has mode {}", id_[i], mode_[i]);
      if (feature_[i] < 0) fail("node {} tests feature {}", id_[i], feature_[i]);
      table_.insert(table_.end(), {feature_[i], mode - std::begin(kModes), child(tree_[i], yes_[i]),
                                   child(tree_[i], no_[i]), missing_[i], 0, 0});
      splits_.push_back(split_[i]);
    }
  }

  OnnxNode& n_;
  DType type_;
  Ints tree_, id_, feature_, yes_, no_, missing_;
  std::vector<std::string> mode_;
  std::vector<double> split_;
  std::map<Key, std::size_t> index_;
  std::map<Key, std::vector<Weight>> leaves_;
  Ints place_, table_, targets_, roots_;
  std::vector<double> splits_, weights_;
};

ir::ValueId plus_base(OnnxNode& n, ir::ValueId scores, const std::vector<double>& base) {
  if (base.empty()) return scores;
  const auto count = static_cast<std::int64_t>(base.size());
  return n.add1(
      "Add", {scores, n.constant_value(ir::constant_f32(std::vector<float>(base.begin(), base.end()), Shape{count}))});
}

void import_regressor(OnnxNode& n) {
  const ir::ValueId x = as_floats(n, n.input(0), true);
  const std::int64_t targets = n.i("n_targets", 1);
  const std::string aggregate = n.s("aggregate_function", "SUM"), transform = n.s("post_transform", "NONE");
  static constexpr std::string_view kAggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};  // as TreeEnsembleParams has them
  const auto* kind = std::ranges::find(kAggregates, aggregate);
  if (targets < 1 || kind == std::end(kAggregates)) fail("{} targets, aggregate function {}", targets, aggregate);
  const std::vector<double> base = numbers(n, "base_values");
  if (!base.empty() && static_cast<std::int64_t>(base.size()) != targets)
    fail("{} base values for {} targets", base.size(), targets);
  Trees trees(n, "target", n.type(x).dtype);
  const ir::ValueId sums = as_floats(n, trees.add(x, targets, kind - std::begin(kAggregates)));
  n.bind(0, transformed_scores(n, plus_base(n, sums, base), transform));
}

/// The base value of one class, if there are any.
std::vector<double> base_of(const std::vector<double>& base, std::int64_t target) {
  if (base.empty()) return {};
  return {base[static_cast<std::size_t>(target)]};
}

void import_classifier(OnnxNode& n) {
  const ir::ValueId x = as_floats(n, n.input(0), true);
  const auto labels = class_labels(n, "classlabels_int64s", "classlabels_strings");
  const std::string transform = n.s("post_transform", "NONE");
  const std::vector<double> base = numbers(n, "base_values");
  const std::int64_t classes = labels->numel();
  if (classes < 2) fail("{} classes are not supported", classes);
  if (base.size() > static_cast<std::size_t>(classes)) fail("{} base values for {} classes", base.size(), classes);
  Trees trees(n, "class", n.type(x).dtype);
  const std::int64_t only = trees.only_target();
  ir::ValueId sums = as_floats(n, trees.add(x, classes, static_cast<std::int64_t>(TreeEnsembleParams::Aggregate::sum)));
  if (classes > 2 || only < 0) {
    sums = plus_base(n, sums, base);
    n.bind(0, best_label(n, sums, labels));
    n.bind(1, transformed_scores(n, sums, transform));
    return;
  }
  // One score of two classes: of the first it stands for both, of the second the first has 0.
  const bool positive = trees.all_positive();
  const auto both = n.add("Split", {sums}, {{"axis", std::int64_t{1}}, {"split", Ints{1, 1}}}, 2);
  const ir::ValueId score =
      plus_base(n, both[static_cast<std::size_t>(only)], base.size() == 1 ? base : base_of(base, only));
  n.bind(0, label_above(n, score, positive ? 0.5 : 0, labels));
  n.bind(1, only == 0
                ? transformed_pair(n, score, transform, positive ? SecondClass::complement : SecondClass::opposite)
                : transformed_scores(n, n.add1("Concat", {both[0], score}, {{"axis", std::int64_t{1}}}), transform));
}

constexpr OnnxImporter kTreeImporters[] = {
    {.op_type = "TreeEnsembleClassifier", .domain = "ai.onnx.ml", .import = import_classifier},
    {.op_type = "TreeEnsembleRegressor", .domain = "ai.onnx.ml", .import = import_regressor},
};

}  // namespace

extern const OnnxImporters trees_onnx{kTreeImporters};

}  // namespace monza::ops
