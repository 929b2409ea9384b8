#include "import/onnx/raise_opset.h"

#include <fmt/core.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
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

class Raising {
 public:
  explicit Raising(onnx::GraphProto& graph) : graph_(graph) {
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
    for (auto& node : *graph_.mutable_node()) {
      for (auto& a : *node.mutable_attribute()) {
        if (a.has_g()) Raising(*a.mutable_g()).raise();
        for (auto& g : *a.mutable_graphs()) Raising(g).raise();
      }
      if (node.domain().empty() || node.domain() == "ai.onnx") raise(node);
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
    const std::string stem = fmt::format("{}_{}", node.output(0), name);
    std::string unique = stem;
    for (int k = 2; !names_.insert(unique).second; ++k) unique = fmt::format("{}_{}", stem, k);
    t.set_name(unique);
    t.set_data_type(onnx::TensorProto::INT64);
    t.add_dims(a->ints_size());
    for (const std::int64_t value : a->ints()) t.add_int64_data(value);
    node.add_input(unique);
    erase_attribute(node, name);
  }

  /// Until 12 over all axes from `axis` on, since 13 over that axis: the same where it is the last.
  void raise_softmax(onnx::NodeProto& node) {
    const onnx::AttributeProto* a = attribute(node, "axis");
    const std::int64_t axis = a != nullptr ? a->i() : 1;
    if (axis == -1) return;
    const auto rank = ranks_.find(node.input(0));
    if (rank == ranks_.end() || axis != rank->second - 1)
      fail_hint(kExportAgain, "{} node '{}' is over the axes from {} on, which opset 13 has no such node for",
                node.op_type(), node.name().empty() ? node.output(0) : node.name(), axis);
    erase_attribute(node, "axis");
    onnx::AttributeProto& last = *node.add_attribute();
    last.set_name("axis");
    last.set_type(onnx::AttributeProto::INT);
    last.set_i(-1);
  }

  onnx::GraphProto& graph_;
  std::map<std::string, int> ranks_;
  std::set<std::string> names_;
};

}  // namespace

void raise_opset(onnx::ModelProto& model, int least) {
  for (auto& import : *model.mutable_opset_import()) {
    if (!import.domain().empty() && import.domain() != "ai.onnx") continue;
    if (import.version() >= least) return;
    constexpr int kOldest = 11;  // what changes between it and 13 is written above
    if (import.version() < kOldest)
      fail_hint(kExportAgain,
                "the model's opset is {}; scales per channel need opset {}, and from {} on a model is raised",
                import.version(), least, kOldest);
    Raising(*model.mutable_graph()).raise();
    import.set_version(least);
    constexpr int kIrVersion = 7;  // that opset 13 came with
    if (model.ir_version() < kIrVersion) model.set_ir_version(kIrVersion);
  }
}

}  // namespace monza
