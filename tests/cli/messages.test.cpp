// The tool's messages to the letter: tests/cli/tool.messages.txt, on the files that are made here.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/driver.h"
#include "io/npz.h"
#include "support/error_text.h"
#include "support/letters_model.h"
#include "tools/conformance/conformance.h"
#include "tools/measure/ceilings.h"

namespace monza::test {
namespace {

onnx::TensorShapeProto& shape_of(onnx::ValueInfoProto& value) {
  return *value.mutable_type()->mutable_tensor_type()->mutable_shape();
}
void set_shape(onnx::ValueInfoProto& value, std::initializer_list<std::int64_t> shape) {
  shape_of(value).Clear();
  for (const std::int64_t d : shape) shape_of(value).add_dim()->set_dim_value(d);
}
void set_type(onnx::ModelProto& m, onnx::TensorProto::DataType type) {
  m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(type);
}
/// Only y = Relu(x), of that shape.
void keep_relu(onnx::ModelProto& m, std::initializer_list<std::int64_t> shape) {
  auto& graph = *m.mutable_graph();
  graph.mutable_node()->RemoveLast();
  graph.mutable_initializer()->Clear();
  graph.mutable_node(0)->set_output(0, "y");
  set_shape(*graph.mutable_input(0), shape);
  set_shape(*graph.mutable_output(0), shape);
}
/// A second input takes the place of w.
void two_inputs(onnx::ModelProto& m) {
  auto& graph = *m.mutable_graph();
  graph.mutable_initializer()->Clear();
  *graph.add_input() = graph.input(0);
  graph.mutable_input(1)->set_name("w");
}
std::string tensor_bytes(onnx::TensorProto::DataType type) {
  onnx::TensorProto tensor;
  tensor.set_data_type(type);
  tensor.add_dims(2);
  tensor.add_dims(3);
  for (int i = 0; i < 6; ++i)
    if (type == onnx::TensorProto::FLOAT) tensor.add_float_data(static_cast<float>(i));
    else tensor.add_int64_data(i);
  return tensor.SerializeAsString();
}

void make_models(const Tool& tool) {
  tool.model("m.onnx");
  tool.model("two.onnx", two_inputs);
  // What stands for an interpreter with ONNX Runtime.
  for (const auto& [name, says] :
       {std::pair("refuses.sh", R"({"refused": "not this one"})"), std::pair("ends.sh", R"({"version": "0"})")}) {
    tool.write(name, std::string("#!/bin/sh\necho '") + says + "'\n");
    std::filesystem::permissions(tool.path(name), std::filesystem::perms::owner_all);
  }
  tool.model("dyn.onnx", [](onnx::ModelProto& m) {
    keep_relu(m, {2, 3});
    for (auto* value : {m.mutable_graph()->mutable_input(0), m.mutable_graph()->mutable_output(0)})
      shape_of(*value).mutable_dim(0)->set_dim_param("batch");
  });
  tool.model("dots.onnx", [](onnx::ModelProto& m) {
    keep_relu(m, {2, 3});
    shape_of(*m.mutable_graph()->mutable_input(0)).mutable_dim(0)->set_dim_param("Dynamic.0");
    m.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  });
  tool.model("i64.onnx", [](onnx::ModelProto& m) {
    set_type(m, onnx::TensorProto::INT64);
    m.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(7);
    keep_relu(m, {2, 3});
  });
  tool.model("heavy.onnx", [](onnx::ModelProto& m) {
    auto& tensor = *m.mutable_graph()->add_initializer();
    tensor.set_name("v");
    tensor.set_data_type(onnx::TensorProto::UINT8);
    tensor.add_dims(INT64_MAX);
  });
  tool.model("text.onnx", [](onnx::ModelProto& m) {
    keep_relu(m, {2, 3});
    set_type(m, onnx::TensorProto::STRING);
    m.mutable_graph()->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(8);
    m.mutable_graph()->mutable_node(0)->set_op_type("Identity");
  });
  tool.model("reshape.onnx", [](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    graph.mutable_initializer()->Clear();
    *graph.add_input() = graph.input(0);
    graph.mutable_input(1)->set_name("s");
    graph.mutable_input(1)->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::INT64);
    set_shape(*graph.mutable_input(1), {2});
    graph.mutable_node()->RemoveLast();
    graph.mutable_node(0)->set_output(0, "y");
    graph.mutable_node(0)->set_op_type("Reshape");
    graph.mutable_node(0)->add_input("s");
  });
  tool.model("picture.onnx", [](onnx::ModelProto& m) { keep_relu(m, {1, 3, 4, 4}); });
  tool.model("wide.onnx", [](onnx::ModelProto& m) { keep_relu(m, {1, 3, 1, 70000}); });
  tool.model("other.onnx", [](onnx::ModelProto& m) {
    m.mutable_graph()->mutable_output(0)->set_name("z");
    m.mutable_graph()->mutable_node(1)->set_output(0, "z");
  });
  ASSERT_EQ(tool.run("build m.onnx --no-tune --output m.engine").code, 0);
  ASSERT_EQ(tool.run("build two.onnx --no-tune --output two.engine").code, 0);
  ASSERT_EQ(tool.run("build other.onnx --no-tune --output other.engine").code, 0);
  ASSERT_EQ(tool.run("build m.onnx --no-tune --strip --output stripped.engine").code, 0);
  ASSERT_EQ(tool.run("build m.onnx --device reference --output reference.engine").code, 0);
  ASSERT_EQ(tool.run("build dyn.onnx --no-tune --output dyn.engine --min-shape batch=1 --max-shape batch=4").code, 0);
}

void make_arrays(const Tool& tool) {
  tool.array("a.npy", "(2, 3)", 6);
  tool.array("b.npy", "(3, 2)", 6);
  tool.array("c.npy", "(5, 3)", 15);
  tool.write("i64.pb", tensor_bytes(onnx::TensorProto::INT64));
  const Tensor tensor(DType::f32, {2, 3});
  const io::NamedRef arrays[] = {{"x", tensor.ref()}, {"q", tensor.ref()}};
  io::write_npz(tool.path("two.npz"), arrays);
  io::write_npz(tool.path("q.npz"), std::span(arrays).subspan(1));
  io::write_npz(tool.path("y.npz"), std::vector<io::NamedRef>{{"y", tensor.ref()}});
  std::filesystem::create_directories(tool.path("samples"));
  io::write_npz(tool.path("samples/two.npz"), arrays);
  tool.write("p.ppm", "P6\n2 2\n255\n" + std::string(12, '\0'));
  tool.write("letters.gguf", letters_model());
  tool.write("model.pt", std::string("PK\3\4", 4));
  tool.write("text.json", "{\"layers\": 1}");
  tool.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\n");
}

/// A folder of backend tests whose names say what is wrong with each.
void make_cases(const Tool& tool) {
  const auto add = [&](const std::string& name, std::initializer_list<const char*> files,
                       const std::function<void(onnx::ModelProto&)>& change = {}) {
    const std::string folder = "cases/" + name;
    std::filesystem::create_directories(tool.path(folder + (files.size() > 0 ? "/test_data_set_0" : "")));
    tool.model(folder + "/model.onnx", change);
    for (const char* file : files)
      tool.write(folder + "/test_data_set_0/" + file, tensor_bytes(onnx::TensorProto::FLOAT));
  };
  add("no_data", {});
  add("no_input", {"output_0.pb"});
  add("no_outputs", {"input_0.pb"});
  add("second_input", {"input_0.pb", "input_1.pb"});
  add("second_output", {"input_0.pb", "output_1.pb"});
  add("wrong", {"input_0.pb", "output_0.pb"});
  add("map", {"input_0.pb"}, [](onnx::ModelProto& m) {
    auto& type = *m.mutable_graph()->mutable_input(0)->mutable_type();
    type.Clear();
    type.mutable_map_type()->set_key_type(7);
    type.mutable_map_type()->mutable_value_type()->mutable_tensor_type()->set_elem_type(1);
  });
  tool.model("cases/light.onnx", [](onnx::ModelProto& m) { set_type(m, onnx::TensorProto::INT64); });
  tool.write("cases/light_output_0.pb", tensor_bytes(onnx::TensorProto::FLOAT));
  std::filesystem::create_directories(tool.path("empty"));
  tool.write("known.txt", "# known\nwrong: the model adds\nno reason\n");
}

TEST(CliMessages, AreThoseOfTheTable) {
  const Tool tool;
  make_models(tool);
  make_arrays(tool);
  make_cases(tool);
  expect_messages(tool, "cli/tool.messages.txt");
}

// Sanitizers need more address space than the limit leaves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST(CliMessages, OfTooLittleMemory) {
  const std::string text = error_under_limit(RLIMIT_AS, 1 << 20, [] { (void)tool::measure_ceilings(1, Isa::none); });
  // How much it asks for depends on the CPU's caches.
  EXPECT_TRUE(
      text.starts_with("cannot get ") &&
      text.ends_with(" MiB to measure memory with\n  try: raise the limit on address space (ulimit -v), or leave "
                     "the ceilings out (--no-ceilings)"))
      << text;
}

// Nor fewer files: they check what they report of through a pipe.
TEST(CliMessages, OfTooFewFiles) {
  const auto isolated = [] { tool::run_isolated(1, 1, 1, [](std::size_t) { return ""; }, [](const auto&) {}); };
  EXPECT_EQ(error_under_limit(RLIMIT_NOFILE, 3, isolated), "cannot make a pipe: Too many open files");
}

#endif

}  // namespace
}  // namespace monza::test
