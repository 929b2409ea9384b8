// A failing model made as small as it still fails: what goes into a bug report, and shows where to look.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "monza/engine.h"
#include "monza/limits.h"

namespace monza {

/// Tries the model in the file on the inputs that are known (others are the test's to make). "" when it does not fail;
/// equal texts mean equal failures. It may throw only what ends the search.
using FailureTest =
    std::function<std::string(const std::string& model_path, const std::map<std::string, Tensor>& inputs)>;

struct ReduceOptions {
  std::map<std::string, Tensor> inputs;  ///< of the model
  /// What inner values hold on those inputs, where it is known: a part that begins there is given it.
  std::map<std::string, Tensor> values;
  Limits limits;
  std::function<void(std::string_view what, double fraction)> progress;
};

struct ReducedModel {
  std::string bytes;                     ///< the file
  std::map<std::string, Tensor> inputs;  ///< of it, as far as they are known
  std::string failure;
  int nodes_before = 0, nodes = 0;  ///< Constant nodes are not counted
  int tests = 0;
};

/// Cuts the tail off where the failure begins to show, then the head, both by halving; then leaves out runs of nodes
/// that do not matter, and single ones (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
/// 2002). What is cut before a node becomes an input. Another failure than the model's own does not count. Throws Error
/// when the model does not fail at all, and as reading it does.
ReducedModel reduce_model(const std::string& path, const ReduceOptions& options, const FailureTest& test);

}  // namespace monza
