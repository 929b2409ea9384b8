// `monza bench` over settings and files: latency, throughput and accuracy, as tables, JSON and charts.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/driver.h"
#include "cli/text.h"
#include "io/npz.h"

namespace monza::test {
namespace {

using Json = nlohmann::json;

/// y = relu(x) + w of the batch given at run time.
void open_batch(onnx::ModelProto& m) {
  auto& graph = *m.mutable_graph();
  for (auto* value : {graph.mutable_input(0), graph.mutable_output(0)})
    value->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param("N");
  auto& w = *graph.mutable_initializer(0);
  w.set_dims(0, 1);
  w.mutable_float_data()->Truncate(3);
}

TEST(CliBench, SweepsTheBatchAndDrawsIt) {
  const Tool tool;
  tool.model("m.onnx", open_batch);
  const std::string quick = " --iterations 20 --warmup 0 --no-tune --quiet";
  const Ran ran = tool.run("bench m.onnx --sweep batch=1,2,4 --chart sweep.svg --json" + quick);
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json points = Json::parse(ran.out).at("points");
  ASSERT_EQ(points.size(), 3u);
  for (const Json& p : points)
    EXPECT_NEAR(p.at("items_per_s").get<double>(),
                p.at("throughput_per_s").get<double>() * std::stod(p.at("value").get<std::string>()), 1e-6);
  expect_well_formed(tool.read("sweep.svg"));
  EXPECT_EQ(count(tool.read("sweep.svg"), "<circle"), 3u);
  EXPECT_EQ(tool.run("bench m.onnx --sweep N=1,2" + quick).code, 0);
  EXPECT_EQ(tool.run("bench m.onnx --sweep threads=1,2 --shape N=1" + quick).code, 0);
  EXPECT_EQ(tool.run("bench m.onnx --sweep precision=fp32 --shape N=1" + quick).code, 0);
}

TEST(CliBench, GoesOnBehindAValueThatTheModelRefuses) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    open_batch(m);
    m.mutable_graph()->mutable_initializer(0)->set_dims(0, 3);  // which a batch of 2 does not broadcast with
    for (int i = 0; i < 6; ++i) m.mutable_graph()->mutable_initializer(0)->add_float_data(1);
  });
  const Ran ran = tool.run("bench m.onnx --sweep N=1,2,3 --iterations 5 --warmup 0 --no-tune --quiet --json");
  EXPECT_EQ(ran.code, 3) << "not all were measured";
  const Json report = Json::parse(ran.out);
  ASSERT_EQ(report.at("points").size(), 2u);
  EXPECT_EQ(report.at("points").at(1).at("value"), "3");
  ASSERT_EQ(report.at("refused").size(), 1u);
  EXPECT_EQ(report.at("refused").at(0).at("value"), "2");
  EXPECT_TRUE(has(report.at("refused").at(0).at("error").get<std::string>(), "2 against 3"))
      << report.at("refused").at(0).at("error");
  EXPECT_TRUE(
      has(tool.run("bench m.onnx --sweep N=2,3 --iterations 5 --warmup 0 --no-tune --quiet").out, "2  not measured: "));
  EXPECT_EQ(tool.run("bench m.onnx --sweep N=2 --iterations 5 --warmup 0 --no-tune --quiet").code, 3);
}

TEST(CliBench, SaysWhatReferenceKernelsTake) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) { m.mutable_graph()->mutable_node(0)->set_op_type("Acosh"); });
  const Ran ran = tool.run("bench m.onnx --iterations 5 --warmup 0 --quiet --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json found = Json::parse(ran.out).at("reference_kernels");
  EXPECT_EQ(found.at("kernels"), Json::array({"acosh_ref"}));
  EXPECT_GT(found.at("share").get<double>(), 0.02);
}

TEST(CliBench, NeedsOnnxRuntimesPackageToMeasureAgainstIt) {
  const Tool tool;
  tool.model("m.onnx");
  const Ran none = tool.run("bench m.onnx --against onnxruntime --python /bin/false");
  EXPECT_EQ(none.code, 2);
  EXPECT_TRUE(has(none.err, "'/bin/false' has no ONNX Runtime\n  try: --python FILE")) << none.err;
  EXPECT_EQ(tool.run("bench m.onnx --against tensorrt").code, 2);
}

TEST(CliBench, RefusesASweepOfWhatIsFixed) {
  const Tool tool;
  tool.model("m.onnx");
  const auto error = [&](const std::string& line) { return tool.run("bench m.onnx " + line); };
  Ran ran = error("--sweep batch=1,2");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err,
                  "the model leaves no dimension 'batch' open\n  try: export it with a dynamic batch, or sweep threads "
                  "or precision"))
      << ran.err;
  ran = error("--sweep threads=0");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "threads=0: give a number above 0")) << ran.err;
  EXPECT_EQ(error("--sweep threads=one").code, 2);
  EXPECT_EQ(error("--sweep precision=fp7").code, 2);
  EXPECT_EQ(error("--sweep batch").code, 2);
  ran = error("--chart c.svg");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "--chart draws a sweep\n  try: --sweep batch=1,2,4,8 --chart FILE.svg")) << ran.err;
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  ran = tool.run("bench m.engine --sweep precision=fp32,bf16");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "--sweep precision builds anew, and 'm.engine' is an engine that is built already"))
      << ran.err;
}

