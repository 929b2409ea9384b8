#include "quant/calibrators.h"

#include <cmath>

#include "quant/quantizer.h"

namespace monza::quant {

const char* calibrator_name(Calibrator calibrator) {
  switch (calibrator) {
    case Calibrator::min_max: return "min-max";
    case Calibrator::percentile: return "percentile";
    case Calibrator::entropy: return "entropy";
    case Calibrator::mse: return "mse";
  }
  return "?";
}

std::optional<Calibrator> find_calibrator(std::string_view name) {
  for (const Calibrator c : kCalibrators)
    if (name == calibrator_name(c)) return c;
  return std::nullopt;
}

ValueRange calibrate(Calibrator calibrator, const Histogram& values) {
  if (values.count() == 0) return {};
  const auto range = [&] {
    switch (calibrator) {
      case Calibrator::min_max: return min_max_range(values);
      case Calibrator::percentile: return percentile_range(values);
      case Calibrator::entropy: return entropy_range(values);
      case Calibrator::mse: return mse_range(values);
    }
    return ValueRange{};
  };
  return with_zero(range());
}

ValueRange min_max_range(const Histogram& values) { return {values.min(), values.max()}; }

RangeQuality quality_of(const Histogram& values, ValueRange range) {
  RangeQuality quality{values.min(), values.max(), clipped_share(values, range), 0};
  const Affine affine = affine_of(range);
  const ValueRange held = range_of(affine);
  double signal = 0, noise = 0;
  for (int b = 0; b < static_cast<int>(values.bins().size()); ++b) {
    const auto count = static_cast<double>(values.bins()[static_cast<std::size_t>(b)]);
    const double at = values.centre(b);
    signal += count * at * at;
    // Within a step the error is as good as uniform, beyond the ends it is the distance.
    const double step = affine.scale, beyond = at < held.low ? held.low - at : at > held.high ? at - held.high : 0;
    noise += count * (beyond > 0 ? beyond * beyond : step * step / 12);
  }
  if (signal > 0 && noise > 0) quality.signal_to_noise = 10 * std::log10(signal / noise);
  return quality;
}

double clipped_share(const Histogram& values, ValueRange range) {
  std::int64_t outside = 0;
  for (int b = 0; b < static_cast<int>(values.bins().size()); ++b) {
    const double at = values.centre(b);
    if (at < range.low || at > range.high) outside += values.bins()[static_cast<std::size_t>(b)];
  }
  return values.count() > 0 ? static_cast<double>(outside) / static_cast<double>(values.count()) : 0;
}

}  // namespace monza::quant
