// Operators of a loaded plugin, from the ONNX model to the run: shapes, attributes, parameters, threads, engine files,
// and whatever a plugin or a file that needs one may get wrong. The plugins are tests/plugins/libraries.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <random>

#include "backend/cuda/launch.h"
#include "base/log.h"
#include "base/plugin_operator.h"
#include "engine/run/engine_impl.h"
#include "import/api.h"
#include "ir/text.h"
#include "kernel/registry.h"
#include "monza/load_plugin.h"
#include "monza/plugin.h"
#include "support/edited_engine.h"
#include "support/error_text.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza::test {
namespace {

std::string library(const std::string& name) {
  return std::string(MONZA_TEST_PLUGINS) + "/monza_test_plugin_" + name + ".so";
}

class Plugins : public ::testing::Test {
 protected:
  void SetUp() override { (void)load_plugin(library("sample")); }

  Engine build(const std::string& notation) {
    const NotedModel noted = parse_onnx_notation(notation);
    std::ofstream(path_, std::ios::binary) << noted.model.SerializeAsString();
    return Engine::build(path_, noted.options);
  }
  std::string error_of_build(const std::string& notation) {
    return error_of([&] { (void)build(notation); }, folder_.path());
  }

  TemporaryFolder folder_;
  std::string path_ = folder_ / "m.onnx";
};

Tensor numbers(std::vector<std::int64_t> shape, const std::function<float(std::int64_t)>& value) {
  Tensor t(DType::f32, std::move(shape));
  for (std::int64_t i = 0; i < t.numel(); ++i) t.as<float>()[i] = value(i);
  return t;
}

template <typename T>
std::vector<T> elements(const TensorRef& t) {
  return {t.as<T>(), t.as<T>() + t.numel()};
}

void expect_runs(Context& context) {
  const Status s = context.run();
  ASSERT_TRUE(s) << context.describe(s);
}

constexpr const char* kPositive =
    "opset test.sample 7 values, indices = test.sample.Positive(x: f32[n]; threshold = 0.5) return values, indices "
    "--min-shape x=1 --opt-shape x=8 --max-shape x=16";

// --- loading
// ------------------------------------------------------------------------------------------------------------

TEST_F(Plugins, ALoadedPluginSaysWhatItBrought) {
  const PluginInfo info = load_plugin(library("sample"));  // a second time: the same
  EXPECT_EQ(info.name, "sample 1.0");
  EXPECT_EQ(info.file, library("sample"));
  EXPECT_EQ(info.operators, (std::vector<std::string>{"test.sample.Positive.v3", "test.sample.Widen.v1",
                                                      "test.sample.Faulty.v1", "test.sample.OnGpu.v1"}));
  std::filesystem::create_symlink(library("sample"), folder_ / "link.so");
  EXPECT_EQ(load_plugin(folder_ / "link.so").operators, info.operators);
  int times = 0;
  for (const PluginInfo& p : loaded_plugins()) times += p.name == "sample 1.0" ? 1 : 0;
  EXPECT_EQ(times, 1);
}

TEST_F(Plugins, WhatIsNoPluginIsRefused) {
  const auto refusal = [&](const std::string& path) {
    return error_of([&] { (void)load_plugin(path); }, folder_.path());
  };
  EXPECT_EQ(refusal(folder_ / "none.so"),
            "plugin 'FOLDER/none.so': there is no such file\n  try: the path of a shared library, such as "
            "./libexample.so");
  EXPECT_EQ(refusal(folder_.path()),
            "plugin 'FOLDER': there is no such file\n  try: the path of a shared library, such as ./libexample.so");
  std::ofstream(folder_ / "text.so") << "no library";
  const std::string text = refusal(folder_ / "text.so");
  EXPECT_NE(text.find("it cannot be loaded: "), text.npos) << text;
  EXPECT_NE(
      text.find("try: a shared library for this processor (cc -shared -fPIC); `ldd FILE` names the libraries that "
                "it misses"),
      text.npos)
      << text;
  const std::string none = refusal(library("none"));
  EXPECT_NE(none.find("it is no plugin of Monza: it does not export monza_plugin_get\n  try: a library made as "
                      "docs/howto/write-a-plugin.md says"),
            none.npos)
      << none;
  const std::string throws = refusal(library("throws"));
  EXPECT_NE(throws.find("its monza_plugin_get threw an exception"), throws.npos) << throws;
}

TEST_F(Plugins, APluginThatDeclaresNonsenseIsRefusedWhole) {
  const std::string recompile = "\n  try: compile it against the monza/plugin.h of this build";
  const std::string of = "operator 'W0', in plugin 'FOLDER/wrong.so': ";
  const std::pair<const char*, std::string> cases[] = {
      {"NULL", "plugin 'FOLDER/wrong.so': its monza_plugin_get returned NULL"},
      {"abi",
       "plugin 'FOLDER/wrong.so': it is written for version 2 of the plugin interface; this build of Monza has version "
       "1" +
           recompile},
      {"old",
       "plugin 'FOLDER/wrong.so': it is written for version 0 of the plugin interface; this build of Monza has version "
       "1" +
           recompile},
      {"no operators", "plugin 'FOLDER/wrong.so': it has no operators"},
      {"operator", "plugin 'FOLDER/wrong.so': an operator is NULL"},
      {"operator size", "plugin 'FOLDER/wrong.so': an operator's struct_size is 8; " +
                            std::to_string(sizeof(monza_plugin_operator)) + " is the least" + recompile},
      {"domain", of + "its domain is 'test..wrong'; a domain is made of letters, digits, _ and dots between them"},
      {"no domain", of + "its domain is ''; a domain is made of letters, digits, _ and dots between them"},
      {"reserved", of + "its domain 'ai.onnx.ml' is not for plugins\n  try: a domain of your own, such as org.example"},
      {"name",
       "operator 'A-B', in plugin 'FOLDER/wrong.so': its name is 'A-B'; a name is made of letters, digits and _"},
      {"version", of + "its version is 0; versions count from 1"},
      {"opsets", of + "it takes the versions 3 to 0 of its domain"},
      {"inputs", of + "it takes or makes 0 to 17 inputs; from 0 to 16 are possible"},
      {"no outputs", of + "it makes no output"},
      {"extents", of + "it reports 9 extents; from 0 to 8 are possible"},
      {"large params",
       of + "its parameters take 300 bytes; 256 are the most\n  try: an input for what is large: constants "
            "of the model lie in the engine"},
      {"no params", of + "params_bytes is 4, and `params` is NULL"},
      {"no infer", of + "`infer` or `verify` is NULL"},
      {"no run", of + "`run` and `run_cuda` are both NULL"},
      {"no attributes", of + "attribute_count is 1, and `attributes` is NULL"},
      {"attribute", of + "an attribute is NULL"},
      {"attribute size", of + "an attribute's struct_size is 8; " + std::to_string(sizeof(monza_plugin_attribute)) +
                             " is the least" + recompile},
      {"attribute name", of + "an attribute has no name, or one of other signs than letters, digits and _"},
      {"attribute kind", of + "attribute 'a' is of kind 9, which there is not"},
      {"attribute twice", of + "attribute 'a' is declared twice"},
      {"twice",
       "plugin 'FOLDER/wrong.so': plugin 'FOLDER/wrong.so' has brought test.wrong.W0 already\n  try: load one of the "
       "two"},
      {"clash", "plugin 'FOLDER/wrong.so': plugin '" + library("sample") +
                    "' has brought test.sample.Positive already\n  try: load one of the two"},
      {"many", "plugin 'FOLDER/wrong.so': with its 65 operators there would be "},
  };
  std::filesystem::copy_file(library("wrong"), folder_ / "wrong.so");
  for (const auto& [wrong, expected] : cases) {
    ::setenv("MONZA_TEST_WRONG", wrong, 1);
    const std::string said = error_of([&] { (void)load_plugin(folder_ / "wrong.so"); }, folder_.path());
    EXPECT_EQ(said.substr(0, std::string_view(wrong) == "many" ? expected.size() : said.npos), expected) << wrong;
  }
  ::unsetenv("MONZA_TEST_WRONG");
  for (const PluginInfo& p : loaded_plugins()) EXPECT_NE(p.name, "wrong");
  EXPECT_TRUE(kernels_of("test.wrong.W0.v1").empty());
}

TEST_F(Plugins, NamesOfOwnOperatorsAreNotTakenForPlugins) {
  for (const ir::OpDef* op : ir::all_ops())
    EXPECT_EQ(std::string_view(op->name).find('.') != std::string_view::npos,
              parse_plugin_operator(op->name).has_value())
        << op->name;
  // A plugin may not bring an operator of a domain whose operators Monza has.
  for (const OnnxImporter* i : all_onnx_importers()) {
    const std::string_view domain = i->domain;
    if (domain.starts_with("test.")) continue;
    EXPECT_TRUE(domain.empty() || domain.starts_with("ai.onnx") || domain == "com.microsoft") << domain;
  }
  EXPECT_FALSE(parse_plugin_operator("Positive.v3").has_value());
  EXPECT_FALSE(parse_plugin_operator("test.Positive.v").has_value());
  EXPECT_FALSE(parse_plugin_operator("test.Positive.vx").has_value());
}

// --- from the model to the run
// ------------------------------------------------------------------------------------------

void expect_positive(const Engine& engine) {
  Context context = engine.create_context();
  for (const int n : {8, 1, 16}) {
    const Tensor x = numbers({n}, [](std::int64_t i) { return i % 3 == 0 ? 0.25f * static_cast<float>(i) : -1; });
    ASSERT_TRUE(context.bind_input("x", x));
    expect_runs(context);
    std::vector<float> values;
    std::vector<std::int64_t> indices;
    for (int i = 3; i < n; i += 3) {
      values.push_back(0.25f * static_cast<float>(i));
      indices.push_back(i);
    }
    EXPECT_EQ(elements<float>(context.output("values")), values) << n;
    EXPECT_EQ(elements<std::int64_t>(context.output("indices")), indices) << n;
  }
}

TEST_F(Plugins, ExtentsThatOnlyTheRunKnowsAreReported) { expect_positive(build(kPositive)); }

TEST_F(Plugins, AnEngineFileNamesTheOperatorAndItsVersion) {
  const std::string file = folder_ / "m.engine";
  build(kPositive).save(file);
  const Engine engine = Engine::load(file);
  expect_positive(engine);
  EXPECT_NE(engine.graph_text().find("= test.sample.Positive.v3("), std::string::npos) << engine.graph_text();
  EXPECT_NE(engine.describe_plan().find("test.sample.Positive.v3:cpu"), std::string::npos) << engine.describe_plan();
  EXPECT_EQ(engine.stats().replanned, "");
  // Its graph is planned anew with the operator.
  expect_positive(Engine::build(file, {.threads = 1, .tune = false}));
}

TEST_F(Plugins, TheProfileShowsTheOperator) {
  Context context = build(kPositive).create_context();
  const Tensor x = numbers({8}, [](std::int64_t) { return 1; });
  ASSERT_TRUE(context.bind_input("x", x));
  context.set_profiling(true);
  expect_runs(context);
  bool found = false;
  for (const StepProfile& s : context.profile())
    found |= s.op == "test.sample.Positive.v3" && s.kernel == "test.sample.Positive.v3:cpu" && s.runs == 1;
  EXPECT_TRUE(found);
}

TEST_F(Plugins, AnOutputThatIsNotAskedForIsLeftOut) {
  Context context =
      build("opset test.sample 1 values = test.sample.Positive(x: f32[4]) return values").create_context();
  const Tensor x = numbers({4}, [](std::int64_t i) { return static_cast<float>(i) - 1.5f; });
  ASSERT_TRUE(context.bind_input("x", x));
  expect_runs(context);
  EXPECT_EQ(elements<float>(context.output("values")), (std::vector<float>{0.5f, 1.5f}));
}

/// What Widen computes.
std::vector<float> widened(const Tensor& x, std::int64_t times, float gain, const std::vector<float>& shift,
                           bool backwards) {
  const std::int64_t rows = x.shape()[0], n = x.shape()[1];
  std::vector<float> y;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t t = 0; t < times; ++t)
      for (std::int64_t i = 0; i < n; ++i)
        y.push_back(x.as<float>()[r * n + (backwards ? n - 1 - i : i)] * gain +
                    (shift.empty() ? 0 : shift[static_cast<std::size_t>(t) % shift.size()]));
  return y;
}

