// Activations of one value, close to their formulas.
#include <cmath>

#include "ops/shared/activation.params.h"

namespace monza {

double activate(const Activation& act, double x, double slope) noexcept {
  const double alpha = act.alpha, beta = act.beta;
  const auto clamp = [](double v, double low, double high) { return v < low ? low : v > high ? high : v; };
  const auto softplus = [](double v) { return v > 30 ? v + std::exp(-v) : std::log1p(std::exp(v)); };
  switch (act.kind) {
    case ActivationKind::none: return x;
    case ActivationKind::relu: return x < 0 ? 0 : x;
    case ActivationKind::clip: return clamp(x, alpha, beta);
    case ActivationKind::silu: return x / (1 + std::exp(-x));
    case ActivationKind::hardswish: return x * clamp(x / 6 + 0.5, 0, 1);
    case ActivationKind::gelu_erf: return 0.5 * x * (1 + std::erf(x * M_SQRT1_2));
    case ActivationKind::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case ActivationKind::sigmoid: return 1 / (1 + std::exp(-x));
    case ActivationKind::leaky_relu: return x < 0 ? alpha * x : x;
    case ActivationKind::prelu: return x < 0 ? slope * x : x;
    case ActivationKind::tanh: return std::tanh(x);
    case ActivationKind::elu: return x < 0 ? alpha * std::expm1(x) : x;
    case ActivationKind::hard_sigmoid: return clamp(alpha * x + beta, 0, 1);
    case ActivationKind::softplus: return softplus(x);
    case ActivationKind::mish: return x * std::tanh(softplus(x));
  }
  return x;
}

}  // namespace monza
