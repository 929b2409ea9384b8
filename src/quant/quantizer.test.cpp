#include "quant/quantizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace monza::quant {
namespace {

TEST(Affine, HoldsZeroExactlyAndTheEndsWithinHalfAStep) {
  const float most = std::numeric_limits<float>::max();
  for (const ValueRange r : {ValueRange{0, 1},
                             {-1, 1},
                             {-0.2785F, 17},
                             {2, 3},
                             {-3, -2},
                             {0, 1e-20F},
                             {0, 0},
                             {-1e30F, 1e30F},
                             {-most, most}}) {
    const Affine a = affine_of(r);
    EXPECT_GT(a.scale, 0);
    EXPECT_TRUE(std::isfinite(a.scale));
    EXPECT_GE(a.zero_point, 0);
    EXPECT_LE(a.zero_point, kSteps);
    if (r.high - r.low < 1e-10F || r.high == most) continue;
    const ValueRange back = range_of(a), want = with_zero(r);
    EXPECT_NEAR(back.low, want.low, 0.51 * a.scale);
    EXPECT_NEAR(back.high, want.high, 0.51 * a.scale);
  }
  EXPECT_EQ(affine_of({0, 255}).scale, 1);
  EXPECT_EQ(affine_of({-128, 127}).zero_point, 128);
}

TEST(Ranges, Hull) {
  EXPECT_EQ(hull({-1, 2}, {0, 3}), (ValueRange{-1, 3}));
  EXPECT_EQ(with_zero({1, 2}), (ValueRange{0, 2}));
}

TEST(Weights, HaveAScaleForEachChannel) {
  const auto w = ir::constant_f32({1, -2, 0.5F, 100, 127, -64, 0, 0, 0}, Shape{3, 3});
  const QuantizedWeight rows = quantize_weight(*w, 0), columns = quantize_weight(*w, 1);
  const auto ints = [](const QuantizedWeight& q) {
    const auto* p = q.integers->as<std::int8_t>();
    return std::vector<int>(p, p + q.integers->numel());
  };
  EXPECT_EQ(ints(rows), (std::vector<int>{64, -127, 32, 100, 127, -64, 0, 0, 0}));
  EXPECT_EQ(rows.scales->as<float>()[1], 1);
  EXPECT_EQ(ints(columns), (std::vector<int>{1, -2, 1, 127, 127, -127, 0, 0, 0}));
  EXPECT_GT(rows.scales->as<float>()[2], 0);  // of a channel that is all zeros
  EXPECT_EQ(quantize_weight(*ir::constant_f32({1, std::nanf("")}, Shape{2, 1}), 0).integers, nullptr);
}

TEST(Weights, NarrowPairsFitASaturatingMultiplyAdd) {
  std::mt19937 rng(5);
  std::vector<float> values(40 * 7 * 9);
  for (float& v : values) v = std::normal_distribution<float>(0, 1)(rng);
  values[0] = values[9] = 3;  // neighbours of the first channel
  const auto w = ir::constant_f32(std::move(values), Shape{40, 7, 9});
  const QuantizedWeight wide = quantize_weight(*w, 0), narrow = quantize_weight(*w, 0, 1);
  const auto most = [](const QuantizedWeight& q) {
    int largest = 0;
    const auto* p = q.integers->as<std::int8_t>();
    for (int m = 0; m < 40; ++m)
      for (int c = 0; c + 1 < 7; c += 2)
        for (int k = 0; k < 9; ++k) {
          const int a = p[(m * 7 + c) * 9 + k], b = p[(m * 7 + c + 1) * 9 + k];
          if ((a > 0) == (b > 0)) largest = std::max(largest, std::abs(a + b));
        }
    return largest;
  };
  EXPECT_GT(most(wide), 128);
  EXPECT_LE(most(narrow), 128);
  EXPECT_FLOAT_EQ(narrow.scales->as<float>()[0], 6.0F / 127);
  const auto matrix = ir::constant_f32({1, 2, 3, -4, 5, 6}, Shape{3, 2});  // by rows: 1 + 3, 2 - 4; 5 and 6 alone
  EXPECT_FLOAT_EQ(quantize_weight(*matrix, 1, 0).scales->as<float>()[0], 5.0F / 127);
  EXPECT_FLOAT_EQ(quantize_weight(*matrix, 1, 0).scales->as<float>()[1], 6.0F / 127);
}

TEST(QuantizeBias, IsInStepsOfTheProduct) {
  const auto weight = quantize_weight(*ir::constant_f32({1.27F, 0.5F, 12.7F, 1}, Shape{2, 2}), 0);
  const QuantizedBias bias = quantize_bias(*ir::constant_f32({3, -1}, Shape{2}), 0.5F, weight);
  for (std::int64_t c = 0; c < 2; ++c) {
    EXPECT_FLOAT_EQ(bias.scales->as<float>()[c], 0.5F * weight.scales->as<float>()[c]);
    EXPECT_NEAR(static_cast<float>(bias.integers->as<std::int32_t>()[c]) * bias.scales->as<float>()[c], c == 0 ? 3 : -1,
                bias.scales->as<float>()[c] / 2);
  }
  // One number is that of all channels.
  EXPECT_EQ(quantize_bias(*ir::constant_f32({2}, Shape{1}), 0.5F, weight).integers->numel(), 2);
}

TEST(QuantizeBias, FitsAChannelWhoseWeightsAreAllZero) {
  const auto weight = quantize_weight(*ir::constant_f32({0, 0, 0, 1}, Shape{2, 2}), 0);
  const QuantizedBias bias = quantize_bias(*ir::constant_f32({0.5F, 1}, Shape{2}), 0.5F, weight);
  ASSERT_NE(bias.integers, nullptr);
  EXPECT_EQ(bias.integers->as<std::int32_t>()[0], 127);
}

TEST(QuantizeBias, WhatIsTooManyStepsStaysInFloats) {
  const auto weight =
      quantize_weight(*ir::constant_f32({1e-12F, 0, 0, 1}, Shape{2, 2}), 0);  // the least scale there is
  EXPECT_EQ(quantize_bias(*ir::constant_f32({1, 1}, Shape{2}), 0.5F, weight).integers, nullptr);
  const auto one = quantize_weight(*ir::constant_f32({1, 1}, Shape{2, 1}), 0);
  EXPECT_EQ(quantize_bias(*ir::constant_f32({1, NAN}, Shape{2}), 0.5F, one).integers, nullptr);
}

}  // namespace
}  // namespace monza::quant