TEST_F(Plugins, AttributesDefaultsAndExpressionsOverExtents) {
  const Engine engine = build(
      "opset test.sample 3 a = Neg(x: f32[rows,n]) y = test.sample.Widen(a; gain = 1.5, shift = [1.0, -2.0], keep = "
      "[3, "
      "4], order = \"backwards\") z = Relu(y) return z --min-shape x=1x2 --max-shape x=4x6");
  Context context = engine.create_context();
  EXPECT_EQ(engine.outputs()[0].max, (std::vector<std::int64_t>{4, 12}));
  for (const auto& shape : {std::vector<std::int64_t>{4, 6}, {1, 2}, {3, 5}}) {
    const Tensor x = numbers(shape, [](std::int64_t i) { return std::sin(static_cast<float>(i)); });
    const Tensor a = numbers(shape, [&](std::int64_t i) { return -x.as<float>()[i]; });
    std::vector<float> want = widened(a, 2, 1.5f, {1, -2}, true);
    for (float& v : want) v = std::max(v, 0.0f);
    ASSERT_TRUE(context.bind_input("x", x));
    expect_runs(context);
    EXPECT_EQ(elements<float>(context.output("z")), want);
  }
}

TEST_F(Plugins, AnElementOfAnInputMayDecideAShape) {
  Context context = build(
                        "opset test.sample 2 y = test.sample.Widen(x: f32[2,3], times: i64[1]; gain = 2.0) return y "
                        "--shape-values times=3")
                        .create_context();
  const Tensor x = numbers({2, 3}, [](std::int64_t i) { return static_cast<float>(i); });
  Tensor times(DType::i64, {1});
  times.as<std::int64_t>()[0] = 3;
  ASSERT_TRUE(context.bind_input("x", x));
  ASSERT_TRUE(context.bind_input("times", times));
  expect_runs(context);
  EXPECT_EQ(context.output("y").shape, (std::vector<std::int64_t>{2, 9}));
  EXPECT_EQ(elements<float>(context.output("y")), widened(x, 3, 2, {}, false));
}

