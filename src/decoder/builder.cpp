#include "decoder/builder.h"

#include <cmath>

#include "base/error.h"
#include "ir/op.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::decoder {

using ir::Expr;
using ir::ValueId;

DecoderBuilder::DecoderBuilder(std::shared_ptr<const gguf::File> file, const DecoderConfig& config, DType state_type,
                               const Limits& limits)
    : file_(std::move(file)), config_(config), state_type_(state_type), model_(std::make_shared<ir::Model>()) {
  model_->limits = limits;
  model_->producer = "GGUF";
  graph_ = std::make_unique<ir::Graph>(model_, config_.family);
  const auto input = [&](const char* name, const char* extent) {
    return graph_->add_input(name, {DType::i64, {Expr::symbol(extent)}}, {model_->add_origin(name, "input")});
  };
  tokens_ = input("tokens", "n");
  positions_ = input("positions", "n");
  rows_ = input("rows", "m");
  place_ = {model_->add_origin("embeddings", "Decoder")};
}

ValueId DecoderBuilder::node(const char* op, std::vector<ValueId> inputs, ir::Attrs attrs, const std::string& name) {
  std::vector<std::string> names;
  if (!name.empty()) names.push_back(name);
  return graph_->add_node(ir::get_op(op), std::move(inputs), std::move(attrs), 1, place_, {}, std::move(names))
      .outputs[0];
}

ValueId DecoderBuilder::reshape(ValueId x, std::vector<std::int64_t> shape) {
  return node("Reshape", {x}, {{"shape", std::move(shape)}});
}

ValueId DecoderBuilder::number(double value) {
  return graph_->add_constant("", ir::constant_f32_scalar(static_cast<float>(value)), place_);
}

const gguf::TensorInfo& DecoderBuilder::tensor(const std::string& name) const {
  const gguf::TensorInfo* found = file_->find_tensor(name);
  if (found == nullptr) fail("tensor '{}', which a {} model has, is missing", name, config_.family);
  return *found;
}

ValueId DecoderBuilder::constant(const std::string& name, std::shared_ptr<const ir::Constant> constant) {
  const auto [it, added] = constants_.emplace(name, ir::kNone);
  if (added) it->second = graph_->add_constant(name, std::move(constant), {model_->add_origin(name, "tensor")});
  return it->second;
}

ValueId DecoderBuilder::matrix(const std::string& name, std::int64_t rows, std::int64_t columns) {
  const gguf::TensorInfo& t = tensor(name);
  if (t.shape != Shape{rows, columns})
    fail("tensor '{}' has shape {}, not {}x{}", name, to_string(t.shape), rows, columns);
  if (!is_block_encoding(t.dtype) && t.dtype != DType::f32 && t.dtype != DType::f16 && t.dtype != DType::bf16)
    fail("tensor '{}' holds {}, which is no weight's", name, dtype_name(t.dtype));
  return constant(name, ir::borrow_from_file(t.dtype, t.shape, t.bytes, file_->mapped()));
}

ValueId DecoderBuilder::vector(const std::string& name, std::int64_t elements) {
  const gguf::TensorInfo& t = tensor(name);
  if (t.shape != Shape{elements}) fail("tensor '{}' has shape {}, not {}", name, to_string(t.shape), elements);
  if (!is_float(t.dtype)) fail("tensor '{}' holds {}, not floats", name, dtype_name(t.dtype));
  std::vector<float> values(static_cast<std::size_t>(elements));
  for (std::int64_t i = 0; i < elements; ++i)
    values[static_cast<std::size_t>(i)] = static_cast<float>(element_access(t.dtype).load(t.bytes.data(), i));
  return constant(name, ir::constant_f32(std::move(values), t.shape));
}

ValueId DecoderBuilder::embeddings(double factor) {
  const ValueId table = matrix("token_embd.weight", config_.vocabulary, config_.width);
  const DType type = graph_->value(table).type.dtype;
  ValueId x = node(is_block_encoding(type) ? "DequantizeRows" : "Gather", {table, tokens_});
  if (type == DType::f16 || type == DType::bf16) x = node("Cast", {x}, {{"to", std::string("f32")}});
  return factor == 1 ? x : node("Mul", {x, number(factor)});
}

Angles DecoderBuilder::angles(double base, double factor) {
  const std::int64_t pairs = config_.rotated / 2;
  const gguf::TensorInfo* slower = file_->find_tensor("rope_freqs.weight");
  if (slower != nullptr && (slower->shape != Shape{pairs} || slower->dtype != DType::f32))
    fail("tensor 'rope_freqs.weight' is {} of {}, not f32 of {}", dtype_name(slower->dtype), to_string(slower->shape),
         pairs);
  std::vector<float> speeds(static_cast<std::size_t>(pairs));
  for (std::int64_t i = 0; i < pairs; ++i) {
    double speed = std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(config_.rotated)) / factor;
    if (slower != nullptr) speed /= element_access(DType::f32).load(slower->bytes.data(), i);
    speeds[static_cast<std::size_t>(i)] = static_cast<float>(speed);
  }
  const ValueId speed = graph_->add_constant("", ir::constant_f32(std::move(speeds), Shape{1, 1, pairs}), place_);
  const ValueId place = node("Cast", {reshape(positions_, {1, -1, 1})}, {{"to", std::string("f32")}});
  const ValueId angle = node("Mul", {place, speed});
  return {node("Cos", {angle}), node("Sin", {angle})};
}

