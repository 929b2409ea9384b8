// The commands that answer questions about a model: explain, compare, inspect's pictures, profile over time,
// the report.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/base64.h"
#include "base/cpu.h"
#include "base/hash.h"
#include "cli/driver.h"
#include "cli/text.h"
#include "io/npz.h"
#include "tools/draw/sha256.h"

namespace monza::test {
namespace {

using Json = nlohmann::json;

TEST(CliExplain, SaysWhatComputesANodeAndWhichKernelsDoNot) {
  const Tool tool;
  tool.model("m.onnx");
  const Ran ran = tool.run("explain m.onnx second --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_EQ(report.at("op_type"), "Add");
  const Json& made = report.at("computed_by").at(0);
  ASSERT_FALSE(made.at("candidates").empty());
  std::size_t refused = 0;
  bool taken = false;
  for (const Json& c : made.at("candidates")) {
    if (!c.at("fits").get<bool>()) {
      ++refused;
      EXPECT_FALSE(c.at("reason").get<std::string>().empty());
    }
    taken = taken || c.at("kernel") == made.at("kernel");
  }
  EXPECT_TRUE(taken);
  const Ran text = tool.run("explain m.onnx second");
  EXPECT_TRUE(has(text.out, "Add 'second'")) << text.out;
  EXPECT_TRUE(has(text.out, "candidates for")) << text.out;
  EXPECT_EQ(count(text.out, "refused: "), refused);
  EXPECT_TRUE(has(text.out, "f32[2,3]  dense")) << text.out;
}

TEST(CliExplain, NamesThatAlmostExistAreSuggested) {
  const Tool tool;
  tool.model("m.onnx");
  const Ran ran = tool.run("explain m.onnx secnd");
  EXPECT_EQ(ran.code, 3);
  EXPECT_TRUE(has(ran.err, "the model has no node and no tensor 'secnd'\n  try: one of 'second'")) << ran.err;
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  EXPECT_EQ(tool.run("explain m.engine secnd").err, ran.err);
}

/// y = softmax(relu(x w) + x): a fusion, a near miss, and kernels with times.
void network(const Tool& tool, const std::string& name) {
  tool.model(name, [](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    graph.clear_node();
    const auto add = [&](const char* op, std::initializer_list<const char*> inputs, const char* output) {
      auto& n = *graph.add_node();
      n.set_op_type(op);
      n.set_name(std::string("at_") + output);
      for (const char* i : inputs) n.add_input(i);
      n.add_output(output);
    };
    add("MatMul", {"x", "w"}, "product");
    add("Relu", {"product"}, "act");
    add("Add", {"act", "x"}, "sum");
    add("Softmax", {"sum"}, "y");
    for (auto* value : {graph.mutable_input(0), graph.mutable_output(0)})
      for (int a = 0; a < 2; ++a)
        value->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(a)->set_dim_value(64);
    auto& w = *graph.mutable_initializer(0);
    w.clear_float_data();
    for (int a = 0; a < 2; ++a) w.set_dims(a, 64);
    for (int i = 0; i < 64 * 64; ++i) w.add_float_data(static_cast<float>(i % 7) - 3);
  });
}

TEST(CliExplain, AnEngineKeepsAllThatItsBuildChose) {
  const Tool tool;
  network(tool, "m.onnx");
  const std::string build = "build m.onnx --threads 1 --timing-cache t --output ";
  ASSERT_EQ(tool.run(build + "first.engine").code, 0);
  ASSERT_EQ(tool.run(build + "m.engine").code, 0);
  ASSERT_EQ(tool.run(build + "again.engine").code, 0);
  EXPECT_TRUE(tool.read("m.engine") == tool.read("again.engine")) << "with all timings known, equal to the last byte";
  for (const char* node : {"at_product", "at_act", "sum", "at_y"}) {
    const Json of_engine = Json::parse(tool.run(std::string("explain m.engine --json ") + node).out);
    EXPECT_EQ(of_engine,
              Json::parse(tool.run(std::string("explain m.onnx --threads 1 --timing-cache t --json ") + node).out))
        << node;
    EXPECT_TRUE(of_engine.at("computed_by").at(0).at("candidates").at(0).contains("us")) << of_engine;
  }
  const Json product = Json::parse(tool.run("explain m.engine at_product --json").out);
  EXPECT_EQ(product.at("computed_by").at(0).at("onnx_nodes").size(), 3u) << "the product, its Relu and the sum";

  // The same fusions and near misses, but for the times of the passes.
  Json passes = Json::parse(tool.run("inspect m.onnx --json").out);
  const Json kept = Json::parse(tool.run("inspect m.engine --json").out);
  ASSERT_FALSE(passes.at("rewrites").empty());
  EXPECT_EQ(kept.at("rewrites"), passes.at("rewrites"));
  EXPECT_EQ(kept.at("near_misses"), passes.at("near_misses"));
  for (Json& pass : passes.at("passes")) pass["ms"] = nullptr;
  EXPECT_EQ(kept.at("passes"), passes.at("passes"));
  EXPECT_TRUE(has(tool.run("inspect m.engine --fusions").out, "activation(product) at Relu node 'at_act'"));
  EXPECT_EQ(tool.run("inspect m.engine --svg graph.svg").code, 0);
  EXPECT_TRUE(has(tool.read("graph.svg"), "Softmax"));

  // Planned anew, an engine still knows what the passes did; what is not timed says so.
  ASSERT_EQ(tool.run("build m.engine --no-tune --output anew.engine").code, 0);
  const Json anew = Json::parse(tool.run("explain anew.engine at_act --json").out);
  const Json act = Json::parse(tool.run("explain m.engine at_act --json").out);
  EXPECT_EQ(anew.at("computed_by").at(0).at("rewrites"), act.at("computed_by").at(0).at("rewrites"));
  EXPECT_FALSE(anew.at("computed_by").at(0).at("candidates").at(0).contains("us"));
}

TEST(CliExplain, AStrippedEngineShowsItsStepsAndSaysWhatItLacks) {
  const Tool tool;
  tool.model("m.onnx");
  ASSERT_EQ(tool.run("build m.onnx --strip --output m.engine").code, 0);
  const Ran ran = tool.run("explain m.engine second");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "step 1: ")) << ran.out;
  EXPECT_TRUE(has(ran.out, "built with --strip, so fusions and candidates are not in it: explain the ONNX file"));
  const Ran unknown = tool.run("explain m.engine secnd");
  EXPECT_EQ(unknown.code, 3);
  EXPECT_TRUE(has(unknown.err, "no step of the engine computes a node 'secnd'\n  try: one of 'second'")) << unknown.err;
  const Ran fusions = tool.run("inspect m.engine --fusions");
  EXPECT_EQ(fusions.code, 3);
  EXPECT_TRUE(has(fusions.err, "the engine was built with --strip: it keeps neither its graph")) << fusions.err;
  EXPECT_FALSE(Json::parse(tool.run("inspect m.engine --json").out).contains("rewrites"));
}

TEST(CliCompare, AnEngineAgreesWithItsModelUnoptimised) {
  const Tool tool;
  tool.model("m.onnx");
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  for (const char* line : {"compare m.engine m.onnx", "compare m.onnx m.onnx --tensors", "compare m.engine m.engine"}) {
    const Ran ran = tool.run(line);
    EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
    EXPECT_TRUE(has(ran.out, "all agree")) << ran.out;
  }
  const Json report = Json::parse(tool.run("compare m.onnx m.onnx --tensors --json").out);
  EXPECT_EQ(report.at("ok"), true);
  EXPECT_GE(report.at("tensors").size(), 2u);
}

TEST(CliCompare, AnotherModelDiffersAndTheRebuiltOneSaysSo) {
  const Tool tool;
  tool.model("m.onnx");
  tool.model("other.onnx",
             [](onnx::ModelProto& m) { m.mutable_graph()->mutable_initializer(0)->set_float_data(5, 50); });
  ASSERT_EQ(tool.run("build other.onnx --no-tune --output other.engine").code, 0);
  const Ran ran = tool.run("compare other.engine m.onnx");
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_TRUE(has(ran.out, "1 of 6 elements differ, most at [1, 2]: ")) << ran.out;
  EXPECT_TRUE(has(ran.out,
                  "'m.onnx' built now with the same options agrees with itself unoptimised, the engine does not, with "
                  "the same steps and kernels: its weights are others, or the result is not the same at each run"))
      << ran.out;
  tool.model("named.onnx", [](onnx::ModelProto& m) {
    m.mutable_graph()->mutable_node(1)->set_name("sum");
    m.mutable_graph()->mutable_initializer(0)->set_float_data(5, 50);
  });
  ASSERT_EQ(tool.run("build named.onnx --no-tune --output named.engine").code, 0);
  const Ran named = tool.run("compare named.engine m.onnx");
  EXPECT_TRUE(has(named.out, "so it is of another model, other options or another version")) << named.out;
  EXPECT_FALSE(has(named.out, "timing")) << named.out;
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  const Ran engines = tool.run("compare m.engine other.engine");
  EXPECT_EQ(engines.code, 1);
  EXPECT_TRUE(has(engines.out, "two engines do not say which node it was: compare each with the ONNX file"));
}

/// y = relu(x) + w, rounded to eight bits in steps of `step`.
void quantised(const Tool& tool, const std::string& name, float step) {
  tool.model(name, [&](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    graph.mutable_node(1)->set_output(0, "sum");
    auto& scale = *graph.add_initializer();
    scale.set_name("scale");
    scale.set_data_type(onnx::TensorProto::FLOAT);
    scale.add_float_data(step);
    for (const auto& [op, from, to] : {std::tuple("QuantizeLinear", "sum", "q"), {"DequantizeLinear", "q", "y"}}) {
      auto& node = *graph.add_node();
      node.set_op_type(op);
      node.set_name(op);
      node.add_input(from);
      node.add_input("scale");
      node.add_output(to);
    }
  });
}

TEST(CliCompare, TwoModelsThatDifferByThemselvesBlameNoPass) {
  const Tool tool;
  tool.model("m.onnx");
  quantised(tool, "q.onnx", 4);
  const Ran ran = tool.run("compare q.onnx m.onnx");
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_TRUE(has(ran.out,
                  "the two differ by themselves: 'q.onnx' without optimisation does not agree with 'm.onnx' "
                  "either (least cosine 0.9"))
      << ran.out;
  EXPECT_TRUE(has(ran.out, "so no pass or kernel is to blame\nthe first tensor that both name and that differs is 'y'"))
      << ran.out;
  EXPECT_FALSE(has(ran.out, "pass '")) << ran.out;
  const Json report = Json::parse(tool.run("compare m.onnx q.onnx --json").out);
  EXPECT_EQ(report.at("unoptimised_agrees"), false);
  EXPECT_EQ(report.at("first_shared_tensor").at("name"), "y");
  EXPECT_EQ(report.at("criterion").at("judged_by"), "cosine") << "the other one quantises";
  EXPECT_FALSE(report.contains("culprit"));
  // Against an engine, and against tensors.
  ASSERT_EQ(tool.run("build m.onnx --no-tune --output m.engine").code, 0);
  EXPECT_TRUE(has(tool.run("compare q.onnx m.engine").out, "'q.onnx' without optimisation does not agree with"));
  ASSERT_EQ(tool.run("run m.onnx --random --output golden.npz --save-inputs").code, 0);
  const Ran tensors = tool.run("compare q.onnx golden.npz");
  EXPECT_TRUE(has(tensors.out, "'q.onnx' without optimisation does not agree with")) << tensors.out;
  EXPECT_EQ(count(tensors.out, "FAIL"), 1u) << "an output is compared once";
}

TEST(CliCompare, QuantisedModelsAreJudgedByTheCosine) {
  const Tool tool;
  quantised(tool, "q.onnx", 0.03f);
  tool.model("m.onnx");
  const Ran ran = tool.run("compare q.onnx m.onnx");
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_TRUE(has(ran.out, "quantised, so judged by the cosine, at least 0.999: all agree")) << ran.out;
  EXPECT_EQ(tool.run("compare q.onnx m.onnx --tolerance 1e-6 --no-bisect").code, 1) << "what is asked for counts";
  EXPECT_TRUE(has(tool.run("compare m.onnx m.onnx").out, "tolerance 0.001 of each tensor's largest magnitude"));
}

TEST(CliCompare, WidensItsToleranceWhereSomeNodesAreRounded) {
  if (!covers(cpu_info().isa, Isa::avx512bf16)) GTEST_SKIP() << "this CPU lacks avx512bf16";
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    graph.mutable_node(1)->set_op_type("MatMul");
    auto& w = *graph.mutable_initializer(0);
    w.set_dims(0, 3);
    for (int i = 6; i < 9; ++i) w.add_float_data(static_cast<float>(i));
  });
  const auto tolerance = [&](const std::string& model) {
    return Json::parse(tool.run("compare " + model + " m.onnx --json").out).at("tolerance").get<double>();
  };
  EXPECT_EQ(tolerance("m.onnx --constrain y=fp32"), 1e-3);
  EXPECT_EQ(tolerance("m.onnx --constrain y=bf16"), 3e-2);
  ASSERT_EQ(tool.run("build m.onnx --no-tune --strip --constrain y=bf16 --output m.engine").code, 0);
  EXPECT_EQ(tolerance("m.engine"), 3e-2);
}

