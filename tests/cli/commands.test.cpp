// The spellings that scripts depend on: options, JSON keys, files.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/driver.h"
#include "cli/text.h"

namespace monza::test {
namespace {

using Json = nlohmann::json;

TEST(CliCommands, HelpTeachesByExample) {
  const Tool tool;
  for (const char* command : {"build", "run", "bench", "profile", "inspect", "conformance", "doctor"}) {
    const Ran ran = tool.run(std::string(command) + " --help");
    EXPECT_EQ(ran.code, 0) << command;
    EXPECT_NE(ran.out.find("Examples:"), std::string::npos) << command;
    EXPECT_NE(ran.out.find(std::string("monza ") + command + " "), std::string::npos) << command;
    EXPECT_NE(ran.out.find("--json"), std::string::npos) << command;
  }
  EXPECT_EQ(tool.run("--version").code, 0);
}

TEST(CliCommands, HelpFitsATerminal) {
  const Tool tool;
  for (const char* command : {"build", "run", "bench", "profile", "inspect", "compare", "quantize", "edit", "reduce"}) {
    const std::string help = tool.run(std::string(command) + " --help").out;
    std::istringstream lines(help.substr(0, help.find("Examples:")));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << command << ": " << line;
    EXPECT_FALSE(has(help, "--max-depth ")) << command;
  }
  const Ran limits = tool.run("build --help-limits");
  EXPECT_EQ(limits.code, 0);
  EXPECT_TRUE(has(limits.out, "--max-depth N"));
}

TEST(CliCommands, InspectListsWhatAModelWithOpenDimensionsSays) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    for (auto* value : {m.mutable_graph()->mutable_input(0), m.mutable_graph()->mutable_output(0)})
      value->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param("rows");
  });
  const Ran ran = tool.run("inspect m.onnx");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "input  x f32 [rows,3]")) << ran.out;
  EXPECT_TRUE(has(ran.out, "output y f32 [rows,3]")) << ran.out;
  EXPECT_TRUE(has(ran.out, "--shape x=1x3")) << ran.out;
  EXPECT_TRUE(has(tool.run("inspect m.onnx --shape x=2x3").out, "input  x f32 2x3"));
}

TEST(CliCommands, MoreThreadsThanCpusAreNoted) {
  const Tool tool;
  tool.model("m.onnx");
  EXPECT_TRUE(has(tool.run("run m.onnx --random --threads 512").err, "512 threads for "));
  EXPECT_FALSE(has(tool.run("run m.onnx --random --threads 1").err, "threads for "));
}

