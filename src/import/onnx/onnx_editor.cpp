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

/// Calls f with what bodies of the node read from around them.
template <typename F>
void for_each_capture(const onnx::NodeProto& node, const F& f) {
  for (const auto& a : node.attribute()) {
    if (a.has_g())
      for (const std::string& name : free_names(a.g())) f(name);
    for (const auto& g : a.graphs())
      for (const std::string& name : free_names(g)) f(name);
  }
}

std::set<std::string, std::less<>> captured(const onnx::GraphProto& graph) {
  std::set<std::string, std::less<>> names;
  for (const auto& n : graph.node()) for_each_capture(n, [&](const std::string& name) { names.insert(name); });
  return names;
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
  captured_ = captured(graph());
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

OnnxEditor::Maker OnnxEditor::maker_of(std::string_view value) const {
  const auto named = [&](const auto& v) { return v.name() == value; };
  if (std::any_of(graph().initializer().begin(), graph().initializer().end(), named) ||
      std::any_of(graph().sparse_initializer().begin(), graph().sparse_initializer().end(),
                  [&](const auto& t) { return t.values().name() == value; }))
    return Maker::initializer;
  if (std::any_of(graph().input().begin(), graph().input().end(), named)) return Maker::input;
  for (const auto& n : graph().node())
    if (std::find(n.output().begin(), n.output().end(), value) != n.output().end()) return Maker::node;
  return Maker::none;
}

std::vector<std::string> OnnxEditor::made_values() const {
  std::vector<std::string> names;
  for (const auto& n : graph().node())
    for (const auto& o : n.output())
      if (!o.empty()) names.push_back(o);
  return names;
}

std::vector<int> OnnxEditor::order() const { return onnx_order(graph().node(), {}, false); }

std::vector<std::string> OnnxEditor::reads(int index) const {
  std::vector<std::string> names;
  for (const auto& i : node(index).input())
    if (!i.empty()) names.push_back(i);
  for_each_capture(node(index), [&](const std::string& name) { names.push_back(name); });
  return names;
}

std::optional<OnnxInput> OnnxEditor::declared_type(std::string_view value) const {
  for (const auto* list : {&graph().value_info(), &graph().input(), &graph().output()})
    for (const auto& v : *list)
      if (v.name() == value && v.type().has_tensor_type() && v.type().tensor_type().elem_type() != 0)
        return onnx_value(v);
  return std::nullopt;
}

namespace {

void set_type(onnx::ValueInfoProto& v, const OnnxInput& type) {
  v.set_name(type.name);
  if (type.dtype == DType::invalid) return;  // an output's type is optional
  auto& tensor = *v.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx_dtype(type.dtype));
  tensor.clear_shape();
  if (!type.has_shape) return;
  for (std::size_t a = 0; a < type.shape.size(); ++a) {
    auto& dim = *tensor.mutable_shape()->add_dim();
    if (type.shape[a] >= 0) dim.set_dim_value(type.shape[a]);
    else if (a < type.symbols.size() && !type.symbols[a].empty()) dim.set_dim_param(type.symbols[a]);
  }
  if (type.shape.empty()) tensor.mutable_shape();
}

}  // namespace

void OnnxEditor::set_outputs(const std::vector<OnnxInput>& outputs) {
  google::protobuf::RepeatedPtrField<onnx::ValueInfoProto> own;
  own.Swap(graph().mutable_output());
  for (const OnnxInput& o : outputs) {
    // What is no tensor keeps what the file says of it.
    const auto declared = std::find_if(own.begin(), own.end(), [&](const auto& v) { return v.name() == o.name; });
    onnx::ValueInfoProto& v = *graph().add_output();
    if (declared != own.end()) v = *declared;
    set_type(v, o);
  }
  cut_ = true;
}

void OnnxEditor::make_input(const OnnxInput& input) {
  for (auto& v : *graph().mutable_input())
    if (v.name() == input.name) return set_type(v, input);
  for (auto& n : *graph().mutable_node())
    for (auto& o : *n.mutable_output())
      if (o == input.name) o.clear();
  set_type(*graph().add_input(), input);
  keep_if(*graph().mutable_value_info(), [&](const auto& v) { return v.name() != input.name; });
  cut_ = true;
}

void OnnxEditor::make_initializer(const std::string& value, const ir::Constant& constant) {
  for (auto& n : *graph().mutable_node())
    for (auto& o : *n.mutable_output())
      if (o == value) o.clear();
  keep_if(*graph().mutable_value_info(), [&](const auto& v) { return v.name() != value; });
  names_.erase(value);
  add_initializer(value, constant);
}

int OnnxEditor::drop_identities() {
  const auto hands_on = [](const onnx::NodeProto& n) {
    if (!n.domain().empty() && n.domain() != "ai.onnx") return false;
    if (n.op_type() == "Identity") return n.input_size() == 1 && n.output_size() == 1;
    // Without its third input, training_mode, nothing is dropped; the mask of a second output may be read.
    return n.op_type() == "Dropout" && n.input_size() <= 2 && n.output_size() == 1 && n.input_size() > 0;
  };
  std::map<std::string, std::string, std::less<>> same;
  for (const int i : onnx_order(graph().node(), {}, false)) {
    auto& n = *graph().mutable_node(i);
    for (auto& input : *n.mutable_input())
      if (const auto it = same.find(input); it != same.end()) input = it->second;
    if (hands_on(n) && !n.output(0).empty() && !n.input(0).empty() && !is_read_elsewhere(n.output(0)))
      same[n.output(0)] = n.input(0);
  }
  return static_cast<int>(same.size());
}

void OnnxEditor::strip() {
  // Doc strings and the like are fields that onnx.proto does not name.
  const auto clear = [](auto& message) { message.mutable_unknown_fields()->clear(); };
  model_.clear_producer_name();
  model_.clear_producer_version();
  model_.clear_metadata_props();
  clear(model_);
  for_each_graph(graph(), [&](onnx::GraphProto& g) {
    clear(g);
    g.clear_value_info();
    for (auto& n : *g.mutable_node()) {
      clear(n);
      for (auto& a : *n.mutable_attribute()) clear(a);
    }
    for (auto& t : *g.mutable_initializer()) clear(t);
    for (auto* list : {g.mutable_input(), g.mutable_output()})
      for (auto& v : *list) clear(v);
  });
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
  read.merge(captured(graph()));
  std::set<std::string, std::less<>> dropped;
  for (const auto& t : graph().initializer())
    if (!read.contains(t.name())) dropped.insert(t.name());
  keep_if(*graph().mutable_initializer(), [&](const auto& t) { return !dropped.contains(t.name()); });
  keep_if(*graph().mutable_input(),
          [&](const auto& v) { return !dropped.contains(v.name()) && (!cut_ || read.contains(v.name())); });
  keep_if(*graph().mutable_value_info(), [&](const auto& v) { return made.contains(v.name()); });
}

std::string OnnxEditor::finish(int least, const std::map<std::string, int>& ranks, std::size_t most_bytes) {
  prune();
  embed_weights(graph());
  raise_opset(model_, least, ranks);
  if (const std::size_t bytes = model_.ByteSizeLong(); bytes > most_bytes)
    fail_hint("an engine file (monza build), which has no such limit",
              "the model has {} bytes, more than the {} that one ONNX file can hold", bytes, most_bytes);
  return model_.SerializeAsString();
}

}  // namespace monza