TEST(CliRun, OneFileOfInputsAndOutputsIsATest) {
  const Tool tool;
  tool.model("m.onnx");
  ASSERT_EQ(tool.run("run m.onnx --random --seed 7 --output golden.npz --save-inputs").code, 0);
  const auto arrays = io::read_npz(tool.path("golden.npz"));
  ASSERT_EQ(arrays.size(), 2u);
  EXPECT_EQ(arrays[0].name, "y");
  EXPECT_EQ(arrays[1].name, "x");
  ASSERT_EQ(tool.run("build m.onnx --no-tune --output m.engine").code, 0);
  for (const char* model : {"m.onnx ", "m.engine "}) {
    EXPECT_EQ(tool.run(std::string("run ") + model + "--expect golden.npz --rtol 0 --atol 0").code, 0) << model;
    EXPECT_EQ(tool.run(std::string("run ") + model + "--input golden.npz").code, 0) << "outputs are left aside";
    EXPECT_EQ(tool.run(std::string("compare ") + model + "golden.npz").code, 0) << model;
    const Json bench = Json::parse(
        tool.run(std::string("bench ") + model + "--no-tune --data golden.npz --iterations 5 --warmup 0 --json").out);
    EXPECT_NEAR(bench.at("points").at(0).at("accuracy").at("value").get<double>(), 1, 1e-6) << bench;
  }
  tool.model("other.onnx",
             [](onnx::ModelProto& m) { m.mutable_graph()->mutable_initializer(0)->set_float_data(5, 50); });
  EXPECT_EQ(tool.run("run other.onnx --expect golden.npz").code, 1);
}

