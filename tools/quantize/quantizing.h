// From a float model to an engine in 8 bits that keeps a contract, or to what stands in its way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/mixed_precision.h"
#include "engine/session.h"
#include "eval/data_set.h"
#include "monza/engine.h"
#include "tools/args/model_args.h"
#include "tools/quantize/calibration.h"
#include "tools/text/json_text.h"

namespace monza::tool {

struct QuantizeOptions {
  ModelArgs model;
  CalibrationArgs calibration;
  std::string eval, coco, truth;  ///< samples to score on, and where their answers are
  double max_drop = -1;           ///< points of a hundred that may be lost; negative: no contract
  bool json = false;
  bool exports = false;  ///< the result as ONNX is wanted, too
};

/// A product that is computed in floats, and why.
struct KeptNode {
  std::string node, why;
};

/// What came of it. Scores are in points of a hundred.
struct QuantizeResult {
  std::optional<Engine> engine;
  bool holds = true;   ///< the contract, where there is one
  std::string metric;  ///< "" where nothing was scored
  double float_score = 0, quantised_score = 0;
  std::int64_t samples = 0;
  double integer_share = 0;  ///< of the multiply-adds
  double speedup = 0;        ///< over floats
  std::vector<KeptNode> kept;
  std::vector<ProductCost> costs;  ///< the costliest first, where they were looked for
  std::string onnx;                ///< the file, where it is wanted and the contract holds
  double drop() const { return float_score - quantised_score; }
};

/// Calibrates, scores and, where the contract does not hold, keeps the costliest products in floats until it does.
/// Throws Error.
QuantizeResult quantize(const QuantizeOptions& options);
/// What scripts read.
Json to_json(const QuantizeResult& result);

}  // namespace monza::tool
