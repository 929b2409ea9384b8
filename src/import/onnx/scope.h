// Names of ONNX values and what they are in the graph being built.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "ir/graph.h"

namespace monza {

/// The values that nodes of one graph, body or function can name.
class Scope {
 public:
  explicit Scope(ir::Graph& graph) : graph_(graph) {}

  ir::Graph& graph() { return graph_; }
  bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
  /// The value, or ir::kNone.
  ir::ValueId find(std::string_view name) const {
    const auto it = values_.find(name);
    return it == values_.end() ? ir::kNone : it->second;
  }
  /// Error when the name is taken: ONNX graphs are in single-assignment form.
  void define(const std::string& name, ir::ValueId value);

 private:
  ir::Graph& graph_;
  std::map<std::string, ir::ValueId, std::less<>> values_;
};

}  // namespace monza
