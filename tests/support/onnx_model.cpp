#include "support/onnx_model.h"

#include <fstream>
#include <stdexcept>

namespace monza::test {
namespace {

template <typename Owner>
onnx::NodeProto* add(Owner& owner, const std::string& op, const std::vector<std::string>& inputs,
                     const std::vector<std::string>& outputs) {
  onnx::NodeProto* node = owner.add_node();
  node->set_op_type(op);
  for (const std::string& name : inputs) node->add_input(name);
  for (const std::string& name : outputs) node->add_output(name);
  return node;
}

onnx::TensorProto* add_tensor(onnx::GraphProto& graph, const std::string& name, onnx::TensorProto::DataType type,
                              const Extents& shape) {
  onnx::TensorProto* t = graph.add_initializer();
  t->set_name(name);
  t->set_data_type(type);
  for (const std::int64_t extent : shape) t->add_dims(extent);
  return t;
}

}  // namespace

onnx::NodeProto* add_node(onnx::GraphProto& graph, const std::string& op, const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs) {
  return add(graph, op, inputs, outputs);
}
onnx::NodeProto* add_node(onnx::FunctionProto& function, const std::string& op, const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs) {
  return add(function, op, inputs, outputs);
}

void set_int(onnx::NodeProto* node, const std::string& name, std::int64_t value) {
  onnx::AttributeProto* a = node->add_attribute();
  a->set_name(name);
  a->set_type(onnx::AttributeProto::INT);
  a->set_i(value);
}

void set_ints(onnx::NodeProto* node, const std::string& name, const std::vector<std::int64_t>& values) {
  onnx::AttributeProto* a = node->add_attribute();
  a->set_name(name);
  a->set_type(onnx::AttributeProto::INTS);
  for (const std::int64_t v : values) a->add_ints(v);
}

onnx::GraphProto* add_body(onnx::NodeProto* node, const std::string& name) {
  onnx::AttributeProto* a = node->add_attribute();
  a->set_name(name);
  a->set_type(onnx::AttributeProto::GRAPH);
  a->mutable_g()->set_name(name);
  return a->mutable_g();
}

void add_input(onnx::GraphProto& graph, const std::string& name, onnx::TensorProto::DataType type,
               const Extents& shape) {
  onnx::ValueInfoProto* info = graph.add_input();
  info->set_name(name);
  onnx::TypeProto_Tensor* tensor = info->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  tensor->mutable_shape();
  for (const std::int64_t extent : shape) {
    auto* dim = tensor->mutable_shape()->add_dim();
    if (extent >= 0) dim->set_dim_value(extent);
  }
}

void add_output(onnx::GraphProto& graph, const std::string& name) { graph.add_output()->set_name(name); }

void add_ints(onnx::GraphProto& graph, const std::string& name, const std::vector<std::int64_t>& values,
              const Extents& shape) {
  onnx::TensorProto* t = add_tensor(graph, name, onnx::TensorProto::INT64, shape);
  for (const std::int64_t v : values) t->add_int64_data(v);
}

void add_floats(onnx::GraphProto& graph, const std::string& name, const std::vector<float>& values,
                const Extents& shape) {
  onnx::TensorProto* t = add_tensor(graph, name, onnx::TensorProto::FLOAT, shape);
  for (const float v : values) t->add_float_data(v);
}

onnx::ModelProto empty_model(int opset) {
  onnx::ModelProto model;
  model.set_ir_version(10);
  model.add_opset_import()->set_version(opset);
  auto* functions = model.add_opset_import();
  functions->set_domain("f");
  functions->set_version(1);
  model.mutable_graph()->set_name("g");
  return model;
}

onnx::FunctionProto* add_function(onnx::ModelProto& model, const std::string& name) {
  onnx::FunctionProto* f = model.add_functions();
  f->set_domain("f");
  f->set_name(name);
  f->add_input("x");
  f->add_output("y");
  for (const auto& o : model.opset_import()) *f->add_opset_import() = o;
  return f;
}

void write_model(const onnx::ModelProto& model, const std::string& path) {
  std::ofstream file(path, std::ios::binary);
  if (!model.SerializeToOstream(&file)) throw std::runtime_error("cannot write " + path);
}

}  // namespace monza::test
