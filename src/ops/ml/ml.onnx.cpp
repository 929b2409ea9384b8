// ONNX operators of ai.onnx.ml.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "import/api.h"
#include "ops/ml/ml.params.h"
#include "ops/ml/scores.onnx.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

using ConstantPtr = std::shared_ptr<const ir::Constant>;

/// Elements `order` of a list, in that order.
ConstantPtr picked(const ir::Constant& list, const std::vector<std::size_t>& order) {
  if (list.dtype == DType::string) {
    std::vector<std::string> values;
    for (const std::size_t i : order) values.push_back(list.strings[i]);
    return string_constant(std::move(values));
  }
  auto [made, bytes] = ir::allocate_constant(list.dtype, Shape{static_cast<std::int64_t>(order.size())});
  const auto size = static_cast<std::size_t>(dtype_bits(list.dtype) / 8);
  for (std::size_t k = 0; k < order.size(); ++k)
    std::copy_n(list.bytes.begin() + static_cast<std::ptrdiff_t>(order[k] * size), size,
                bytes.begin() + static_cast<std::ptrdiff_t>(k * size));
  return made;
}

/// keys_*, values_*: the list attribute of whatever type that the node has.
ConstantPtr list_attribute(OnnxNode& n, const std::string& name) {
  if (n.has_attr(name + "_tensor")) return n.tensor(name + "_tensor");
  if (n.has_attr(name + "_strings")) return string_constant(n.strings(name + "_strings"));
  if (n.has_attr(name + "_int64s")) return ir::constant_i64(n.ints(name + "_int64s"));
  if (!n.has_attr(name + "_floats")) fail("there are no {}: one of {}_* must be given", name, name);
  auto values = n.floats(name + "_floats");
  const Shape shape{static_cast<std::int64_t>(values.size())};
  return ir::constant_f32(std::move(values), shape);
}

/// default_*: of the type of the values, or what the standard gives without one.
ConstantPtr default_attribute(OnnxNode& n, DType type) {
  if (n.has_attr("default_tensor")) return n.tensor("default_tensor");
  for (const char* name : {"default_string", "default_int64", "default_float"})
    if (type != (std::string_view(name) == "default_string"  ? DType::string
                 : std::string_view(name) == "default_int64" ? DType::i64
                                                             : DType::f32))
      n.ignore(name);
  if (type == DType::string) return string_constant({n.s("default_string", "_Unused")});
  if (type == DType::i64) return ir::constant_i64({n.i("default_int64", -1)});
  if (type == DType::f32) return ir::constant_f32({n.f("default_float", -0.f)}, Shape{1});
  return ir::constant_scalar(type, is_float(type) ? -0.0 : -1.0);
}

bool less(const ir::Constant& list, std::size_t a, std::size_t b) {
  if (list.dtype == DType::string) return list.strings[a] < list.strings[b];
  const ElementAccess& access = element_access(list.dtype);
  const auto i = static_cast<std::int64_t>(a), k = static_cast<std::int64_t>(b);
  if (!is_float(list.dtype)) return access.load_int(list.bytes.data(), i) < access.load_int(list.bytes.data(), k);
  const double x = access.load(list.bytes.data(), i), y = access.load(list.bytes.data(), k);
  return std::isnan(y) ? !std::isnan(x) : x < y;
}

void import_label_encoder(OnnxNode& n) {
  const ConstantPtr keys = list_attribute(n, "keys"), values = list_attribute(n, "values");
  const ConstantPtr otherwise = default_attribute(n, values->dtype);
  if (keys->numel() != values->numel()) fail("{} keys for {} values", keys->numel(), values->numel());
  for (const ConstantPtr& list : {keys, values, otherwise})
    if (dtype_bits(list->dtype) < 8 || list->dtype == DType::c64 || list->dtype == DType::c128)
      fail("labels of {} are not supported", dtype_name(list->dtype));
  if (otherwise->numel() != 1) fail("the default has {} elements", otherwise->numel());
  // Of equal keys the last counts.
  std::vector<std::size_t> order(static_cast<std::size_t>(keys->numel()));
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return less(*keys, a, b); });
  std::vector<std::size_t> last;
  for (std::size_t k = 0; k < order.size(); ++k)
    if (k + 1 == order.size() || less(*keys, order[k], order[k + 1])) last.push_back(order[k]);
  n.bind(0,
         n.add1("LabelEncoder", {n.input(0), n.constant_value(picked(*keys, last)),
                                 n.constant_value(picked(*values, last)), n.constant_value(picked(*otherwise, {0}))}));
}

/// Elements of the last axis by number; a list counts as one row.
void import_array_feature_extractor(OnnxNode& n) {
  ir::ValueId x = n.input(0);
  const auto flat = [&](std::vector<std::int64_t> shape) {
    return n.constant_value(ir::constant_i64(std::move(shape)));
  };
  if (n.type(x).rank() == 1) x = n.add1("Reshape", {x, flat({1, -1})});
  const ir::ValueId which = n.add1("Reshape", {n.input(1), flat({-1})});
  n.bind(0, n.add1("Gather", {x, which}, {{"axis", std::int64_t{-1}}}));
}

