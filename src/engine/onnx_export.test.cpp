// A quantised model as ONNX is the engine of its plan once more, and nothing but standard operators.
#include "engine/onnx_export.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "engine/observer.h"
#include "engine/session.h"
#include "import/onnx/onnx_editor.h"
#include "monza/error.h"
#include "support/error_text.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza::test {
namespace {

class OnnxExportTest : public ::testing::Test {
 protected:
  /// Calibrates the model on random inputs.
  void open(const std::string& text) {
    path_ = folder_ / "m.onnx";
    std::ofstream(path_, std::ios::binary) << parse_onnx_notation(text).model.SerializeAsString();
    options_.threads = 1;
    options_.tune = false;
    BuildSession session(path_);
    Observer observer(session, options_);
    for (const std::uint32_t seed : {1U, 2U, 3U}) observer.run(sample(session, seed));
    plan_ = {observer.table(quant::Calibrator::min_max).ranges, {}, {}, {}};
    means_ = observer.means();
    reach_ = observer.reach();
  }
  std::map<std::string, Tensor> sample(BuildSession& session, std::uint32_t seed) {
    std::map<std::string, Tensor> inputs;
    std::mt19937 rng(seed);
    const Engine engine = session.build(options_);
    for (const TensorInfo& info : engine.inputs()) {
      Tensor x(info.dtype, info.opt);
      for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = std::uniform_real_distribution<float>(-1, 1)(rng);
      inputs.emplace(info.name, x);
    }
    return inputs;
  }
  /// Exports, and expects that the file builds the engine which the plan builds, to the last bit of what it computes,
  /// and with the same operators.
  onnx::ModelProto exported(bool same_operators = true) {
    const OnnxExport file = export_quantized(path_, options_, plan_);
    EXPECT_TRUE(file.left_in_floats.empty()) << file.left_in_floats.front();
    const std::string path = folder_ / "q.onnx";
    std::ofstream(path, std::ios::binary) << file.bytes;
    BuildSession floats(path_), again(path);
    BuildOptions integers = options_;
    integers.precision = Precision::int8;
    integers.quantization = std::make_shared<QuantizationPlan>(plan_);
    const Engine planned = floats.build(integers), built = again.build(options_);
    if (same_operators) {
      EXPECT_EQ(operators(built), operators(planned)) << planned.graph_text() << built.graph_text();
    }
    Context a = planned.create_context({.threads = 1}), b = built.create_context({.threads = 1});
    const auto inputs = sample(floats, 7);
    for (const auto& [name, x] : inputs) EXPECT_TRUE(a.bind_input(name, x) && b.bind_input(name, x));
    EXPECT_TRUE(a.run() && b.run());
    for (std::size_t k = 0; k < planned.outputs().size(); ++k) {
      const TensorRef x = a.output(k), y = b.output(k);
      EXPECT_EQ(x.shape, y.shape);
      for (std::int64_t i = 0; i < x.numel(); ++i) EXPECT_EQ(x.as<float>()[i], y.as<float>()[i]) << i;
    }
    onnx::ModelProto model;
    EXPECT_TRUE(model.ParseFromString(file.bytes));
    return model;
  }
  /// How many nodes of each operator the graph has.
  static std::map<std::string, int> operators(const Engine& engine) {
    std::map<std::string, int> count;
    const std::string text = engine.graph_text();
    for (std::size_t at = text.find(" = "); at != text.npos; at = text.find(" = ", at + 1)) {
      const std::size_t begin = at + 3, end = text.find_first_of("( \n", begin);
      if (end != text.npos && text[end] == '(') ++count[text.substr(begin, end - begin)];
    }
    return count;
  }
  /// How many convolutions and Gemms have a bias in integers, with the scales of their product.
  static int integer_biases(const onnx::ModelProto& model) {
    std::map<std::string, int> types;
    std::map<std::string, const onnx::NodeProto*> makers;
    for (const auto& t : model.graph().initializer()) types[t.name()] = t.data_type();
    for (const auto& n : model.graph().node()) makers[n.output(0)] = &n;
    int found = 0;
    for (const auto& n : model.graph().node()) {
      if ((n.op_type() != "Conv" && n.op_type() != "Gemm") || n.input_size() < 3) continue;
      const auto dq = makers.find(n.input(2));
      found += dq != makers.end() && types[dq->second->input(0)] == onnx::TensorProto::INT32 ? 1 : 0;
    }
    return found;
  }
  static int count(const onnx::ModelProto& model, const std::string& op) {
    int found = 0;
    for (const auto& n : model.graph().node()) found += n.op_type() == op ? 1 : 0;
    return found;
  }

