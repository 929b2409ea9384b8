// What kernels are timed on: src/ops/<family>/<family>.bench.txt hold a name and a node each.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace monza::test {

/// A graph of one node. Inputs whose names begin with w or b are constant.
struct BenchCase {
  std::string family;
  std::string name;  ///< its first word names the network
  int count = 1;     ///< how many the network has
  std::unique_ptr<ir::Graph> graph;
  const ir::Node& node() const { return std::as_const(*graph).node(graph->order()[0]); }
};

/// The cases of every family in `ops` (the folder src/ops), and one of each elementwise operator. Error naming the line
/// of one that is none.
std::vector<BenchCase> bench_cases(const std::filesystem::path& ops);

}  // namespace monza::test