/// A damaged byte far behind the head of the array is never come upon.
TEST(CliRun, ArraysThatTheModelDoesNotTakeAreNotUnpacked) {
  const Tool tool;
  tool.model("m.onnx");
  ASSERT_EQ(tool.run("build m.onnx --no-tune --output m.engine").code, 0);
  const Tensor x(DType::f32, {300, 1000});
  const io::NamedRef array{"x", x.ref()};
  io::write_npz(tool.path("big.npz"), std::span(&array, 1));
  std::string bytes = tool.read("big.npz");
  bytes[bytes.size() / 2] ^= 1;
  tool.write("big.npz", bytes);
  for (const auto& [model, takes] :
       {std::pair("m.onnx", "the model takes 2x3"), {"m.engine", "the engine takes 2x3"}}) {
    const Ran ran = tool.run(std::string("run ") + model + " --input big.npz");
    EXPECT_EQ(ran.code, 3) << ran.err;
    EXPECT_TRUE(has(ran.err, std::string("input 'x' has the shape 300x1000, ") + takes)) << ran.err;
  }
}

TEST(CliRun, NumbersStandForTensors) {
  const Tool tool;
  tool.model("m.onnx");
  const auto first = [&] { return io::read_npz(tool.path("out.npz"))[0].tensor; };
  ASSERT_EQ(tool.run("run m.onnx --input x=2.5 --output out.npz").code, 0);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(first().as<float>()[i], 2.5f + static_cast<float>(i));
  ASSERT_EQ(tool.run("run m.onnx --input x=1,2,3,4,5,-6 --output out.npz").code, 0);
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(first().as<float>()[i], (i < 5 ? static_cast<float>(i) + 1 : 0) + static_cast<float>(i));
  ASSERT_EQ(tool.run("build m.onnx --no-tune --output m.engine").code, 0);
  ASSERT_EQ(tool.run("run m.engine --input x=true --output out.npz").code, 0);
  EXPECT_EQ(first().as<float>()[0], 1);
}

