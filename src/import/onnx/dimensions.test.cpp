// Dimensions of the model's inputs, and branches that only some of the shapes take.
#include <gtest/gtest.h>

#include <fstream>

#include "base/log.h"
#include "import/onnx/onnx_import.h"
#include "import/onnx/plausible_shape.h"
#include "monza/engine.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza {
namespace {

std::string written(const test::TemporaryFolder& folder, const onnx::ModelProto& model) {
  const std::string path = folder / "m";
  std::ofstream(path, std::ios::binary) << model.SerializeAsString();
  return path;
}

TEST(OnnxDimensions, WhatIsProposedFitsTheNodes) {
  const test::TemporaryFolder folder;
  const auto proposed = [&](const char* text, std::vector<std::int64_t> weight = {}) {
    onnx::ModelProto model = test::parse_onnx_notation(text).model;
    if (!weight.empty()) {
      auto& w = *model.mutable_graph()->add_initializer();
      w.set_name("w");
      w.set_data_type(onnx::TensorProto::FLOAT);
      std::int64_t elements = 1;
      for (const std::int64_t extent : weight) w.add_dims(extent), elements *= extent;
      w.set_raw_data(std::string(static_cast<std::size_t>(elements) * sizeof(float), '\0'));
    }
    return plausible_shapes(written(folder, model)).at("x");
  };
  using Shape = std::vector<std::int64_t>;
  EXPECT_EQ(proposed("Conv(x: f32[n,c,h,w], w: f32[4,3,3,3])", {4, 3, 3, 3}), (Shape{1, 3, 224, 224}));
  EXPECT_EQ(proposed("Conv(x: f32[n,c,64,w], w: f32[4,2,3,3]; group = 2)", {4, 2, 3, 3}), (Shape{1, 4, 64, 224}));
  EXPECT_EQ(proposed("Conv(x: f32[n,c,t], w: f32[4,80,3])", {4, 80, 3}), (Shape{1, 80, 1000}));
  EXPECT_EQ(proposed("Relu(x: f32[n,3,h,w])"), (Shape{1, 3, 224, 224}));
  EXPECT_EQ(proposed("Relu(x: f32[n,h,w,3])"), (Shape{1, 224, 224, 3}));
  EXPECT_EQ(proposed("Abs(x: i64[batch,tokens])"), (Shape{1, 8}));
  EXPECT_EQ(proposed("Relu(x: f32[n,m])"), (Shape{1, 1}));
}

TEST(OnnxDimensions, WhatIsNoNameIsAnotherDimensionOnEveryAxis) {
  for (const char* name : {"?", "-1", "", "*", "None", "null", "unk", "Unknown"}) {
    const test::TemporaryFolder folder;
    auto noted = test::parse_onnx_notation("Relu(x: f32[a,3,b])");
    auto& shape =
        *noted.model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
    for (const int axis : {0, 2}) shape.mutable_dim(axis)->set_dim_param(name);
    const std::string path = written(folder, noted.model);
    const auto graph = import_onnx(path);
    EXPECT_EQ(ir::to_string(graph->value(graph->inputs()[0]).type), "f32[x_0,3,x_2]") << name;
    EXPECT_EQ(onnx_inputs(path)[0].symbols, (std::vector<std::string>{"", "", ""})) << name;
    OnnxImportOptions options;
    options.shapes["x"] = {1, 3, 2};
    EXPECT_EQ(ir::to_string(import_onnx(path, options)->value(0).type), "f32[1,3,2]") << name;
  }
  const test::TemporaryFolder folder;
  const auto graph = import_onnx(written(folder, test::parse_onnx_notation("Relu(x: f32[n,n,unk__1])").model));
  EXPECT_EQ(ir::to_string(graph->value(graph->inputs()[0]).type), "f32[n,n,unk__1]");
}

/// A branch for each of two rates. Each takes away the last axis where it has one element, as torch.squeeze is
/// exported: one of 4 elements for the first rate, of 2 for the second.
Engine two_profiles(const test::TemporaryFolder& folder) {
  const auto branch = [](const std::string& n, int first) {
    return n + "p = Slice(x, [" + std::to_string(first) + "], [99], [2]) " + n + "s = Shape(" + n + "p) " + n +
           "d = Gather(" + n + "s, 2) " + n + "c = Equal(" + n + "d, 1) " + n + "y = If(" + n + "c; then_branch = { " +
           n + "a = Squeeze(" + n + "p, [2]) return " + n + "a }, else_branch = { " + n + "b = Identity(" + n +
           "p) return " + n + "b }) " + n + "r = MatMul(" + n + "y, w) return " + n + "r";
  };
  const auto noted = test::parse_onnx_notation(
      "x: f32[1,3,n] rate: i64[] w: f32[3,2] = [1, 2, 3, 4, 5, 6] is = Equal(rate, 16) y = If(is; then_branch = { " +
      branch("t", 3) + " }, else_branch = { " + branch("e", 1) + " }) return y");
  BuildOptions options;
  options.threads = 1;
  options.tune = false;
  for (const std::int64_t n : {4, 2}) {
    ShapeProfile profile;
    profile.opt = {1, 3, n};
    options.profiles.push_back({{"x", profile}});
  }
  return Engine::build(written(folder, noted.model), options);
}

TEST(OnnxBranches, EachProfileTakesTheBranchThatFitsIt) {
  const test::TemporaryFolder folder;
  testing::internal::CaptureStderr();
  set_log_level(LogLevel::info);
  const Engine engine = two_profiles(folder);
  set_log_level(LogLevel::warning);
  // Which branch fits is tried, and the log says what became of the other.
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("fails when it is taken: the results of the branches differ in rank"), std::string::npos) << said;
  Context context = engine.create_context();
  const auto run = [&](std::int64_t n, std::int64_t rate) {
    Tensor x(DType::f32, {1, 3, n}), r(DType::i64, {});
    for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = static_cast<float>(i);
    *r.as<std::int64_t>() = rate;
    EXPECT_TRUE(context.bind_input("x", x).ok());
    EXPECT_TRUE(context.bind_input("rate", r).ok());
    const Status status = context.run();
    if (!status.ok()) return context.describe(status);
    const TensorRef y = context.output("y");
    return std::to_string(y.as<float>()[0]) + " " + std::to_string(y.as<float>()[1]);
  };
  // The last elements of rows of 4 and of 2, times w.
  EXPECT_EQ(run(4, 16), "79.000000 100.000000");  // 3, 7, 11
  EXPECT_EQ(run(2, 8), "35.000000 44.000000");    // 1, 3, 5
  EXPECT_EQ(run(4, 8).substr(0, 54), "this branch does not fit the shapes the engine was bui");
}

}  // namespace
}  // namespace monza
