// What encoders make, decoded again.
#include "tensor/block_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "tensor/block_encoding.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

constexpr DType kEncoded[] = {DType::q8_0, DType::q4_0, DType::q4_k};

std::vector<float> through(DType type, const std::vector<float>& x, const float* importance = nullptr) {
  const BlockEncoding& form = block_encoding(type);
  std::vector<float> y(x.size());
  std::vector<std::byte> block(static_cast<std::size_t>(form.bytes));
  for (std::size_t i = 0; i < x.size(); i += static_cast<std::size_t>(form.elements)) {
    block_encoder(type)(x.data() + i, importance == nullptr ? nullptr : importance + i, block.data());
    form.decode(block.data(), y.data() + i);
  }
  return y;
}

double error(const std::vector<float>& x, const std::vector<float>& y, const std::vector<float>& weight) {
  double off = 0, all = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    off += static_cast<double>(weight[i]) * (x[i] - y[i]) * (x[i] - y[i]);
    all += static_cast<double>(weight[i]) * x[i] * x[i];
  }
  return std::sqrt(off / all);
}

TEST(BlockEncoder, LosesLittle) {
  std::mt19937 rng(1);
  std::vector<float> x(64 * 256), equal(x.size(), 1);
  for (float& v : x) v = std::normal_distribution<float>(0, 0.05f)(rng);
  const double q8 = error(x, through(DType::q8_0, x), equal), q4 = error(x, through(DType::q4_0, x), equal),
               q4k = error(x, through(DType::q4_k, x, equal.data()), equal);
  EXPECT_LT(q8, 0.006);
  EXPECT_LT(q4, 0.10);
  EXPECT_LT(q4k, 0.85 * q4);
}

TEST(BlockEncoder, SparesWhatIsImportant) {
  std::mt19937 rng(2);
  std::vector<float> x(16 * 256), importance(x.size(), 1e-3f), equal(x.size(), 1);
  for (float& v : x) v = std::normal_distribution<float>(0.02f, 0.05f)(rng);
  for (std::size_t i = 0; i < x.size(); i += 7) importance[i] = 10;
  EXPECT_LT(error(x, through(DType::q4_k, x, importance.data()), importance),
            0.6 * error(x, through(DType::q4_k, x, equal.data()), importance));
}

TEST(BlockEncoder, KeepsWhatItCanSay) {
  for (const DType type : kEncoded)
    for (const float value : {0.0f, 0.5f, -0.5f}) {
      const std::vector<float> x(256, value), y = through(type, x);
      for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(y[i], value, 0.005) << dtype_name(type);
    }
  std::vector<float> steps(256);
  for (std::size_t i = 0; i < steps.size(); ++i) steps[i] = static_cast<float>(static_cast<int>(i % 16) - 8);
  EXPECT_EQ(through(DType::q4_0, steps), steps);
  EXPECT_EQ(block_encoder(DType::q6_k), nullptr);
}

TEST(BlockEncoder, TakesAnyFloats) {
  for (const DType type : kEncoded)
    for (const float odd : {INFINITY, -INFINITY, NAN, 3e38f, 1e-45f}) {
      std::vector<float> x(256, 1.0f);
      x[17] = odd;
      EXPECT_EQ(through(type, x).size(), x.size());
    }
}

}  // namespace
}  // namespace monza
