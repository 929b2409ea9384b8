// Normalisations: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// BatchNormalization(x, scale, bias, mean, var): x [N, C, ...], the others [C].
///   out = scale (x - mean) / sqrt(var + epsilon) + bias
/// Training also gives outputs 1 and 2: momentum old + (1 - momentum) batch's, of mean and variance.
struct BatchNormParams {
  float epsilon = 1e-5f;
  float momentum = 0.9f;
  std::int32_t training = 0;
};

/// LayerNormalization(x, scale, bias?) and RMSNormalization(x, scale): rows are the axes from `axis` on; scale and bias
/// broadcast to x.
///   layer: (x - mean) / sqrt(variance + epsilon) * scale + bias; outputs 1 and 2: the mean and 1 / sqrt(...) of a row
///   RMS:   x / sqrt(mean(x^2) + epsilon) * scale
struct LayerNormParams {
  std::int32_t axis = -1;
  float epsilon = 1e-5f;
  std::int32_t rms = 0;
};

/// GroupNormalization(x, scale, bias) and InstanceNormalization: x [N, C, ...] in `groups` groups of channels, each
/// normalised for itself; scale and bias [C]. Zero groups: one per channel.
struct GroupNormParams {
  std::int32_t groups = 0;
  float epsilon = 1e-5f;
};

/// LRN(x): x [N, C, ...]; out = x / (bias + alpha / size * sum of squares over `size` channels around)^beta.
struct LrnParams {
  std::int32_t size = 1;
  float alpha = 1e-4f;
  float beta = 0.75f;
  float bias = 1;
};

/// LpNormalization(x): out = x / norm along an axis, 0 where the norm is 0.
struct LpNormParams {
  std::int32_t axis = 0;
  std::int32_t p = 2;  ///< 1 or 2
};

}  // namespace monza
