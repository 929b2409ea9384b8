// Calibration caches, ours and TensorRT's: what parses is written and parsed again, and gives scales.
#include <cmath>

#include "fuzz/fuzz.h"
#include "quant/calibration_file.h"
#include "quant/quantizer.h"

namespace monza::fuzz {
namespace {

void run(Bytes input) {
  quant::CalibrationTable table = quant::parse_calibration(text_of(input));
  const quant::CalibrationTable again = quant::parse_calibration(quant::to_text(table));
  if (!(again == table)) finding("a table changes when it is written and read again");
  for (const auto& [name, range] : table.ranges) {
    const quant::Affine affine = quant::affine_of(range);
    if (!std::isfinite(affine.scale) || !(affine.scale > 0) || affine.zero_point < 0 ||
        affine.zero_point > quant::kSteps)
      finding("a range has no scale");
  }
  (void)quant::to_tensorrt_text(table);
}

}  // namespace

const Target calibration_target{"calibration", run, nullptr, 1 << 20, 64};

}  // namespace monza::fuzz
