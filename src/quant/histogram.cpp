#include "quant/histogram.h"

#include <algorithm>
#include <cmath>

namespace monza::quant {
namespace {

// Narrower bins would be of no use: all that is quantised is larger.
constexpr int kLeastExponent = -100;

/// The least exponent with which [min, max] fits into the bins.
int exponent_for(float min, float max) {
  const float most = std::max(std::abs(min), std::abs(max));
  if (most == 0) return kLeastExponent;
  int exponent = 0;
  std::frexp(most, &exponent);  // most < 2^exponent
  int log_half = 0;
  for (int half = Histogram::kZero; half > 1; half /= 2) ++log_half;
  return std::max(exponent - log_half, kLeastExponent);
}

struct Extremes {
  float min = std::numeric_limits<float>::infinity(), max = -std::numeric_limits<float>::infinity();
  std::int64_t finite = 0;
};

Extremes extremes_of(std::span<const float> values) {
  Extremes e;
  for (const float v : values) {
    if (!std::isfinite(v)) continue;
    ++e.finite;
    e.min = v < e.min ? v : e.min;
    e.max = v > e.max ? v : e.max;
  }
  return e;
}

}  // namespace

double Histogram::width() const { return bins_.empty() ? 0 : std::ldexp(1.0, exponent_); }

int Histogram::first() const {
  const auto it = std::find_if(bins_.begin(), bins_.end(), [](std::int64_t n) { return n > 0; });
  return static_cast<int>(it - bins_.begin());
}

int Histogram::last() const {
  const auto it = std::find_if(bins_.rbegin(), bins_.rend(), [](std::int64_t n) { return n > 0; });
  return static_cast<int>(bins_.rend() - it);
}

void Histogram::widen(int exponent) {
  for (; exponent_ < exponent; ++exponent_) {
    // Bins 2i and 2i + 1, counted from zero, become bin i: from zero outwards nothing is overwritten before it is read.
    for (int i = 0; i < kZero / 2; ++i) bins_[kZero + i] = bins_[kZero + 2 * i] + bins_[kZero + 2 * i + 1];
    for (int i = 1; i <= kZero / 2; ++i) bins_[kZero - i] = bins_[kZero - 2 * i] + bins_[kZero - 2 * i + 1];
    std::fill(bins_.begin() + kZero + kZero / 2, bins_.end(), 0);
    std::fill(bins_.begin(), bins_.begin() + kZero / 2, 0);
  }
}

void Histogram::add(std::span<const float> values) {
  const Extremes e = extremes_of(values);
  const bool all_finite = e.finite == static_cast<std::int64_t>(values.size());
  if (!all_finite)
    for (const float v : values) {
      nan_ += std::isnan(v) ? 1 : 0;
      infinite_ += std::isinf(v) ? 1 : 0;
    }
  if (e.finite == 0) return;
  finite_ += e.finite;
  min_ = std::min(min_, e.min);
  max_ = std::max(max_, e.max);
  const int exponent = exponent_for(min_, max_);
  if (bins_.empty()) {
    bins_.assign(kBins, 0);
    exponent_ = exponent;
  }
  widen(exponent);
  // A power of two: products are exact, but for those too small for a float, which lie beside zero on the value's side.
  const float scale = std::ldexp(1.0F, -exponent_);
  for (const float v : values) {
    if (!all_finite && !std::isfinite(v)) continue;
    const float at = v * scale;
    auto bin = static_cast<int>(at);  // towards zero
    bin -= v < 0 && (at == 0 || at < static_cast<float>(bin)) ? 1 : 0;
    ++bins_[static_cast<std::size_t>(bin + kZero)];
  }
}

void Histogram::merge(const Histogram& other) {
  nan_ += other.nan_;
  infinite_ += other.infinite_;
  if (other.finite_ == 0) return;
  finite_ += other.finite_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  if (bins_.empty()) {
    bins_ = other.bins_;
    exponent_ = other.exponent_;
    return;
  }
  if (other.exponent_ < exponent_) {
    Histogram wide = other;
    wide.widen(exponent_);
    for (int i = 0; i < kBins; ++i) bins_[i] += wide.bins_[i];
    return;
  }
  widen(other.exponent_);
  for (int i = 0; i < kBins; ++i) bins_[i] += other.bins_[i];
}

}  // namespace monza::quant