/// y = the elements of x that `op` takes by the integer input n, of that shape.
void chosen_by_integers(const Tool& tool, const char* op, std::initializer_list<std::int64_t> shape) {
  tool.model("chosen.onnx", [&](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    graph.mutable_initializer()->Clear();
    auto& n = *graph.add_input();
    n.set_name("n");
    auto& type = *n.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::INT64);
    type.mutable_shape();
    for (const std::int64_t d : shape) type.mutable_shape()->add_dim()->set_dim_value(d);
    graph.mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
    graph.mutable_node()->RemoveLast();
    auto& node = *graph.mutable_node(0);
    node.set_op_type(op);
    node.add_input("n");
    node.set_output(0, "y");
  });
}

TEST(CliRun, InitializersThatAreInputsCanBeFed) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    *graph.add_input() = graph.input(0);
    graph.mutable_input(1)->set_name("w");
  });
  const auto last = [&] { return io::read_npz(tool.path("out.npz"))[0].tensor.as<float>()[5]; };
  ASSERT_EQ(tool.run("run m.onnx --input x=1 --output out.npz").code, 0);
  EXPECT_EQ(last(), 6) << "by itself it is a constant";
  ASSERT_EQ(tool.run("run m.onnx --input x=1 --input w=10 --output out.npz --save-inputs").code, 0);
  EXPECT_EQ(last(), 11);
  EXPECT_EQ(tool.run("run m.onnx --expect out.npz").code, 0) << "the file has both inputs";
  EXPECT_EQ(tool.run("compare m.onnx out.npz").code, 0);
  EXPECT_EQ(tool.run("compare m.onnx m.onnx --input w=10").code, 0);
  ASSERT_EQ(tool.run("build m.onnx --no-tune --feed w --output m.engine").code, 0);
  ASSERT_EQ(tool.run("run m.engine --input x=1 --input w=20 --output out.npz").code, 0);
  EXPECT_EQ(last(), 21);
}

