// Helpers for tests of passes: run one pass on a graph written as text, and compare the numbers before and after.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "passes/pass.h"

namespace monza::test {

struct Rewritten {
  std::unique_ptr<ir::Graph> before, after;
  PassReport report;
  /// Names of the operators that are left, in order.
  std::vector<std::string> ops() const;
  std::int64_t rewrites() const { return static_cast<std::int64_t>(report.rewrites.size()); }
  /// All near misses as text.
  std::string reasons() const;
};

/// Parses, runs the passes (BuildOptions::strict_rewrites), verifies; a second run, with a constraint on every node,
/// shows that no pass forgets one.
Rewritten rewrite(const std::string& text, const std::vector<const Pass*>& passes, const BuildOptions& options = {});
/// graph "g" (inputs) { body return (y: %y) }
std::string graph_text(const std::string& inputs, const std::string& body, const std::string& outputs = "y: %y");
/// Runs both graphs on random inputs with reference kernels and compares every output. Symbolic dimensions become
/// `symbol_extent`.
void expect_same_numbers(const Rewritten& r, double tolerance = 1e-5, std::int64_t symbol_extent = 3);

}  // namespace monza::test
