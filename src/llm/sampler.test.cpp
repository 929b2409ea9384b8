// Drawing tokens: what each option leaves, and that what is left comes as often as it should.
#include "llm/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/error_text.h"

namespace monza::llm {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// How often each token is drawn of 20,000.
std::vector<double> shares(const SamplingOptions& options, const std::vector<float>& logits) {
  constexpr int kDraws = 20'000;
  Sampler sampler(options);
  std::vector<double> counts(logits.size());
  for (int i = 0; i < kDraws; ++i) counts[static_cast<std::size_t>(sampler.draw(logits))] += 1.0 / kDraws;
  return counts;
}
void expect_shares(const SamplingOptions& options, const std::vector<float>& logits, const std::vector<double>& want) {
  const std::vector<double> got = shares(options, logits);
  double sum = 0;
  for (const double w : want) sum += w;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (want[i] == 0) EXPECT_EQ(got[i], 0) << i;
    else EXPECT_NEAR(got[i], want[i] / sum, 0.02) << i;
  }
}

const std::vector<float> kLogits = {std::log(1.f), std::log(4.f), std::log(2.f), std::log(3.f)};

TEST(Sampler, LeavesWhatTheOptionsSay) {
  expect_shares({.temperature = 1}, kLogits, {1, 4, 2, 3});
  expect_shares({.temperature = 0.5}, kLogits, {1, 16, 4, 9});
  expect_shares({.temperature = 1, .top_k = 2}, kLogits, {0, 4, 0, 3});
  expect_shares({.temperature = 1, .top_k = 9}, kLogits, {1, 4, 2, 3});
  expect_shares({.temperature = 1, .top_p = 0.39}, kLogits, {0, 1, 0, 0});
  expect_shares({.temperature = 1, .top_p = 0.41}, kLogits, {0, 4, 0, 3});
  expect_shares({.temperature = 1, .min_p = 0.45}, kLogits, {0, 4, 2, 3});
  expect_shares({.temperature = 1, .bias = {{0, std::log(4.0)}, {1, -100.0}, {77, 9.0}}}, kLogits, {4, 0, 2, 3});
}

TEST(Sampler, TakesTheLikeliestAtZero) {
  Sampler sampler(SamplingOptions{});
  EXPECT_EQ(sampler.draw(kLogits), 1);
  EXPECT_EQ(sampler.draw(std::vector<float>{kNan, 2, 5, 5}), 2);
  EXPECT_EQ(sampler.draw(std::vector<float>{kNan, kNan}), 0);
  Sampler penalised(SamplingOptions{.repetition_penalty = 2, .presence_penalty = 0.5, .frequency_penalty = 0.5});
  penalised.accept(1);
  EXPECT_EQ(penalised.draw(kLogits), 3);
  penalised.accept(3), penalised.accept(3), penalised.accept(900);
  EXPECT_EQ(penalised.draw(kLogits), 2);
}

TEST(Sampler, NeverDrawsNan) {
  expect_shares({.temperature = 1}, {kNan, 0, kNan, 0}, {0, 1, 0, 1});
  Sampler sampler({.temperature = 1, .bias = {{1, -1000.0}}});
  sampler.accept(3);
  EXPECT_EQ(sampler.draw(std::vector<float>{kNan, 0, kNan, 0}), 3);
  EXPECT_EQ(sampler.draw(std::vector<float>{kNan}), 0);
}

TEST(Sampler, SeedsDecide) {
  std::vector<float> logits(5000);
  std::mt19937 random(3);
  for (float& x : logits) x = std::normal_distribution<float>(0, 1)(random);
  const auto drawn = [&](std::uint64_t seed) {
    Sampler sampler({.temperature = 1.5, .top_p = 0.99, .seed = seed});
    std::vector<Token> tokens;
    for (int i = 0; i < 30; ++i) tokens.push_back(sampler.draw(logits));
    return tokens;
  };
  EXPECT_EQ(drawn(5), drawn(5));
  EXPECT_NE(drawn(5), drawn(6));
}

TEST(Sampler, RefusesWhatIsNoOption) {
  const auto said = [](SamplingOptions o) { return test::error_of([&] { Sampler sampler(std::move(o)); }); };
  EXPECT_EQ(said({.temperature = -1}), "temperature is -1, not 0 to 100");
  EXPECT_EQ(said({.temperature = NAN}), "temperature is nan, not 0 to 100");
  EXPECT_EQ(said({.top_k = -1}), "top_k is -1, not 0 or more");
  EXPECT_EQ(said({.top_p = 0}), "top_p is 0, not above 0 and at most 1");
  EXPECT_EQ(said({.min_p = 2}), "min_p is 2, not 0 to 1");
  EXPECT_EQ(said({.repetition_penalty = 0}), "repetition_penalty is 0, not above 0 and at most 100");
  EXPECT_EQ(said({.presence_penalty = 101}), "presence_penalty is 101, not -100 to 100");
  EXPECT_EQ(said({.frequency_penalty = -101}), "frequency_penalty is -101, not -100 to 100");
}

TEST(LogProbability, OfSoftmax) {
  EXPECT_NEAR(log_probability(kLogits, 1), std::log(0.4), 1e-6);
  EXPECT_NEAR(log_probability(std::vector<float>{1000, 999}, 1), -1 - std::log1p(std::exp(-1.0)), 1e-6);
  EXPECT_EQ(likeliest(std::vector<float>{1, 3, 3}), 1);
}

}  // namespace
}  // namespace monza::llm
