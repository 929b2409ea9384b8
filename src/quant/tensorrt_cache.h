// Lines of TensorRT's calibration cache.
#pragma once

#include <string_view>

#include "quant/calibration_file.h"

namespace monza::quant {

bool is_tensorrt_header(std::string_view line);
/// Adds what "name: 3c010a14" says. Throws Error.
void read_tensorrt_line(std::string_view line, CalibrationTable& table);

}  // namespace monza::quant
