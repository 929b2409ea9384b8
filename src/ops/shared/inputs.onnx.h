// What importers share: absent inputs, and small integer inputs, whose constants become attributes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "import/api.h"

namespace monza::ops {

/// ONNX input `i`, or none where the node has fewer.
inline ir::ValueId input_or_none(OnnxNode& n, int i) { return i < n.input_count() ? n.input(i) : ir::kNone; }
/// Without the absent inputs at the end.
inline std::vector<ir::ValueId> trimmed(std::vector<ir::ValueId> inputs) {
  while (!inputs.empty() && inputs.back() == ir::kNone) inputs.pop_back();
  return inputs;
}

/// Collects the inputs and attributes of one graph node from an ONNX node.
class NodeParts {
 public:
  explicit NodeParts(OnnxNode& n) : n_(n) {}
  ir::Attrs attrs;

  /// Graph input `to` is ONNX input `i` (absent when that is).
  void input(int to, int i) {
    if (i < n_.input_count()) put(to, n_.input(i));
  }
  void put(int to, ir::ValueId v) {
    if (v == ir::kNone) return;
    if (inputs_.size() <= static_cast<std::size_t>(to)) inputs_.resize(static_cast<std::size_t>(to) + 1, ir::kNone);
    inputs_[static_cast<std::size_t>(to)] = v;
  }
  /// ONNX input `i`, of integers: attribute `name` where it is a constant, else graph input `to`.
  void integers(const char* name, int to, int i) {
    if (i >= n_.input_count() || n_.input(i) == ir::kNone) return;
    const ir::Constant* c = n_.constant(n_.input(i));
    if (c != nullptr && c->numel() <= ir::kMaxContent) attrs.set(name, ir::to_ints(*c));
    else put(to, n_.input(i));
  }
  /// An integer list attribute kept under its own name.
  void copy_ints(const char* name) {
    if (n_.has_attr(name)) attrs.set(name, n_.ints(name));
  }
  std::vector<ir::ValueId> take_inputs() { return std::move(inputs_); }
  /// Adds the node and binds output 0.
  void add(std::string_view op) { n_.bind(0, n_.add1(op, take_inputs(), std::move(attrs))); }

 private:
  OnnxNode& n_;
  std::vector<ir::ValueId> inputs_;
};

}  // namespace monza::ops
