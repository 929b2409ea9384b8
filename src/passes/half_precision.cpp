// Floats of 16 bits between nodes that may compute in fp16, on devices whose kernels read and write them: half the
// bytes, and products on tensor cores. Kernels sum, normalise and take exponentials in 32 bits whatever they store.
//
// A node is made anew with inputs of f16 and a Cast back; where the next node takes f16 it reads what lies before that
// Cast. What may leave f16's range (largest number 65504) in its results stays in f32: sums over many elements, powers,
// exponentials, divisions, and what meets a larger constant. So does what is read in f32 alone, as masks are.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string_view>

#include "base/constraint.h"
#include "passes/pattern.h"
#include "passes/rewrite.h"
#include "tensor/dtype.h"
#include "tensor/float_convert.h"

namespace monza {
namespace {

/// An operator whose results are no larger than what goes in, or bounded by what networks are trained for.
struct Halved {
  std::string_view op;
  std::uint32_t inputs = ~0u;  ///< bit i: input i is data, stored as the output is; others keep their type
  bool takes(std::size_t input) const { return (inputs >> std::min<std::size_t>(input, 31) & 1u) != 0; }
};
constexpr Halved kHalved[] = {
    // Products. The mask of attention holds numbers near the lowest float.
    {"Conv"},
    {"ConvTranspose"},
    {"MatMul"},
    {"Attention", 0b110111},
    {"SqueezeExcite"},
    // Normalisations and softmax: results of the order of 1, computed in f32.
    {"LayerNormalization"},
    {"RMSNormalization"},
    {"GroupNormalization"},
    {"InstanceNormalization"},
    {"BatchNormalization"},
    {"Softmax"},
    // Pointwise.
    {"Abs"},
    {"Add"},
    {"Clip"},
    {"Elu"},
    {"Erf"},
    {"Gelu"},
    {"HardSigmoid"},
    {"HardSwish"},
    {"LeakyRelu"},
    {"Max"},
    {"Min"},
    {"Mish"},
    {"Mul"},
    {"Neg"},
    {"PRelu"},
    {"Relu"},
    {"Selu"},
    {"Sigmoid"},
    {"Softsign"},
    {"Sub"},
    {"Swish"},
    {"Tanh"},
    {"Where", 0b110},
    {"ReduceMax", 0b1},
    {"ReduceMean", 0b1},
    {"ReduceMin", 0b1},
    // Windows.
    {"AveragePool"},
    {"MaxPool"},
    {"Resize", 0b1},
    // Moves.
    {"Concat"},
    {"DepthToSpace"},
    {"Expand", 0b1},
    {"Flatten"},
    {"Gather", 0b1},
    {"Identity"},
    {"Pad", 0b101},
    {"Reshape", 0b1},
    {"Slice", 0b1},
    {"SpaceToDepth"},
    {"Split", 0b1},
    {"Squeeze", 0b1},
    {"Tile", 0b1},
    {"Transpose"},
    {"Unsqueeze", 0b1},
};

const Halved* find(std::string_view op) {
  const auto* it = std::find_if(std::begin(kHalved), std::end(kHalved), [&](const Halved& h) { return h.op == op; });
  return it == std::end(kHalved) ? nullptr : it;
}

/// A quotient that is no larger than what is divided.
bool divides_by_one_or_more(const ir::Graph& graph, const ir::Node& node) {
  constexpr double kLargest = 65504;
  if (std::string_view(node.op->name) != "Div") return false;
  const double divisor = std::abs(scalar_value(graph, node.inputs[1]).value_or(0));
  return divisor >= 1 && divisor <= kLargest;
}

class Halver {
 public:
  Halver(ir::Graph& graph, PassContext& context) : graph_(graph), context_(context) {}

  /// Notes which nodes are read in f32 alone, the last first: they have readers, all of which keep that input's type or
  /// are such nodes themselves.
  void note_unwanted(const std::vector<ir::NodeId>& order) {
    const std::vector<ir::ValueId> given = output_values();
    for (auto it = order.rbegin(); it != order.rend(); ++it) {
      const ir::Node& node = std::as_const(graph_).node(*it);
      bool wanted = node.outputs.size() != 1 || std::find(given.begin(), given.end(), node.outputs[0]) != given.end();
      const std::vector<ir::NodeId> readers = wanted ? std::vector<ir::NodeId>() : graph_.users(node.outputs[0]);
      for (const ir::NodeId reader : readers) {
        const ir::Node& r = std::as_const(graph_).node(reader);
        const Halved* halved = find(r.op->name);
        for (std::size_t i = 0; i < r.inputs.size(); ++i)
          wanted = wanted || (r.inputs[i] == node.outputs[0] && !unwanted_.contains(reader) &&
                              (halved == nullptr || halved->takes(i)));
      }
      if (!wanted && !readers.empty()) unwanted_.insert(*it);
    }
  }