/// Two samples of x, with what `answer` makes of each element of relu(x) + w; none: without answers.
void write_samples(const Tool& tool, const std::string& folder, float (*answer)(float)) {
  std::filesystem::create_directories(tool.path(folder));
  for (int s = 0; s < 2; ++s) {
    Tensor x(DType::f32, {2, 3}), y(DType::f32, {2, 3});
    for (int i = 0; i < 6; ++i) {
      x.as<float>()[i] = static_cast<float>(s == 0 ? i : 5 - i);
      if (answer != nullptr) y.as<float>()[i] = answer(x.as<float>()[i] + static_cast<float>(i));
    }
    std::vector<io::NamedRef> arrays = {{"x", x}};
    if (answer != nullptr) arrays.push_back({"y", y});
    io::write_npz(tool.path(folder + "/" + std::to_string(s) + ".npz"), arrays);
  }
}

TEST(CliAccuracy, FilesOfOneNetworkAgreeWithTheFirstAsFarAsTheyDo) {
  const Tool tool;
  tool.model("m.onnx");
  // Another weight at the end of the first row makes its last element the largest.
  tool.model("other.onnx",
             [](onnx::ModelProto& m) { m.mutable_graph()->mutable_initializer(0)->set_float_data(2, -50); });
  write_samples(tool, "samples", nullptr);
  const std::string quick = " --iterations 20 --warmup 0 --no-tune --quiet";
  const Ran ran = tool.run("bench m.onnx --also other.onnx --data samples --chart front.svg --json" + quick);
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json points = Json::parse(ran.out).at("points");
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].at("model"), "m.onnx");
  const Json &own = points[0].at("accuracy"), &other = points[1].at("accuracy");
  EXPECT_EQ(own.at("metric"), "top-1 agreement");
  EXPECT_EQ(own.at("value"), 1);
  EXPECT_EQ(own.at("samples"), 2);
  EXPECT_NEAR(own.at("cosine").get<double>(), 1, 1e-9);
  // x = 0..5: rows 0 2 4 | 6 8 10 become 0 2 -48 | 6 8 10. x = 5..0: 5 5 5 | 5 5 5 become 5 5 -47 | 5 5 5, where the
  // first of equal elements counts.
  EXPECT_EQ(other.at("value"), 0.75);
  EXPECT_LT(other.at("least cosine").get<double>(), 0.5);
  EXPECT_TRUE(points[0].at("pareto"));
  const std::string chart = tool.read("front.svg");
  expect_well_formed(chart);
  EXPECT_TRUE(has(chart, "top-1 agreement of 2 samples"));
  EXPECT_TRUE(has(chart, ">other</text>"));
  const Ran text = tool.run("bench m.onnx --also other.onnx --data samples --samples 1" + quick);
  EXPECT_TRUE(has(text.out, "top-1 agreement 0.5000")) << text.out;
  EXPECT_TRUE(has(text.out, "of 1")) << text.out;
  EXPECT_TRUE(has(text.out, "none is both as fast and as accurate as: m")) << text.out;
}

TEST(CliAccuracy, ArraysNamedAsOutputsAreTheAnswers) {
  const Tool tool;
  tool.model("m.onnx");
  write_samples(tool, "right", [](float v) { return v; });
  write_samples(tool, "wrong", [](float v) { return -v; });
  const std::string line = "bench m.onnx --sweep threads=1,2 --iterations 5 --warmup 0 --no-tune --json --data ";
  const Json right = Json::parse(tool.run(line + "right").out), wrong = Json::parse(tool.run(line + "wrong").out);
  ASSERT_EQ(right.at("points").size(), 2u);
  for (const Json& p : right.at("points")) {
    EXPECT_EQ(p.at("accuracy").at("value"), 1);
    EXPECT_NEAR(p.at("accuracy").at("least cosine").get<double>(), 1, 1e-9);
  }
  for (const Json& p : wrong.at("points")) EXPECT_NEAR(p.at("accuracy").at("cosine").get<double>(), -1, 1e-9);
}

TEST(CliAccuracy, SaysWhatIsWrongWithTheSamples) {
  const Tool tool;
  tool.model("m.onnx");
  const auto error = [&](const std::string& line) {
    return tool.run("bench m.onnx --iterations 2 --warmup 0 --no-tune " + line);
  };
  Ran ran = error("--data nowhere");
  EXPECT_EQ(ran.code, 3);
  EXPECT_TRUE(has(ran.err, "'nowhere': there are no samples\n  try: a folder of .npz files")) << ran.err;
  tool.array("z.npy", "(2, 3)", 6);
  std::filesystem::create_directories(tool.path("strange"));
  Tensor z(DType::f32, {2, 3});
  io::write_npz(tool.path("strange/s.npz"), std::vector<io::NamedRef>{{"z", z}, {"y", z}});
  ran = error("--data strange");
  EXPECT_EQ(ran.code, 3);
  EXPECT_TRUE(has(ran.err, "sample 'strange/s.npz': it has no array for the model's input 'x'")) << ran.err;
  ran = error("--truth labels.txt");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "--truth is about samples, and there are none\n  try: --data FOLDER")) << ran.err;
  EXPECT_EQ(error("--also nowhere.onnx").code, 3);
  EXPECT_EQ(error("--data z.npy").code, 0) << "one array for the model's one input";
}

}  // namespace
}  // namespace monza::test
