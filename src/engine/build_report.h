// What a build did, kept beside the engine for those who ask: explain, inspect, compare, reports.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "monza/engine.h"
#include "passes/pass.h"
#include "plan/planner.h"
#include "quant/calibrators.h"

namespace monza {

/// A tensor of the model as imported, and the ONNX nodes it came from.
struct NamedTensor {
  std::string name;
  ir::OriginSet origins;
};

/// What was known while an engine was built. The engine keeps it (build_record.h), but for the imported graph and the
/// passes' durations.
struct BuildReport {
  /// The model, with the shapes that the profile fixes; null for an engine file.
  std::shared_ptr<const ir::Graph> imported;
  std::unique_ptr<ir::Graph> planned;  ///< after the passes: what the plan was made for
  std::vector<NamedTensor> tensors;    ///< that nodes of the imported model make, in its order
  /// Files that the engine carries for whoever runs it, by name (engine_file::Image::carried).
  std::map<std::string, std::vector<std::byte>> carried;
  PassReport passes;
  std::vector<plan::Choice> choices;  ///< one for each node that a kernel computes, of the first profile
  /// How well integers stand for what calibration saw, by the names of the model's tensors. No build fills it: who has
  /// calibrated does.
  std::map<std::string, quant::RangeQuality> seen;
};

/// What a build may be asked beyond its public options.
struct BuildHooks {
  BuildReport* report = nullptr;                              ///< filled, if given
  const std::vector<const struct Pass*>* pipeline = nullptr;  ///< passes to run instead of the usual ones
  std::function<void(ir::Graph&)> before_plan;                ///< sees the graph after the passes and may add outputs
  /// Initializers that the model lists among its inputs, too, and that stay inputs of the engine: their values are
  /// defaults that callers may replace.
  std::vector<std::string> fed_initializers;
  std::shared_ptr<class BuildSession> session;  ///< builds there, if given: a session of the same model
  /// In a session: the engine uses weights where the session keeps them, which spares their copy. What it saves then
  /// holds those of earlier engines, too, and max_memory does not count.
  bool weights_in_place = false;
};

/// Engine::build with hooks. Throws Error as that does.
Engine build_engine(const std::string& model_path, const BuildOptions& options, const BuildHooks& hooks);

}  // namespace monza
