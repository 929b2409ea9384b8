// From a float model to an engine in 8 bits that keeps a contract, or to what stands in its way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/mixed_precision.h"
#include "engine/session.h"
#include "eval/confidence.h"
#include "eval/data_set.h"
#include "monza/engine.h"
#include "tools/args/model_args.h"
#include "tools/quantize/calibration.h"
#include "tools/text/json_text.h"

namespace monza::tool {

struct QuantizeOptions {
  ModelArgs model;
  CalibrationArgs calibration;
  std::string eval, coco, truth, metric;  ///< samples to score on, and what knows their answers
  double max_drop = -1;                   ///< points of a hundred that may be lost; negative: no contract
  std::string search_cache;               ///< a SearchRecord's file; "": none
  double max_seconds = 0;                 ///< begin nothing new after so many; 0: no limit
  bool anyway = false;                    ///< take a contract that so few samples cannot decide, and a slow result
  bool json = false;
  bool exports = false;       ///< the result as ONNX is wanted, too
  bool times_trials = false;  ///< what was tried is built and timed, for the report
};

/// A product that is computed in floats, and why.
struct KeptNode {
  std::string node, why;
};

/// A plan that was scored.
struct Trial {
  std::string what;
  QuantizationPlan plan;
  double score = 0;
  double ms = 0;  ///< 0: not timed
};

/// What came of it. Scores are in points of a hundred, those of --metric as the command prints them.
struct QuantizeResult {
  std::optional<Engine> engine;
  bool holds = true;  ///< the contract, where there is one, and that it is no slower than floats
  bool slower = false;
  std::string metric;  ///< "" where nothing was scored
  double float_score = 0, quantised_score = 0;
  std::int64_t samples = 0;
  std::optional<eval::Interval> drop_interval;  ///< where the metric has one
  double integer_share = 0;                     ///< of the multiply-adds
  double float_ms = 0, quantised_ms = 0;
  std::vector<KeptNode> kept;
  std::vector<ProductCost> costs;  ///< the costliest first, where they were looked for
  bool out_of_time = false;        ///< the search ended before it was done
  std::vector<Trial> trials;
  QuantizationPlan plan;
  std::map<std::string, quant::RangeQuality> quality;  ///< of ranges, where samples were seen
  std::string onnx;                                    ///< the file, where it is wanted and the contract holds
  double drop() const { return float_score - quantised_score; }
  double speedup() const { return quantised_ms > 0 ? float_ms / quantised_ms : 0; }  ///< over floats
};

/// Calibrates, scores and, where the contract does not hold, keeps the costliest products in floats until it does; then
/// those that integers make slower. Throws Error.
QuantizeResult quantize(const QuantizeOptions& options);
/// What scripts read.
Json to_json(const QuantizeResult& result);

}  // namespace monza::tool
