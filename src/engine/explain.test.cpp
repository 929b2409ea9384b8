// What became of a node, and what makes numbers differ.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/cpu.h"
#include "engine/bisect.h"
#include "engine/explain.h"
#include "ir/op.h"
#include "kernel/registry.h"
#include "monza/error.h"
#include "support/onnx_model.h"
#include "support/temporary.h"

namespace monza::test {
namespace {

void declare(onnx::ValueInfoProto& value, const char* name, std::initializer_list<int> shape) {
  value.set_name(name);
  auto& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  for (const int d : shape) type.mutable_shape()->add_dim()->set_dim_value(d);
}

void initializer(onnx::GraphProto& graph, const char* name, std::initializer_list<int> shape, float scale) {
  auto& t = *graph.add_initializer();
  t.set_name(name);
  t.set_data_type(onnx::TensorProto::FLOAT);
  int count = 1;
  for (const int d : shape) {
    t.add_dims(d);
    count *= d;
  }
  for (int i = 0; i < count; ++i) t.add_float_data(scale * static_cast<float>(i * 7 % 11 - 5));
}

void node(onnx::GraphProto& graph, const char* op, std::initializer_list<const char*> inputs, const char* output) {
  auto& n = *graph.add_node();
  n.set_op_type(op);
  n.set_name(std::string("node/") + output);
  for (const char* i : inputs) n.add_input(i);
  n.add_output(output);
}

/// y = softmax(relu(x w + b) + s) with s = c + c folded at build, on x of 4x16.
std::string write_explain_model(const std::filesystem::path& folder) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  auto& graph = *model.mutable_graph();
  graph.set_name("test");
  declare(*graph.add_input(), "x", {4, 16});
  declare(*graph.add_output(), "y", {4, 16});
  initializer(graph, "w", {16, 16}, 0.1f);
  initializer(graph, "b", {16}, 0.2f);
  initializer(graph, "c", {16}, 0.3f);
  node(graph, "MatMul", {"x", "w"}, "product");
  node(graph, "Add", {"product", "b"}, "sum");
  node(graph, "Relu", {"sum"}, "act");
  node(graph, "Add", {"c", "c"}, "twice");
  node(graph, "Add", {"act", "twice"}, "shifted");
  node(graph, "Softmax", {"shifted"}, "y");
  const std::string path = (folder / "m.onnx").string();
  std::ofstream(path, std::ios::binary) << model.SerializeAsString();
  return path;
}

std::map<std::string, Tensor> inputs() {
  Tensor x(DType::f32, {4, 16});
  for (int i = 0; i < 64; ++i) x.as<float>()[i] = 0.05f * static_cast<float>(i % 13) - 0.2f;
  return {{"x", x}};
}

BuildOptions untimed() {
  BuildOptions options;
  options.threads = 1;
  options.tune = false;
  return options;
}

class ExplainTest : public ::testing::Test {
 protected:
  void SetUp() override {
    BuildHooks hooks;
    hooks.report = &report_;
    engine_ = std::make_unique<Engine>(build_engine(path_, untimed(), hooks));
  }
  Explanation ask(const std::string& name) { return explain(report_, *engine_, name); }