TEST_F(Plugins, ResultsAreEqualAtAnyNumberOfThreads) {
  NotedModel noted =
      parse_onnx_notation("opset test.sample 2 y = test.sample.Widen(x: f32[64,33]; gain = 3.0, times = 5) return y");
  std::ofstream(path_, std::ios::binary) << noted.model.SerializeAsString();
  const Tensor x = numbers({64, 33}, [](std::int64_t i) { return std::cos(static_cast<float>(i)); });
  for (const int threads : {1, 2, 4}) {
    noted.options.threads = threads;
    noted.options.batch_invariant = true;
    Context context = Engine::build(path_, noted.options).create_context({.threads = threads});
    ASSERT_TRUE(context.bind_input("x", x));
    expect_runs(context);
    EXPECT_EQ(elements<float>(context.output("y")), widened(x, 5, 3, {}, false)) << threads;
  }
}

TEST_F(Plugins, AnOperatorWhoseRowsDependOnTheBatchIsRefusedWhereTheyMayNot) {
  NotedModel noted = parse_onnx_notation("opset test.sample 1 y = test.sample.Positive(x: f32[4]) return y");
  std::ofstream(path_, std::ios::binary) << noted.model.SerializeAsString();
  noted.options.batch_invariant = true;
  const std::string said = error_of([&] { (void)Engine::build(path_, noted.options); });
  EXPECT_NE(said.find("test.sample.Positive.v3:cpu: its rows depend on the batch"), said.npos) << said;
}

