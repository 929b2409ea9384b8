#include "decoder/builder.h"

#include "base/error.h"
#include "decoder/rope.h"
#include "ir/op.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::decoder {

using ir::Expr;
using ir::ValueId;

namespace {

/// A part's name among constants.
std::string part_name(const std::string& name, const RowRange& range) {
  return range.rows == range.total ? name : name + "[" + std::to_string(range.begin) + "]";
}

}  // namespace

DecoderBuilder::DecoderBuilder(std::shared_ptr<const gguf::Contents> file, const DecoderConfig& config,
                               DType state_type, const Limits& limits)
    : file_(std::move(file)), config_(config), state_type_(state_type), model_(std::make_shared<ir::Model>()) {
  config_.context = positions_of(config, *file_);
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

std::shared_ptr<const ir::Constant> DecoderBuilder::borrow(const gguf::TensorInfo& t, const Shape& shape,
                                                           std::span<const std::byte> bytes) const {
  if (!is_block_encoding(t.dtype) && t.dtype != DType::f32 && t.dtype != DType::f16 && t.dtype != DType::bf16)
    fail("tensor '{}' holds {}, which is no weight's", t.name, dtype_name(t.dtype));
  return t.file != nullptr ? ir::borrow_from_file(t.dtype, shape, bytes, t.file)
                           : ir::borrow_constant(t.dtype, shape, bytes, t.owner);
}

ValueId DecoderBuilder::matrix(const std::string& name, const RowRange& range, std::int64_t columns) {
  const gguf::TensorInfo& t = tensor(name);
  if (t.shape != Shape{range.total, columns})
    fail("tensor '{}' has shape {}, not {}x{}", name, to_string(t.shape), range.total, columns);
  const auto pitch = t.bytes.size() / static_cast<std::size_t>(range.total);
  return constant(part_name(name, range), borrow(t, Shape{range.rows, columns},
                                                 t.bytes.subspan(static_cast<std::size_t>(range.begin) * pitch,
                                                                 static_cast<std::size_t>(range.rows) * pitch)));
}

ValueId DecoderBuilder::vector(const std::string& name, const RowRange& range) {
  const gguf::TensorInfo& t = tensor(name);
  if (t.shape != Shape{range.total}) fail("tensor '{}' has shape {}, not {}", name, to_string(t.shape), range.total);
  if (!is_float(t.dtype)) fail("tensor '{}' holds {}, not floats", name, dtype_name(t.dtype));
  std::vector<float> values(static_cast<std::size_t>(range.rows));
  for (std::int64_t i = 0; i < range.rows; ++i)
    values[static_cast<std::size_t>(i)] =
        static_cast<float>(element_access(t.dtype).load(t.bytes.data(), range.begin + i));
  return constant(part_name(name, range), ir::constant_f32(std::move(values), Shape{range.rows}));
}

std::int64_t DecoderBuilder::rows_of(const std::string& name) const {
  const Shape& shape = tensor(name).shape;
  if (shape.rank != 2 || shape[0] < 1) fail("tensor '{}' has shape {}", name, to_string(shape));
  return shape[0];
}

ValueId DecoderBuilder::embeddings(double factor) {
  const ValueId table = matrix("token_embd.weight", {0, config_.vocabulary, config_.vocabulary}, config_.width);
  const DType type = graph_->value(table).type.dtype;
  ValueId x = node(is_block_encoding(type) ? "DequantizeRows" : "Gather", {table, tokens_});
  if (type == DType::f16 || type == DType::bf16) x = node("Cast", {x}, {{"to", std::string("f32")}});
  return scaled(x, factor);
}

ValueId DecoderBuilder::position_embeddings(const std::string& name) {
  const std::int64_t rows = rows_of(name + ".weight");
  const ValueId table = matrix(name + ".weight", {0, rows, rows}, config_.width);
  const DType type = graph_->value(table).type.dtype;
  const ValueId x = node(is_block_encoding(type) ? "DequantizeRows" : "Gather", {table, positions_});
  return type == DType::f16 || type == DType::bf16 ? node("Cast", {x}, {{"to", std::string("f32")}}) : x;
}

Angles DecoderBuilder::angles(const RopeForm& form) {
  TurningSpeeds turning = turning_speeds(form, config_.rotated, *file_);
  const Shape shape{1, 1, static_cast<std::int64_t>(turning.speeds.size())};
  const ValueId speed = graph_->add_constant("", ir::constant_f32(std::move(turning.speeds), shape), place_);
  const ValueId place = node("Cast", {reshape(positions_, {1, -1, 1})}, {{"to", std::string("f32")}});
  const ValueId angle = node("Mul", {place, speed});
  return {scaled(node("Cos", {angle}), turning.magnitude), scaled(node("Sin", {angle}), turning.magnitude)};
}

ValueId DecoderBuilder::norm(ValueId x, const std::string& name) {
  const auto width = graph_->value(x).type.shape.back().constant();
  const RowRange all{0, width, width};
  std::vector<ValueId> inputs{x, vector(name + ".weight", all)};
  if (config_.layer_norm) inputs.push_back(vector(name + ".bias", all));
  return node(config_.layer_norm ? "LayerNormalization" : "RMSNormalization", std::move(inputs),
              {{"axis", std::int64_t{-1}}, {"epsilon", double{config_.epsilon}}});
}

ValueId DecoderBuilder::linear(ValueId x, const std::string& name, const RowRange& range) {
  const std::int64_t inputs = graph_->value(x).type.shape.back().constant();
  ValueId weight = matrix(name + ".weight", range, inputs);
  const DType type = graph_->value(weight).type.dtype;
  if (type == DType::f16 || type == DType::bf16) weight = node("Cast", {weight}, {{"to", std::string("f32")}});
  const ValueId y = node("MatMul", {x, weight}, {{"trans_b", std::int64_t{1}}});
  allow_bytes(y, type);
  return has(name + ".bias") ? add(y, vector(name + ".bias", range)) : y;
}

void DecoderBuilder::allow_bytes(ValueId y, DType weight) {
  if (is_block_encoding(weight))
    graph_->constrain(graph_->value(y).producer, {.precisions = {Precision::fp32, Precision::int8}, .devices = {}});
}

ValueId DecoderBuilder::normalised_heads(ValueId x, std::int64_t heads, const std::string& name) {
  if (!has(name + ".weight")) return x;
  const std::int64_t width = heads * config_.head_width;
  if (tensor(name + ".weight").shape == Shape{width}) return norm(x, name);
  return reshape(norm(reshape(x, {-1, heads, config_.head_width}), name), {-1, width});
}

ValueId DecoderBuilder::turned(ValueId x, std::int64_t heads, const Angles& angles) {
  if (angles.cosine == ir::kNone) return reshape(x, {-1, heads, config_.head_width});
  const ValueId row = reshape(x, {1, -1, heads * config_.head_width});
  const ValueId y = node("RotaryEmbedding", {row, angles.cosine, angles.sine},
                         {{"num_heads", heads},
                          {"rotary_embedding_dim", config_.rotated == config_.head_width ? 0 : config_.rotated},
                          {"interleaved", std::int64_t{config_.pairs == Pairs::neighbours}}});
  return reshape(y, {-1, heads, config_.head_width});
}

ValueId DecoderBuilder::heads_of(ValueId x, std::int64_t layer, const char* part) {
  const std::int64_t q = config_.heads * config_.head_width, k = config_.key_heads * config_.head_width;
  const bool is_q = std::string_view(part) == "attn_q", is_k = std::string_view(part) == "attn_k";
  const std::string fused = layer_name(layer, "attn_qkv");
  if (has(fused + ".weight")) return linear(x, fused, {is_q ? 0 : is_k ? q : q + k, is_q ? q : k, q + 2 * k});
  return linear(x, layer_name(layer, part), is_q ? q : k);
}

ValueId DecoderBuilder::attention(ValueId x, std::int64_t layer, const AttentionForm& form) {
  const auto name = [&](const char* part) { return layer_name(layer, part); };
  const std::int64_t heads = config_.heads, shared = config_.key_heads, width = config_.head_width;
  place_ = {model_->add_origin(name("attention"), "Decoder")};
  const ValueId q = normalised_heads(heads_of(x, layer, "attn_q"), heads, name("attn_q_norm"));
  const ValueId k = normalised_heads(heads_of(x, layer, "attn_k"), shared, name("attn_k_norm"));
  const ValueId v = reshape(heads_of(x, layer, "attn_v"), {-1, shared, width});
  const auto remembered = [&](const char* part, ValueId rows) {
    const ValueId state = graph_->add_input(
        name(part), {state_type_, {Expr(config_.context), Expr(shared), Expr(width)}, ir::ValueKind::state},
        {model_->add_origin(name(part), "input")});
    return node("StateAppend", {state, rows});
  };
  const ValueId keys = remembered("keys", turned(k, shared, form.angles)), values = remembered("values", v);
  ir::Attrs attrs{{"window", form.window}};
  if (config_.attention_scale != 0) attrs.set("scale", config_.attention_scale);
  if (config_.attention_cap != 0) attrs.set("cap", config_.attention_cap);
  const ValueId y = node("StateAttention", {turned(q, heads, form.angles), keys, values}, std::move(attrs));
  return linear(reshape(y, {-1, heads * width}), name("attn_output"), config_.width);
}

ValueId DecoderBuilder::activated(ValueId x, const char* activation) {
  ir::Attrs attrs;
  if (std::string_view(activation) == "Gelu") attrs.set("approximate", std::string("tanh"));
  return node(activation, {x}, std::move(attrs));
}

ValueId DecoderBuilder::gated_mlp(ValueId x, std::int64_t layer, const char* activation) {
  const auto name = [&](const char* part) { return layer_name(layer, part); };
  place_ = {model_->add_origin(name("mlp"), "Decoder")};
  if (has(name("ffn_gate_inp.weight"))) {
    const ValueId routed = routed_experts(x, layer, activation);
    return has(name("ffn_up_shexp.weight")) ? add(routed, shared_expert(x, layer, activation)) : routed;
  }
  const std::int64_t rows = rows_of(name("ffn_up.weight"));
  ValueId gate, up;
  if (has(name("ffn_gate.weight"))) {
    gate = linear(x, name("ffn_gate"), rows);
    up = linear(x, name("ffn_up"), rows);
  } else {
    if (rows % 2 != 0)
      fail("tensor '{}' has {} rows, which are no gate and as many others", name("ffn_up.weight"), rows);
    gate = linear(x, name("ffn_up"), {0, rows / 2, rows});
    up = linear(x, name("ffn_up"), {rows / 2, rows / 2, rows});
  }
  return linear(node("Mul", {activated(gate, activation), up}), name("ffn_down"), config_.width);
}

ValueId DecoderBuilder::plain_mlp(ValueId x, std::int64_t layer) {
  const auto name = [&](const char* part) { return layer_name(layer, part); };
  place_ = {model_->add_origin(name("mlp"), "Decoder")};
  const ValueId up = linear(x, name("ffn_up"), rows_of(name("ffn_up.weight")));
  return linear(activated(up, "Gelu"), name("ffn_down"), config_.width);
}

ValueId DecoderBuilder::add(ValueId a, ValueId b) { return node("Add", {a, b}); }

ValueId DecoderBuilder::scaled(ValueId x, double factor) { return factor == 1 ? x : node("Mul", {x, number(factor)}); }

ValueId DecoderBuilder::capped(ValueId x, double cap) {
  return cap == 0 ? x : scaled(node("Tanh", {scaled(x, 1 / cap)}), cap);
}

void DecoderBuilder::finish(ValueId x) {
  place_ = {model_->add_origin("output", "Decoder")};
  const ValueId wanted = norm(node("Gather", {x, rows_}), "output_norm");
  const ValueId logits = linear(wanted, has("output.weight") ? "output" : "token_embd", config_.vocabulary);
  graph_->add_output("logits", capped(scaled(logits, 1 / config_.logit_divisor), config_.logit_cap));
}

std::unique_ptr<ir::Graph> DecoderBuilder::take() { return std::move(graph_); }

}  // namespace monza::decoder
