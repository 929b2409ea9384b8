// Latency, throughput, load time and memory of a model: what `monza bench` measures, once or at each point of a sweep.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "eval/data_set.h"
#include "tools/args/inputs.h"
#include "tools/args/model_args.h"
#include "tools/measure/references.h"
#include "tools/measure/statistics.h"
#include "tools/measure/transfers.h"
#include "tools/text/json_text.h"

namespace monza {
class BuildSession;
}

namespace monza::tool {

struct BenchOptions {
  ModelArgs model;
  InputArgs inputs;
  int iterations = 0;  ///< 0: for `duration`
  int streams = 1;
  double duration = 3, warmup = 0.3;  ///< seconds
  std::string export_times;
  bool json = false;
  std::shared_ptr<BuildSession> session;  ///< that builds of the model share, or null
};

/// What a measurement found, and what it was of.
struct Measured {
  Summary latency;
  double throughput = 0, context_ms = 0, first_ms = 0, load_ms = 0, build_ms = 0;
  bool built = false;
  std::size_t runs = 0;
  int threads = 1;
  Engine::Stats stats;
  std::int64_t rss_before = 0, rss_peak = 0;
  const char* warning = "";
  std::vector<std::string> not_finite;     ///< outputs that hold NaN or infinities, in words
  std::optional<eval::Accuracy> accuracy;  ///< when there are samples
  ReferenceShare references;               ///< of the kernels that ran
  std::optional<Transfers> transfers;      ///< of an engine for a device beside the host
};

/// Opens the model and measures it, with its accuracy on `samples` if they are given. Throws as they do.
Measured measure(BenchOptions options, eval::DataSet* samples = nullptr);

/// `bench`: what was measured.
Json to_json(const Measured& measured, const BenchOptions& bench);

}  // namespace monza::tool
