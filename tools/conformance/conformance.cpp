#include "tools/conformance/conformance.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <fstream>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/output_file.h"
#include "engine/compare.h"
#include "import/onnx/onnx_import.h"
#include "import/onnx/tensor_file.h"
#include "tensor/dtype.h"
#include "tools/args/command.h"
#include "tools/args/inputs.h"

namespace monza::tool {
namespace fs = std::filesystem;
namespace {

std::string one_line(std::string text) {
  for (std::size_t at; (at = text.find('\n')) != std::string::npos;) text.replace(at, 1, " ");
  return text;
}

/// The files PREFIX0.pb, PREFIX1.pb, ... by their number: absent optional inputs leave gaps.
std::map<std::size_t, fs::path> numbered(const fs::path& folder, const std::string& prefix) {
  std::map<std::size_t, fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(".pb")) continue;
    std::size_t number = 0;
    const char* end = name.data() + name.size() - 3;
    if (const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, number);
        error == std::errc() && stop == end)
      files.emplace(number, entry.path());
  }
  return files;
}

/// An input or expected output: one tensor, or those of a sequence or optional.
struct TestValue {
  bool list = false, present = true;
  std::vector<Tensor> tensors;
};

TestValue read_value(const fs::path& file, const OnnxInterface::Value& declared) {
  if (declared.kind == "tensor") return {false, true, {tensor_of(*read_onnx_tensor(file).value)}};
  if (declared.kind != "sequence" && declared.kind != "optional")
    fail("'{}' has the type {}, which is not supported", declared.name, declared.kind);
  const OnnxListFile found = read_onnx_list(file, declared.kind == "optional");
  TestValue value{true, found.present, {}};
  for (const auto& constant : found.tensors) value.tensors.push_back(tensor_of(*constant));
  return value;
}

/// Least and greatest extents of the tensors, where all have one rank.
std::optional<ShapeProfile> profile_of(const std::vector<Tensor>& tensors) {
  if (tensors.empty()) return std::nullopt;
  ShapeProfile profile{tensors[0].shape(), tensors[0].shape(), tensors[0].shape()};
  for (const Tensor& t : tensors) {
    if (t.shape().size() != profile.max.size()) return std::nullopt;
    for (std::size_t a = 0; a < t.shape().size(); ++a) {
      profile.min[a] = std::min(profile.min[a], t.shape()[a]);
      profile.max[a] = profile.opt[a] = std::max(profile.max[a], t.shape()[a]);
    }
  }
  return profile;
}

Status bind_value(Context& context, const TensorInfo& info, const TestValue& value, std::vector<TensorRef>& refs) {
  if (info.kind == ValueKind::tensor) return context.bind_input(info.name, value.tensors[0]);
  if (!value.present) return context.bind_input_absent(info.name);
  refs.assign(value.tensors.begin(), value.tensors.end());
  return context.bind_input_list(info.name, refs);
}

/// "" when the output is as expected, else why not.
std::string compare_output(const Context& context, const Engine& engine, const std::string& name,
                           const TestValue& want) {
  const auto info = std::find_if(engine.outputs().begin(), engine.outputs().end(),
                                 [&](const TensorInfo& o) { return o.name == name; });
  if (info == engine.outputs().end()) return "the engine has no such output";
  if ((info->kind != ValueKind::tensor) != want.list)
    return want.list ? "is a tensor, expected a sequence or optional" : "is a sequence or optional, expected a tensor";
  if (!want.list) return compare_as_onnx(context.output(name), want.tensors[0]).reason;
  const auto got = context.output_list(name);
  if (got.has_value() != want.present) return want.present ? "is absent" : "is there, expected to be absent";
  if (!got) return "";
  if (got->size() != want.tensors.size())
    return fmt::format("has {} tensors, expected {}", got->size(), want.tensors.size());
  for (std::size_t i = 0; i < got->size(); ++i)
    if (const Comparison c = compare_as_onnx((*got)[i], want.tensors[i]); !c.ok)
      return fmt::format("tensor {}: {}", i, c.reason);
  return "";
}