TEST_F(Plugins, AFunctionOfTheModelComesFirst) {
  const Engine engine = build(
      "opset test.sample 1 function test.sample.Positive(x) { y = Relu(x) return y } y = test.sample.Positive(x: "
      "f32[4]) "
      "return y");
  EXPECT_EQ(engine.describe_plan().find("test.sample"), std::string::npos) << engine.describe_plan();
  EXPECT_EQ(engine.outputs()[0].max, (std::vector<std::int64_t>{4}));
}

TEST_F(Plugins, GraphsAsTextAreReadAgain) {
  const std::string text =
      "graph \"main\" (%x: f32[n]) {\n  %v, %i = test.sample.Positive.v3(%x) {threshold=0.25}\n  return (v: %v, i: "
      "%i)\n}";
  const auto graph = ir::parse(text);
  ir::verify(*graph);
  const std::string printed = ir::print(*graph);
  EXPECT_NE(printed.find("test.sample.Positive.v3(%x) {threshold=0.25}"), printed.npos) << printed;
  EXPECT_EQ(ir::print(*ir::parse(printed)), printed);
}

// --- what is missing, or wrong
// ------------------------------------------------------------------------------------------

TEST_F(Plugins, AMissingOperatorIsNamedWithItsVersion) {
  const std::string load =
      "\n  try: load the plugin that has it: --plugin FILE, monza::load_plugin(FILE) or monza_plugin_load(FILE)";
  EXPECT_EQ(
      error_of([] { (void)ir::parse("graph \"g\" (%x: f32[2]) {\n  %y = test.other.Op.v2(%x)\n  return (y: %y)\n}"); }),
      "line 2, column 8: it needs an operator of a plugin that is not loaded:\n  test.other.Op, version 2" + load);
  EXPECT_EQ(error_of([] {
              (void)ir::parse("graph \"g\" (%x: f32[2]) {\n  %y = test.sample.Positive.v2(%x)\n  return (y: %y)\n}");
            }),
            "line 2, column 8: it needs an operator of a plugin that is not loaded:\n  test.sample.Positive, version 2 "
            "(version 3 is loaded)" +
                load);
  // The same of an engine's plan, all at once.
  EngineParts parts = parts_of(
      build("opset test.sample 2 v = test.sample.Positive(x: f32[4]) w = test.sample.Widen(t: f32[1,4]; gain = 1.0) "
            "return v, w")
          .impl()
          .image);
  const auto replace = [&](std::string_view from, std::string_view to) {
    const auto at = std::search(parts.plans[0].strings.begin(), parts.plans[0].strings.end(), from.begin(), from.end());
    ASSERT_NE(at, parts.plans[0].strings.end());
    std::copy(to.begin(), to.end(), at);
  };
  replace("test.sample.Positive.v3:cpu", "test.sample.Positive.v4:cpu");
  replace("test.sample.Widen.v1:cpu", "test.sample.Wider.v1:cpu");
  const std::string said = error_of([&] { (void)open_parts(parts, {}, EngineWay::in_memory, {}); });
  EXPECT_NE(
      said.find("it needs 2 operators of a plugin that is not loaded:\n  test.sample.Positive, version 4 (version "
                "3 is loaded)\n  test.sample.Wider, version 1" +
                load),
      said.npos)
      << said;
}

