// Writes a small ONNX model for tests that need a file: make_model OUT.onnx, y = relu(x w + b), or make_model OUT.onnx
// scale, y = org.example.Scale(x; factor = 2) - (x + x), or make_model OUT.onnx detector, a head of yolov8 with one
// object as sure as the picture is bright.
#include <onnx.pb.h>

#include <cstdio>
#include <fstream>
#include <string_view>

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

monza::onnx::NodeProto* add_node(monza::onnx::GraphProto* graph, const char* op,
                                 std::initializer_list<const char*> inputs, const char* output) {
  monza::onnx::NodeProto* node = graph->add_node();
  node->set_op_type(op);
  node->set_name(output);
  for (const char* input : inputs) node->add_input(input);
  node->add_output(output);
  return node;
}

void fill_relu(monza::onnx::GraphProto* graph) {
  set_shape(graph->add_input(), "x", {2, 16});
  set_shape(graph->add_output(), "y", {2, 8});
  add_initializer(graph, "w", {16, 8});
  add_initializer(graph, "b", {8});
  add_node(graph, "MatMul", {"x", "w"}, "product");
  add_node(graph, "Add", {"product", "b"}, "sum");
  add_node(graph, "Relu", {"sum"}, "y");
}

void fill_scale(monza::onnx::GraphProto* graph) {
  set_shape(graph->add_input(), "x", {2, 16});
  set_shape(graph->add_output(), "y", {2, 16});
  monza::onnx::NodeProto* scale = add_node(graph, "Scale", {"x"}, "scaled");
  scale->set_domain("org.example");
  monza::onnx::AttributeProto* factor = scale->add_attribute();
  factor->set_name("factor");
  factor->set_type(monza::onnx::AttributeProto::FLOAT);
  factor->set_f(2);
  add_node(graph, "Add", {"x", "x"}, "twice");
  add_node(graph, "Sub", {"scaled", "twice"}, "y");
}

void fill_detector(monza::onnx::GraphProto* graph) {
  constexpr int cells = 84;  // of 64 x 64 pixels
  set_shape(graph->add_input(), "images", {1, 3, 64, 64});
  set_shape(graph->add_output(), "output0", {1, 5, cells});
  add_initializer(graph, "object", {1, 5, cells});
  monza::onnx::TensorProto* values = graph->mutable_initializer(0);
  for (int i = 0; i < values->float_data_size(); ++i) values->set_float_data(i, 0);
  const float object[5] = {32, 32, 16, 8, 1};  // centre, size, score
  for (int row = 0; row < 5; ++row) values->set_float_data(row * cells + 70, object[row]);
  monza::onnx::AttributeProto* keep = add_node(graph, "ReduceMean", {"images"}, "brightness")->add_attribute();
  keep->set_name("keepdims");
  keep->set_type(monza::onnx::AttributeProto::INT);
  keep->set_i(0);
  add_node(graph, "Mul", {"brightness", "object"}, "output0");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view kind = argc == 3 ? argv[2] : "";
  const bool scale = kind == "scale", detector = kind == "detector";
  if (argc != 2 && !scale && !detector) return 2;
  monza::onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  monza::onnx::GraphProto* graph = model.mutable_graph();
  graph->set_name("small");
  if (scale) {
    monza::onnx::OperatorSetIdProto* set = model.add_opset_import();
    set->set_domain("org.example");
    set->set_version(1);
    fill_scale(graph);
  } else if (detector) {
    fill_detector(graph);
  } else {
    fill_relu(graph);
  }
  std::ofstream file(argv[1], std::ios::binary);
  return model.SerializeToOstream(&file) ? 0 : 1;
}
