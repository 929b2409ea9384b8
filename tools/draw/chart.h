// Charts of measured times, as SVG and as text for a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace monza::tool {

/// Counts of values in bins of equal width. What lies beyond the 99.5th percentile is counted in `above`, so that one
/// interrupted run does not squeeze all others into one bin.
struct Histogram {
  double low = 0, width = 0;
  std::vector<std::size_t> counts;
  std::size_t above = 0;
};
/// Between 1 and `bins` bins; none for no values.
Histogram histogram_of(std::vector<double> values, std::size_t bins = 40);

/// Run times in milliseconds. The marks are values with names ("median") to show as lines.
struct Mark {
  std::string name;
  double value = 0;
};
std::string draw_histogram(const Histogram& histogram, const std::string& title, const std::vector<Mark>& marks);
/// One line a bin: its begin, a bar, the count.
std::string text_histogram(const Histogram& histogram, std::size_t bar_width = 48);

/// One setting of a sweep.
struct SweepPoint {
  std::string value;  ///< "4", "bf16"
  double median_ms = 0, p99_ms = 0;
  double throughput = 0;  ///< items a second
};
/// Latency (line, left axis) and throughput (bars, right axis) over the values of `key`.
std::string draw_sweep(const std::string& key, const std::string& title, const std::vector<SweepPoint>& points);

/// One configuration of a network.
struct TradeOff {
  std::string label;
  double ms = 0, accuracy = 0;
  bool best = false;  ///< no other is as fast and as accurate: it lies on the front
};
/// Accuracy upwards against latency, with a label at each point and a line along those that are best.
std::string draw_trade_off(const std::string& title, const std::string& metric, const std::vector<TradeOff>& points);

}  // namespace monza::tool