TEST_F(Plugins, ModelsAreToldWhatTheirNodesLack) {
  EXPECT_EQ(
      error_of_build("opset test.none 1 y = test.none.Op(x: f32[2]) return y"),
      "model 'FOLDER/m.onnx': 1 operator is not supported:\n  test.none.Op (opset 1), first used by node 'y'\n  try: "
      "load the plugin that has it (--plugin FILE), or build only the outputs that do not need it with --outputs");
  // The plugin takes versions 2 and 3 of its domain for this operator.
  EXPECT_NE(error_of_build("opset test.sample 4 y = test.sample.Widen(x: f32[2,2]; gain = 1.0) return y")
                .find("test.sample.Widen (opset 4), first used by node 'y'"),
            std::string::npos);
  const auto says = [&](const std::string& model, const std::string& words) {
    const std::string said = error_of_build("opset test.sample 2 " + model);
    EXPECT_NE(said.find(words), said.npos) << model << "\n" << said;
  };
  says("y = test.sample.Widen(x: f32[2,2]) return y", "'gain'");
  says("y = test.sample.Widen(x: f32[2,2]; gain = 1.0, gian = 2) return y", "'gian'");
  says("y = test.sample.Widen(x: f32[2,2]; gain = \"much\") return y", "'gain'");
  says("y = test.sample.Widen(x: f32[2]; gain = 1.0) return y", "x must have rows and columns");
  says("y = test.sample.Widen(x: f32[2,2]; gain = 1.0, times = 0) return y", "times must be above 0");
  says("y = test.sample.Widen(x: f32[2,2]; gain = 1.0, order = \"up\") return y",
       "order must be forwards or backwards");
  says("y = test.sample.Widen(x: f32[2,2]; gain = 1.0, shift = [1.0,1.0,1.0,1.0,1.0]) return y",
       "shift has more than 4 numbers");
  says("y = test.sample.Widen(x: string[2,2]; gain = 1.0) return y",
       "input 0 is string[2,2], which plugins cannot take");
  says("y = test.sample.Widen(_, x: i64[1]; gain = 1.0) return y", "input 0 is required");
  says("a, b, c = test.sample.Positive(x: f32[2]) return a, b, c", "makes 1 to 2 outputs, but 3 are asked for");
  says("y = test.sample.OnGpu(x: f32[2]) return y", "there is no kernel for test.sample.OnGpu.v1");
}

