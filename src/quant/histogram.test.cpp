// Histograms depend on the values they were given, and on nothing else.
#include "quant/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace monza::quant {
namespace {

/// Values of many magnitudes and both signs.
std::vector<float> values_of(std::uint32_t seed, std::size_t count) {
  std::mt19937 rng(seed);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    const auto exponent = std::uniform_int_distribution<int>(-60, 20)(rng);
    values.push_back(std::ldexp(std::uniform_real_distribution<float>(-1, 1)(rng), exponent));
  }
  return values;
}

TEST(Histogram, CountsEachValueInItsBin) {
  Histogram h;
  const std::vector<float> values{-4, -3.5F, 0, 0.001F, 2, 3.9999F};
  h.add(values);
  EXPECT_EQ(h.count(), 6);
  EXPECT_EQ(h.min(), -4);
  EXPECT_EQ(h.max(), 3.9999F);
  // 4 does not fit below 4096 steps of 2^-10, so the steps are twice that.
  EXPECT_EQ(h.width(), 0x1p-9);
  std::vector<std::int64_t> want(Histogram::kBins, 0);
  for (const float v : values) ++want[static_cast<std::size_t>(std::floor(v / 0x1p-9) + Histogram::kZero)];
  EXPECT_TRUE(std::equal(want.begin(), want.end(), h.bins().begin()));
  EXPECT_EQ(h.left_edge(h.first()), -4);
  EXPECT_EQ(h.left_edge(h.last()), 4);
}

TEST(Histogram, IsTheSameInAnyOrderAndMergedInAnyWay) {
  std::vector<float> values = values_of(1, 5000);
  // The smallest first, so that bins are widened some eighty times; and what is too small for a float once it is
  // scaled.
  values.push_back(-1e-44F);
  values.push_back(1e-44F);
  values.push_back(-0.0F);
  std::sort(values.begin(), values.end(), [](float a, float b) { return std::abs(a) < std::abs(b); });
  Histogram rising, falling, one_by_one;
  rising.add(values);
  for (const float v : values) one_by_one.add({&v, 1});
  EXPECT_EQ(one_by_one, rising);
  std::reverse(values.begin(), values.end());
  for (const float v : values) falling.add({&v, 1});
  EXPECT_EQ(falling, rising);

  for (const std::uint32_t seed : {1U, 2U, 3U}) {
    std::shuffle(values.begin(), values.end(), std::mt19937(seed));
    std::vector<Histogram> parts(7);
    for (std::size_t i = 0; i < values.size(); ++i) parts[i % parts.size()].add({&values[i], 1});
    Histogram merged;
    for (const Histogram& part : parts) merged.merge(part);
    EXPECT_EQ(merged, rising);
    Histogram backwards;
    for (auto it = parts.rbegin(); it != parts.rend(); ++it) backwards.merge(*it);
    EXPECT_EQ(backwards, rising);
  }
}

TEST(Histogram, CountsWhatIsNotFiniteBesideTheBins) {
  Histogram h;
  const float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
  h.add(std::vector<float>{nan, 1, infinity, -infinity, 2});
  EXPECT_EQ(h.count(), 2);
  EXPECT_EQ(h.nan(), 1);
  EXPECT_EQ(h.infinite(), 2);
  EXPECT_EQ(h.max(), 2);
  EXPECT_EQ(std::accumulate(h.bins().begin(), h.bins().end(), std::int64_t{0}), 2);
  Histogram none;
  none.add(std::vector<float>{nan});
  EXPECT_TRUE(none.bins().empty());
  EXPECT_EQ(none.max(), 0);
  h.merge(none);
  EXPECT_EQ(h.nan(), 2);
}

TEST(Histogram, HoldsTheExtremesOfFloats) {
  Histogram h;
  const float most = std::numeric_limits<float>::max();
  h.add(std::vector<float>{most, -most, 0, std::numeric_limits<float>::denorm_min()});
  EXPECT_EQ(std::accumulate(h.bins().begin(), h.bins().end(), std::int64_t{0}), 4);
  Histogram zeros;
  zeros.add(std::vector<float>{0, -0.0F});
  EXPECT_EQ(zeros.bins()[Histogram::kZero], 2);
}

}  // namespace
}  // namespace monza::quant
