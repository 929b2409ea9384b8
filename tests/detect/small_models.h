// Models of one node for the tests of `monza detect` and `monza classify`.
#pragma once

#include <initializer_list>
#include <string>

#include "cli/driver.h"

namespace monza::test {

using Shape = std::initializer_list<std::int64_t>;

inline void declare(onnx::ValueInfoProto& value, const std::string& name, Shape shape,
                    onnx::TensorProto::DataType type) {
  value.Clear();
  value.set_name(name);
  auto& tensor = *value.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type);
  for (const std::int64_t d : shape) tensor.mutable_shape()->add_dim()->set_dim_value(d);
}
inline onnx::NodeProto& add_node(onnx::GraphProto& graph, const char* op, std::initializer_list<std::string> inputs,
                                 const std::string& output) {
  auto& node = *graph.add_node();
  node.set_name(output);
  node.set_op_type(op);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(output);
  return node;
}

/// The mean of each channel: a classifier of three classes.
inline void classifier(const Tool& tool) {
  tool.model("cls.onnx", [](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    graph.clear_node();
    graph.clear_initializer();
    declare(*graph.mutable_input(0), "x", {1, 3, 8, 8}, onnx::TensorProto::FLOAT);
    declare(*graph.mutable_output(0), "y", {1, 3}, onnx::TensorProto::FLOAT);
    auto& node = add_node(graph, "ReduceMean", {"x"}, "y");
    auto& axes = *node.add_attribute();
    axes.set_name("axes");
    axes.set_type(onnx::AttributeProto::INTS);
    axes.add_ints(2);
    axes.add_ints(3);
    auto& keep = *node.add_attribute();
    keep.set_name("keepdims");
    keep.set_type(onnx::AttributeProto::INT);
    keep.set_i(0);
  });
}

}  // namespace monza::test