TEST(CliRun, RandomIntegersThatAreNoMereDataAreNamed) {
  const Tool tool;
  const std::string said = "monza: random integers (0 or 1): 'n' ";
  chosen_by_integers(tool, "Gather", {3});
  EXPECT_TRUE(has(tool.run("run chosen.onnx --random").err, said + "are indices (--input n=VALUE gives them)"));
  EXPECT_FALSE(has(tool.run("run chosen.onnx --random --quiet").err, said));
  EXPECT_EQ(tool.run("run chosen.onnx --random --input n=1").err, "");
  ASSERT_EQ(tool.run("build chosen.onnx --no-tune --output chosen.engine").code, 0);
  EXPECT_TRUE(has(tool.run("bench chosen.engine --iterations 5").err, said + "are indices"));
  chosen_by_integers(tool, "Tile", {2});
  EXPECT_TRUE(has(tool.run("run chosen.onnx --random").err, said + "decide shapes or branches")) << "seed 0";
}

TEST(CliCompare, ArraysOfInnerTensorsNameTheFirstThatDiffers) {
  const Tool tool;
  tool.model("m.onnx");
  // The model's input, its inner tensor r = relu(x), which is wrong here, and its output, which is right.
  Tensor x(DType::f32, {2, 3}), r(DType::f32, {2, 3}), y(DType::f32, {2, 3});
  for (int i = 0; i < 6; ++i) {
    x.as<float>()[i] = static_cast<float>(i) - 3;
    r.as<float>()[i] = static_cast<float>(i);
    y.as<float>()[i] = std::max(0.f, static_cast<float>(i) - 3) + static_cast<float>(i);
  }
  io::write_npz(tool.path("all.npz"), std::vector<io::NamedRef>{{"x", x}, {"r", r}, {"y", y}});
  const Ran ran = tool.run("compare m.onnx all.npz --json");
  EXPECT_EQ(ran.code, 1) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_EQ(report.at("culprit").at("kind"), "node");
  EXPECT_EQ(report.at("culprit").at("tensor"), "r");
  EXPECT_TRUE(has(report.at("culprit").at("node"), "'first'"));
  for (const Json& t : report.at("tensors")) EXPECT_EQ(t.at("ok"), t.at("name") == "y");
  io::write_npz(tool.path("none.npz"), std::vector<io::NamedRef>{{"q", r}});
  io::write_npz(tool.path("x.npz"), std::vector<io::NamedRef>{{"x", x}});
  const Ran none = tool.run("compare m.onnx none.npz --input x.npz");
  EXPECT_EQ(none.code, 3);
  EXPECT_TRUE(has(none.err,
                  "'none.npz': none of its arrays is a tensor of the model: 'q'\n  try: name the arrays as the model's "
                  "tensors"))
      << none.err;
}

