// Which part of a tensor's values its integers shall stand for: a calibrator each file.
#pragma once

#include <optional>
#include <string_view>

#include "monza/quantization.h"
#include "quant/histogram.h"

namespace monza::quant {

enum class Calibrator { min_max, percentile, entropy, mse };
inline constexpr Calibrator kCalibrators[] = {Calibrator::min_max, Calibrator::percentile, Calibrator::entropy,
                                              Calibrator::mse};
const char* calibrator_name(Calibrator calibrator);
std::optional<Calibrator> find_calibrator(std::string_view name);

/// The range that the calibrator chooses: within what was seen, with 0 in it. {0, 0} of a histogram without values.
ValueRange calibrate(Calibrator calibrator, const Histogram& values);

/// All that was seen. One outlier may leave few steps to everything else.
ValueRange min_max_range(const Histogram& values);
/// All but a share of 5e-5 at each end (99.99 % in the middle), after Wu et al. 2020, "Integer Quantization for Deep
/// Learning Inference", arXiv:2004.09602, 3.3.
ValueRange percentile_range(const Histogram& values);
/// The range whose 256 steps lose the least information (Kullback-Leibler divergence) about how values are spread,
/// after Migacz 2017, "8-bit Inference with TensorRT", GTC, with a zero point: each end is cut by itself.
ValueRange entropy_range(const Histogram& values);
/// The range with the least mean squared error of rounding and clipping, each end by itself, after Nagel et al. 2021,
/// "A White Paper on Neural Network Quantization", arXiv:2106.08295, 3.1.
ValueRange mse_range(const Histogram& values);

/// How well integers of a range stand for the values that were seen.
struct RangeQuality {
  float low = 0, high = 0;     ///< the least and the largest value
  double clipped = 0;          ///< the share of the values that lie outside
  double signal_to_noise = 0;  ///< decibels: squares of the values over squares of what rounding and clipping change
};
RangeQuality quality_of(const Histogram& values, ValueRange range);
/// The share of the values that lie outside.
double clipped_share(const Histogram& values, ValueRange range);

}  // namespace monza::quant
