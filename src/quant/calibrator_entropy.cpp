#include <algorithm>
#include <cmath>

#include "quant/calibrators.h"
#include "quant/quantizer.h"
#include "quant/range_search.h"

namespace monza::quant {
namespace {

/// The bins that a range keeps, [first, last), and its steps.
struct Part {
  int first, last;
  Affine affine;
};

/// The divergence of what `part` can tell apart from what was counted, with all that it clips at its ends.
double divergence(const Histogram& values, const Part& part) {
  const auto bins = values.bins();
  const auto size = static_cast<std::size_t>(part.last - part.first);
  std::vector<double> want(size), have(size, 0);
  for (std::size_t i = 0; i < size; ++i) want[i] = static_cast<double>(bins[static_cast<std::size_t>(part.first) + i]);
  // Zeros, of which ReLU makes half of all values, are exact with any range. As part of a step they would be spread
  // over its bins, and tell for ranges with steps of a bin: a few hundredths of what is needed.
  if (const int zero = Histogram::kZero - part.first; zero >= 0 && zero + 1 < static_cast<int>(size)) {
    const auto at = static_cast<std::size_t>(zero);
    want[at] = std::min(want[at], want[at + 1]);
  }

  // What is kept, as steps tell it: the counts of a step spread evenly over those of its bins that hold something.
  const auto step_of = [&](std::size_t i) {
    const double at = values.centre(part.first + static_cast<int>(i));
    return std::nearbyint(at / part.affine.scale);
  };
  for (std::size_t begin = 0; begin < size;) {
    const double step = step_of(begin);
    double sum = 0, filled = 0;
    std::size_t end = begin;
    for (; end < size && step_of(end) == step; ++end) {
      sum += want[end];
      filled += want[end] > 0 ? 1 : 0;
    }
    for (std::size_t i = begin; i < end; ++i)
      if (want[i] > 0) have[i] = sum / filled;
    begin = end;
  }

  for (int b = values.first(); b < part.first; ++b)
    want.front() += static_cast<double>(bins[static_cast<std::size_t>(b)]);
  for (int b = part.last; b < values.last(); ++b) want.back() += static_cast<double>(bins[static_cast<std::size_t>(b)]);
  double want_sum = 0, have_sum = 0;
  for (std::size_t i = 0; i < size; ++i) want_sum += want[i], have_sum += have[i];
  if (want_sum == 0 || have_sum == 0) return std::numeric_limits<double>::infinity();
  // Where outliers were added to an empty bin nothing is there to tell them by.
  constexpr double kLeast = 1e-9;
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i)
    if (want[i] > 0) sum += want[i] / want_sum * std::log(want[i] / want_sum / std::max(have[i] / have_sum, kLeast));
  return sum;
}

}  // namespace

ValueRange entropy_range(const Histogram& values) {
  const auto bin_of = [&](float v) { return static_cast<int>(std::floor(v / values.width())) + Histogram::kZero; };
  return cheapest_range(values, [&](ValueRange r) {
    const Part part{std::max(bin_of(r.low), values.first()), std::min(bin_of(r.high) + 1, values.last()), affine_of(r)};
    return part.first < part.last ? divergence(values, part) : std::numeric_limits<double>::infinity();
  });
}

}  // namespace monza::quant
