#include <algorithm>
#include <cmath>

#include "quant/calibrators.h"

namespace monza::quant {

ValueRange percentile_range(const Histogram& values) {
  constexpr double kCutAtEachEnd = 5e-5;
  const auto cut = static_cast<std::int64_t>(std::floor(static_cast<double>(values.count()) * kCutAtEachEnd));
  const auto bins = values.bins();
  int low = values.first(), high = values.last() - 1;
  for (std::int64_t left = cut - bins[static_cast<std::size_t>(low)]; left >= 0 && low < high;)
    left -= bins[static_cast<std::size_t>(++low)];
  for (std::int64_t left = cut - bins[static_cast<std::size_t>(high)]; left >= 0 && high > low;)
    left -= bins[static_cast<std::size_t>(--high)];
  // Bins are wider than what they hold at the ends.
  return {std::max(values.min(), static_cast<float>(values.left_edge(low))),
          std::min(values.max(), static_cast<float>(values.left_edge(high + 1)))};
}

}  // namespace monza::quant
