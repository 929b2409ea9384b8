#include "tensor/block_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "tensor/float_convert.h"

namespace monza {
namespace {

constexpr int kSmallBlock = 32, kGroups = 8, kMostCode = 15, kMostScale = 63;

void put_half(std::byte* at, float value) {
  const std::uint16_t bits = f32_to_f16(value);
  std::memcpy(at, &bits, sizeof bits);
}

void encode_q8_0(const float* x, const float*, std::byte* block) {
  float largest = 0;
  for (int i = 0; i < kSmallBlock; ++i) largest = std::fmax(largest, std::fabs(x[i]));
  const float d = largest / 127, inverse = d == 0 ? 0 : 1 / d;
  put_half(block, d);
  for (int i = 0; i < kSmallBlock; ++i)
    block[2 + i] = static_cast<std::byte>(
        static_cast<std::int8_t>(std::clamp(std::round(x[i] * inverse), -127.0f, 127.0f)));  // halves away from 0
}

void encode_q4_0(const float* x, const float*, std::byte* block) {
  float extreme = 0;  // of the largest magnitude, with its sign: it becomes the code that has no opposite
  for (int i = 0; i < kSmallBlock; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  const float d = extreme / -8, inverse = d == 0 ? 0 : 1 / d;
  put_half(block, d);
  const auto code = [&](int i) { return static_cast<int>(std::clamp(std::trunc(x[i] * inverse + 8.5f), 0.0f, 15.0f)); };
  for (int i = 0; i < kSmallBlock / 2; ++i)
    block[2 + i] = static_cast<std::byte>(code(i) | code(i + kSmallBlock / 2) << 4);
}

/// x ~ scale * code - minimum, both not negative.
struct Line {
  float scale = 0, minimum = 0;
  int code(float x) const {
    return scale > 0 ? static_cast<int>(std::clamp(std::nearbyint((x + minimum) / scale), 0.0f, float{kMostCode})) : 0;
  }
  double error(const float* x, const float* weight) const {
    double sum = 0;
    for (int i = 0; i < kSmallBlock; ++i) {
      const double off = scale * static_cast<float>(code(x[i])) - minimum - x[i];
      sum += weight[i] * off * off;
    }
    return sum;
  }
};

/// The line through the codes that `from` gives, by least squares; `from` where there is none.
Line fitted(const Line& from, const float* x, const float* weight) {
  double w = 0, wq = 0, wqq = 0, wx = 0, wqx = 0;
  for (int i = 0; i < kSmallBlock; ++i) {
    const double q = from.code(x[i]), of = weight[i];
    w += of, wq += of * q, wqq += of * q * q, wx += of * x[i], wqx += of * q * x[i];
  }
  const double det = w * wqq - wq * wq;
  if (!(det > 0)) return from;
  double scale = (w * wqx - wq * wx) / det, minimum = -(wqq * wx - wq * wqx) / det;
  if (minimum < 0) {  // which cannot be said: through 0 then
    minimum = 0;
    scale = wqq > 0 ? wqx / wqq : 0;
  }
  return scale > 0 ? Line{static_cast<float>(scale), static_cast<float>(minimum)} : from;
}

/// Of lines that begin at several scales the one with the least error.
Line best_line(const float* x, const float* weight) {
  constexpr int kTries = 20;
  const float low = std::min(0.0f, *std::min_element(x, x + kSmallBlock)), high = *std::max_element(x, x + kSmallBlock);
  if (!(high > low)) return {0, -low};
  Line best{(high - low) / kMostCode, -low};
  double least = best.error(x, weight);
  for (int t = 0; t <= kTries; ++t) {
    // 14 to 16.5 steps between the extremes: the ends may be cut, or not reached.
    const Line tried = fitted({(high - low) / (14 + 0.125f * static_cast<float>(t)), -low}, x, weight);
    if (const double error = tried.error(x, weight); error < least) best = tried, least = error;
  }
  return best;
}

int in_steps(float value, float step) {
  return step > 0 ? static_cast<int>(std::clamp(std::nearbyint(value / step), 0.0f, float{kMostScale})) : 0;
}

void encode_q4_k(const float* x, const float* importance, std::byte* block) {
  Line lines[kGroups];
  float most_scale = 0, most_minimum = 0;
  for (int g = 0; g < kGroups; ++g) {
    float weight[kSmallBlock];
    for (int i = 0; i < kSmallBlock; ++i) {
      const float own = x[g * kSmallBlock + i];
      weight[i] = importance != nullptr ? importance[g * kSmallBlock + i] + 1e-20f : own * own + 1e-20f;
    }
    lines[g] = best_line(x + g * kSmallBlock, weight);
    most_scale = std::max(most_scale, lines[g].scale);
    most_minimum = std::max(most_minimum, lines[g].minimum);
  }
  std::memset(block, 0, 144);
  put_half(block, most_scale / kMostScale);
  put_half(block + 2, most_minimum / kMostScale);
  const float d = f16_to_f32(f32_to_f16(most_scale / kMostScale)),
              m = f16_to_f32(f32_to_f16(most_minimum / kMostScale));
  const auto set = [&](int byte, int bits) { block[4 + byte] |= static_cast<std::byte>(bits); };
  for (int g = 0; g < kGroups; ++g) {
    const int scale = in_steps(lines[g].scale, d), minimum = in_steps(lines[g].minimum, m);
    if (g < 4) {
      set(g, scale), set(g + 4, minimum);
    } else {
      set(g + 4, (scale & 15) | (minimum & 15) << 4);
      set(g - 4, scale >> 4 << 6), set(g, minimum >> 4 << 6);
    }
    const Line line{d * static_cast<float>(scale), m * static_cast<float>(minimum)};
    for (int i = 0; i < kSmallBlock; ++i)
      block[16 + g / 2 * kSmallBlock + i] |= static_cast<std::byte>(line.code(x[g * kSmallBlock + i]) << (g % 2 * 4));
  }
}

}  // namespace

BlockEncoderFn block_encoder(DType type) {
  switch (type) {
    case DType::q8_0: return encode_q8_0;
    case DType::q4_0: return encode_q4_0;
    case DType::q4_k: return encode_q4_k;
    default: return nullptr;
  }
}

}  // namespace monza
