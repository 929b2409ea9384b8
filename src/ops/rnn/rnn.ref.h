// The activations of recurrent layers, in double.
#pragma once

#include <algorithm>
#include <cmath>

#include "ops/rnn/rnn.params.h"

namespace monza::ops {

inline double apply_activation(const RnnParams::Activation& a, double x) {
  using F = RnnParams::Function;
  const double alpha = a.alpha, beta = a.beta;
  switch (a.function) {
    case F::sigmoid: return 1 / (1 + std::exp(-x));
    case F::tanh: return std::tanh(x);
    case F::relu: return std::max(x, 0.0);
    case F::affine: return alpha * x + beta;
    case F::leaky_relu: return x < 0 ? alpha * x : x;
    case F::thresholded_relu: return x > alpha ? x : 0;
    case F::scaled_tanh: return alpha * std::tanh(beta * x);
    case F::hard_sigmoid: return std::clamp(alpha * x + beta, 0.0, 1.0);
    case F::elu: return x < 0 ? alpha * std::expm1(x) : x;
    case F::softsign: return x / (1 + std::fabs(x));
    case F::softplus: return std::log1p(std::exp(x));
  }
  return x;
}

}  // namespace monza::ops
