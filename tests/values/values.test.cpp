// What small models compute, number by number: src/ops/<family>/<family>.values.txt hold models (in the notation of
// support/onnx_notation.h) and, indented below each, the tensors that come out, as the ONNX standard has them:
//
//   ranged 2: MaxPool(x: f32[1,1,1] = 1; kernel_shape = [2], strides = [2], ceil_mode = 1)
//     f32[1,1,1] = 1
//
// Each model is computed while it is built (all its inputs are constants), and run: its named constants are inputs
// then, with all passes and kernels at one and two threads, with kernels drawn at random, and with reference kernels.
// After `ranged` stand axes of the first input whose extents are ranges from 0, too. Lines that begin with # are
// comments; adding a case compiles nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "import/onnx/proto_file.h"
#include "support/data.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza {
namespace {

struct Case {
  int line = 0;
  std::string model;
  std::vector<int> ranged;  ///< axes of the first input
  std::vector<std::string> expected;
};

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == ' ') {
      if (cases.empty()) throw Error(fmt::format("{}:{}: numbers without a model", path.string(), number));
      cases.back().expected.push_back(line);
      continue;
    }
    cases.push_back({number, line, {}, {}});
    if (!line.starts_with("ranged ")) continue;
    const std::size_t colon = line.find(':');
    std::istringstream axes(line.substr(7, colon - 7));
    for (int axis; axes >> axis;) cases.back().ranged.push_back(axis);
    cases.back().model = line.substr(colon + 1);
  }
  return cases;
}

Tensor tensor_of(const onnx::TensorProto& proto) {
  auto model = std::make_shared<onnx::ModelProto>();
  *model->mutable_graph()->add_initializer() = proto;
  const auto constant = OnnxFile::around(model, ".")->constant(model->graph().initializer(0));
  const std::vector<std::int64_t> shape(constant->shape.dim, constant->shape.dim + constant->shape.rank);
  Tensor tensor(constant->dtype, shape);
  if (tensor.bytes() > 0) std::memcpy(tensor.ref().data, constant->bytes.data(), tensor.bytes());
  return tensor;
}

std::string number_text(double v) { return fmt::format("{:.9g}", v); }

/// "" or how `got` differs from `want`.
std::string difference(const TensorRef& got, const TensorRef& want) {
  if (got.dtype != want.dtype || got.shape != want.shape) {
    std::string extents;
    for (std::int64_t e : got.shape) extents += (extents.empty() ? "" : ",") + std::to_string(e);
    return fmt::format("{}[{}] came out", dtype_name(got.dtype), extents);
  }
  std::int64_t count = 1;
  for (std::int64_t e : want.shape) count *= e;
  const ElementAccess& access = element_access(want.dtype);
  std::string all;
  bool same = true;
  for (std::int64_t i = 0; i < count; ++i) {
    const double a = access.load(got.data, i), b = access.load(want.data, i);
    all += (i > 0 ? ", " : "") + number_text(a);
    const bool exact = !is_float(want.dtype) || !std::isfinite(b);
    same = same && (std::isnan(b) ? std::isnan(a) : exact ? a == b : std::fabs(a - b) <= 2e-6 * std::fabs(b) + 1e-6);
  }
  return same ? "" : "[" + all + "] came out";
}