  TemporaryFolder folder_;
  std::string path_ = write_explain_model(folder_.path());
  BuildReport report_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(ExplainTest, ANodeThatWasFusedNamesWhatComputesItAndEveryCandidate) {
  const Explanation e = ask("node/act");
  EXPECT_EQ(e.op_type, "Relu");
  ASSERT_EQ(e.realisations.size(), 1u);
  const Realisation& r = e.realisations[0];
  EXPECT_EQ(r.op, "MatMul");
  const std::vector<std::string> all = {"MatMul 'node/product'", "Add 'node/sum'", "Relu 'node/act'"};
  EXPECT_EQ(r.onnx_nodes, all);
  EXPECT_GE(r.rewrites.size(), 2u);
  ASSERT_NE(r.choice, nullptr);
  EXPECT_EQ(r.choice->accepted.at(0), r.choice->kernel) << "nothing is timed: the first that fits";
  ASSERT_EQ(r.steps.size(), 1u);
  EXPECT_EQ(r.steps[0].kernel, r.choice->kernel);
  ASSERT_EQ(r.steps[0].outputs.size(), 1u);
  EXPECT_EQ(r.steps[0].outputs[0].type, "f32[4,16]");
  EXPECT_EQ(r.steps[0].outputs[0].layout, "dense");
}

TEST_F(ExplainTest, ATensorsNameMeansTheNodeThatMakesIt) {
  EXPECT_EQ(ask("sum").name, "node/sum");
  EXPECT_EQ(ask("y").realisations.at(0).op, "Softmax");
}

TEST_F(ExplainTest, AFoldedNodeIsAConstant) {
  const Explanation e = ask("node/twice");
  EXPECT_TRUE(e.realisations.empty());
  ASSERT_EQ(e.constants.size(), 1u);
  EXPECT_NE(e.constants[0].find("f32[16]"), std::string::npos) << e.constants[0];
}

TEST_F(ExplainTest, AnUnknownNameSuggestsTheNearest) {
  const auto message = [&](const std::string& name) -> std::string {
    try {
      ask(name);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(message("node/Akt"), "the model has no node and no tensor 'node/Akt'\n  try: one of 'node/act'");
  EXPECT_EQ(message("???"),
            "the model has no node and no tensor '\?\?\?'\n  try: `monza inspect MODEL --imported` lists the nodes");
}

TEST_F(ExplainTest, AnEngineKnowsItsSteps) {
  const auto steps = steps_of(*engine_, "node/sum");
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_EQ(steps[0].name, "node/product + node/sum + node/act");
  EXPECT_TRUE(steps_of(*engine_, "node/su").empty());
}

/// y = the sum of 40 equal activations of x, which common_subexpressions makes one node of.
std::string write_equal_nodes(const std::filesystem::path& folder) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  auto& graph = *model.mutable_graph();
  graph.set_name("test");
  declare(*graph.add_input(), "x", {4, 16});
  declare(*graph.add_output(), "y", {4, 16});
  for (int i = 0; i < 40; ++i) node(graph, "Sigmoid", {"x"}, fmt::format("s{} + s", i).c_str());
  node(graph, "Sum", {}, "y");
  for (int i = 0; i < 40; ++i) graph.mutable_node(40)->add_input(fmt::format("s{} + s", i));
  const std::string path = (folder / "equal.onnx").string();
  std::ofstream(path, std::ios::binary) << model.SerializeAsString();
  return path;
}

TEST(Steps, CarryEveryNodeThatTheyComputeHoweverMany) {
  TemporaryFolder folder;
  BuildReport report;
  BuildHooks hooks;
  hooks.report = &report;
  const Engine built = build_engine(write_equal_nodes(folder.path()), untimed(), hooks);
  const Explanation e = explain(report, built, "node/s39 + s");
  ASSERT_EQ(e.realisations.size(), 1u);
  EXPECT_EQ(e.realisations[0].op, "Sigmoid");
  ASSERT_EQ(e.realisations[0].steps.size(), 1u);
  EXPECT_EQ(e.realisations[0].steps[0].nodes.size(), 40u);
  EXPECT_TRUE(e.realisations[0].steps[0].name.ends_with(" + ...")) << "names are for people";

  // Without graph and record it is the plan alone that knows.
  const std::string path = folder / "stripped.engine";
  BuildOptions stripped = untimed();
  stripped.strip = true;
  Engine::build(write_equal_nodes(folder.path()), stripped).save(path);
  const Engine loaded = Engine::load(path);
  ASSERT_EQ(steps_of(loaded, "node/s39 + s").size(), 1u);
  EXPECT_EQ(steps_of(loaded, "node/s39 + s")[0].op, "Sigmoid");
  EXPECT_TRUE(steps_of(loaded, "node/s39").empty());
  EXPECT_TRUE(steps_of(loaded, "s").empty());
  Context context = loaded.create_context();
  EXPECT_EQ(context.profile().at(0).nodes.size(), 40u);
}

/// Deliberately wrong: every Relu becomes Abs, and, as its second rewrite, every Softmax becomes LogSoftmax.
void break_graph(ir::Graph& graph, PassContext& context, std::string_view from, std::string_view to) {
  for (const ir::NodeId id : graph.order()) {
    ir::Node& n = graph.node(id);
    if (n.op->name == from && context.allow(fmt::format("{} becomes {}", from, to), graph, n)) n.op = &ir::get_op(to);
  }
}
const Pass wrong_relu{"wrong_relu", "wrong on purpose",
                      [](ir::Graph& g, PassContext& c) { break_graph(g, c, "Relu", "Abs"); }};
const Pass wrong_softmax{"wrong_softmax", "wrong on purpose",
                         [](ir::Graph& g, PassContext& c) { break_graph(g, c, "Softmax", "LogSoftmax"); }};

class CulpritTest : public ::testing::Test {
 protected:
  Culprit find(const std::vector<const Pass*>& pipeline) {
    VariantRunner runner(path_, inputs());
    const Variant suspect{untimed(), &pipeline};
    return find_culprit(runner, suspect, reference_of(suspect), 1e-4);
  }
  /// The usual passes with `wrong` put in at `place`.
  static std::vector<const Pass*> with(const Pass& wrong, std::size_t place) {
    std::vector<const Pass*> list = pipeline();
    list.insert(list.begin() + static_cast<std::ptrdiff_t>(std::min(place, list.size())), &wrong);
    return list;
  }

  TemporaryFolder folder_;
  std::string path_ = write_explain_model(folder_.path());
};

TEST_F(CulpritTest, TheUsualPassesAgree) {
  const Culprit c = find(pipeline());
  EXPECT_EQ(c.kind, Culprit::Kind::none) << to_string(c);
  EXPECT_EQ(to_string(c), "the outputs agree");
}

TEST_F(CulpritTest, AWrongPassIsFoundByName) {
  // First in the row, where later passes fuse its result away, and last.
  for (const std::size_t place : {static_cast<std::size_t>(0), static_cast<std::size_t>(1000)}) {
    const Culprit c = find(with(wrong_softmax, place));
    EXPECT_EQ(c.kind, Culprit::Kind::rewrite) << to_string(c);
    EXPECT_EQ(c.pass, "wrong_softmax");
    EXPECT_EQ(c.rewrite, "Softmax becomes LogSoftmax");
    EXPECT_NE(c.node.find("node/y"), std::string::npos) << c.node;
    EXPECT_EQ(c.tensor, "y");
    EXPECT_NE(to_string(c).find("pass 'wrong_softmax' makes the numbers differ: Softmax becomes LogSoftmax at"),
              std::string::npos);
    EXPECT_NE(to_string(c).find("try: --disable-pass wrong_softmax"), std::string::npos);
  }
}

TEST_F(CulpritTest, TheFirstTensorIsNamedNotTheOutput) {
  const Culprit c = find(with(wrong_relu, 0));
  EXPECT_EQ(c.pass, "wrong_relu");
  EXPECT_EQ(c.tensor, "act");
  EXPECT_GT(c.error.max_abs_error, 0.01);
}

TEST_F(CulpritTest, AKernelIsToldFromThePasses) {
  const auto fast = [](const Kernel* k) {
    return !k->reference && k->device == DeviceKind::cpu && covers(cpu_info().isa, k->needs);
  };
  if (std::ranges::none_of(kernels_of("MatMul"), fast)) GTEST_SKIP() << "MatMul has no kernel here but the reference";
  // Held to less than rounding, the fast product differs from the plain loops whatever the passes do.
  VariantRunner runner(path_, inputs());
  const Variant suspect{untimed(), nullptr};
  const Culprit c = find_culprit(runner, suspect, reference_of(suspect), 1e-12);
  ASSERT_EQ(c.kind, Culprit::Kind::kernel) << to_string(c);
  EXPECT_EQ(c.tensor, "product");
  EXPECT_EQ(c.rewrite_number, 0);
  EXPECT_NE(c.kernel.find("matmul"), std::string::npos) << c.kernel;
  EXPECT_NE(to_string(c).find("kernel '" + c.kernel + "' makes the numbers differ, at MatMul node 'node/product'"),
            std::string::npos)
      << to_string(c);
}

TEST(Culprits, SayWhenOnlyThePlanIsLeft) {
  Culprit c;
  c.kind = Culprit::Kind::plan;
  c.error.reason = "1 of 6 elements differ, most at [0]: 1, expected 2";
  EXPECT_EQ(
      to_string(c),
      "the outputs differ (1 of 6 elements differ, most at [0]: 1, expected 2), but every tensor agrees when it is "
      "read: the plan shares memory wrongly");
  c.kind = Culprit::Kind::node;
  c.node = "Conv node 'a'";
  c.tensor = "t";
  EXPECT_EQ(
      to_string(c),
      "the first node that differs is Conv node 'a'\n  the first tensor that differs is 't' (1 of 6 elements differ, "
      "most at [0]: 1, expected 2)");
}

TEST_F(CulpritTest, ARunNeedsEveryInput) {
  VariantRunner runner(path_, {});
  try {
    runner.run({untimed(), nullptr});
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "nothing is given for input 'x'");
  }
}

TEST_F(CulpritTest, ValuesAreReadByName) {
  VariantRunner runner(path_, inputs());
  const auto names = value_names(*runner.run({untimed(), nullptr}).report.imported);
  const std::vector<std::string> expected = {"product", "sum", "act", "twice", "shifted", "y"};
  EXPECT_EQ(names, expected);
  const auto reference = runner.run(reference_of({untimed(), nullptr}), names);
  ASSERT_EQ(reference.values.size(), 6u);
  const auto fused = runner.run({untimed(), nullptr}, names);
  for (const TensorError& e : compare_values(fused.values, reference.values, 1e-5)) EXPECT_TRUE(e.error.ok) << e.name;
  // The sum lies inside the fused product now.
  EXPECT_TRUE(std::none_of(fused.values.begin(), fused.values.end(), [](const auto& v) { return v.name == "sum"; }));
  EXPECT_TRUE(std::any_of(fused.values.begin(), fused.values.end(), [](const auto& v) { return v.name == "act"; }));
}

}  // namespace
}  // namespace monza::test
