#include "import/onnx/onnx_editor.h"

#include <algorithm>

#include "base/error.h"
#include "import/onnx/importer.h"
#include "import/onnx/raise_opset.h"

namespace monza {
namespace {

int onnx_dtype(DType dtype) {
  int type = onnx::TensorProto::FLOAT;
  while (dtype_of_onnx(type) != dtype) ++type;
  return type;
}

template <typename F>
void for_each_graph(onnx::GraphProto& graph, const F& visit) {
  visit(graph);
  for (auto& node : *graph.mutable_node())
    for (auto& a : *node.mutable_attribute()) {
      if (a.has_g()) for_each_graph(*a.mutable_g(), visit);
      for (auto& g : *a.mutable_graphs()) for_each_graph(g, visit);
    }
}

/// Keeps the elements for which `keep` is true, in their order.
template <typename List, typename F>
void keep_if(List& list, const F& keep) {
  int kept = 0;
  for (int i = 0; i < list.size(); ++i)
    if (keep(list.Get(i))) list.SwapElements(kept++, i);
  list.DeleteSubrange(kept, list.size() - kept);
}

}  // namespace

OnnxEditor::OnnxEditor(std::shared_ptr<OnnxFile> file) : file_(std::move(file)), model_(file_->model()) {
  for_each_graph(graph(), [&](const onnx::GraphProto& g) {
    for (const auto& v : g.input()) names_.insert(v.name());
    for (const auto& t : g.initializer()) names_.insert(t.name());
    for (const auto& t : g.sparse_initializer()) names_.insert(t.values().name());
    for (const auto& n : g.node())
      for (const auto& o : n.output()) names_.insert(o);
  });
  for (const auto& n : graph().node())
    for (const auto& a : n.attribute()) {
      const auto capture = [&](const onnx::GraphProto& g) {
        for (const std::string& name : free_names(g)) captured_.insert(name);
      };
      if (a.has_g()) capture(a.g());
      for (const auto& g : a.graphs()) capture(g);
    }
}

int OnnxEditor::find(std::string_view name, std::string_view op_type) const {
  const OnnxFrame main;  // without a prefix
  int found = -1;
  for (int i = 0; i < graph().node_size(); ++i) {
    if (node(i).op_type() != op_type || display_name(node(i), main) != name) continue;
    if (found >= 0) return -1;
    found = i;
  }
  return found;
}

std::vector<OnnxEditor::Input> OnnxEditor::readers(std::string_view value) const {
  std::vector<Input> found;
  for (int i = 0; i < graph().node_size(); ++i)
    for (int k = 0; k < node(i).input_size(); ++k)
      if (node(i).input(k) == value) found.emplace_back(i, k);
  return found;
}

bool OnnxEditor::is_read_elsewhere(std::string_view value) const {
  return captured_.contains(value) || std::any_of(graph().output().begin(), graph().output().end(),
                                                  [&](const auto& o) { return o.name() == value; });
}

bool OnnxEditor::is_constant(std::string_view value) const {
  return std::any_of(graph().initializer().begin(), graph().initializer().end(),
                     [&](const auto& t) { return t.name() == value; }) ||
         std::any_of(graph().node().begin(), graph().node().end(), [&](const auto& n) {
           return n.op_type() == "Constant" && n.output_size() == 1 && n.output(0) == value;
         });
}

std::string OnnxEditor::unique(const std::string& name) {
  std::string tried = name;
  for (int k = 2; !names_.insert(tried).second; ++k) tried = fmt::format("{}_{}", name, k);
  return tried;
}

std::string OnnxEditor::add_initializer(const std::string& name, const ir::Constant& constant) {
  onnx::TensorProto& t = *graph().add_initializer();
  t.set_name(unique(name));
  t.set_data_type(onnx_dtype(constant.dtype));
  for (int a = 0; a < constant.shape.rank; ++a) t.add_dims(constant.shape[a]);
  t.set_raw_data(constant.bytes.data(), constant.bytes.size());
  return t.name();
}

std::string OnnxEditor::add_node(const char* op_type, std::vector<std::string> inputs, const std::string& output) {
  onnx::NodeProto& n = *graph().add_node();
  n.set_op_type(op_type);
  for (std::string& name : inputs) n.add_input(std::move(name));
  n.add_output(unique(output));
  n.set_name(n.output(0));
  return n.output(0);
}

std::string OnnxEditor::add_node(const char* op_type, std::vector<std::string> inputs, const std::string& output,
                                 const char* attribute, std::int64_t value) {
  std::string name = add_node(op_type, std::move(inputs), output);
  onnx::AttributeProto& a = *graph().mutable_node(graph().node_size() - 1)->add_attribute();
  a.set_name(attribute);
  a.set_type(onnx::AttributeProto::INT);
  a.set_i(value);
  return name;
}

void OnnxEditor::set_input(Input at, const std::string& value) {
  onnx::NodeProto& n = *graph().mutable_node(at.first);
  while (n.input_size() <= at.second) n.add_input();
  n.set_input(at.second, value);
}

void OnnxEditor::take_output(int node, const std::string& value) {
  for (auto& n : *graph().mutable_node())
    for (auto& o : *n.mutable_output())
      if (o == value) o.clear();
  graph().mutable_node(node)->set_output(0, value);
}

void OnnxEditor::embed_weights(onnx::GraphProto& graph) {
  const auto embed = [&](onnx::TensorProto& t) {
    if (t.data_location() != onnx::TensorProto::EXTERNAL) return;
    const auto constant = file_->constant(t);
    t.set_raw_data(constant->bytes.data(), constant->bytes.size());
    t.clear_external_data();
    t.clear_data_location();
  };
  for_each_graph(graph, [&](onnx::GraphProto& g) {
    for (auto& t : *g.mutable_initializer()) embed(t);
    for (auto& n : *g.mutable_node())
      for (auto& a : *n.mutable_attribute()) {
        if (a.has_t()) embed(*a.mutable_t());
        for (auto& t : *a.mutable_tensors()) embed(t);
      }
  });
}

void OnnxEditor::prune() {
  std::set<std::string, std::less<>> wanted;
  for (const auto& o : graph().output()) wanted.insert(o.name());
  google::protobuf::RepeatedPtrField<onnx::NodeProto> nodes;
  for (const int i : onnx_order(graph().node(), wanted, true)) nodes.Add()->Swap(graph().mutable_node(i));
  graph().mutable_node()->Swap(&nodes);

  std::set<std::string, std::less<>> read = wanted, made;
  for (const auto& n : graph().node()) {
    read.insert(n.input().begin(), n.input().end());
    made.insert(n.output().begin(), n.output().end());
  }
  read.insert(captured_.begin(), captured_.end());
  std::set<std::string, std::less<>> dropped;
  for (const auto& t : graph().initializer())
    if (!read.contains(t.name())) dropped.insert(t.name());
  keep_if(*graph().mutable_initializer(), [&](const auto& t) { return !dropped.contains(t.name()); });
  keep_if(*graph().mutable_input(), [&](const auto& v) { return !dropped.contains(v.name()); });
  keep_if(*graph().mutable_value_info(), [&](const auto& v) { return made.contains(v.name()); });
}

std::string OnnxEditor::finish(int least, std::size_t most_bytes) {
  prune();
  embed_weights(graph());
  raise_opset(model_, least);
  if (const std::size_t bytes = model_.ByteSizeLong(); bytes > most_bytes)
    fail_hint("an engine file (--output), which has no such limit",
              "the quantised model has {} bytes, more than the {} that one ONNX file can hold", bytes, most_bytes);
  return model_.SerializeAsString();
}

}  // namespace monza
