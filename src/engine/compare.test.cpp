// What tensors are held to.
#include "engine/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <limits>

namespace monza {
namespace {

Tensor tensor(std::initializer_list<float> values) {
  Tensor t(DType::f32, {static_cast<std::int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.as<float>());
  return t;
}

TEST(Judge, ByTheCosineOneElementMayBeFarOff) {
  const Tensor want = tensor({100, 100, 100, 1}), got = tensor({100, 100, 100, 5});
  EXPECT_FALSE(judge(got, want, 1e-2).ok);
  Criterion criterion;
  criterion.by_cosine = true;
  EXPECT_TRUE(judge(got, want, criterion).ok) << judge(got, want, criterion).cosine;
  const Tensor turned = tensor({100, -100, 100, 1});
  EXPECT_EQ(judge(turned, want, criterion, "y").reason, "cosine 0.333356, where 0.999000 is the least");
  criterion.least_of["y"] = 0.3;
  EXPECT_TRUE(judge(turned, want, criterion, "y").ok);
  EXPECT_FALSE(judge(turned, want, criterion, "z").ok);
}

TEST(Judge, ACosineSaysNothingOfOneElement) {
  Criterion criterion(3e-2);
  criterion.by_cosine = true;
  EXPECT_FALSE(judge(tensor({2}), tensor({1}), criterion).ok);
  EXPECT_TRUE(judge(tensor({1.01f}), tensor({1}), criterion).ok);
}

TEST(Judge, NaNAgreesWithItselfAlone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Criterion criterion;
  criterion.by_cosine = true;
  EXPECT_TRUE(judge(tensor({nan, 1}), tensor({nan, 1}), criterion).ok);
  EXPECT_FALSE(judge(tensor({nan, 1}), tensor({2, 1}), criterion).ok);
}

}  // namespace
}  // namespace monza
