#include "cli/driver.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace monza::test {
namespace {

void declare(onnx::ValueInfoProto& value, const char* name) {
  value.set_name(name);
  auto& tensor = *value.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(onnx::TensorProto::FLOAT);
  tensor.mutable_shape()->add_dim()->set_dim_value(2);
  tensor.mutable_shape()->add_dim()->set_dim_value(3);
}

}  // namespace

Tool::Tool() {
  std::string name = (std::filesystem::temp_directory_path() / "monza_cli_XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder for the test");
  folder_ = name;
}
Tool::~Tool() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Ran Tool::run(const std::string& arguments) const { return run_with("", arguments); }

Ran Tool::run_with(const std::string& before, const std::string& arguments) const {
  const std::string command = "cd '" + folder_.string() + "' && (" + before + " '" MONZA_TOOL "' " + arguments +
                              ") >stdout.txt 2>stderr.txt </dev/null";
  const int status = std::system(command.c_str());
  Ran ran;
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ran.out = read("stdout.txt");
  ran.err = read("stderr.txt");
  return ran;
}

void Tool::write(const std::string& name, const std::string& bytes) const {
  std::ofstream out(path(name), std::ios::binary);
  out << bytes;
  if (!out.flush()) throw std::runtime_error("cannot write " + name);
}

std::string Tool::read(const std::string& name) const {
  std::ifstream in(path(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void Tool::model(const std::string& name, const std::function<void(onnx::ModelProto&)>& change) const {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  auto& graph = *model.mutable_graph();
  graph.set_name("test");
  declare(*graph.add_input(), "x");
  declare(*graph.add_output(), "y");
  auto& w = *graph.add_initializer();
  w.set_name("w");
  w.set_data_type(onnx::TensorProto::FLOAT);
  w.add_dims(2);
  w.add_dims(3);
  for (int i = 0; i < 6; ++i) w.add_float_data(static_cast<float>(i));
  auto& relu = *graph.add_node();
  relu.set_name("first");
  relu.set_op_type("Relu");
  relu.add_input("x");
  relu.add_output("r");
  auto& add = *graph.add_node();
  add.set_name("second");
  add.set_op_type("Add");
  add.add_input("r");
  add.add_input("w");
  add.add_output("y");
  if (change) change(model);
  write(name, model.SerializeAsString());
}

void Tool::array(const std::string& name, const std::string& shape, int count, float start) const {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }";
  header.resize(118 - 1, ' ');
  header += '\n';
  std::string bytes("\x93NUMPY\1\0", 8);
  bytes += static_cast<char>(header.size());
  bytes += '\0';
  bytes += header;
  for (int i = 0; i < count; ++i) {
    const float v = start + static_cast<float>(i);
    char raw[4];
    std::memcpy(raw, &v, 4);
    bytes.append(raw, 4);
  }
  write(name, bytes);
}

void expect_messages(const Tool& tool, const std::string& table) {
  const std::string path = MONZA_SOURCE_FOLDER "/tests/" + table;
  std::ifstream in(path);
  ASSERT_TRUE(in.is_open()) << path;
  int number = 0;
  std::string line;
  const auto next = [&] { return ++number, static_cast<bool>(std::getline(in, line)); };
  while (next()) {
    if (line.empty() || line[0] == '#') continue;
    const std::string command = line;
    const int at = number;
    const std::size_t name = command.find("monza");
    ASSERT_TRUE(name != std::string::npos && command.substr(1, 3) == " $ ") << path << ":" << number << ": " << command;
    std::string wanted;
    while (next() && !line.empty()) wanted += line + "\n";
    const Ran ran = tool.run_with(command.substr(4, name - 4), command.substr(name + 5));
    const std::size_t error = ran.err.find("monza: error: ");
    std::string said = error == std::string::npos ? ran.out : ran.err.substr(error + 14);
    const std::string folder = tool.path("").parent_path().string();
    for (std::size_t found; (found = said.find(folder)) != std::string::npos;)
      said.replace(found, folder.size(), "FOLDER");
    if ("  " + said != wanted || ran.code != command[0] - '0')
      ADD_FAILURE_AT(path.c_str(), at) << "what is said is\n" << ran.code << command.substr(1) << "\n  " << said;
  }
}

}  // namespace monza::test
