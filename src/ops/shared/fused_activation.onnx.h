// The activation that com.microsoft's fused operators carry by its ONNX name.
#pragma once

#include <span>
#include <string>

#include "import/api.h"

namespace monza::ops {

/// `x` behind the activation of that name, with its parameters in the order of ONNX's attributes; `x` where the name is
/// empty. Error on another activation.
inline ir::ValueId add_fused_activation(OnnxNode& n, ir::ValueId x, const std::string& name,
                                        std::span<const float> params) {
  const auto param = [&](std::size_t i, double fallback) {
    return i < params.size() ? static_cast<double>(params[i]) : fallback;
  };
  const auto bound = [&](std::size_t i) {
    return i < params.size() ? n.constant_value(ir::constant_scalar(n.type(x).dtype, params[i])) : ir::kNone;
  };
  if (name.empty()) return x;
  if (name == "Relu" || name == "Sigmoid" || name == "Tanh" || name == "Softsign") return n.add1(name, {x});
  if (name == "LeakyRelu") return n.add1(name, {x}, {{"alpha", param(0, 0.01)}});
  if (name == "HardSigmoid") return n.add1(name, {x}, {{"alpha", param(0, 0.2)}, {"beta", param(1, 0.5)}});
  if (name == "Clip") return n.add1(name, {x, bound(0), bound(1)});
  fail("the activation {} is not supported", name);
}

}  // namespace monza::ops