  TemporaryFolder folder_;
  std::string path_;
  BuildOptions options_;
  QuantizationPlan plan_;
  std::map<std::string, std::vector<float>> means_, reach_;
};

TEST_F(OnnxExportTest, FoldsWhatFollowsAConvolutionIntoItsWeight) {
  open(R"(
    w1: f32[8,3,3,3] = 0.05; w2: f32[8,8,1,1] = 0.02; b2: f32[8] = 0.1; w3: f32[8,1,3,3] = 0.2
    s: f32[8] = -0.9; o: f32[8] = 0.1; m: f32[8] = 0.02; v: f32[8] = 0.5; f: f32[8,1,1] = 1.5; c: f32[8,1,1] = 0.3
    a = Conv(x: f32[1,3,16,16], w1; pads = [1,1,1,1])
    b = BatchNormalization(a, s, o, m, v)
    r = Relu(b)
    d = Conv(r, w2, b2)
    e = Add(d, c)
    g = Mul(e, f)
    h = Add(g, r)
    i = Relu(h)
    j = Conv(i, w3; group = 8, pads = [1,1,1,1])
    k = Sigmoid(j)
    l = Mul(j, k)
    y = GlobalAveragePool(l)
    return y
    opset 15)");
  const onnx::ModelProto model = exported();
  EXPECT_EQ(count(model, "BatchNormalization"), 0);
  EXPECT_EQ(count(model, "Mul"), 1);    // of the SiLU
  EXPECT_EQ(count(model, "Add"), 1);    // of the residual
  EXPECT_EQ(integer_biases(model), 2);  // the last convolution has none
  EXPECT_EQ(model.opset_import(0).version(), 15);
  for (const auto& t : model.graph().initializer()) EXPECT_NE(t.name(), "w1");  // is there in integers alone
}

TEST_F(OnnxExportTest, ABiasThatNodesMakeOfConstantsIsAddedOnce) {
  open(R"(
    w: f32[8,3,3,3] = 0.05; v: f32[8,8,1,1] = 0.02; b: f32[8] = 0.4; to: i64[4] = [1, -1, 1, 1]
    a = Conv(x: f32[1,3,16,16], w; pads = [1,1,1,1])
    c = Reshape(b, to)
    d = Add(a, c)
    r = Relu(d)
    e = Conv(r, v)
    y = Sigmoid(e)
    return y
    opset 13)");
  const onnx::ModelProto model = exported();
  EXPECT_EQ(count(model, "Add"), 0);
  EXPECT_EQ(integer_biases(model), 1);
}

TEST_F(OnnxExportTest, CorrectedBiasesReplaceWhatIsThere) {
  open(R"(
    w1: f32[8,3,3,3] = 0.05; w2: f32[8,8,1,1] = 0.02; b2: f32[8] = 0.1; w3: f32[8,4,3,3] = 0.2; c: f32[8,1,1] = 0.3
    a = Conv(x: f32[1,3,16,16], w1; pads = [1,1,1,1])
    r = Relu(a)
    d = Conv(r, w2, b2)
    e = Add(d, c)
    y = Conv(e, w3; group = 2)
    return y
    opset 15)");
  ASSERT_EQ(means_.size(), 3U);
  EXPECT_EQ(means_.at("x").size(), 3U);
  // Weights that are all the same are exact, and nothing would be corrected.
  for (auto& [name, mean] : means_) std::iota(mean.begin(), mean.end(), 1.0F);
  plan_.means = means_;
  const onnx::ModelProto model = exported();
  EXPECT_EQ(count(model, "Add"), 0) << "it is in the bias";
  for (const auto& n : model.graph().node()) EXPECT_TRUE(n.op_type() != "Conv" || n.input_size() == 3) << n.name();
}

TEST_F(OnnxExportTest, DividedChannelsAreANodeOfTheFile) {
  open(R"(
    g: f32[8] = 2; h: f32[8] = 0.5; w1: f32[8,6] = 0.3; w2: f32[8,8] = 0.2; w3: f32[8,4] = 0.1
    n = LayerNormalization(x: f32[3,8], g, h)
    a = MatMul(n, w1)
    b = MatMul(n, w2)
    s = Add(b, n)
    m = LayerNormalization(s, g, h)
    y = MatMul(m, w3)
    return a, y
    opset 17)");
  EXPECT_EQ(reach_.at("n").size(), 8U);
  plan_.factors = {{"n", {1, 2, 0.5F, 4, 1, 1, 0.25F, 1}}, {"m", {2, 2, 2, 2, 1, 1, 1, 8}}};
  BuildOptions options = options_;
  options.quantization = std::make_shared<QuantizationPlan>(QuantizationPlan{{}, {}, plan_.factors, {}});
  BuildSession session(path_);
  Observer observer(session, options);
  observer.run(sample(session, 1));
  plan_.ranges = observer.table(quant::Calibrator::min_max).ranges;
  EXPECT_TRUE(plan_.ranges.contains("n/divided"));
  // m is read by a product alone: its normalisation divides it in the engine, and a node in the file.
  const OnnxExport file = export_quantized(path_, options_, plan_);
  EXPECT_TRUE(file.left_in_floats.empty()) << file.left_in_floats.front();
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(file.bytes));
  EXPECT_EQ(count(model, "Mul"), 2);
  EXPECT_EQ(count(model, "QuantizeLinear"), 2);
  const std::string path = folder_ / "q.onnx";
  std::ofstream(path, std::ios::binary) << file.bytes;
  BuildOptions integers = options_;
  integers.quantization = std::make_shared<QuantizationPlan>(plan_);
  const Engine planned = session.build(integers), built = Engine::build(path, options_);
  Context a = planned.create_context({.threads = 1}), b = built.create_context({.threads = 1});
  const auto inputs = sample(session, 7);
  for (const auto& [name, x] : inputs) ASSERT_TRUE(a.bind_input(name, x) && b.bind_input(name, x));
  ASSERT_TRUE(a.run() && b.run());
  for (std::size_t k = 0; k < planned.outputs().size(); ++k)
    for (std::int64_t i = 0; i < a.output(k).numel(); ++i)
      EXPECT_NEAR(a.output(k).as<float>()[i], b.output(k).as<float>()[i], 0.02F) << i;
}

