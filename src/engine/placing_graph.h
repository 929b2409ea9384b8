// The graph of a model at the place where quantisation is decided.
#pragma once

#include <memory>
#include <string>

#include "ir/graph.h"
#include "monza/engine.h"

namespace monza {

/// Imports the model and runs the passes that stand before quant::place_pass, with the factors of the plan that
/// `options` have. Throws Error.
std::unique_ptr<ir::Graph> graph_to_place(const std::string& model_path, const BuildOptions& options);

}  // namespace monza
