// What the values of a tensor are over many samples, in bounded memory.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace monza::quant {

/// Counts of values in bins of equal width, of both signs, with zero at an edge. The width is the least power of two
/// with which all values fit; when a value does not fit, neighbours are merged, which is exact. So the counts depend on
/// the values alone: not on their order, nor on how they were spread over histograms that are merged. 64 KiB.
class Histogram {
 public:
  static constexpr int kBins = 8192, kZero = kBins / 2;  ///< bin kZero begins at 0

  void add(std::span<const float> values);
  void merge(const Histogram& other);

  /// Finite values, which alone are in bins; NaN and infinities are counted beside them.
  std::int64_t count() const { return finite_; }
  std::int64_t nan() const { return nan_; }
  std::int64_t infinite() const { return infinite_; }
  /// The least and the largest finite value; 0 where there is none.
  float min() const { return finite_ > 0 ? min_ : 0; }
  float max() const { return finite_ > 0 ? max_ : 0; }

  double width() const;
  double left_edge(int bin) const { return (bin - kZero) * width(); }
  double centre(int bin) const { return (bin - kZero + 0.5) * width(); }
  /// kBins of them, or none while there was no finite value.
  std::span<const std::int64_t> bins() const { return bins_; }
  /// Bins [first, last) hold all that was counted.
  int first() const;
  int last() const;

  friend bool operator==(const Histogram&, const Histogram&) = default;

 private:
  void widen(int exponent);

  std::vector<std::int64_t> bins_;
  int exponent_ = 0;  ///< the width is 2^exponent_; means nothing while bins_ is empty
  std::int64_t finite_ = 0, nan_ = 0, infinite_ = 0;
  float min_ = std::numeric_limits<float>::infinity(), max_ = -std::numeric_limits<float>::infinity();
};

}  // namespace monza::quant
