// Products of one input on a GPU become one with the columns (filters) of all, and a Split, which is a view: the query,
// key and value projections of attention, the branches of a detection head. A product of few rows does not fill a GPU,
// and three launches take three times one's latency. CPUs win nothing by it: their kernels read the input from caches.
#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>

#include "passes/fusions/fusions.h"
#include "passes/fusions/product.h"
#include "passes/rewrite.h"

namespace monza {
namespace {

const ir::Constant* constant_of(const ir::Graph& graph, ir::ValueId v) {
  return v == ir::kNone ? nullptr : graph.value(v).constant.get();
}

/// The axis of a weight that columns or filters lie along.
int column_axis(const ir::Node& product) {
  return operands_of(product).conv || attrs_of(product).i("trans_b") != 0 ? 0 : 1;
}

/// "" when the product's weights and bias can stand beside others; else why not.
std::string fits(const ir::Graph& graph, const ir::Node& product) {
  const ProductOperands at = operands_of(product);
  const ir::Constant* w = constant_of(graph, product.inputs[1]);
  if (w == nullptr || w->dtype != DType::f32) return "its weight is no constant of f32";
  if (at.conv && attrs_of(product).i("group") != 1) return "it has groups";
  if (!at.conv && w->shape.rank != 2) return "its weight has batches";
  if (w->shape.numel() == 0) return "its weight has no elements";
  for (std::size_t i = at.residual; i < product.inputs.size(); ++i)
    if (product.inputs[i] != ir::kNone) return "it adds a residual";
  if (!has_operand(product, at.bias)) return "";
  const ir::Constant* bias = constant_of(graph, product.inputs[at.bias]);
  if (bias == nullptr || bias->dtype != DType::f32 || bias->shape.rank != 1 ||
      bias->shape[0] != w->shape[column_axis(product)])
    return "its bias is no constant of one number per column";
  return "";
}

bool alike(const ir::Graph& graph, const ir::Node& a, const ir::Node& b) {
  if (a.op != b.op || !(a.attrs == b.attrs)) return false;
  Shape of_a = constant_of(graph, a.inputs[1])->shape, of_b = constant_of(graph, b.inputs[1])->shape;
  of_a[column_axis(a)] = of_b[column_axis(a)] = 1;
  return of_a == of_b;
}

/// The constants side by side along `axis`.
std::shared_ptr<const ir::Constant> beside(const std::vector<const ir::Constant*>& parts, int axis) {
  Shape shape = parts[0]->shape;
  shape[axis] = 0;
  for (const ir::Constant* c : parts) shape[axis] += c->shape[axis];
  auto [made, bytes] = ir::allocate_constant(DType::f32, shape);
  std::byte* to = bytes.data();
  for (std::int64_t row = 0; row < shape.count(0, axis); ++row)
    for (const ir::Constant* c : parts) {
      const auto size = static_cast<std::size_t>(c->shape.count(axis, c->shape.rank)) * sizeof(float);
      std::memcpy(to, c->as<std::byte>() + static_cast<std::size_t>(row) * size, size);
      to += size;
    }
  return made;
}

/// The biases one after the other, zeros for a product without; null when none has one.
std::shared_ptr<const ir::Constant> biases(const ir::Graph& graph, const std::vector<const ir::Node*>& products,
                                           const std::vector<std::int64_t>& columns) {
  std::vector<float> all;
  bool any = false;
  for (std::size_t i = 0; i < products.size(); ++i) {
    const ir::Constant* c = constant_of(graph, operand(*products[i], operands_of(*products[i]).bias));
    any = any || c != nullptr;
    if (c != nullptr) all.insert(all.end(), c->as<float>(), c->as<float>() + c->numel());
    else all.resize(all.size() + static_cast<std::size_t>(columns[i]), 0.0F);
  }
  const auto count = static_cast<std::int64_t>(all.size());
  return any ? ir::constant_f32(std::move(all), Shape{count}) : nullptr;
}

/// One product in place of several, where the first of them stands.
void join(ir::Graph& graph, PassContext& context, const std::vector<ir::NodeId>& ids) {
  std::vector<const ir::Node*> products;
  for (const ir::NodeId id : ids) products.push_back(&std::as_const(graph).node(id));
  const ir::Node& first = *products[0];
  Provenance from = provenance_of(first);
  for (std::size_t i = 1; i < products.size(); ++i) {
    const auto together = both(from, provenance_of(*products[i]));
    if (!together) return context.near_miss("products of one input", graph, *products[i], kNothingInCommon);
    from = *together;
  }
  if (!context.allow("joined products of one input", graph, first)) return;
  const int axis = column_axis(first);
  std::vector<std::int64_t> columns;
  std::vector<const ir::Constant*> weights;
  std::vector<std::pair<ir::ValueId, ir::ValueId>> values;
  for (const ir::Node* p : products) {
    weights.push_back(constant_of(graph, p->inputs[1]));
    columns.push_back(weights.back()->shape[axis]);
    values.emplace_back(p->outputs[0], ir::kNone);
  }
  const ProductOperands at = operands_of(first);
  const auto rank = graph.value(first.outputs[0]).type.rank();
  const auto out_axis = static_cast<std::int64_t>(channel_axis(first, rank));
  const auto bias = biases(graph, products, columns);
  const auto weight = beside(weights, axis);
  const ir::OpDef& op = *first.op;
  std::vector<ir::ValueId> inputs{first.inputs[0], graph.add_constant("", weight, from.origins)};
  if (bias) {
    inputs.resize(at.bias + 1, ir::kNone);
    inputs[at.bias] = graph.add_constant("", bias, from.origins);
  }
  attempt(graph, context, "products of one input", ids[0], [&] {
    const ir::ValueId whole = insert_node(graph, ids[0], op, std::move(inputs), first.attrs, 1, from).outputs[0];
    const ir::Node& split = insert_node(graph, ids[0], ir::get_op("Split"), {whole},
                                        {{"axis", out_axis}, {"split", columns}}, static_cast<int>(ids.size()), from);
    for (std::size_t i = 0; i < values.size(); ++i) values[i].second = split.outputs[i];
    return exchange(graph, context, "products of one input", ids[0], values);
  });
}

void fuse_siblings(ir::Graph& graph, PassContext& context) {
  if (context.options().device != Device::cuda) return;
  std::map<ir::ValueId, std::vector<std::vector<ir::NodeId>>> groups;  // by input, in the order of the graph
  std::vector<ir::ValueId> found;
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = std::as_const(graph).node(id);
    if (const std::string_view op = node.op->name; op != "Conv" && op != "MatMul") continue;
    if (graph.users(node.inputs[0]).size() < 2 || graph.value(node.inputs[0]).constant) continue;
    if (const std::string reason = fits(graph, node); !reason.empty()) {
      context.near_miss("products of one input", graph, node, reason);
      continue;
    }
    auto& of_input = groups[node.inputs[0]];
    if (of_input.empty()) found.push_back(node.inputs[0]);
    const auto group = std::find_if(of_input.begin(), of_input.end(), [&](const std::vector<ir::NodeId>& ids) {
      return alike(graph, std::as_const(graph).node(ids[0]), node);
    });
    if (group != of_input.end()) group->push_back(id);
    else of_input.push_back({id});
  }
  for (const ir::ValueId x : found)
    for (const std::vector<ir::NodeId>& ids : groups[x])
      if (ids.size() > 1 && context.open()) join(graph, context, ids);
  graph.remove_unused_values();
}

}  // namespace

const Pass siblings_pass{"fuse_siblings", "products of one input become one, and a Split (on GPUs)", fuse_siblings};

}  // namespace monza