TEST(CliCompare, RefusesWhatCannotBeCompared) {
  const Tool tool;
  tool.model("m.onnx");
  tool.model("z.onnx", [](onnx::ModelProto& m) {
    m.mutable_graph()->mutable_output(0)->set_name("z");
    m.mutable_graph()->mutable_node(1)->set_output(0, "z");
  });
  const Ran other = tool.run("compare m.onnx z.onnx");
  EXPECT_EQ(other.code, 3);
  EXPECT_TRUE(has(other.err, "the two have no output of the same name\n  try: compare engines of one model"))
      << other.err;
  tool.array("q.npy", "(2, 3)", 6);
  tool.write("q.npz", "");
  EXPECT_EQ(tool.run("compare m.onnx q.npz").code, 3) << "no archive";
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  const Ran tensors = tool.run("compare m.engine m.engine --tensors");
  EXPECT_EQ(tensors.code, 2);
  EXPECT_TRUE(has(tensors.err, "--tensors needs the ONNX file as one of the two")) << tensors.err;
}

TEST(CliInspect, DrawsGraphsAndMemory) {
  const Tool tool;
  tool.model("m.onnx",
             [](onnx::ModelProto& m) { m.mutable_graph()->mutable_node(0)->set_name("<script>alert('&')</script>"); });
  for (const char* what : {"", "--imported", "--memory"}) {
    ASSERT_EQ(tool.run(std::string("inspect m.onnx --svg p.svg ") + what).code, 0) << what;
    const std::string svg = tool.read("p.svg");
    EXPECT_TRUE(svg.starts_with("<svg xmlns=")) << what;
    expect_well_formed(svg);
    EXPECT_FALSE(has(svg, "<script"));
  }
  ASSERT_EQ(tool.run("inspect m.onnx --svg p.svg --imported").code, 0);
  EXPECT_TRUE(has(tool.read("p.svg"), "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"));
  EXPECT_TRUE(has(tool.read("p.svg"), ">Relu</text>"));
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  EXPECT_EQ(tool.run("inspect m.engine --svg p.svg").code, 0);
  EXPECT_TRUE(has(tool.read("p.svg"), ">Relu</text>"));
  EXPECT_EQ(tool.run("inspect m.engine --memory --svg p.svg").code, 0);
  EXPECT_EQ(tool.run("inspect m.onnx --svg no/such/folder/p.svg").code, 3);
}

TEST(CliInspect, FindsWeightsThatTwoEnginesShare) {
  const Tool tool;
  tool.model("a.onnx");
  tool.model("b.onnx", [](onnx::ModelProto& m) { m.mutable_graph()->mutable_node(0)->set_op_type("Sigmoid"); });
  tool.model("c.onnx", [](onnx::ModelProto& m) { m.mutable_graph()->mutable_initializer(0)->set_float_data(0, 7); });
  for (const char* name : {"a", "b", "c"})
    ASSERT_EQ(tool.run(std::string("build ") + name + ".onnx --output " + name + ".engine").code, 0);
  const Json same =
      Json::parse(tool.run("inspect a.engine --shared-with b.engine --json").out).at("shared_weights").at(0);
  EXPECT_GE(same.at("bytes").get<int>(), 24);
  EXPECT_EQ(same.at("blocks").at(0).at("name"), "w");
  const Ran none = tool.run("inspect a.engine --shared-with c.engine");
  EXPECT_TRUE(has(none.out, "weights shared with 'c.engine': ")) << none.out;
  EXPECT_TRUE(has(none.out, "in 0 blocks")) << none.out;
  const Ran wrong = tool.run("inspect a.engine --shared-with a.onnx");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(has(wrong.err, "--shared-with 'a.onnx' is no engine file\n  try: build it with `monza build`"))
      << wrong.err;
}

