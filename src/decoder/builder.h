// What the graphs of all families are made of. A family is a file that puts these together.
//
// A graph has the inputs `tokens` and `positions` (i64 [n]): the new positions of the run's sequences, one after the
// other, each with its place in its sequence, and `rows` (i64 [m]): of which of them the logits are wanted. Its output
// is `logits` (f32 [m, vocabulary]). Keys and values are states, two for each layer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "decoder/config.h"
#include "gguf/contents.h"
#include "ir/graph.h"

namespace monza::decoder {

/// Cosine and sine of the angles of all new positions.
struct Angles {
  ir::ValueId cosine = ir::kNone, sine = ir::kNone;
};

/// What one layer's attention does beside the projections.
struct AttentionForm {
  Angles angles;            ///< none: heads do not turn
  std::int64_t window = 0;  ///< 0: all positions are seen
};

/// Rows of a weight that is several: those from `begin` on, of `total`.
struct RowRange {
  std::int64_t begin = 0, rows = 0, total = 0;
};

/// Adds nodes to a graph, layer by layer, reading weights by GGUF's names. What a family uses is optional where it says
/// so; every other tensor that is missing, and one of another shape, is an Error that names it.
class DecoderBuilder {
 public:
  /// `state_type` is what keys and values are kept in.
  DecoderBuilder(std::shared_ptr<const gguf::Contents> file, const DecoderConfig& config, DType state_type,
                 const Limits& limits);

  const DecoderConfig& config() const { return config_; }

  /// The embeddings of `tokens` [n, width], each times `factor`.
  ir::ValueId embeddings(double factor = 1);
  /// The rows of the table `name`.weight [rows, width] that the positions have.
  ir::ValueId position_embeddings(const std::string& name);
  /// Angles of the positions, and what tensors of the file say of them (rope.h).
  Angles angles(const RopeForm& form);
  /// Normalisation over the last axis by the weight `name`: of the kind that the model has.
  ir::ValueId norm(ir::ValueId x, const std::string& name);
  /// x [n, k] times the weight `name`.weight [outputs, k], plus `name`.bias where the file has it.
  ir::ValueId linear(ir::ValueId x, const std::string& name, std::int64_t outputs) {
    return linear(x, name, {0, outputs, outputs});
  }
  /// The same with some of the weight's rows.
  ir::ValueId linear(ir::ValueId x, const std::string& name, const RowRange& range);
  /// A layer's attention over its input x [n, width], projections included; those of queries, keys and values may be
  /// one weight, attn_qkv. Queries and keys are normalised where the file has attn_q_norm and attn_k_norm: head by
  /// head, or all together, as wide as these are.
  ir::ValueId attention(ir::ValueId x, std::int64_t layer, const AttentionForm& form);
  /// down(activation(gate(x)) * up(x)); `activation` is Swish or Gelu. Without ffn_gate its rows are the first half of
  /// ffn_up. Where the layer has experts, the weighted sum of those that its router takes.
  ir::ValueId gated_mlp(ir::ValueId x, std::int64_t layer, const char* activation);
  /// down(Gelu(up(x))).
  ir::ValueId plain_mlp(ir::ValueId x, std::int64_t layer);
  ir::ValueId add(ir::ValueId a, ir::ValueId b);
  ir::ValueId scaled(ir::ValueId x, double factor);
  /// The logits of the wanted rows of x [n, width], by output.weight, or the embeddings where there is none.
  void finish(ir::ValueId x);

  bool has(const std::string& tensor) const { return file_->find_tensor(tensor) != nullptr; }
  static std::string layer_name(std::int64_t layer, const char* part) {
    return "blk." + std::to_string(layer) + "." + part;
  }
  /// The graph. The builder is done.
  std::unique_ptr<ir::Graph> take();

 private:
  ir::ValueId node(const char* op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {}, const std::string& name = {});
  ir::ValueId reshape(ir::ValueId x, std::vector<std::int64_t> shape);
  ir::ValueId number(double value);
  /// Rows of a weight as the file has them, [rows, columns].
  ir::ValueId matrix(const std::string& name, const RowRange& range, std::int64_t columns);
  /// Elements of a weight of one axis, as f32.
  ir::ValueId vector(const std::string& name, const RowRange& range);
  ir::ValueId constant(const std::string& name, std::shared_ptr<const ir::Constant> constant);
  std::shared_ptr<const ir::Constant> borrow(const gguf::TensorInfo& tensor, const Shape& shape,
                                             std::span<const std::byte> bytes) const;
  const gguf::TensorInfo& tensor(const std::string& name) const;
  /// An attention's projection to heads: `part` is attn_q, attn_k or attn_v.
  ir::ValueId heads_of(ir::ValueId x, std::int64_t layer, const char* part);
  ir::ValueId turned(ir::ValueId x, std::int64_t heads, const Angles& angles);
  /// x [n, heads * head width], normalised where the file has the weight.
  ir::ValueId normalised_heads(ir::ValueId x, std::int64_t heads, const std::string& name);
  ir::ValueId activated(ir::ValueId x, const char* activation);
  /// The weighted sum of those experts of the layer that its router takes (experts.cpp).
  ir::ValueId routed_experts(ir::ValueId x, std::int64_t layer, const char* activation);
  /// What the expert that all positions have gives, times the share that it has.
  ir::ValueId shared_expert(ir::ValueId x, std::int64_t layer, const char* activation);
  ir::ValueId expert_linear(ir::ValueId x, ir::ValueId chosen, const std::string& name, std::int64_t outputs,
                            std::int64_t inputs);
  /// Lets the product y be computed in bytes where its weight is of a few bits: activations are rounded to 8, too.
  void allow_bytes(ir::ValueId y, DType weight);
  ir::ValueId capped(ir::ValueId x, double cap);
  std::int64_t rows_of(const std::string& name) const;

  std::shared_ptr<const gguf::Contents> file_;
  DecoderConfig config_;
  DType state_type_;
  std::shared_ptr<ir::Model> model_;
  std::unique_ptr<ir::Graph> graph_;
  std::map<std::string, ir::ValueId> constants_;
  ir::OriginSet place_;  ///< of the nodes that are added now
  ir::ValueId tokens_ = ir::kNone, positions_ = ir::kNone, rows_ = ir::kNone;
};

}  // namespace monza::decoder