void import_binarizer(OnnxNode& n) {
  const ir::ValueId x = n.input(0);
  const DType type = n.type(x).dtype;
  const ir::ValueId above = n.add1("Greater", {x, n.constant_value(ir::constant_scalar(type, n.f("threshold", 0)))});
  n.bind(0, n.add1("Cast", {above}, {{"to", std::string(dtype_name(type))}}));
}

/// The tables of a TreeEnsemble, checked: numbers in range, and no tree longer than it has nodes.
void import_tree_ensemble(OnnxNode& n) {
  const auto features = n.ints("nodes_featureids"), yes = n.ints("nodes_truenodeids"),
             no = n.ints("nodes_falsenodeids"), yes_leaf = n.ints("nodes_trueleafs"),
             no_leaf = n.ints("nodes_falseleafs"), missing = n.ints("nodes_missing_value_tracks_true"),
             targets = n.ints("leaf_targetids"), roots = n.ints("tree_roots");
  const ConstantPtr modes = n.tensor("nodes_modes"), splits = n.tensor("nodes_splits"),
                    weights = n.tensor("leaf_weights");
  ConstantPtr members = n.tensor("membership_values");
  const std::int64_t outputs = n.i("n_targets", 1), aggregate = n.i("aggregate_function", 1),
                     transform = n.i("post_transform", 0);
  if (modes == nullptr || splits == nullptr || weights == nullptr)
    fail("nodes_modes, nodes_splits and leaf_weights must be given");
  const std::size_t count = features.size();
  if (members == nullptr) members = picked(*splits, {});
  const std::vector<double> values = ir::to_doubles(*members);
  const std::vector<std::int64_t> mode = ir::to_ints(*modes);
  for (const std::size_t size :
       {yes.size(), no.size(), yes_leaf.size(), no_leaf.size(), mode.size(), static_cast<std::size_t>(splits->numel())})
    if (size != count) fail("tables of {} and of {} nodes", count, size);
  if (!missing.empty() && missing.size() != count)
    fail("nodes_missing_value_tracks_true has {} entries", missing.size());
  if (static_cast<std::size_t>(weights->numel()) != targets.size())
    fail("{} weights for {} leaves", weights->numel(), targets.size());
  if (outputs < 1 || aggregate < 0 || aggregate > 3) fail("{} targets, aggregate function {}", outputs, aggregate);
  for (const std::int64_t t : targets)
    if (t < 0 || t >= outputs) fail("a leaf is of target {}, there are {}", t, outputs);
  const auto child = [&](std::int64_t id, bool leaf) {
    const std::size_t limit = leaf ? targets.size() : count;
    if (id < 0 || static_cast<std::size_t>(id) >= limit)
      fail("a node leads to {} {} of {}", leaf ? "leaf" : "node", id, limit);
    return leaf ? ~id : id;
  };
  std::vector<std::int64_t> table;
  std::size_t member = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (mode[i] < 0 || mode[i] > TreeNode::member) fail("node {} has mode {}", i, mode[i]);
    if (features[i] < 0) fail("node {} tests feature {}", i, features[i]);
    const std::size_t begin = member;
    if (mode[i] == TreeNode::member) {
      while (member < values.size() && !std::isnan(values[member])) ++member;  // NaN ends each node's set
      ++member;
    }
    const std::size_t end = mode[i] == TreeNode::member ? member - 1 : member;
    table.insert(table.end(),
                 {features[i], mode[i], child(yes[i], yes_leaf[i] != 0), child(no[i], no_leaf[i] != 0),
                  missing.empty() ? 0 : missing[i], static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end)});
  }
  for (const std::int64_t r : roots) child(r, false);
  auto [nodes, bytes] = ir::allocate_constant(DType::i64, Shape{static_cast<std::int64_t>(count), TreeNode::kFields});
  std::ranges::copy(std::as_bytes(std::span(table)), bytes.begin());
  ir::Attrs attrs;
  attrs.set("targets", outputs);
  attrs.set("aggregate", aggregate);
  ir::ValueId y = n.add1(
      "TreeEnsemble",
      {n.input(0), n.constant_value(nodes), n.constant_value(splits), n.constant_value(ir::constant_i64(targets)),
       n.constant_value(weights), n.constant_value(ir::constant_i64(roots)), n.constant_value(members)},
      std::move(attrs));
  if (transform == 1) y = n.add1("Softmax", {y}, {{"axis", std::int64_t{-1}}});
  else if (transform == 2) y = n.add1("Sigmoid", {y});
  else if (transform != 0)
    fail_hint("apply it outside the model", "post_transform {} of a TreeEnsemble is not supported", transform);
  n.bind(0, y);
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "ArrayFeatureExtractor", .domain = "ai.onnx.ml", .import = import_array_feature_extractor},
    {.op_type = "Binarizer", .domain = "ai.onnx.ml", .import = import_binarizer},
    {.op_type = "LabelEncoder", .domain = "ai.onnx.ml", .import = import_label_encoder},
    {.op_type = "TreeEnsemble", .domain = "ai.onnx.ml", .import = import_tree_ensemble},
};

}  // namespace

extern const OnnxImporters ml_onnx{kImporters};

}  // namespace monza::ops