TEST(CliProfile, ShowsWhatChangedAndDrawsRunTimes) {
  const Tool tool;
  tool.model("m.onnx");
  const Ran first = tool.run("profile m.onnx --iterations 30 --no-ceilings --json --histogram runs.svg");
  ASSERT_EQ(first.code, 0) << first.err;
  expect_well_formed(tool.read("runs.svg"));
  EXPECT_TRUE(has(tool.read("runs.svg"), "time of a run"));
  const Json report = Json::parse(first.out);
  std::size_t runs = report.at("histogram").at("above");
  for (const Json& n : report.at("histogram").at("counts")) runs += n.get<std::size_t>();
  EXPECT_EQ(runs, 30u);
  tool.write("before.json", first.out);
  const Ran again = tool.run("profile m.onnx --iterations 5 --no-ceilings --against before.json");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(has(again.out, "since then: best run ")) << again.out;
  EXPECT_TRUE(has(again.out, "whole runs: 5 of them")) << again.out;
  const Json changes =
      Json::parse(tool.run("profile m.onnx --iterations 5 --no-ceilings --against before.json --json").out)
          .at("changes");
  EXPECT_EQ(changes.size(), report.at("layers").size());
  for (const char* wrong : {"{}", "[1, 2]", "nonsense", R"({"best_run_ms": 1, "layers": [{"name": 3}]})"}) {
    tool.write("wrong.json", wrong);
    const Ran ran = tool.run("profile m.onnx --iterations 1 --no-ceilings --against wrong.json");
    EXPECT_EQ(ran.code, 3) << wrong;
    EXPECT_TRUE(has(ran.err, "'wrong.json': it is no profile\n  try: give what `monza profile MODEL --json` printed"))
        << ran.err;
  }
}

TEST(CliProfile, IsHeldAgainstItsOwnModel) {
  const Tool tool;
  tool.model("m.onnx");
  tool.write("before.json", tool.run("profile m.onnx --iterations 12 --no-ceilings --json --threads 1").out);
  const auto named = [&](const char* first, const char* second, std::int64_t rows) {
    tool.model("other.onnx", [&](onnx::ModelProto& m) {
      auto& graph = *m.mutable_graph();
      graph.mutable_node(0)->set_name(first);
      graph.mutable_node(1)->set_name(second);
      for (auto* value : {graph.mutable_input(0), graph.mutable_output(0)})
        value->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(rows);
      auto& w = *graph.mutable_initializer(0);
      w.set_dims(0, rows);
      w.clear_float_data();
      for (int i = 0; i < rows * 3; ++i) w.add_float_data(1);
    });
    return tool.run("profile other.onnx --iterations 12 --no-ceilings --threads 1 --against before.json");
  };
  const Ran other = named("conv", "sum", 2);
  EXPECT_EQ(other.code, 3) << other.out;
  EXPECT_TRUE(has(other.err,
                  "'before.json': it is a profile of another model: of its 2 ONNX nodes 0 are among the 2 "
                  "here\n  try: a profile of this model: monza profile MODEL --json"))
      << other.err;
  const Ran larger = named("first", "second", 200);
  EXPECT_EQ(larger.code, 0) << larger.err;
  EXPECT_TRUE(has(larger.err, "warning: the work is another, ") && has(larger.err, "or a model of the same names"))
      << larger.err;
  EXPECT_FALSE(has(named("first", "second", 2).err, "the work is another"));
  const Ran threads = tool.run("profile m.onnx --iterations 3 --no-ceilings --threads 2 --against before.json");
  EXPECT_TRUE(has(threads.err, "warning: the number of threads is another, 1 then and 2 now")) << threads.err;
  EXPECT_TRUE(has(threads.err, "layers are the least of all runs, so that their sum (")) << "three runs are too few";
}