TEST(CliCommands, RunComparesAndSaysSo) {
  const Tool tool;
  tool.model("m.onnx");
  tool.array("x.npy", "(2, 3)", 6, 1);
  ASSERT_EQ(tool.run("run m.onnx --input x=x.npy --output out.npz").code, 0);
  const Ran ran = tool.run("run m.onnx --input x=x.npy --expect out.npz --rtol 0 --atol 0 --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_EQ(report.at("ok"), true);
  const Json& y = report.at("outputs").at("y");
  EXPECT_EQ(y.at("ok"), true);
  EXPECT_EQ(y.at("max_abs_error"), 0);
  EXPECT_EQ(y.at("max_rel_error"), 0);
  EXPECT_NEAR(y.at("cosine").get<double>(), 1, 1e-12);
}

TEST(CliCommands, RandomInputsFollowTheSeed) {
  const Tool tool;
  tool.model("m.onnx");
  for (const char* line : {"--seed 1 --output a.npz", "--seed 1 --output b.npz", "--seed 2 --output c.npz"})
    ASSERT_EQ(tool.run(std::string("run m.onnx --random ") + line).code, 0);
  EXPECT_EQ(tool.read("a.npz"), tool.read("b.npz"));
  EXPECT_NE(tool.read("a.npz"), tool.read("c.npz"));
}

TEST(CliCommands, EngineFilesGiveWhatTheModelGives) {
  const Tool tool;
  tool.model("m.onnx");
  tool.array("x.npy", "(2, 3)", 6, -3);
  const Ran built = tool.run("build m.onnx --output m.engine --threads 1 --precision fp32 --json");
  ASSERT_EQ(built.code, 0) << built.err;
  EXPECT_EQ(Json::parse(built.out).at("threads"), 1);
  ASSERT_EQ(tool.run("run m.onnx --input x=x.npy --output a.npz").code, 0);
  ASSERT_EQ(tool.run("run m.engine --input x=x.npy --output b.npz --verify --prefault").code, 0);
  EXPECT_EQ(tool.read("a.npz"), tool.read("b.npz"));
}

TEST(CliCommands, BuildTimesKernelsUnlessToldNotTo) {
  const Tool tool;
  // A product large enough to have several kernels to choose from.
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    graph.mutable_node(1)->set_op_type("MatMul");
    for (auto* value : {graph.mutable_input(0), graph.mutable_output(0)})
      for (int a = 0; a < 2; ++a)
        value->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(a)->set_dim_value(64);
    auto& w = *graph.mutable_initializer(0);
    w.clear_float_data();
    for (int a = 0; a < 2; ++a) w.set_dims(a, 64);
    for (int i = 0; i < 64 * 64; ++i) w.add_float_data(static_cast<float>(i % 7));
  });
  const auto timed = [&](const std::string& options) {
    EXPECT_EQ(tool.run("build m.onnx --output e.engine " + options).code, 0);
    const Json report = Json::parse(tool.run("inspect e.engine --json").out);
    double us = 0;
    for (const Json& step : report.at("steps")) us += step.at("measured_us").get<double>();
    return us > 0;
  };
  EXPECT_TRUE(timed(""));
  EXPECT_TRUE(timed("--tune"));
  EXPECT_FALSE(timed("--no-tune"));
}

TEST(CliCommands, BenchReportsWhatIsPromised) {
  const Tool tool;
  tool.model("m.onnx");
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  for (const char* line : {"bench m.engine --threads 1 --duration 0.05 --warmup 0 --json",
                           "bench m.onnx --iterations 20 --streams 2 --warmup 0 --json --export-times t.json"}) {
    const Ran ran = tool.run(line);
    ASSERT_EQ(ran.code, 0) << ran.err;
    const Json report = Json::parse(ran.out);
    const Json& latency = report.at("latency_ms");
    double last = 0;
    for (const char* key : {"min", "median", "p90", "p95", "p99", "max"}) {
      EXPECT_GE(latency.at(key).get<double>(), last) << key;
      last = latency.at(key);
    }
    EXPECT_GT(latency.at("mean").get<double>(), 0);
    for (const char* key : {"throughput_per_s", "peak_rss_mib", "load_ms"})
      EXPECT_GT(report.at(key).get<double>(), 0) << key;
    for (const char* key : {"build_ms", "arena_bytes", "arena_lower_bound_bytes"})
      EXPECT_GE(report.at(key).get<double>(), 0) << key;
  }
  const Json times = Json::parse(tool.read("t.json"));
  ASSERT_EQ(times.at("streams").size(), 2u);
  EXPECT_EQ(times.at("streams")[0].size(), 20u);
}