/// Builds the model for the inputs, runs it and compares. Throws for whatever stops it, returns why results are wrong.
std::string run_model(const ConformanceCase& test, const OnnxInterface& interface,
                      const std::map<std::string, TestValue>& inputs, const std::map<std::size_t, fs::path>& expected,
                      const BuildOptions& options) {
  const Engine engine = Engine::build(test.model.string(), options);
  Context context = engine.create_context({.threads = options.threads});
  std::vector<std::vector<TensorRef>> refs(engine.inputs().size());
  for (std::size_t i = 0; i < engine.inputs().size(); ++i) {
    const TensorInfo& info = engine.inputs()[i];
    const auto it = inputs.find(info.name);
    if (it == inputs.end()) fail("the data gives no input '{}'", info.name);
    check(context, bind_value(context, info, it->second, refs[i]));
  }
  check(context, context.run());
  for (const auto& [k, file] : expected) {
    if (k >= interface.outputs.size())
      fail("{} has no place among the model's {} outputs", file.filename().string(), interface.outputs.size());
    const OnnxInterface::Value& output = interface.outputs[k];
    if (const std::string reason = compare_output(context, engine, output.name, read_value(file, output));
        !reason.empty())
      return fmt::format("output '{}': {}", output.name, reason);
  }
  return expected.empty() ? "the data set has no outputs to compare with" : "";
}

/// As run_model, on inputs made as ONNX's runner makes them: open dimensions are 1.
std::string run_light(const ConformanceCase& test, const OnnxInterface& interface,
                      const std::vector<OnnxInput>& declared, BuildOptions options) {
  std::map<std::string, TestValue> inputs;
  for (const OnnxInput& input : declared) {
    std::vector<std::int64_t> shape = input.shape;
    for (std::int64_t& d : shape) d = d < 0 ? 1 : d;
    if (input.dtype != DType::f32) fail("input '{}' holds {}, not floats", input.name, dtype_name(input.dtype));
    Tensor tensor(DType::f32, shape);
    for (std::int64_t i = 0; i < tensor.numel(); ++i)
      tensor.as<float>()[i] = static_cast<float>(static_cast<double>(i) / static_cast<double>(tensor.numel()));
    if (shape != input.shape) options.shapes[input.name] = {shape, shape, shape};
    inputs.emplace(input.name, TestValue{false, true, {tensor}});
  }
  return run_model(test, interface, inputs, numbered(test.model.parent_path(), test.name + "_output_"), options);
}

/// As run_model, on the inputs and outputs of a folder.
std::string run_data_set(const ConformanceCase& test, const OnnxInterface& interface,
                         const std::vector<OnnxInput>& declared, const fs::path& data, BuildOptions options) {
  std::map<std::string, TestValue> inputs;
  for (const auto& [k, file] : numbered(data, "input_")) {
    if (k >= interface.inputs.size())
      fail("{} has no place among the model's {} inputs", file.filename().string(), interface.inputs.size());
    const TestValue value = read_value(file, interface.inputs[k]);
    const std::string& name = interface.inputs[k].name;
    const auto input =
        std::find_if(declared.begin(), declared.end(), [&](const OnnxInput& i) { return i.name == name; });
    const bool open =
        input != declared.end() &&
        (!input->has_shape || std::any_of(input->shape.begin(), input->shape.end(), [](auto d) { return d < 0; }));
    if (const auto profile = profile_of(value.tensors); open && profile) options.shapes[name] = *profile;
    if (!value.list)
      if (auto values = shape_values(value.tensors[0]); !values.empty()) options.shape_values[name] = std::move(values);
    inputs.emplace(name, value);
  }
  return run_model(test, interface, inputs, numbered(data, "output_"), options);
}

}  // namespace

