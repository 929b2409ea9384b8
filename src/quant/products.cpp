// Which products can compute on integers, and gain by it.
#include <string_view>

#include "base/constraint.h"
#include "ir/op.h"
#include "passes/fusions/product.h"
#include "quant/sites.h"

namespace monza::quant {
namespace {

bool is_f32(const ir::Graph& g, ir::ValueId v) {
  const ir::Type& type = g.value(v).type;
  return type.kind == ir::ValueKind::tensor && type.dtype == DType::f32;
}

double elements(const ir::Type& type) {
  double count = 1;
  for (const ir::Expr& e : type.shape) count *= static_cast<double>(e.try_constant().value_or(1));
  return count;
}

/// Multiply-adds for each element that is read or written; what is open counts as 1 on both sides.
double intensity(const ir::Graph& g, const ir::Node& product) {
  const ir::Constant& w = *g.value(product.inputs[1]).constant;
  const double out = elements(g.value(product.outputs[0]).type), in = elements(g.value(product.inputs[0]).type);
  const bool conv = operands_of(product).conv;
  const bool transposed = !conv && attrs_of(product).i("trans_b") != 0;
  const auto depth = static_cast<double>(conv ? w.shape.count(1, w.shape.rank) : w.shape[transposed ? 1 : 0]);
  return out * depth / (in + out);
}

}  // namespace

std::string integer_product_refusal(const ir::Graph& g, const ir::Node& product) {
  const ProductOperands at = operands_of(product);
  if (!allowed_precisions(product.constraint).contains(Precision::int8)) return "it is asked to compute in floats";
  if (g.value(product.inputs[0]).constant) return "its input is a constant";
  const auto& weight = g.value(product.inputs[1]).constant;
  if (!weight) return "it multiplies two values that are computed";
  if (!is_f32(g, product.inputs[0]) || weight->dtype != DType::f32 || !is_f32(g, product.outputs[0]))
    return "it is not of f32";
  if (has_operand(product, at.residual)) return "it adds a residual already";
  if (attrs_of(product).s("activation") == "prelu") return "a slope per channel has no integer form";
  if (!at.conv) {
    if (weight->shape.rank != 2) return "its weight is no matrix";
    if (attrs_of(product).f("alpha") != 1) return "it is scaled";
    if (attrs_of(product).i("trans_a") != 0) return "its first operand is transposed";
  } else if (weight->shape.rank > 5) {
    return "it has more than three spatial axes";
  }
  if (has_operand(product, at.bias)) {
    const auto& bias = g.value(product.inputs[at.bias]).constant;
    if (!bias || bias->dtype != DType::f32) return "its bias is no constant of f32";
    if (!fits_bias(product, *bias, g.value(product.outputs[0]).type).empty())
      return "its bias is not one number per channel";
  }
  // Multiply-adds for each element. Below that, bytes decide, and converting them costs more than it saves: the
  // expectation of a distribution that detectors compute as a convolution of one channel (0.9), whose weights 0 to 15
  // would not be exact either. A depthwise 3 x 3 with stride 2, which bytes leave and enter, is above (1.8).
  constexpr double kLeastIntensity = 1.5;
  if (intensity(g, product) < kLeastIntensity) return "it does little for each element it reads or writes";
  return "";
}

std::string product_name(const ir::Graph& g, const ir::Node& product) {
  const auto& origins = g.model().origins;
  for (const std::uint32_t o : product.origins) {
    const std::string& type = origins[o].op_type;
    if (type == "Conv" || type == "Gemm" || type == "MatMul") return origins[o].name;
  }
  return product.origins.empty() ? std::string() : origins[product.origins.front()].name;
}

}  // namespace monza::quant