TEST_F(Plugins, WhatAPluginDoesWrongWhileItBuildsIsTold) {
  const std::pair<const char*, const char*> cases[] = {
      {"infer says why", "this is what the plugin says"},
      {"infer throws", "the plugin's `infer` threw an exception: an exception of infer"},
      {"infer throws a number", "the plugin's `infer` threw an exception"},
      {"no output", "does not say the type of output 0"},
      {"no extent", "the plugin reports 0 extents, and declares 1"},
      {"absent input", "input 1 is required"},
      {"axis", "input 0 is f32[4], and axis 7 is needed"},
      {"attribute", "no_such"},
      {"kind", "'how'"},
      {"arithmetic", "the plugin asks for arithmetic 99, which there is not"},
      {"foreign extent", "the plugin uses an extent that it was not given"},
      {"many extents", "the plugin makes more than 65536 extents for one node"},
      {"element", "input 0 must hold integers"},
      {"element index", "input 1 has 2 elements, and element 9 is needed"},
      {"type", "the plugin gives output 0 the element type 16"},
      {"rank", "the plugin gives output -1 the rank 1"},
      {"params says why", "these parameters do not fit"},
      {"shapes in params", "the plugin says shapes where it is asked for parameters"},
      {"verify says why", "verify does not take it"},
      {"verify throws", "the plugin's operator threw an exception while it looked at its operands"},
  };
  for (const auto& [how, words] : cases) {
    const std::string said = error_of_build(
        message("opset test.sample 1 y = test.sample.Faulty(x: f32[4]{}; how = \"{}\") b = Neg(y) return b",
                std::string_view(how) == "element index" ? ", k: i64[2]" : "", how));
    EXPECT_NE(said.find(words), said.npos) << how << "\n" << said;
    EXPECT_TRUE(said.find("'y'") != said.npos || said.find("(y)") != said.npos) << "the node is not named: " << said;
  }
}

TEST_F(Plugins, WhatAPluginDoesWrongInARunIsAStatus) {
  const std::pair<const char*, const char*> cases[] = {
      {"run says why", "the data is not what it should be"},
      {"run throws", "the plugin's operator threw an exception"},
      {"task throws", "the plugin's operator threw an exception"},
      {"silent", "a kernel did not report an extent"},
      {"extent too large", "outgrows the memory planned for it"},
  };
  for (const auto& [how, words] : cases) {
    NotedModel noted = parse_onnx_notation(
        message("opset test.sample 1 y = test.sample.Faulty(x: f32[4]; how = \"{}\") b = Neg(y) return b", how));
    std::ofstream(path_, std::ios::binary) << noted.model.SerializeAsString();
    noted.options.threads = 2;
    Context context = Engine::build(path_, noted.options).create_context();
    const Tensor x = numbers({4}, [](std::int64_t) { return 0; });
    ASSERT_TRUE(context.bind_input("x", x));
    const Status status = context.run();
    EXPECT_FALSE(status) << how;
    const std::string said = context.describe(status);
    EXPECT_NE(said.find(words), said.npos) << how << "\n" << said;
  }
}

