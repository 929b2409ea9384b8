// Engine files in the hands of users: other machines, several profiles, caps, interrupted builds.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "base/cpu.h"
#include "cli/driver.h"

namespace monza::test {
namespace {

using Json = nlohmann::json;

/// y = Relu(x) w with x [batch, 256] and w [256, 256]: kernels, packed weights and a dimension that varies.
void product_model(const Tool& tool, const std::string& name, int width = 256) {
  tool.model(name, [&](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    graph.mutable_node(1)->set_op_type("MatMul");
    for (auto* value : {graph.mutable_input(0), graph.mutable_output(0)}) {
      auto& shape = *value->mutable_type()->mutable_tensor_type()->mutable_shape();
      shape.mutable_dim(0)->set_dim_param("batch");
      shape.mutable_dim(1)->set_dim_value(width);
    }
    auto& w = *graph.mutable_initializer(0);
    w.clear_float_data();
    for (int a = 0; a < 2; ++a) w.set_dims(a, width);
    std::mt19937 random(3);
    for (int i = 0; i < width * width; ++i) w.add_float_data(std::uniform_real_distribution<float>(-1, 1)(random));
  });
}

std::set<std::string> files_of(const Tool& tool) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(tool.path(""))) names.insert(entry.path().filename());
  return names;
}

TEST(CliEngines, AnEngineForAnotherInstructionSetIsPlannedAnewAndSaysSo) {
  if (!covers(cpu_info().isa, Isa::avx512)) GTEST_SKIP() << "this CPU has no AVX-512";
  const Tool tool;
  product_model(tool, "m.onnx");
  for (const char* strip : {"", " --strip"})
    ASSERT_EQ(tool.run(std::string("build m.onnx --isa avx512 --no-tune --threads 1 --shape batch=4 -o ") +
                       (*strip != 0 ? "stripped.engine" : "m.engine") + strip)
                  .code,
              0);
  const Ran here = tool.run("run m.engine --random --output here.npz");
  ASSERT_EQ(here.code, 0) << here.err;
  EXPECT_EQ(here.err.find("planned anew"), std::string::npos) << here.err;

  const Ran there =
      tool.run_with("MONZA_ISA=avx2", "run m.engine --random --expect here.npz --rtol 1e-4 --atol 1e-3 --json");
  EXPECT_EQ(there.code, 0) << there.err << there.out;
  EXPECT_NE(there.err.find("the engine was built for avx2+avx512; this CPU"), std::string::npos) << there.err;
  EXPECT_NE(there.err.find("It was planned anew"), std::string::npos) << there.err;
  const Ran inspected = tool.run_with("MONZA_ISA=avx2", "inspect m.engine --json");
  const Json report = Json::parse(inspected.out);
  EXPECT_EQ(report.at("isa"), "avx2");
  EXPECT_NE(report.at("replanned").get<std::string>().find("was built for avx2+avx512"), std::string::npos);
  EXPECT_EQ(Json::parse(tool.run("inspect m.engine --json").out).at("replanned"), "");
  for (const char* command :
       {"run --random", "bench --iterations 2 --warmup 0", "profile --iterations 1 --no-ceilings"}) {
    const std::string line = std::string(command) + " m.engine --json";
    EXPECT_EQ(Json::parse(tool.run(line).out).at("replanned"), "") << command;
    const Json anew = Json::parse(tool.run_with("MONZA_ISA=avx2", line).out);
    EXPECT_NE(anew.at("replanned").get<std::string>().find("was built for avx2+avx512"), std::string::npos) << command;
  }

  // Without a graph there is nothing to plan.
  EXPECT_EQ(tool.run("run stripped.engine --random").code, 0);
  const Ran refused = tool.run_with("MONZA_ISA=avx2", "run stripped.engine --random");
  EXPECT_EQ(refused.code, 3);
  EXPECT_NE(refused.err.find("it was built with --strip, so it carries no graph to plan anew"), std::string::npos)
      << refused.err;
  EXPECT_NE(refused.err.find("try: rebuild with: monza build MODEL --output FILE"), std::string::npos) << refused.err;

  // Planned anew for good.
  const Ran rebuilt = tool.run_with("MONZA_ISA=avx2", "build m.engine -o other.engine --no-tune --json");
  ASSERT_EQ(rebuilt.code, 0) << rebuilt.err;
  EXPECT_EQ(Json::parse(rebuilt.out).at("isa"), "avx2");
  const Ran quiet =
      tool.run_with("MONZA_ISA=avx2", "run other.engine --random --expect here.npz --rtol 1e-4 --atol 1e-3");
  EXPECT_EQ(quiet.code, 0) << quiet.err;
  EXPECT_EQ(quiet.err.find("planned anew"), std::string::npos) << quiet.err;
}

TEST(CliEngines, AnUnknownInstructionSetInTheEnvironmentIsAnError) {
  const Tool tool;
  const Ran ran = tool.run_with("MONZA_ISA=sse9", "doctor");
  EXPECT_NE(ran.code, 0);
  EXPECT_NE(ran.err.find("'sse9' is no instruction set Monza knows"), std::string::npos) << ran.err;
}

