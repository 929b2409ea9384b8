// The graph of a model at the place where quantisation is decided.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "ir/graph.h"
#include "monza/engine.h"

namespace monza {

struct GraphToPlace {
  std::unique_ptr<ir::Graph> graph;
  std::map<std::string, int> ranks;  ///< of the tensors of the imported model, by name
};

/// Imports the model and runs the passes that stand before quant::place_pass, with the factors of the plan that
/// `options` have. Throws Error.
GraphToPlace graph_to_place(const std::string& model_path, const BuildOptions& options);
/// What the 8 bits of each value stand for that the plan has computed in them, by name: values between which elements
/// only move have one range, which is wider than the plan's for some of them. Throws Error.
std::map<std::string, ValueRange> placed_ranges(const std::string& model_path, const BuildOptions& options,
                                                const QuantizationPlan& plan);

}  // namespace monza
