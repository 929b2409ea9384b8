// The run side alone: a program that links only monza_run executes engine files and holds nothing of the compiler.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>

#include "base/hash.h"
#include "engine/run/engine_impl.h"
#include "kernel/registry.h"
#include "monza/load_plugin.h"
#include "ops/elementwise/elementwise.params.h"
#include "support/data.h"
#include "support/engine_from_text.h"
#include "support/plan_builder.h"
#include "support/temporary.h"

namespace monza {
namespace {

using plan::Base;
using plan::Operand;

struct Outcome {
  int code;
  std::string text;
};
/// Runs a command and returns what it printed, errors included.
Outcome run(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, "cannot start " + command};
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), n);
  return {pclose(pipe), text};
}

TEST(RunOnly, HoldsNoSymbolOfTheCompiler) {
  const Outcome symbols = run(std::string(MONZA_NM) + " -C " + MONZA_RUN_ENGINE);
  ASSERT_EQ(symbols.code, 0) << symbols.text.substr(0, 500);
  std::istringstream lines(symbols.text);
  std::string line, found;
  int executor = 0;
  while (std::getline(lines, line)) {
    if (line.find("monza::runtime::Executor::run") != std::string::npos) ++executor;
    for (const char* compiler : {"monza::ir::", "monza::import", "monza::Onnx", "monza::plan::make_plan",
                                 "monza::optimize", "monza::Pass", "Engine::build", "google::protobuf", "onnx::"})
      if (line.find(compiler) != std::string::npos) found += line + "\n";
  }
  EXPECT_EQ(found, "");
  EXPECT_GT(executor, 0) << "nm shows no symbols: the check above proves nothing";
}

TEST(RunOnly, RunsAnEngineFile) {
  test::PlanBuilder b;
  b.input("x", DType::i32, {4}, {4});
  const Operand x = b.operand(Base::input, DType::i32, {4}), y = b.operand(Base::output, DType::i32, {4});
  b.output("y", y);
  const BinaryParams sub{BinaryKind::sub};
  b.step("sub", *find_kernel("sub_ref"), {x, x}, {y}, std::as_bytes(std::span(&sub, 1)));
  b.finish();
  engine_file::Parts parts;
  parts.plan = b.storage;
  const test::TemporaryFolder folder;
  const std::string path = folder / "sub.engine";
  engine_file::write_engine(path, engine_file::make_image(std::move(parts)));
  const Outcome ran = run(std::string(MONZA_RUN_ENGINE) + " " + path);
  EXPECT_EQ(ran.code, 0) << ran.text;
  const std::array<std::int32_t, 4> zeros{};
  char expected[64];
  std::snprintf(expected, sizeof expected, "y 4 %016llx\n",
                static_cast<unsigned long long>(hash64(std::as_bytes(std::span(zeros)))));
  EXPECT_EQ(ran.text.substr(0, std::strlen(expected)), expected);
  EXPECT_NE(run(std::string(MONZA_RUN_ENGINE) + " " + (folder / "none")).code, 0);
}

TEST(RunOnly, LoadsAPluginWithoutTheCompiler) {
  const std::string plugin = std::string(MONZA_TEST_PLUGINS) + "/monza_test_plugin_sample.so";
  (void)load_plugin(plugin);
  const test::TemporaryFolder folder;
  const std::string path = folder / "positive.engine";
  test::engine_from_text(
      "graph \"main\" (%x: f32[8]) {\n  %v, %i = test.sample.Positive.v3(%x) {threshold=-1.0}\n  return (v: %v)\n}")
      .engine.save(path);
  const Outcome without = run(std::string(MONZA_RUN_ENGINE) + " " + path);
  EXPECT_NE(without.code, 0);
  EXPECT_NE(
      without.text.find("it needs an operator of a plugin that is not loaded:\n  test.sample.Positive, version 3"),
      std::string::npos)
      << without.text;
  // All elements are above -1: as many come out as went in.
  const Outcome with = run(std::string(MONZA_RUN_ENGINE) + " " + path + " 1 " + plugin);
  EXPECT_EQ(with.code, 0) << with.text;
  EXPECT_EQ(with.text.rfind("v 8 ", 0), 0u) << with.text;
}

TEST(RunOnly, SaysThatItCannotPlanAnew) {
  test::PlanBuilder b;
  b.finish();
  engine_file::Parts parts;
  parts.plan = b.storage;
  parts.graph = "graph {}";
  engine_file::Image image = engine_file::make_image(std::move(parts));
  image.info.isa = Isa::amx_bf16 | Isa::avx512fp16;  // a machine that has more
  if (covers(cpu_info().isa, image.info.isa)) GTEST_SKIP() << "this CPU has every instruction set";
  const test::TemporaryFolder folder;
  engine_file::write_engine(folder / "a.engine", image);
  const Outcome ran = run(std::string(MONZA_RUN_ENGINE) + " " + (folder / "a.engine"));
  EXPECT_NE(ran.code, 0);
  EXPECT_NE(ran.text.find("; this program cannot plan it anew, because it links monza::run alone\n"
                          "  try: rebuild with: monza build FILE --output FILE, which plans it anew, or link the "
                          "program with monza::build"),
            std::string::npos)
      << ran.text;
}

TEST(RunOnly, RunsYolov8n) {
  MONZA_NEED_SHARED(model, "models/onnx/yolov8n.onnx");
  const test::TemporaryFolder folder;
  const std::string path = folder / "yolov8n.engine";
  BuildOptions options;
  options.tune = false;
  options.threads = 1;
  Engine::build(model.string(), options).save(path);
  const Outcome first = run(std::string(MONZA_RUN_ENGINE) + " " + path),
                second = run(std::string(MONZA_RUN_ENGINE) + " " + path);
  EXPECT_EQ(first.code, 0) << first.text;
  EXPECT_EQ(first.text.rfind("output0 1 84 8400 ", 0), 0u) << first.text;
  EXPECT_EQ(first.text.substr(0, 34), second.text.substr(0, 34)) << "two runs of one engine differ in their bits";
}

}  // namespace
}  // namespace monza
