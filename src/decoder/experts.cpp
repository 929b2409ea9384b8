// Layers whose MLP is several, of which a router takes some for each position (arXiv 2101.03961): mixtral, qwen2moe and
// qwen3moe; qwen2moe adds one that all positions have (arXiv 2401.06066).
#include "base/error.h"
#include "decoder/builder.h"
#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza::decoder {

using ir::ValueId;

ValueId DecoderBuilder::expert_linear(ValueId x, ValueId chosen, const std::string& name, std::int64_t outputs,
                                      std::int64_t inputs) {
  const gguf::TensorInfo& t = tensor(name);
  const Shape shape{config_.experts, outputs, inputs};
  if (t.shape != shape) fail("tensor '{}' has shape {}, not {}", name, to_string(t.shape), to_string(shape));
  const ValueId y = node("ExpertMatMul", {x, constant(name, borrow(t, shape, t.bytes)), chosen});
  allow_bytes(y, t.dtype);
  return y;
}

ValueId DecoderBuilder::routed_experts(ValueId x, std::int64_t layer, const char* activation) {
  const auto name = [&](const char* part) { return layer_name(layer, part); };
  if (config_.experts == 0) fail("tensor '{}' routes to experts, and the model has none", name("ffn_gate_inp.weight"));
  const ValueId likely =
      node("Softmax", {linear(x, name("ffn_gate_inp"), config_.experts)}, {{"axis", std::int64_t{-1}}});
  const auto best = graph_
                        ->add_node(ir::get_op("TopK"), {likely},
                                   {{"k", std::vector<std::int64_t>{config_.experts_used}}}, 2, place_, {}, {})
                        .outputs;
  ValueId weights = best[0];
  const ValueId chosen = best[1];
  if (config_.experts_normalised)
    weights = node("Div", {weights, node("ReduceSum", {weights}, {{"axes", std::vector<std::int64_t>{-1}}})});
  const Shape& up_shape = tensor(name("ffn_up_exps.weight")).shape;
  if (up_shape.rank != 3) fail("tensor '{}' has shape {}", name("ffn_up_exps.weight"), to_string(up_shape));
  const std::int64_t inner = up_shape[1], width = config_.width;
  const ValueId gate = expert_linear(x, chosen, name("ffn_gate_exps.weight"), inner, width),
                up = expert_linear(x, chosen, name("ffn_up_exps.weight"), inner, width),
                active = node("Mul", {activated(gate, activation), up}),
                each = expert_linear(active, chosen, name("ffn_down_exps.weight"), width, inner);
  const ValueId sum = node("MatMul", {reshape(weights, {-1, 1, config_.experts_used}), each});
  return reshape(sum, {-1, width});
}

ValueId DecoderBuilder::shared_expert(ValueId x, std::int64_t layer, const char* activation) {
  const auto name = [&](const char* part) { return layer_name(layer, part); };
  const std::int64_t rows = rows_of(name("ffn_up_shexp.weight"));
  const ValueId gate = activated(linear(x, name("ffn_gate_shexp"), rows), activation);
  const ValueId y =
      linear(node("Mul", {gate, linear(x, name("ffn_up_shexp"), rows)}), name("ffn_down_shexp"), config_.width);
  const std::string share = name("ffn_gate_inp_shexp.weight");
  if (!has(share)) return y;
  // Its weight is a row, which files have with or without an axis of one.
  const gguf::TensorInfo& t = tensor(share);
  if (t.shape != Shape{config_.width} && t.shape != Shape{1, config_.width})
    fail("tensor '{}' has shape {}, not {}", share, to_string(t.shape), config_.width);
  const ValueId row = reshape(constant(share, borrow(t, t.shape, t.bytes)), {config_.width, 1});
  const ValueId plain = t.dtype == DType::f32 ? row : node("Cast", {row}, {{"to", std::string("f32")}});
  return node("Mul", {y, node("Sigmoid", {node("MatMul", {x, plain})})});
}

}  // namespace monza::decoder
