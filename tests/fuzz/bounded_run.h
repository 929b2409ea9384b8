// Engines that strangers made, run under a budget: a plan may ask for more work than anybody waits for, and that is no
// finding.
#pragma once

#include "ir/graph.h"
#include "monza/engine.h"
#include "monza/limits.h"

namespace monza::fuzz {

/// Of a size that is reached, and passed, in the time that one input may take.
Limits small_limits();

/// test::run_hostile with kernels that stop the run, with a status, once it has done enough.
void run_bounded(const Engine& engine, unsigned seed);

/// Plans a graph for small extents and runs it. Throws Error when it is refused or larger than is tried here.
void plan_and_run(ir::Graph& graph, unsigned seed);

}  // namespace monza::fuzz
