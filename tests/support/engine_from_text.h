// Engines from graphs written as text, and their results beside the reference evaluator's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "monza/engine.h"
#include "plan/planner.h"

namespace monza::test {

struct TextEngine {
  Engine engine;
  std::unique_ptr<ir::Graph> graph;
};

/// Parses the text, runs the passes if `optimized`, and plans it for one thread and this CPU without timing.
TextEngine engine_from_text(const std::string& text, const plan::PlanScope& scope = {}, bool optimized = false,
                            const BuildOptions& options = {});

/// Plans a graph as it is, for one thread unless the options say another number.
Engine engine_from_graph(ir::Graph& graph, const plan::PlanScope& scope = {}, BuildOptions options = {});

/// Runs the engine on random inputs of the given shapes (by input order) and expects what the reference evaluator
/// computes from the unoptimised graph, within 1e-5 relative. Outputs are bound to memory of the test.
void expect_same_as_reference(const std::string& text, const std::vector<std::vector<std::int64_t>>& shapes,
                              const plan::PlanScope& scope = {}, bool optimized = false,
                              const BuildOptions& options = {});

}  // namespace monza::test