ValueId DecoderBuilder::rms_norm(ValueId x, const std::string& name) {
  const auto width = graph_->value(x).type.shape.back().constant();
  return node("RMSNormalization", {x, vector(name + ".weight", width)},
              {{"axis", std::int64_t{-1}}, {"epsilon", double{config_.epsilon}}});
}

ValueId DecoderBuilder::linear(ValueId x, const std::string& name, std::int64_t outputs) {
  const std::int64_t inputs = graph_->value(x).type.shape.back().constant();
  ValueId weight = matrix(name + ".weight", outputs, inputs);
  const DType type = graph_->value(weight).type.dtype;
  if (type == DType::f16 || type == DType::bf16) weight = node("Cast", {weight}, {{"to", std::string("f32")}});
  const ValueId y = node("MatMul", {x, weight}, {{"trans_b", std::int64_t{1}}});
  // Weights of a few bits are multiplied as bytes, for which activations are rounded to 8 bits, too.
  if (is_block_encoding(type))
    graph_->constrain(graph_->value(y).producer, {.precisions = {Precision::fp32, Precision::int8}, .devices = {}});
  return has(name + ".bias") ? add(y, vector(name + ".bias", outputs)) : y;
}

ValueId DecoderBuilder::normalised_heads(ValueId x, std::int64_t heads, const std::string& name) {
  if (!has(name + ".weight")) return x;
  const ValueId each = rms_norm(reshape(x, {-1, heads, config_.head_width}), name);
  return reshape(each, {-1, heads * config_.head_width});
}

ValueId DecoderBuilder::turned(ValueId x, std::int64_t heads, const AttentionForm& form) {
  const ValueId row = reshape(x, {1, -1, heads * config_.head_width});
  const ValueId y = node("RotaryEmbedding", {row, form.angles.cosine, form.angles.sine},
                         {{"num_heads", heads},
                          {"rotary_embedding_dim", config_.rotated == config_.head_width ? 0 : config_.rotated},
                          {"interleaved", std::int64_t{form.pairs == Pairs::neighbours}}});
  return reshape(y, {-1, heads, config_.head_width});
}

ValueId DecoderBuilder::attention(ValueId x, std::int64_t layer, const AttentionForm& form) {
  const auto name = [&](const char* part) { return layer_name(layer, part); };
  const std::int64_t heads = config_.heads, shared = config_.key_heads, width = config_.head_width;
  place_ = {model_->add_origin(name("attention"), "Decoder")};
  const ValueId q = normalised_heads(linear(x, name("attn_q"), heads * width), heads, name("attn_q_norm"));
  const ValueId k = normalised_heads(linear(x, name("attn_k"), shared * width), shared, name("attn_k_norm"));
  const ValueId v = reshape(linear(x, name("attn_v"), shared * width), {-1, shared, width});
  const auto remembered = [&](const char* part, ValueId rows) {
    const ValueId state = graph_->add_input(
        name(part), {state_type_, {Expr(config_.context), Expr(shared), Expr(width)}, ir::ValueKind::state},
        {model_->add_origin(name(part), "input")});
    return node("StateAppend", {state, rows});
  };
  const ValueId keys = remembered("keys", turned(k, shared, form)), values = remembered("values", v);
  ir::Attrs attrs{{"window", form.window}};
  if (form.scale != 0) attrs.set("scale", form.scale);
  const ValueId y = node("StateAttention", {turned(q, heads, form), keys, values}, std::move(attrs));
  return linear(reshape(y, {-1, heads * width}), name("attn_output"), config_.width);
}

ValueId DecoderBuilder::gated_mlp(ValueId x, std::int64_t layer, const char* activation) {
  const auto name = [&](const char* part) { return layer_name(layer, part); };
  place_ = {model_->add_origin(name("mlp"), "Decoder")};
  const gguf::TensorInfo& up = tensor(name("ffn_up.weight"));
  if (up.shape.rank != 2) fail("tensor '{}' has shape {}", name("ffn_up.weight"), to_string(up.shape));
  ir::Attrs attrs;
  if (std::string_view(activation) == "Gelu") attrs.set("approximate", std::string("tanh"));
  const ValueId gate = node(activation, {linear(x, name("ffn_gate"), up.shape[0])}, std::move(attrs));
  return linear(node("Mul", {gate, linear(x, name("ffn_up"), up.shape[0])}), name("ffn_down"), config_.width);
}

ValueId DecoderBuilder::add(ValueId a, ValueId b) { return node("Add", {a, b}); }

void DecoderBuilder::finish(ValueId x) {
  place_ = {model_->add_origin("output", "Decoder")};
  const ValueId wanted = rms_norm(node("Gather", {x, rows_}), "output_norm");
  const char* head = has("output.weight") ? "output" : "token_embd";
  graph_->add_output("logits", linear(wanted, head, config_.vocabulary));
}

std::unique_ptr<ir::Graph> DecoderBuilder::take() { return std::move(graph_); }

}  // namespace monza::decoder
