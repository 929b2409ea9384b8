// Summaries of measured times.
#pragma once

#include <vector>

namespace monza::tool {

struct Summary {
  double min = 0, mean = 0, median = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
  double spread = 0;  ///< standard deviation over mean
};
/// Percentiles are the nearest rank. All zero for no values.
Summary summarize(std::vector<double> values);

/// Why the figures should not be trusted: empty when they look stable. `values` in the order measured.
const char* instability(const std::vector<double>& values);

}  // namespace monza::tool
