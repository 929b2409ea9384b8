// Writes a small ONNX model, y = relu(x w + b), for tests that need a file: make_model OUT.onnx
#include <onnx.pb.h>

#include <cstdio>
#include <fstream>

namespace {

void set_shape(monza::onnx::ValueInfoProto* info, const char* name, std::initializer_list<int> shape) {
  info->set_name(name);
  monza::onnx::TypeProto_Tensor* type = info->mutable_type()->mutable_tensor_type();
  type->set_elem_type(monza::onnx::TensorProto::FLOAT);
  for (int extent : shape) type->mutable_shape()->add_dim()->set_dim_value(extent);
}

void add_initializer(monza::onnx::GraphProto* graph, const char* name, std::initializer_list<int> shape) {
  monza::onnx::TensorProto* t = graph->add_initializer();
  t->set_name(name);
  t->set_data_type(monza::onnx::TensorProto::FLOAT);
  int count = 1;
  for (int extent : shape) {
    t->add_dims(extent);
    count *= extent;
  }
  for (int i = 0; i < count; ++i) t->add_float_data(0.125f * static_cast<float>(i % 7 - 3));
}

void add_node(monza::onnx::GraphProto* graph, const char* op, std::initializer_list<const char*> inputs,
              const char* output) {
  monza::onnx::NodeProto* node = graph->add_node();
  node->set_op_type(op);
  node->set_name(output);
  for (const char* input : inputs) node->add_input(input);
  node->add_output(output);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  monza::onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  monza::onnx::GraphProto* graph = model.mutable_graph();
  graph->set_name("small");
  set_shape(graph->add_input(), "x", {2, 16});
  set_shape(graph->add_output(), "y", {2, 8});
  add_initializer(graph, "w", {16, 8});
  add_initializer(graph, "b", {8});
  add_node(graph, "MatMul", {"x", "w"}, "product");
  add_node(graph, "Add", {"product", "b"}, "sum");
  add_node(graph, "Relu", {"sum"}, "y");
  std::ofstream file(argv[1], std::ios::binary);
  return model.SerializeToOstream(&file) ? 0 : 1;
}