/// Builds the model, runs it on `inputs` and compares; "" or what is wrong.
std::string problem_of(const onnx::ModelProto& model, const std::map<std::string, Tensor>& inputs,
                       const std::vector<Tensor>& expected, const BuildOptions& options, const std::string& path) {
  std::ofstream(path, std::ios::binary) << model.SerializeAsString();
  try {
    const Engine engine = Engine::build(path, options);
    Context context = engine.create_context();
    for (const TensorInfo& info : engine.inputs())
      if (const Status s = context.bind_input(info.name, inputs.at(info.name)); !s) return context.describe(s);
    if (const Status s = context.run(); !s) return context.describe(s);
    if (engine.outputs().size() != expected.size()) return "another number of outputs came out";
    for (std::size_t i = 0; i < expected.size(); ++i)
      if (std::string d = difference(context.output(i), expected[i].ref()); !d.empty()) return d;
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

void check(const Case& c, const std::filesystem::path& file, const std::string& path) {
  test::NotedModel noted = test::parse_onnx_notation(c.model);
  std::vector<Tensor> expected;
  for (const std::string& line : c.expected)
    expected.push_back(
        tensor_of(test::parse_onnx_notation("Identity(want:" + line + ")").model.graph().initializer(0)));
  const auto expect = [&](const onnx::ModelProto& model, const std::map<std::string, Tensor>& inputs,
                          const BuildOptions& options, const char* how) {
    const std::string problem = problem_of(model, inputs, expected, options, path);
    if (!problem.empty()) ADD_FAILURE_AT(file.c_str(), c.line) << c.model << "\n" << how << ": " << problem;
  };
  expect(noted.model, {}, noted.options, "computed while it is built");

  // Named constants become inputs.
  onnx::ModelProto model = noted.model;
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.clear_initializer();
  std::map<std::string, Tensor> inputs;
  std::string first;
  for (const onnx::TensorProto& t : noted.model.graph().initializer()) {
    if (t.name().starts_with("arg")) {
      *graph.add_initializer() = t;
      continue;
    }
    if (first.empty()) first = t.name();
    inputs.emplace(t.name(), tensor_of(t));
    auto* info = graph.add_input();
    info->set_name(t.name());
    auto* type = info->mutable_type()->mutable_tensor_type();
    type->set_elem_type(t.data_type());
    type->mutable_shape();
    for (std::int64_t d : t.dims()) type->mutable_shape()->add_dim()->set_dim_value(d);
  }
  BuildOptions options = noted.options;
  expect(model, inputs, options, "run at one thread");
  options.threads = 2;
  expect(model, inputs, options, "run at two threads");
  options.optimize = false;
  expect(model, inputs, options, "run by reference kernels");
  const auto expect_drawn = [&](BuildOptions drawn, const char* how) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      drawn.tactic_seed = seed;
      expect(model, inputs, drawn, how);
    }
  };
  expect_drawn(noted.options, "run by kernels drawn at random");
  if (c.ranged.empty()) return;
  ShapeProfile profile;
  profile.opt.assign(inputs.at(first).shape().begin(), inputs.at(first).shape().end());
  profile.min = profile.max = profile.opt;
  for (int axis : c.ranged) {
    profile.min[static_cast<std::size_t>(axis)] = 0;
    profile.max[static_cast<std::size_t>(axis)] += 3;
    graph.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(axis)->set_dim_param(
        "d" + std::to_string(axis));
  }
  options = noted.options;
  options.shapes[first] = profile;
  expect(model, inputs, options, "run in a range of shapes");
  expect_drawn(options, "run in a range of shapes by kernels drawn at random");
}

std::vector<std::filesystem::path> files() {
  const auto root = std::filesystem::path(test::fixture("")).parent_path().parent_path().parent_path();
  std::vector<std::filesystem::path> found;
  for (const auto& e : std::filesystem::recursive_directory_iterator(root / "src"))
    if (e.path().string().ends_with(".values.txt")) found.push_back(e.path());
  std::sort(found.begin(), found.end());
  return found;
}

class Values : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Values, AreAsTheStandardHasThem) {
  const test::TemporaryFolder folder;
  const auto cases = read_cases(GetParam());
  EXPECT_FALSE(cases.empty());
  for (const Case& c : cases) check(c, GetParam(), (std::filesystem::path(folder.path()) / "m").string());
}

INSTANTIATE_TEST_SUITE_P(Of, Values, testing::ValuesIn(files()), [](const auto& info) {
  std::string name = info.param.filename().string();
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

}  // namespace
}  // namespace monza