TEST(CliReports, SayWhatTheyAreOf) {
  const Tool tool;
  tool.model("m.onnx");
  for (const char* line : {"run m.onnx --random --precision fp32 --json", "bench m.onnx --iterations 5 --json",
                           "profile m.onnx --iterations 5 --no-ceilings --json"}) {
    const Ran ran = tool.run(line);
    ASSERT_EQ(ran.code, 0) << ran.err;
    const Json about = Json::parse(ran.out).at("about");
    EXPECT_EQ(about.at("monza"), MONZA_VERSION);
    EXPECT_EQ(about.at("model").at("file"), "m.onnx");
    EXPECT_EQ(about.at("model").at("bytes"), tool.read("m.onnx").size());
    EXPECT_EQ(about.at("model").at("hash"), fmt::format("{:016x}", hash64(tool.read("m.onnx"))));
    EXPECT_EQ(about.at("engine").at("precision"), "fp32");
    EXPECT_EQ(about.at("machine").at("cpu"), cpu_info().model);
    EXPECT_EQ(about.at("arguments").at(1), "m.onnx");
    EXPECT_EQ(about.at("arguments").back(), "--json");
  }
}

TEST(CliRun, OutputsThatAreNoNumbersAreSaid) {
  const Tool tool;
  tool.model("m.onnx");
  const Ran ran = tool.run("run m.onnx --input x=nan");
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(has(ran.err, "monza: warning: output 'y': 6 of 6 elements are NaN")) << ran.err;
  EXPECT_EQ(Json::parse(tool.run("run m.onnx --input x=nan --json").out).at("not_finite").at("y"),
            "6 of 6 elements are NaN");
  EXPECT_TRUE(
      has(tool.run("bench m.onnx --iterations 5 --input x=inf").err, "warning: output 'y': 6 of 6 elements are"));
  EXPECT_FALSE(has(tool.run("run m.onnx --input x=1").err, "warning"));
}

TEST(CliReport, IsOnePageThatEscapesTheModelsNames) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    const std::string evil = "</title><script>alert(1)</script>\"'<!--";
    auto& graph = *m.mutable_graph();
    graph.mutable_node(0)->set_name(evil);
    graph.mutable_node(0)->set_output(0, evil + "r");
    graph.mutable_node(1)->set_input(0, evil + "r");
    graph.mutable_initializer(0)->set_name(evil + "w");
    graph.mutable_node(1)->set_input(1, evil + "w");
    auto& metadata = *m.add_metadata_props();
    metadata.set_key(evil);
    metadata.set_value("\xff\xfe " + evil);
  });
  const Ran ran = tool.run("build m.onnx --output m.engine --report page.html");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "report: page.html"));
  const std::string page = tool.read("page.html");
  EXPECT_EQ(count(page, "<script"), 1u) << "the search";
  const std::size_t begin = page.find("<script>") + 8;
  EXPECT_TRUE(
      has(page, "script-src 'sha256-" + base64(tool::sha256(page.substr(begin, page.find("</script>") - begin))) + "'"))
      << "no other script may run";
  EXPECT_TRUE(has(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&lt;!--"));
  for (const char* outside : {"http://", "https://", "src=", "url(", "@import"}) {
    std::string rest = page;  // the names of XML's namespaces are not fetched
    const std::string space = "xmlns=\"http://www.w3.org/2000/svg\"";
    for (std::size_t at; (at = rest.find(space)) != std::string::npos;) rest.erase(at, space.size());
    EXPECT_FALSE(has(rest, outside)) << outside;
  }
  for (const char* section : {"id=\"layers\"", "id=\"fusions\"", "id=\"graph\"", "id=\"memory\"", "id=\"candidates\""})
    EXPECT_TRUE(has(page, section)) << section;
  EXPECT_EQ(count(page, "<svg "), 4u) << "run times, both graphs, memory";
  expect_well_formed(page);

  // Of an engine: all but the graph as imported.
  ASSERT_EQ(tool.run("build m.engine --output again.engine --report engine.html").code, 0);
  const std::string engine = tool.read("engine.html");
  EXPECT_EQ(count(engine, "<svg "), 3u) << "run times, the graph, memory";
  EXPECT_EQ(count(engine, " runs <code>"), count(page, " runs <code>")) << "the kernels of every node";
  expect_well_formed(engine);
}

}  // namespace
}  // namespace monza::test