std::vector<ConformanceCase> find_cases(const fs::path& root) {
  if (!fs::is_directory(root))
    throw Error(message("'{}' is no folder", root.string()),
                "give a folder of ONNX backend tests, such as node/ of its test data");
  std::vector<ConformanceCase> cases;
  const auto add = [&](const fs::path& folder) {
    if (fs::exists(folder / "model.onnx"))
      cases.push_back({fs::absolute(folder).lexically_normal().filename().string(), folder, folder / "model.onnx"});
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      const fs::path& model = entry.path();
      if (model.extension() == ".onnx" && fs::exists(folder / (model.stem().string() + "_output_0.pb")))
        cases.push_back({model.stem().string(), {}, model});
    }
  };
  add(root);
  for (const fs::directory_entry& entry :
       fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied))
    if (entry.is_directory()) add(entry.path());
  if (cases.empty())
    throw Error(message("no folder below '{}' holds a model.onnx", root.string()),
                "unpack the test data, and give the folder that holds it");
  std::sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return cases;
}

std::string run_case(const ConformanceCase& test, const BuildOptions& options) {
  try {
    const OnnxInterface interface = onnx_interface(test.model);
    const std::vector<OnnxInput> declared = onnx_inputs(test.model);
    if (test.folder.empty()) return one_line(run_light(test, interface, declared, options));
    int sets = 0;
    std::vector<fs::path> folders;
    for (const fs::directory_entry& entry : fs::directory_iterator(test.folder))
      if (entry.is_directory() && entry.path().filename().string().starts_with("test_data_set_"))
        folders.push_back(entry.path());
    std::sort(folders.begin(), folders.end());
    for (const fs::path& data : folders) {
      ++sets;
      if (std::string reason = run_data_set(test, interface, declared, data, options); !reason.empty())
        return one_line(std::move(reason));
    }
    return sets == 0 ? "the folder holds no test_data_set_0" : "";
  } catch (const RunError& e) {
    return one_line(std::string("the run failed: ") + e.what());
  } catch (const Error& e) {
    // The path of the model is known to the reader: the fact, its node and the hint are what matters.
    std::string where = e.where();
    if (const std::size_t at = where.find("model '"); at != std::string::npos) where.resize(at > 5 ? at - 5 : 0);
    return one_line((where.empty() ? "" : where + ": ") + e.fact());
  } catch (const std::exception& e) {
    return one_line(std::string("unexpected exception: ") + e.what());
  }
}

std::map<std::string, std::string> read_expectations(const fs::path& file) {
  std::ifstream in(file);
  if (!in) fail_hint("the file that --write-expectations wrote", "cannot open '{}'", file.string());
  std::map<std::string, std::string> found;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string::npos || line[begin] == '#') continue;
    const std::size_t colon = line.find(':', begin);
    const std::size_t reason = colon == std::string::npos ? colon : line.find_first_not_of(" \t\r", colon + 1);
    if (reason == std::string::npos)
      throw Error("the line is not of the form 'name: reason'", "say why the test is expected to fail")
          .at(message("'{}', line {}", file.string(), number));
    found[line.substr(begin, line.find_last_not_of(" \t", colon - 1) + 1 - begin)] =
        line.substr(reason, line.find_last_not_of(" \t\r") + 1 - reason);
  }
  return found;
}

bool may_pass(const std::string& reason) { return reason.starts_with("random"); }

void write_expectations(const fs::path& file, const std::map<std::string, std::string>& reasons) {
  std::string text =
      "# Tests that fail, with the reason. Written by: monza conformance DIR --write-expectations FILE\n";
  for (const auto& [name, reason] : reasons)
    text += name + ": " + (reason.size() > 160 ? reason.substr(0, 157) + "..." : reason) + "\n";
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(text))};
  write_file(file, pieces);
}

}  // namespace monza::tool
