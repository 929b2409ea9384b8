// Files of ranges: what calibration found, for builds that have no data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "monza/quantization.h"

namespace monza::quant {

/// The ranges of a model's values and what repairs them, and where they come from.
struct CalibrationTable {
  std::string calibrator;    ///< in words; "" when it is not known
  std::int64_t samples = 0;  ///< 0 when it is not known
  std::map<std::string, ValueRange> ranges;
  std::map<std::string, std::vector<float>> factors, means;  ///< as QuantizationPlan has them
  friend bool operator==(const CalibrationTable&, const CalibrationTable&) = default;
};

/// Our own format, a line each: low, high, scale, zero point (which follow from the first two), then the value's name
/// with \n, \r and \\ for what would end the line. Then lines with the words "means" or "factors", how many numbers
/// follow, the numbers, and the name. All numbers are written to the last bit.
std::string to_text(const CalibrationTable& table);
/// The calibration cache of TensorRT's IInt8EntropyCalibrator2: a header, then "name: " and the bits of a float in
/// hexadecimal, the step of signed 8-bit integers around 0. A range becomes the symmetric one that holds it; names with
/// line ends are left out, as the format has no way to write them.
std::string to_tensorrt_text(const CalibrationTable& table);

/// Reads either; TensorRT's is known by its first line. Throws Error that names the line.
CalibrationTable parse_calibration(std::string_view text);
/// parse_calibration of a file of at most 64 MiB; errors name it.
CalibrationTable load_calibration(const std::filesystem::path& path);

}  // namespace monza::quant
