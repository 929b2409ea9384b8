// Floats of 16 bits on a CPU, whose kernels compute in 32: a node of f16 or bf16 is made anew with inputs of f32 and a
// Cast back, and where the next node takes f32 it reads what lies before that Cast. Weights become f32 when the model
// is built. Nothing is rounded between two such nodes, so results are nearer to the model's than its own format gives.
//
// What only moves elements keeps its type where what it moves is stored so (a table that rows are gathered from). Nodes
// whose type is in an attribute, with bodies, and over lists and states stay as they are.
#include <algorithm>
#include <map>
#include <string_view>

#include "passes/rewrite.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/float_convert.h"

namespace monza {
namespace {

bool is_short(DType t) { return t == DType::f16 || t == DType::bf16; }

/// Copies bits: the same in any type.
bool moves(std::string_view op) {
  static constexpr std::string_view kMoves[] = {
      "Concat",  "DepthToSpace", "Expand",       "Flatten", "Gather",  "GatherElements", "GatherND",  "Identity",
      "Reshape", "Slice",        "SpaceToDepth", "Split",   "Squeeze", "Tile",           "Transpose", "Unsqueeze"};
  return std::find(std::begin(kMoves), std::end(kMoves), op) != std::end(kMoves);
}
/// What is about the type itself.
bool about_types(std::string_view op) { return op == "Cast" || op == "BitCast"; }

class Widener {
 public:
  Widener(ir::Graph& graph, PassContext& context) : graph_(graph), context_(context) {}

  void visit(ir::NodeId id) {
    const ir::Node& node = std::as_const(graph_).node(id);
    const std::string_view op = node.op->name;
    if (!node.bodies.empty() || about_types(op) || !has_short(node.inputs) || !all_tensors(node)) return;
    if (moves(op) && std::none_of(node.inputs.begin(), node.inputs.end(),
                                  [&](ir::ValueId v) { return is_short(v) && narrowed_from(v) != ir::kNone; }))
      return;
    if (!context_.open()) return;
    const ir::Node whole{.op = node.op,
                         .inputs = node.inputs,
                         .outputs = node.outputs,
                         .attrs = node.attrs,
                         .origins = node.origins,
                         .constraint = node.constraint};  // what is inserted moves nodes
    const std::vector<ir::ValueId>& old = whole.outputs;
    std::vector<ir::ValueId> fresh;
    const ir::NodeId first_new = graph_.model().next_node;
    try {
      std::vector<ir::ValueId> inputs = whole.inputs;
      for (ir::ValueId& v : inputs)
        if (is_short(v)) v = wide(v, id, whole);
      if (std::string_view(whole.op->name) == "Clip") say_bounds(inputs, whole);
      fresh = insert_node(graph_, id, *whole.op, std::move(inputs), whole.attrs, static_cast<int>(old.size()),
                          provenance_of(whole))
                  .outputs;
      for (std::size_t i = 0; i < old.size(); ++i) {
        const DType asked = graph_.value(old[i]).type.dtype;
        if (graph_.value(fresh[i]).type.dtype != asked) fresh[i] = cast(fresh[i], asked, id, whole);
      }
    } catch (const Error& error) {
      // Operators are many, and some say their type twice: this one keeps it.
      undo(graph_, first_new);
      context_.near_miss("f32", graph_, std::as_const(graph_).node(id), error.fact());
      return;
    }
    context_.allow("f32", graph_, std::as_const(graph_).node(id));
    for (std::size_t i = 0; i < old.size(); ++i) {
      const std::string name = graph_.value(old[i]).name;
      graph_.replace_uses(old[i], fresh[i]);
      graph_.value(old[i]).name.clear();
      if (graph_.value(fresh[i]).name.empty()) graph_.value(fresh[i]).name = name;
    }
    graph_.remove_node(id);
  }

 private:
  bool is_short(ir::ValueId v) const { return v != ir::kNone && monza::is_short(graph_.value(v).type.dtype); }
  bool has_short(const std::vector<ir::ValueId>& values) const {
    return std::any_of(values.begin(), values.end(), [&](ir::ValueId v) { return is_short(v); });
  }
  bool all_tensors(const ir::Node& node) const {
    const auto tensor = [&](ir::ValueId v) {
      return v == ir::kNone || graph_.value(v).type.kind == ir::ValueKind::tensor;
    };
    return std::all_of(node.inputs.begin(), node.inputs.end(), tensor) &&
           std::all_of(node.outputs.begin(), node.outputs.end(), tensor);
  }

  /// A bound that is absent is the type's last finite number.
  void say_bounds(std::vector<ir::ValueId>& inputs, const ir::Node& clip) {
    const ir::OriginSet& origins = clip.origins;
    inputs.resize(3, ir::kNone);
    const auto last = static_cast<float>(largest_finite(graph_.value(clip.inputs[0]).type.dtype));
    if (inputs[1] == ir::kNone) inputs[1] = graph_.add_constant("", ir::constant_f32({-last}, Shape{}), origins);
    if (inputs[2] == ir::kNone) inputs[2] = graph_.add_constant("", ir::constant_f32({last}, Shape{}), origins);
  }

  /// What a Cast of this pass made `v` of, in f32; or kNone. Casts of the model round, and stay.
  ir::ValueId narrowed_from(ir::ValueId v) const {
    const auto it = narrowed_.find(v);
    return it != narrowed_.end() && graph_.has_value(it->second) ? it->second : ir::kNone;
  }

  ir::ValueId cast(ir::ValueId v, DType to, ir::NodeId before, const ir::Node& of) {
    const ir::ValueId result =
        insert_node(graph_, before, ir::get_op("Cast"), {v}, {{"to", std::string(dtype_name(to))}}, 1,
                    {graph_.value(v).origins, of.constraint})
            .outputs[0];
    if (to != DType::f32) narrowed_[result] = v;
    return result;
  }

  ir::ValueId wide(ir::ValueId v, ir::NodeId before, const ir::Node& of) {
    if (const ir::ValueId source = narrowed_from(v); source != ir::kNone) return source;
    if (const auto it = wide_.find(v); it != wide_.end() && graph_.has_value(it->second)) return it->second;
    const ir::Value& value = graph_.value(v);
    if (!value.constant) return wide_[v] = cast(v, DType::f32, before, of);
    auto [constant, bytes] = ir::allocate_constant(DType::f32, value.constant->shape);
    auto* to = reinterpret_cast<float*>(bytes.data());
    const ElementAccess& from = element_access(value.constant->dtype);
    for (std::int64_t i = 0; i < value.constant->numel(); ++i)
      to[i] = static_cast<float>(from.load(value.constant->as<std::byte>(), i));
    return wide_[v] = graph_.add_constant("", constant, value.origins);
  }

  ir::Graph& graph_;
  PassContext& context_;
  std::map<ir::ValueId, ir::ValueId> wide_, narrowed_;
};

void run_single_precision(ir::Graph& graph, PassContext& context) {
  if (context.options().device != Device::cpu) return;  // others have kernels of their own for these types
  Widener widener(graph, context);
  const std::vector<ir::NodeId> order = graph.order();
  for (const ir::NodeId id : order) widener.visit(id);
  graph.remove_unused_values();
}

}  // namespace

const Pass single_precision_pass{"single_precision", "f16 and bf16 are computed in f32 on a CPU", run_single_precision};

}  // namespace monza
