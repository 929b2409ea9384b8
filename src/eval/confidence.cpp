#include "eval/confidence.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

namespace monza::eval {

std::function<double(std::span<const double>)> weighted_mean(std::vector<double> values) {
  return [values = std::move(values)](std::span<const double> weights) {
    double sum = 0, all = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      sum += values[i] * weights[i];
      all += weights[i];
    }
    return all > 0 ? sum / all : 0;
  };
}

Interval difference_interval(const Accuracy& first, const Accuracy& second) {
  constexpr std::size_t kResamples = 400;
  const auto samples = static_cast<std::size_t>(first.samples);
  std::mt19937_64 rng(1);
  std::vector<double> differences, weights(samples);
  for (std::size_t r = 0; r < kResamples && samples > 0; ++r) {
    std::fill(weights.begin(), weights.end(), 0.0);
    for (std::size_t i = 0; i < samples; ++i) ++weights[rng() % samples];
    differences.push_back(first.weighted(weights) - second.weighted(weights));
  }
  if (differences.empty()) return {};
  double mean = 0, squares = 0;
  for (const double d : differences) mean += d / kResamples;
  for (const double d : differences) squares += (d - mean) * (d - mean);
  std::sort(differences.begin(), differences.end());
  constexpr std::size_t kTail = kResamples / 40;  // 2.5 %
  return {differences[kTail], differences[kResamples - 1 - kTail], std::sqrt(squares / (kResamples - 1))};
}

}  // namespace monza::eval
