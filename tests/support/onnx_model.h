// ONNX models made in memory, for tests that need what no exporter writes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "onnx.pb.h"

namespace monza::test {

/// Adds to a graph or to a function's body. Values go by name; attributes are set on the node that comes back.
onnx::NodeProto* add_node(onnx::GraphProto& graph, const std::string& op, const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs);
onnx::NodeProto* add_node(onnx::FunctionProto& function, const std::string& op, const std::vector<std::string>& inputs,
                          const std::vector<std::string>& outputs);
void set_int(onnx::NodeProto* node, const std::string& name, std::int64_t value);
void set_ints(onnx::NodeProto* node, const std::string& name, const std::vector<std::int64_t>& values);
/// An empty body to be filled.
onnx::GraphProto* add_body(onnx::NodeProto* node, const std::string& name);

using Extents = std::vector<std::int64_t>;  ///< -1 leaves one open
void add_input(onnx::GraphProto& graph, const std::string& name, onnx::TensorProto::DataType type,
               const Extents& shape);
void add_output(onnx::GraphProto& graph, const std::string& name);
void add_ints(onnx::GraphProto& graph, const std::string& name, const std::vector<std::int64_t>& values,
              const Extents& shape);
void add_floats(onnx::GraphProto& graph, const std::string& name, const std::vector<float>& values,
                const Extents& shape);

/// Of opset 17, with an empty graph.
onnx::ModelProto empty_model(int opset = 17);
/// A function of the domain "f" with one input x and one output y, to be filled; nodes call it with domain "f".
onnx::FunctionProto* add_function(onnx::ModelProto& model, const std::string& name);
void write_model(const onnx::ModelProto& model, const std::string& path);

}  // namespace monza::test