  void visit(ir::NodeId id) {
    const ir::Node& node = std::as_const(graph_).node(id);
    if (!allowed_precisions(node.constraint).contains(Precision::fp16) || !has_f32(node.outputs)) return;
    static constexpr Halved kQuotient{"Div"};
    const Halved* halved = divides_by_one_or_more(graph_, node) ? &kQuotient : find(node.op->name);
    if (halved == nullptr) {
      if (has_f32(node.inputs) && std::string_view(node.op->name) != "Cast")
        context_.near_miss("fp16", graph_, node, "it is kept in fp32: its results may be larger than fp16 holds");
      return;
    }
    if (std::none_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId v) { return is_f32(v); })) return;
    if (unwanted_.contains(id)) return;
    if (meets_large_constant(node, *halved))
      return context_.near_miss("fp16", graph_, node, "it is kept in fp32: a constant is larger than fp16 holds");
    if (!context_.open()) return;
    const ir::Node whole{.op = node.op,
                         .inputs = node.inputs,
                         .outputs = node.outputs,
                         .attrs = node.attrs,
                         .origins = node.origins,
                         .constraint = node.constraint};  // what is inserted moves nodes
    const std::vector<ir::ValueId>& old = whole.outputs;
    std::vector<ir::ValueId> fresh;
    const bool made = attempt(graph_, context_, "fp16", id, [&] {
      std::vector<ir::ValueId> inputs = whole.inputs;
      for (std::size_t i = 0; i < inputs.size(); ++i)
        if (is_f32(inputs[i]) && halved->takes(i)) inputs[i] = half(inputs[i], id, whole.constraint);
      fresh = insert_node(graph_, id, *whole.op, std::move(inputs), whole.attrs, static_cast<int>(old.size()),
                          provenance_of(whole))
                  .outputs;
      for (std::size_t i = 0; i < old.size(); ++i)
        if (graph_.value(fresh[i]).type.dtype != graph_.value(old[i]).type.dtype)
          fresh[i] = cast(fresh[i], "f32", id, whole.constraint);
      return true;
    });
    if (!made) return;
    context_.allow("fp16", graph_, std::as_const(graph_).node(id));
    for (std::size_t i = 0; i < old.size(); ++i) {
      const std::string name = graph_.value(old[i]).name;
      graph_.replace_uses(old[i], fresh[i]);
      graph_.value(old[i]).name.clear();
      if (graph_.value(fresh[i]).name.empty()) graph_.value(fresh[i]).name = name;
    }
    graph_.remove_node(id);
  }

 private:
  bool is_f32(ir::ValueId v) const { return v != ir::kNone && graph_.value(v).type.dtype == DType::f32; }
  std::vector<ir::ValueId> output_values() const {
    std::vector<ir::ValueId> values;
    for (const auto& output : std::as_const(graph_).outputs()) values.push_back(output.value);
    return values;
  }
  /// A Cast of f16 makes the value.
  bool is_of_half(ir::ValueId v) const {
    const ir::Node* producer = std::as_const(graph_).producer(v);
    return producer != nullptr && std::string_view(producer->op->name) == "Cast" &&
           graph_.value(producer->inputs[0]).type.dtype == DType::f16;
  }
  bool meets_large_constant(const ir::Node& node, const Halved& halved) const {
    constexpr float kLargest = 65504;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!is_f32(node.inputs[i]) || !halved.takes(i)) continue;
      const auto& c = graph_.value(node.inputs[i]).constant;
      if (c != nullptr && std::any_of(c->as<float>(), c->as<float>() + c->numel(),
                                      [](float x) { return std::isfinite(x) && std::fabs(x) > kLargest; }))
        return true;
    }
    return false;
  }
  bool has_f32(const std::vector<ir::ValueId>& values) const {
    return std::any_of(values.begin(), values.end(), [&](ir::ValueId v) { return is_f32(v); });
  }

  ir::ValueId cast(ir::ValueId v, const char* to, ir::NodeId before, const Constraint& asked) {
    return insert_node(graph_, before, ir::get_op("Cast"), {v}, {{"to", std::string(to)}}, 1,
                       {graph_.value(v).origins, asked})
        .outputs[0];
  }

  /// The value in f16: a constant converted, what a Cast came from, or a Cast that is asked what its first reader is.
  ir::ValueId half(ir::ValueId v, ir::NodeId before, const Constraint& asked) {
    if (const auto it = halves_.find(v); it != halves_.end() && graph_.has_value(it->second)) return it->second;
    const ir::Value& value = graph_.value(v);
    if (is_of_half(v)) return graph_.producer(v)->inputs[0];
    if (!value.constant) return halves_[v] = cast(v, "f16", before, asked);
    auto [constant, bytes] = ir::allocate_constant(DType::f16, value.constant->shape);
    auto* to = reinterpret_cast<std::uint16_t*>(bytes.data());
    const float* from = value.constant->as<float>();
    for (std::int64_t i = 0; i < value.constant->numel(); ++i) to[i] = f32_to_f16(from[i]);
    return halves_[v] = graph_.add_constant("", constant, value.origins);
  }

  ir::Graph& graph_;
  PassContext& context_;
  std::map<ir::ValueId, ir::ValueId> halves_;
  std::set<ir::NodeId> unwanted_;
};

void run_half_precision(ir::Graph& graph, PassContext& context) {
  if (context.options().device != Device::cuda) return;  // no other device has kernels for it
  Halver halver(graph, context);
  const std::vector<ir::NodeId> order = graph.order();
  halver.note_unwanted(order);
  for (const ir::NodeId id : order) halver.visit(id);
  graph.remove_unused_values();
}

}  // namespace

const Pass half_precision_pass{"half_precision", "values between nodes that may compute in fp16 are stored in f16",
                               run_half_precision};

}  // namespace monza
