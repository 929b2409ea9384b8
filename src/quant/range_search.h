// The search that calibrators with a cost share.
#pragma once

#include <functional>
#include <limits>

#include "quant/calibrators.h"
#include "quant/quantizer.h"

namespace monza::quant {

/// The part of what was seen whose cost is least: each end in turn, from all of it down to a fiftieth. The other end's
/// best may move with it, so twice. Of equal costs the first counts, which is the wider range.
inline ValueRange cheapest_range(const Histogram& values, const std::function<double(ValueRange)>& cost) {
  constexpr int kCandidates = 50, kRounds = 2;
  const ValueRange all = with_zero({values.min(), values.max()});
  ValueRange best = all;
  double least = cost(best);
  const auto try_range = [&](ValueRange r) {
    const double c = cost(r);
    if (c < least) least = c, best = r;
  };
  for (int round = 0; round < kRounds; ++round) {
    for (int i = kCandidates; i >= 1 && all.high > 0; --i)
      try_range({best.low, all.high * static_cast<float>(i) / kCandidates});
    for (int i = kCandidates; i >= 1 && all.low < 0; --i)
      try_range({all.low * static_cast<float>(i) / kCandidates, best.high});
  }
  return best;
}

}  // namespace monza::quant