TEST(CliCommands, BenchTellsCopiesFromWork) {
  const Tool tool;
  tool.model("m.onnx");
  const Ran ran = tool.run("bench m.onnx --device reference --duration 0.05 --warmup 0 --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json transfers = Json::parse(ran.out).at("transfers");
  for (const char* key : {"to_device_bytes", "to_device_ms", "to_host_bytes", "to_host_ms"})
    EXPECT_GT(transfers.at(key).get<double>(), 0) << key;
  EXPECT_GT(transfers.at("latency_without_ms").at("median").get<double>(), 0);
  EXPECT_TRUE(has(tool.run("bench m.onnx --device reference --iterations 5 --warmup 0").out, "\ntransfers   "));
  EXPECT_FALSE(Json::parse(tool.run("bench m.onnx --iterations 5 --warmup 0 --json").out).contains("transfers"));
}

TEST(CliCommands, ProfileListsTheLayersAndWritesATrace) {
  const Tool tool;
  tool.model("m.onnx");
  const Ran ran = tool.run("profile m.onnx --iterations 5 --no-ceilings --json --trace t.json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  ASSERT_FALSE(report.at("layers").empty());
  double share = 0;
  for (const Json& layer : report.at("layers")) {
    share += layer.at("share").get<double>();
    EXPECT_FALSE(layer.at("kernel").get<std::string>().empty());
  }
  EXPECT_NEAR(share, 1, 1e-6);
  std::size_t spans = 0;
  const Json trace = Json::parse(tool.read("t.json"));
  for (const Json& event : trace.at("traceEvents")) spans += event.at("ph") == "X" ? 1 : 0;
  EXPECT_EQ(spans, report.at("layers").size());
  EXPECT_EQ(tool.run("profile m.onnx --iterations 2 --no-ceilings").code, 0);
}

TEST(CliCommands, InspectShowsGraphPlanAndMemory) {
  const Tool tool;
  tool.model("m.onnx");
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  for (const char* model : {"m.onnx", "m.engine"}) {
    const Ran all = tool.run(std::string("inspect --graph --plan --memory --fusions ") + model);
    EXPECT_EQ(all.code, 0) << all.err;
    for (const char* word : {"arena", "weights", "plan: "}) EXPECT_NE(all.out.find(word), std::string::npos) << word;
    const Ran ran = tool.run(std::string("inspect --json ") + model);
    ASSERT_EQ(ran.code, 0) << ran.err;
    const Json report = Json::parse(ran.out);
    EXPECT_EQ(report.at("inputs")[0].at("name"), "x");
    EXPECT_FALSE(report.at("steps").empty());
    EXPECT_FALSE(report.at("graph").get<std::string>().empty());
  }
  EXPECT_NE(tool.run("inspect m.onnx").out.find("input  x f32 2x3"), std::string::npos);
}

TEST(CliCommands, DoctorKnowsTheMachine) {
  const Tool tool;
  const Ran ran = tool.run("doctor --quick --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_GE(report.at("cpu").at("usable_threads").get<int>(), 1);
  EXPECT_FALSE(report.at("cpu").at("isa").get<std::string>().empty());
  EXPECT_EQ(tool.run("doctor --quick").code, 0);
}

TEST(CliCommands, InputsAndOutputsTakeOtherTypes) {
  const Tool tool;
  tool.model("m.onnx");
  ASSERT_EQ(tool.run("build m.onnx --output m.engine --io-type x=u8 --io-type y=f16").code, 0);
  const Json info = Json::parse(tool.run("inspect m.engine --json").out);
  EXPECT_EQ(info.at("inputs")[0].at("dtype"), "u8");
  EXPECT_EQ(info.at("outputs")[0].at("dtype"), "f16");
  onnx::TensorProto x, y;
  x.set_data_type(onnx::TensorProto::UINT8);
  y.set_data_type(onnx::TensorProto::FLOAT16);
  for (auto* t : {&x, &y}) {
    t->add_dims(2);
    t->add_dims(3);
  }
  const int halves[] = {0, 0x4000, 0x4400, 0x4600, 0x4800, 0x4900};  // 0, 2, 4, 6, 8, 10
  for (int i = 0; i < 6; ++i) {
    x.add_int32_data(i);
    y.add_int32_data(halves[i]);
  }
  tool.write("x.pb", x.SerializeAsString());
  tool.write("y.pb", y.SerializeAsString());
  EXPECT_EQ(tool.run("run m.engine --input x=x.pb --expect y.pb --rtol 0 --atol 0").code, 0);
  EXPECT_EQ(
      tool.run("run m.onnx --io-type x=uint8 --io-type y=f16 --input x=x.pb --expect y.pb --rtol 0 --atol 0").code, 0);
  EXPECT_EQ(tool.run("build m.onnx --io-type z=u8").code, 3);
  EXPECT_EQ(tool.run("build m.onnx --io-type x=u9").code, 2);
  EXPECT_EQ(tool.run("build m.onnx --output h.engine --io-type f16").code, 0);
  EXPECT_EQ(Json::parse(tool.run("inspect h.engine --json").out).at("inputs")[0].at("dtype"), "f16");
}

void write_tensor(const Tool& tool, const std::string& name, std::initializer_list<float> values) {
  onnx::TensorProto t;
  t.set_data_type(onnx::TensorProto::FLOAT);
  t.add_dims(2);
  t.add_dims(3);
  for (const float v : values) t.add_float_data(v);
  tool.write(name, t.SerializeAsString());
}

TEST(CliCommands, ConformanceCountsPassedFailedAndExpected) {
  const Tool tool;
  for (const char* name : {"node/test_good", "node/test_bad", "node/deep/test_known"}) {
    std::filesystem::create_directories(tool.path(std::string(name) + "/test_data_set_0"));
    tool.model(std::string(name) + "/model.onnx");
    write_tensor(tool, std::string(name) + "/test_data_set_0/input_0.pb", {-1, 1, 2, 3, 4, 5});
    if (std::string(name) == "node/test_good")
      write_tensor(tool, std::string(name) + "/test_data_set_0/output_0.pb", {0, 2, 4, 6, 8, 10});
    else write_tensor(tool, std::string(name) + "/test_data_set_0/output_0.pb", {0, 2, 4, 6, 8, 11});
  }
  tool.write("known.txt", "test_known: the data is wrong\n");
  const Ran ran = tool.run("conformance node --device cpu --expectations known.txt --json");
  EXPECT_EQ(ran.code, 1) << ran.err;
  Json report = Json::parse(ran.out);
  EXPECT_EQ(report.at("passed"), 1);
  EXPECT_EQ(report.at("failed"), 1);
  EXPECT_EQ(report.at("expected_failures"), 1);
  EXPECT_EQ(report.at("total"), 3);
  EXPECT_NE(report.at("failures")[0].at("reason").get<std::string>().find("'y'"), std::string::npos);

  tool.write("known.txt", "test_known: the data is wrong\ntest_bad: too\ntest_good: wrongly here\n");
  report = Json::parse(tool.run("conformance node --expectations known.txt --json").out);
  EXPECT_EQ(report.at("failed"), 1) << "a test that passes against the expectation is a failure";
  tool.write("known.txt", "test_known: random numbers\ntest_bad: random, too\ntest_good: random: may pass by chance\n");
  EXPECT_EQ(tool.run("conformance node --expectations known.txt --write-expectations known.txt").code, 0);
  EXPECT_NE(tool.read("known.txt").find("test_good: random: may pass by chance"), std::string::npos);
  EXPECT_EQ(tool.run("conformance node --filter good").code, 0);
  EXPECT_EQ(tool.run("conformance node --filter '['").code, 2);
  EXPECT_EQ(tool.run("conformance nowhere").code, 3);
}

TEST(CliCommands, ConformanceFeedsLightModelsAsOnnxsRunnerDoes) {
  const Tool tool;
  std::filesystem::create_directories(tool.path("light"));
  tool.model("light/light_m.onnx");
  write_tensor(tool, "light/light_m_output_0.pb", {0, 1 + 1 / 6.f, 2 + 2 / 6.f, 3.5f, 4 + 4 / 6.f, 5 + 5 / 6.f});
  EXPECT_EQ(Json::parse(tool.run("conformance light --json").out).at("passed"), 1);
  write_tensor(tool, "light/light_m_output_0.pb", {0, 1, 2, 3, 4, 5});
  EXPECT_EQ(Json::parse(tool.run("conformance light --json").out).at("failed"), 1);
}

TEST(CliCommands, TensorsComeAsPbAndNpzToo) {
  const Tool tool;
  tool.model("m.onnx");
  write_tensor(tool, "x.pb", {-1, 1, 2, 3, 4, 5});
  EXPECT_EQ(tool.run("run m.onnx --input x=x.pb --output y.npz").code, 0);
  write_tensor(tool, "y.pb", {0, 2, 4, 6, 8, 10});
  EXPECT_EQ(tool.run("run m.onnx --input x.pb --expect y.pb --rtol 0 --atol 0").code, 0);
  EXPECT_EQ(tool.run("run m.onnx --input x=x.pb --expect y.npz").code, 0);
  EXPECT_EQ(tool.run("run m.onnx --input x=y.npz").code, 0);
}

}  // namespace
}  // namespace monza::test