TEST_F(OnnxExportTest, MatrixProductsKeepTheOrientationOfTheirNode) {
  open(R"(
    w1: f32[12,16] = 0.3; b1: f32[12] = 0.2; w2: f32[12,12] = 0.1; b2: f32[12] = 0.4; t: f32[5,12] = 0.2
    a = Gemm(x: f32[4,16], w1, b1; transB = 1)
    r = Relu(a)
    b = MatMul(r, w2)
    c = Add(b, b2)
    d = Transpose(t; perm = [1,0])
    y = MatMul(c, d)
    return y
    opset 17)");
  const onnx::ModelProto model = exported();
  EXPECT_EQ(count(model, "Gemm"), 1);
  EXPECT_EQ(integer_biases(model), 1);
  EXPECT_EQ(count(model, "Transpose"), 0);  // made a weight that is in integers
}

TEST_F(OnnxExportTest, KeptProductsStayAsTheyAre) {
  open(R"(
    w1: f32[16,16] = 0.3; w2: f32[16,16] = 0.1
    a = MatMul(x: f32[4,16], w1)
    y = MatMul(a, w2)
    return y
    opset 13)");
  plan_.kept["y"] = "test";
  const onnx::ModelProto model = exported();
  EXPECT_EQ(count(model, "QuantizeLinear"), 1);
  EXPECT_EQ(count(model, "DequantizeLinear"), 2);
}