TEST(CliEngines, ProfilesAreSpelledAsRanges) {
  const Tool tool;
  product_model(tool, "m.onnx");
  const Ran built = tool.run(
      "build m.onnx -o m.engine --no-tune --threads 1 --profile batch=1 --profile x=2x256..8x256..16x256 --json");
  ASSERT_EQ(built.code, 0) << built.err;
  const Json profiles = Json::parse(built.out).at("profiles");
  ASSERT_EQ(profiles.size(), 2u);
  EXPECT_EQ(profiles[0].at("inputs").at("x").at("max"), (std::vector<int>{1, 256}));
  EXPECT_EQ(profiles[1].at("inputs").at("x").at("min"), (std::vector<int>{2, 256}));
  EXPECT_EQ(profiles[1].at("inputs").at("x").at("opt"), (std::vector<int>{8, 256}));
  EXPECT_EQ(profiles[1].at("inputs").at("x").at("max"), (std::vector<int>{16, 256}));
  for (const char* batch : {"1", "2", "16"})
    EXPECT_EQ(tool.run(std::string("run m.engine --random --shape batch=") + batch).code, 0) << batch;
  const Ran refused = tool.run("run m.engine --random --shape batch=17");
  EXPECT_NE(refused.code, 0);
  const Ran mixed = tool.run("build m.onnx -o n.engine --profile batch=1..4 --max-shape batch=8");
  EXPECT_EQ(mixed.code, 2);
  EXPECT_NE(mixed.err.find("--profile gives ranges of its own"), std::string::npos) << mixed.err;
  const Ran fixed = tool.run("run m.engine --random --profile batch=1");
  EXPECT_EQ(fixed.code, 2) << fixed.err;
}

TEST(CliEngines, TheMemoryCapNamesWhatDoesNotFit) {
  const Tool tool;
  product_model(tool, "m.onnx");
  EXPECT_EQ(tool.run("build m.onnx -o m.engine --no-tune --threads 1 --shape batch=4 --max-memory 64M").code, 0);
  const Ran refused =
      tool.run("build m.onnx -o n.engine --isa baseline --no-tune --threads 1 --max-memory 100K --profile batch=1..64");
  EXPECT_EQ(refused.code, 3);
  // 64 x 256 floats of the Relu, 256 x 256 floats of weights.
  EXPECT_NE(refused.err.find("at its largest shape the engine needs 327680 bytes (weights 262144, activations 65536), "
                             "more than the 102400 bytes of the memory cap; where memory is fullest these are in it:\n"
                             "        262144  weight 'w'\n"
                             "         65536  output of 'first'\n"
                             "  try: a smaller --max-shape for 'batch' (axis 0 of input 'x', up to 64), or "
                             "--max-memory 327680\n"),
            std::string::npos)
      << refused.err;
  EXPECT_FALSE(std::filesystem::exists(tool.path("n.engine")));
  const Ran no_size = tool.run("build m.onnx -o n.engine --shape batch=1 --max-memory 12Q");
  EXPECT_EQ(no_size.code, 2);
  EXPECT_NE(no_size.err.find("--max-memory '12Q' is no size"), std::string::npos) << no_size.err;
}

TEST(CliEngines, TimingThatRanOutOfItsBudgetSaysSo) {
  const Tool tool;
  product_model(tool, "m.onnx");
  const Ran none = tool.run("build m.onnx -o m.engine --shape batch=2 --max-build-seconds 1e-9");
  EXPECT_EQ(none.code, 0);
  EXPECT_NE(none.err.find("monza warning: timing kernels stopped after 1e-09 s: "), std::string::npos) << none.err;
  EXPECT_NE(none.err.find("--max-build-seconds gives more time"), std::string::npos) << none.err;
  const Ran enough = tool.run("build m.onnx -o m.engine --shape batch=2 --max-build-seconds 0");
  EXPECT_EQ(enough.code, 0);
  EXPECT_EQ(enough.err.find("timing kernels stopped"), std::string::npos) << enough.err;
}

TEST(CliEngines, AFullDiskLeavesTheOldEngine) {
  const Tool tool;
  product_model(tool, "m.onnx");
  ASSERT_EQ(tool.run("build m.onnx -o m.engine --no-tune --shape batch=2 --timing-cache t").code, 0);
  const std::string before = tool.read("m.engine");
  const auto files = files_of(tool);
  const Ran full = tool.run_with("ulimit -f 16;", "build m.onnx -o m.engine --no-tune --shape batch=3");
  EXPECT_EQ(full.code, 3) << full.err;
  // The weights are the first to find no room: they go to the output's folder as they are packed.
  EXPECT_NE(full.err.find("cannot write to a file in '.' for the weights: File too large"), std::string::npos)
      << full.err;
  EXPECT_TRUE(tool.read("m.engine") == before);
  EXPECT_EQ(files_of(tool), files) << "something is left beside";
  EXPECT_EQ(tool.run("run m.engine --random --verify").code, 0);
}

TEST(CliEngines, RunningOutOfMemoryIsAnErrorAndLeavesTheOldEngine) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers reserve more address space than the limit leaves";
#endif
  const Tool tool;
  product_model(tool, "m.onnx", 2048);  // 16 MiB of weights
  ASSERT_EQ(tool.run("build m.onnx -o m.engine --no-tune --threads 1 --shape batch=2").code, 0);
  const std::string before = tool.read("m.engine");
  const auto files = files_of(tool);
  int failed = 0;
  for (const int kilobytes : {20000, 40000, 60000, 80000, 100000}) {
    const Ran ran = tool.run_with("ulimit -v " + std::to_string(kilobytes) + ";",
                                  "build m.onnx -o m.engine --no-tune --threads 1 --shape batch=2");
    failed += ran.code != 0;
    EXPECT_TRUE(tool.read("m.engine") == before) << kilobytes;
    EXPECT_EQ(files_of(tool), files) << kilobytes;
  }
  EXPECT_GT(failed, 0) << "no limit was small enough to prove anything";
}

}  // namespace
}  // namespace monza::test
