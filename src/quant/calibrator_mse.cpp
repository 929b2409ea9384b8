#include <algorithm>
#include <cmath>

#include "quant/calibrators.h"
#include "quant/quantizer.h"
#include "quant/range_search.h"

namespace monza::quant {
namespace {

/// A bin that holds something.
struct Mass {
  double at, count;
};

double squared_error(const std::vector<Mass>& masses, ValueRange range) {
  const Affine a = affine_of(range);
  const double scale = a.scale, inverse = 1 / scale, zero = a.zero_point;
  double sum = 0;
  for (const Mass& m : masses) {
    const double steps = std::clamp(std::nearbyint(m.at * inverse) + zero, 0.0, static_cast<double>(kSteps));
    const double error = m.at - (steps - zero) * scale;
    sum += m.count * error * error;
  }
  return sum;
}

}  // namespace

ValueRange mse_range(const Histogram& values) {
  std::vector<Mass> masses;
  for (int b = values.first(); b < values.last(); ++b)
    if (const std::int64_t n = values.bins()[static_cast<std::size_t>(b)]; n > 0)
      masses.push_back({values.centre(b), static_cast<double>(n)});
  return cheapest_range(values, [&](ValueRange range) { return squared_error(masses, range); });
}

}  // namespace monza::quant
