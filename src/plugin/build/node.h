// A node as a plugin's callbacks ask about it while a model is built.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "ir/op.h"
#include "plugin/operator.h"

/// Behind the handle that callbacks get. The first wrong question is noted and fails the node in the end.
struct monza_plugin_node {
  const monza::ir::Node& node;
  monza::ir::InferContext* infer = nullptr;   ///< while types are inferred
  const monza::ir::NodeView* view = nullptr;  ///< while parameters are filled in
  int reported = 0;                           ///< extents that were asked for
  std::vector<monza::ir::Expr> extents;       ///< by handle
  std::deque<std::string> strings;            ///< what was handed out
  std::deque<std::vector<std::int64_t>> integers;
  std::deque<std::vector<double>> numbers;
  std::optional<monza::Error> failure;
};

namespace monza::plugin {

/// What callbacks are given to ask with.
const monza_plugin_host& host();

/// Throws Error when the callback gave a reason, or asked what has no answer.
void check_answer(const char* reason, const monza_plugin_node& asked);

}  // namespace monza::plugin
