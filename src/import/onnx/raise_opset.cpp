#include "import/onnx/raise_opset.h"

#include <fmt/core.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"

namespace monza {
namespace {

constexpr const char* kExportAgain =
    "export it again with opset 13 or later (torch.onnx.export(..., opset_version=17)), or convert it with "
    "onnx.version_converter";

const onnx::AttributeProto* attribute(const onnx::NodeProto& node, std::string_view name) {
  for (const auto& a : node.attribute())
    if (a.name() == name) return &a;
  return nullptr;
}

void erase_attribute(onnx::NodeProto& node, std::string_view name) {
  auto& list = *node.mutable_attribute();
  for (int i = list.size() - 1; i >= 0; --i)
    if (list.Get(i).name() == name) list.DeleteSubrange(i, 1);
}

void set_axis(onnx::NodeProto& node, std::int64_t axis) {
  erase_attribute(node, "axis");
  onnx::AttributeProto& a = *node.add_attribute();
  a.set_name("axis");
  a.set_type(onnx::AttributeProto::INT);
  a.set_i(axis);
}

class Raising {
 public:
  Raising(onnx::GraphProto& graph, const std::map<std::string, int>& ranks) : graph_(graph), ranks_(ranks) {
    const auto note = [&](const auto& list) {
      for (const auto& v : list)
        if (v.type().tensor_type().has_shape()) ranks_[v.name()] = v.type().tensor_type().shape().dim_size();
    };
    note(graph.input());
    note(graph.output());
    note(graph.value_info());
    for (const auto& t : graph.initializer()) names_.insert(t.name());
    for (const auto& n : graph.node()) names_.insert(n.output().begin(), n.output().end());
  }

  void raise() {
    google::protobuf::RepeatedPtrField<onnx::NodeProto> before;
    before.Swap(graph_.mutable_node());
    for (auto& node : before) {
      for (auto& a : *node.mutable_attribute()) {
        if (a.has_g()) Raising(*a.mutable_g(), ranks_).raise();
        for (auto& g : *a.mutable_graphs()) Raising(g, ranks_).raise();
      }
      if (node.domain().empty() || node.domain() == "ai.onnx") raise(node);
      graph_.add_node()->Swap(&node);
      if (behind_) graph_.add_node()->Swap(&*behind_);
      behind_.reset();
    }
  }

 private:
  void raise(onnx::NodeProto& node) {
    const std::string& op = node.op_type();
    if (op == "Squeeze" || op == "Unsqueeze" || op == "ReduceSum") attribute_to_input(node, "axes");
    else if (op == "Split") attribute_to_input(node, "split");
    else if (op == "Dropout") erase_attribute(node, "ratio");  // of training, which an input tells since 12
    else if (op == "Softmax" || op == "LogSoftmax" || op == "Hardmax") raise_softmax(node);
  }

  void attribute_to_input(onnx::NodeProto& node, const char* name) {
    const onnx::AttributeProto* a = attribute(node, name);
    if (a == nullptr) return;
    onnx::TensorProto& t = *graph_.add_initializer();
    const std::string unique = unused_name(fmt::format("{}_{}", node.output(0), name));
    t.set_name(unique);
    t.set_data_type(onnx::TensorProto::INT64);
    t.add_dims(a->ints_size());
    for (const std::int64_t value : a->ints()) t.add_int64_data(value);
    node.add_input(unique);
    erase_attribute(node, name);
  }

  std::string unused_name(const std::string& stem) {
    std::string name = stem;
    for (int k = 2; !names_.insert(name).second; ++k) name = fmt::format("{}_{}", stem, k);
    return name;
  }
  std::string add_before(const char* op_type, const std::string& input, const std::string& output) {
    onnx::NodeProto& n = *graph_.add_node();
    n.set_op_type(op_type);
    n.add_input(input);
    n.add_output(unused_name(output));
    n.set_name(n.output(0));
    return n.output(0);
  }

  /// Until 12 over all axes from `axis` on, since 13 over that axis: the same where it is the last. Else those axes
  /// become one, for the time of the node.
  void raise_softmax(onnx::NodeProto& node) {
    const onnx::AttributeProto* a = attribute(node, "axis");
    const std::int64_t axis = a != nullptr ? a->i() : 1;
    const auto rank = ranks_.find(node.input(0));
    const bool last = axis == -1 || (rank != ranks_.end() && axis == rank->second - 1);
    if (!last) {
      const std::string x = node.input(0), y = node.output(0);
      const std::string shape = add_before("Shape", x, y + "_shape");
      node.set_input(0, add_before("Flatten", x, y + "_flat_input"));
      set_axis(*graph_.mutable_node(graph_.node_size() - 1), axis);
      node.set_output(0, unused_name(y + "_flat"));
      onnx::NodeProto& back = behind_.emplace();
      back.set_op_type("Reshape");
      back.set_name(unused_name(y + "_reshape"));
      for (const std::string& input : {node.output(0), shape}) back.add_input(input);
      back.add_output(y);
    }
    set_axis(node, -1);
  }

  onnx::GraphProto& graph_;
  std::map<std::string, int> ranks_;
  std::set<std::string> names_;
  std::optional<onnx::NodeProto> behind_;  ///< to come behind the node that is raised
};

}  // namespace

void raise_opset(onnx::ModelProto& model, int least, const std::map<std::string, int>& ranks) {
  for (auto& import : *model.mutable_opset_import()) {
    if (!import.domain().empty() && import.domain() != "ai.onnx") continue;
    if (import.version() >= least) return;
    constexpr int kOldest = 11;  // what changes between it and 13 is written above
    if (import.version() < kOldest)
      fail_hint(kExportAgain,
                "the model's opset is {}; scales per channel need opset {}, and from {} on a model is raised",
                import.version(), least, kOldest);
    Raising(*model.mutable_graph(), ranks).raise();
    import.set_version(least);
    constexpr int kIrVersion = 7;  // that opset 13 came with
    if (model.ir_version() < kIrVersion) model.set_ir_version(kIrVersion);
  }
}

}  // namespace monza
