// Runs nodes on the reference kernels while a model is compiled: constant folding, and tests of rewrites.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"
#include "passes/pass.h"

namespace monza {

using ConstantPtr = std::shared_ptr<const ir::Constant>;

/// Values known so far by id, and extents of symbolic dimensions by name. Single-threaded.
class Evaluator {
 public:
  std::unordered_map<ir::ValueId, ConstantPtr> values;
  std::unordered_map<std::string, std::int64_t> symbols;

  /// Runs one node whose inputs are all in `values` (constants of the graph are looked up) and adds its outputs.
  /// Returns "" or the reason why it cannot be run: no reference kernel, a shape that is not known, more memory or work
  /// than `budget` has (what is used is taken from it), strings, or what the kernel reports.
  std::string run(const ir::Graph& graph, const ir::Node& node, FoldBudget& budget);

 private:
  ConstantPtr find(const ir::Graph& graph, ir::ValueId id) const;
};

/// Runs a whole graph without control flow on reference kernels; inputs and outputs in the graph's order.
/// Symbolic dimensions take their extents from the inputs. Error when a node cannot be run.
std::vector<ConstantPtr> run_reference(const ir::Graph& graph, const std::vector<ConstantPtr>& inputs);

}  // namespace monza