TEST_F(OnnxExportTest, MovesAndJoinsStandBetweenIntegers) {
  open(R"(
    w1: f32[8,4,1,1] = 0.3; w2: f32[6,16,1,1] = 0.1
    a = Conv(x: f32[1,4,8,8], w1)
    b = Relu(a)
    c = MaxPool(b; kernel_shape = [3,3], pads = [1,1,1,1])
    d = Concat(b, c; axis = 1)
    e = Conv(d, w2)
    y = Sigmoid(e)
    return y
    opset 13)");
  const onnx::ModelProto model = exported();
  EXPECT_EQ(count(model, "QuantizeLinear"), 4);  // x, b, c, d
}

TEST_F(OnnxExportTest, AnOlderOpsetIsRaisedForScalesPerChannel) {
  open(R"(
    w1: f32[8,4,1,1] = 0.3; w2: f32[8,6] = 0.1
    a = Conv(x: f32[1,4,8,8], w1)
    b, c = Split(a; axis = 1, split = [2,6])
    p = ReduceSum(c; axes = [2,3], keepdims = 0)
    e = ReduceMean(a; axes = [2,3])
    f = Squeeze(e; axes = [2,3])
    g = Dropout(f; ratio = 0.3)
    h = MatMul(g, w2)
    i = Add(h, p)
    y = Softmax(i; axis = -1)
    z = Unsqueeze(b; axes = [0])
    u = Softmax(o: f32[3,6])
    return y, z, u
    opset 11)");
  const onnx::ModelProto model = exported();
  EXPECT_EQ(model.opset_import(0).version(), 13);
  EXPECT_GE(model.ir_version(), 7);
  for (const auto& n : model.graph().node())
    if (n.op_type() == "Softmax") EXPECT_EQ(n.attribute(0).i(), -1);  // also where it was 1 by default
}

TEST_F(OnnxExportTest, ASoftmaxOverSeveralAxesBecomesOneOverOne) {
  open(R"(
    w: f32[4,6] = 0.1; v: f32[4,6] = 0.2
    a = MatMul(x: f32[2,3,4], w)
    b = Softmax(a; axis = 1)
    c = MatMul(x, v)
    d = LogSoftmax(c; axis = 2)
    y = Add(b, d)
    return y
    opset 11)");
  const onnx::ModelProto model = exported(false);
  EXPECT_EQ(count(model, "Flatten"), 1) << "where the axis is the last, as the graph knows, the node stays one";
  for (const auto& n : model.graph().node())
    if (n.op_type() == "Softmax" || n.op_type() == "LogSoftmax") EXPECT_EQ(n.attribute(0).i(), -1);
}

TEST_F(OnnxExportTest, ModelsLargerThanAFileAreRefused) {
  open("w: f32[8,6] = 0.1; y = MatMul(x: f32[2,8], w); return y; opset 13");
  EXPECT_NE(
      error_of([&] { OnnxEditor(OnnxFile::open(path_, {})).finish(13, {}, 100); })
          .find("bytes, more than the 100 that one ONNX file can hold\n  try: an engine file (monza build), which has "
                "no such limit"),
      std::string::npos);
}

TEST_F(OnnxExportTest, WhatAnOpsetCannotSayIsRefused) {
  open(R"(
    w: f32[8,6] = 0.1
    y = MatMul(x: f32[2,8], w)
    return y
    opset 9)");
  EXPECT_EQ(error_of([&] { export_quantized(path_, options_, plan_); }, folder_.path()),
            "the quantised model of 'FOLDER/m.onnx' as ONNX: the model's opset is 9; scales per channel need opset 13, "
            "and from 11 on a model is raised\n  try: export it again with opset 13 or later (torch.onnx.export(..., "
            "opset_version=17)), or convert it with onnx.version_converter");
}

}  // namespace
}  // namespace monza::test