TEST_F(Plugins, ScratchMemoryThatCannotBeSaidIsNotPlanned) {
  for (const char* how : {"workspace throws", "negative workspace"}) {
    const std::string said =
        error_of_build(message("opset test.sample 1 y = test.sample.Faulty(x: f32[4]; how = \"{}\") return y", how));
    EXPECT_NE(
        said.find("no kernel takes this test.sample.Faulty.v1:\n  test.sample.Faulty.v1:cpu: the plugin does not say "
                  "how much scratch memory it needs"),
        said.npos)
        << how << "\n"
        << said;
  }
}

TEST_F(Plugins, ParametersOfAnEngineFileAreChecked) {
  EngineParts parts =
      parts_of(build("opset test.sample 2 y = test.sample.Widen(x: f32[2,3]; gain = 1.0) return y").impl().image);
  for (const plan::Step& s : parts.plans[0].steps) {
    ASSERT_GE(s.params.count, sizeof(double) * 7);
    const std::int64_t shifts = 1'000'000;  // beyond the numbers that there are
    std::memcpy(parts.plans[0].params.data() + s.params.begin + sizeof(double) * 6, &shifts, sizeof shifts);
  }
  const std::string said = error_of([&] { (void)open_parts(parts, {}, EngineWay::in_memory, {}); });
  EXPECT_NE(said.find("the parameters are damaged"), said.npos) << said;
}

/// As tests/hostile/mutation.test.cpp, whose models have no plugins.
TEST_F(Plugins, NoEditedEngineLeavesItsMemory) {
  set_log_level(LogLevel::off);
  const EngineParts parts = parts_of(build(kPositive).impl().image);
  const EngineParts wide = parts_of(
      build("opset test.sample 2 a = Neg(x: f32[rows,n]) y = test.sample.Widen(a; gain = 1.5, shift = [1.0]) return y "
            "--min-shape x=1x2 --max-shape x=4x6")
          .impl()
          .image);
  Limits limits;
  limits.nodes = 1000;
  limits.value_bytes = 1 << 24;
  int ran = 0, refused = 0;
  for (unsigned seed = 0; seed < 400; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<EngineEdit> edits(1 + random() % 3);
    for (EngineEdit& edit : edits) edit = random_edit(random);
    const auto way = static_cast<EngineWay>(random() % static_cast<int>(EngineWay::kCount));
    try {
      run_hostile(open_parts(seed % 2 == 0 ? parts : wide, edits, way, limits), seed, 1 << 16);
      ++ran;
    } catch (const Error&) {
      ++refused;
    }
  }
  set_log_level(LogLevel::warning);
  EXPECT_GT(ran, 20);
  EXPECT_GT(refused, 20);
}

// --- the seam to GPUs, which needs none
// ---------------------------------------------------------------------------------

TEST_F(Plugins, AnEntryForGpusGetsTheStream) {
  const Kernel* kernel = find_kernel("test.sample.OnGpu.v1:cuda");
  ASSERT_NE(kernel, nullptr);
  EXPECT_EQ(kernel->device, DeviceKind::cuda);
  EXPECT_FALSE(kernel->reference);
  int marker = 0;
  backend::CudaLaunch launch;
  launch.stream = reinterpret_cast<CUstream_st*>(&marker);
  void* written = nullptr;
  float x = 0;
  const TensorView in = dense_view(&x, DType::f32, Shape{1}), out = dense_view(&written, DType::f32, Shape{1});
  KernelContext c;
  c.in = &in;
  c.in_count = 1;
  c.out = &out;
  c.out_count = 1;
  c.launch = &launch;
  ASSERT_TRUE(kernel->run(c));
  EXPECT_EQ(written, &marker);
}

}  // namespace
}  // namespace monza::test
