// Convolutions and matrix products, float and quantised, as fusions see them: where their operands lie.
#pragma once

#include <string>
#include <string_view>

#include "ir/graph.h"
#include "ir/op.h"
#include "ops/shared/requantize.params.h"

namespace monza {

inline constexpr const char* kProducts = "Conv|MatMul|QConv|QMatMul";
/// With what takes a bias and an activation, but no residual.
inline constexpr const char* kBiasedProducts = "Conv|MatMul|QConv|QMatMul|ConvTranspose";

/// Positions of a product's optional inputs.
struct ProductOperands {
  std::size_t bias, residual, slope;
  bool conv, quantized;
};

inline ProductOperands operands_of(const ir::Node& product) {
  const std::string_view name = product.op->name;
  if (name == "QConv" || name == "QMatMul") return {QInput::bias, QInput::residual, 0, name == "QConv", true};
  return {2, 3, 4, name == "Conv" || name == "ConvTranspose", false};
}

inline bool has_operand(const ir::Node& n, std::size_t i) { return n.inputs.size() > i && n.inputs[i] != ir::kNone; }

inline ir::ValueId operand(const ir::Node& n, std::size_t i) { return i < n.inputs.size() ? n.inputs[i] : ir::kNone; }

/// A copy of the node's inputs with input i set.
inline std::vector<ir::ValueId> with_operand(const ir::Node& n, std::size_t i, ir::ValueId v) {
  std::vector<ir::ValueId> inputs = n.inputs;
  if (inputs.size() <= i) inputs.resize(i + 1, ir::kNone);
  inputs[i] = v;
  return inputs;
}

/// The axis of the result that a bias runs along: channels of a convolution, columns of a product.
inline std::size_t channel_axis(const ir::Node& product, std::size_t rank) {
  return operands_of(product).conv ? 1 : rank - 1;
}

/// A quantised product whose result is quantised: nothing but its own arithmetic may be added to it.
inline bool requantizes(const ir::Node& product) {
  return operands_of(product).quantized && has_operand(product, QInput::y_scale);
}

/// Whether two scales or zero points (kNone: absent) are the same value, or constants of one number that are equal.
bool same_number(const ir::Graph& graph, ir::ValueId a, ir::ValueId b);

/// "" if the constant is one number, or one number per channel of a result of type `out`; else why not.
std::string fits_channels(const ir::Constant& c, const ir::Type& out, std::size_t axis);

/// The same of the bias that a product with a result of type `out` has: a convolution's is one number per channel, a
/// matrix product's may broadcast in any way.
std::string fits_bias(const ir::Node& product, const ir::Constant& bias, const ir::Type& out);

}  // namespace monza
