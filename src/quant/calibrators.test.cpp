// What each calibrator makes of distributions whose answer is known.
#include "quant/calibrators.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "quant/quantizer.h"

namespace monza::quant {
namespace {

std::vector<float> normal(std::size_t count) {
  std::mt19937 rng(7);
  std::normal_distribution<float> draw(0, 1);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(draw(rng));
  return values;
}

Histogram histogram_of(const std::vector<float>& values) {
  Histogram h;
  h.add(values);
  return h;
}

/// The mean squared error of the values themselves, not of their bins.
double error_of(const std::vector<float>& values, ValueRange range) {
  const Affine a = affine_of(range);
  double sum = 0;
  for (const float v : values) {
    const double steps = std::clamp(std::nearbyint(v / a.scale) + static_cast<double>(a.zero_point), 0.0, 255.0);
    sum += std::pow(v - (steps - a.zero_point) * a.scale, 2);
  }
  return sum / static_cast<double>(values.size());
}

TEST(Calibrators, HaveNames) {
  for (const Calibrator c : kCalibrators) EXPECT_EQ(find_calibrator(calibrator_name(c)), c);
  EXPECT_EQ(find_calibrator("best"), std::nullopt);
}

TEST(Calibrators, RangesHoldZeroAndWhatWasSeenHoldsRanges) {
  std::vector<float> positive = normal(1000), negative = positive;
  for (float& v : positive) v = std::abs(v) + 1;
  for (float& v : negative) v = -std::abs(v) - 1;
  for (const Calibrator c : kCalibrators) {
    EXPECT_EQ(calibrate(c, {}), (ValueRange{}));
    EXPECT_EQ(calibrate(c, histogram_of({0, 0, 0})), (ValueRange{})) << calibrator_name(c);
    const ValueRange up = calibrate(c, histogram_of(positive)), down = calibrate(c, histogram_of(negative));
    EXPECT_EQ(up.low, 0) << calibrator_name(c);
    EXPECT_GT(up.high, 1) << calibrator_name(c);
    EXPECT_LE(up.high, histogram_of(positive).max());
    EXPECT_EQ(down.high, 0) << calibrator_name(c);
    EXPECT_LT(down.low, -1) << calibrator_name(c);
    EXPECT_GE(down.low, histogram_of(negative).min());
  }
}

TEST(Calibrators, MinMaxIsAll) {
  EXPECT_EQ(calibrate(Calibrator::min_max, histogram_of({-3, 0, 100})), (ValueRange{-3, 100}));
}

TEST(Calibrators, PercentileCutsFiveOfAHundredThousandAtEachEnd) {
  std::vector<float> values;
  for (int i = 0; i < 100'000; ++i) values.push_back(static_cast<float>(i % 100) / 100);
  for (int i = 0; i < 4; ++i) values.push_back(1000);
  const ValueRange few = calibrate(Calibrator::percentile, histogram_of(values));
  EXPECT_LT(few.high, 1.25F);  // bins are a quarter wide
  EXPECT_GE(few.high, 0.99F);
  for (int i = 0; i < 4; ++i) values.push_back(1000);
  EXPECT_EQ(calibrate(Calibrator::percentile, histogram_of(values)).high, 1000);
}

TEST(Calibrators, AllButMinMaxLeaveOneOutlierOut) {
  std::vector<float> values = normal(100'000);
  values.push_back(60);
  const Histogram h = histogram_of(values);
  EXPECT_EQ(calibrate(Calibrator::min_max, h).high, 60);
  for (const Calibrator c : {Calibrator::percentile, Calibrator::entropy, Calibrator::mse}) {
    const ValueRange r = calibrate(c, h);
    // One clipped value of a hundred thousand may cost more squares than wider steps do.
    EXPECT_LT(r.high, c == Calibrator::mse ? 59 : 10) << calibrator_name(c);
    EXPECT_GT(r.high, 2.5) << calibrator_name(c);
    EXPECT_LT(r.low, -2) << calibrator_name(c);
    EXPECT_NEAR(clipped_share(h, r), 0, 0.01) << calibrator_name(c);
  }
}

TEST(Calibrators, MseIsAsGoodAsTheBestOfManyRanges) {
  std::vector<float> values = normal(20'000);
  for (int i = 0; i < 20; ++i) values.push_back(static_cast<float>(12 + i));
  const double found = error_of(values, calibrate(Calibrator::mse, histogram_of(values)));
  double best = found;
  for (int low = 1; low <= 20; ++low)
    for (int high = 1; high <= 80; ++high)
      best = std::min(best,
                      error_of(values, {-4.5F * static_cast<float>(low) / 20, 32.0F * static_cast<float>(high) / 80}));
  EXPECT_LT(found, 1.02 * best);
  EXPECT_LT(found, error_of(values, calibrate(Calibrator::min_max, histogram_of(values))));
}

TEST(Calibrators, EntropyKeepsWhatIsSpreadEvenly) {
  std::vector<float> values;
  for (int i = 0; i < 100'000; ++i) values.push_back(static_cast<float>(i) / 100'000);
  EXPECT_GT(calibrate(Calibrator::entropy, histogram_of(values)).high, 0.95F);
}

TEST(Calibrators, EntropyIsNotLedByZeros) {
  // Behind a ReLU: half are zeros, which any range has exactly.
  std::vector<float> values = normal(100'000);
  for (float& v : values) v = std::max(v, 0.0F);
  EXPECT_GT(calibrate(Calibrator::entropy, histogram_of(values)).high, 2);
}

TEST(ClippedShare, CountsWhatLiesOutside) {
  EXPECT_NEAR(clipped_share(histogram_of({-1, 0.5F, 0.6F, 3}), {0, 1}), 0.5, 1e-9);
  EXPECT_EQ(clipped_share({}, {0, 1}), 0);
}

}  // namespace
}  // namespace monza::quant
