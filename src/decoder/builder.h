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
#include "gguf/file.h"
#include "ir/graph.h"

namespace monza::decoder {

/// Which elements of a head turn together.
enum class Pairs : std::uint8_t { neighbours, halves };

/// Cosine and sine of the angles of all new positions.
struct Angles {
  ir::ValueId cosine = ir::kNone, sine = ir::kNone;
};

/// What one layer's attention does beside the projections.
struct AttentionForm {
  Pairs pairs = Pairs::halves;
  Angles angles;
  std::int64_t window = 0;  ///< 0: all positions are seen
  double scale = 0;         ///< of scores; 0: 1 / sqrt(head width)
};

/// Adds nodes to a graph, layer by layer, reading weights by GGUF's names. What a family uses is optional where it says
/// so; every other tensor that is missing, and one of another shape, is an Error that names it.
class DecoderBuilder {
 public:
  /// `state_type` is what keys and values are kept in.
  DecoderBuilder(std::shared_ptr<const gguf::File> file, const DecoderConfig& config, DType state_type,
                 const Limits& limits);

  const DecoderConfig& config() const { return config_; }

  /// The embeddings of `tokens` [n, width], each times `factor`.
  ir::ValueId embeddings(double factor = 1);
  /// Angles of the positions: `base` to the power of -2 i / rotated, over `factor`, and what rope_freqs.weight says.
  Angles angles(double base, double factor);
  /// RMS normalisation over the last axis by the weight `name`.
  ir::ValueId rms_norm(ir::ValueId x, const std::string& name);
  /// x [n, k] times the weight `name`.weight [outputs, k], plus `name`.bias where the file has it.
  ir::ValueId linear(ir::ValueId x, const std::string& name, std::int64_t outputs);
  /// A layer's attention over its input x [n, width], projections included. Queries and keys are normalised head by
  /// head where the file has attn_q_norm and attn_k_norm.
  ir::ValueId attention(ir::ValueId x, std::int64_t layer, const AttentionForm& form);
  /// down(activation(gate(x)) * up(x)); `activation` is Swish or Gelu.
  ir::ValueId gated_mlp(ir::ValueId x, std::int64_t layer, const char* activation);
  ir::ValueId add(ir::ValueId a, ir::ValueId b);
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
  /// A weight as the file has it, [rows, columns].
  ir::ValueId matrix(const std::string& name, std::int64_t rows, std::int64_t columns);
  /// A weight of one axis, as f32.
  ir::ValueId vector(const std::string& name, std::int64_t elements);
  ir::ValueId constant(const std::string& name, std::shared_ptr<const ir::Constant> constant);
  const gguf::TensorInfo& tensor(const std::string& name) const;
  ir::ValueId turned(ir::ValueId x, std::int64_t heads, const AttentionForm& form);
  /// Heads of x [n, heads * head width], each normalised where the file has the weight.
  ir::ValueId normalised_heads(ir::ValueId x, std::int64_t heads, const std::string& name);

  std::shared_ptr<const gguf::File> file_;
  DecoderConfig config_;
  DType state_type_;
  std::shared_ptr<ir::Model> model_;
  std::unique_ptr<ir::Graph> graph_;
  std::map<std::string, ir::ValueId> constants_;
  ir::OriginSet place_;  ///< of the nodes that are added now
  ir::ValueId tokens_ = ir::kNone, positions_ = ir::kNone, rows_ = ir::kNone;
};

}  // namespace monza::decoder
