// --plugin: on the commands that build, load and run; engines that need one; what is said where it is missing.
#include <gtest/gtest.h>

#include <filesystem>

#include "cli/driver.h"
#include "cli/text.h"

namespace monza::test {
namespace {

/// y = Relu(Positive(x)), of 6 floats.
void plugin_model(const Tool& tool) {
  std::filesystem::copy_file(std::string(MONZA_TEST_PLUGINS) + "/monza_test_plugin_sample.so", tool.path("sample.so"));
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    auto& set = *m.add_opset_import();
    set.set_domain("test.sample");
    set.set_version(1);
    auto& graph = *m.mutable_graph();
    auto& shape = *graph.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
    shape.Clear();
    shape.add_dim()->set_dim_value(6);
    graph.mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
    graph.mutable_initializer()->Clear();
    auto& positive = *graph.mutable_node(0);
    positive.set_op_type("Positive");
    positive.set_domain("test.sample");
    positive.set_name("positive");
    auto& relu = *graph.mutable_node(1);
    relu.set_op_type("Relu");
    while (relu.input_size() > 1) relu.mutable_input()->RemoveLast();
    relu.set_input(0, positive.output(0));
  });
  tool.array("x.npy", "(6,)", 6, -2);  // -2, -1, 0, 1, 2, 3
}

TEST(CliPlugins, AnEngineNeedsThePluginThatItWasBuiltWith) {
  const Tool tool;
  plugin_model(tool);
  const Ran built = tool.run("build m.onnx --plugin sample.so --no-tune --output m.engine");
  ASSERT_EQ(built.code, 0) << built.err;
  const Ran without = tool.run("run m.engine --input x=x.npy");
  EXPECT_EQ(without.code, 3);
  EXPECT_EQ(without.err,
            "monza: error: engine file 'm.engine': it needs an operator of a plugin that is not loaded:\n"
            "  test.sample.Positive, version 3\n"
            "  try: load the plugin that has it: --plugin FILE, monza::load_plugin(FILE) or monza_plugin_load(FILE)\n");
  const Ran with = tool.run("run m.engine --input x=x.npy --plugin sample.so");
  EXPECT_EQ(with.code, 0) << with.err;
  EXPECT_TRUE(has(with.out, "y f32 3")) << with.out;
  EXPECT_TRUE(has(with.out, "min 1  max 3  mean 2")) << with.out;
  // Planned anew from the graph that it carries: the same.
  const Ran again = tool.run("build m.engine --no-tune --output again.engine");
  EXPECT_EQ(again.code, 3);
  EXPECT_TRUE(has(again.err, "test.sample.Positive, version 3")) << again.err;
  EXPECT_EQ(tool.run("build m.engine --plugin sample.so --no-tune --output again.engine").code, 0);
}

TEST(CliPlugins, AModelWithoutItsPluginIsRefused) {
  const Tool tool;
  plugin_model(tool);
  const Ran without = tool.run("run m.onnx --input x=x.npy");
  EXPECT_EQ(without.code, 3);
  EXPECT_TRUE(has(without.err,
                  "test.sample.Positive (opset 1), first used by node 'positive'\n  try: load the plugin that "
                  "has it (--plugin FILE)"))
      << without.err;
  const Ran missing = tool.run("run m.onnx --plugin none.so --input x=x.npy");
  EXPECT_EQ(missing.code, 3);
  EXPECT_EQ(missing.err,
            "monza: error: plugin 'none.so': there is no such file\n  try: the path of a shared library, such as "
            "./libexample.so\n");
  const Ran over = tool.run("build m.onnx --plugin sample.so --output sample.so");
  EXPECT_EQ(over.code, 3);
  EXPECT_TRUE(has(over.err, "--output would write 'sample.so' over --plugin, which is read")) << over.err;
}

TEST(CliPlugins, CommandsShowItsOperators) {
  const Tool tool;
  plugin_model(tool);
  ASSERT_EQ(tool.run("build m.onnx --plugin sample.so --no-tune --output m.engine").code, 0);
  const std::string with = " --plugin sample.so";
  const Ran plan = tool.run("inspect m.engine --plan --graph" + with);
  EXPECT_TRUE(has(plan.out, "test.sample.Positive.v3:cpu")) << plan.out << plan.err;
  EXPECT_TRUE(has(plan.out, "= test.sample.Positive.v3(")) << plan.out;
  const Ran explained = tool.run("explain m.engine positive" + with);
  EXPECT_EQ(explained.code, 0) << explained.err;
  EXPECT_TRUE(has(explained.out, "test.sample.Positive.v3:cpu")) << explained.out;
  const Ran profiled = tool.run("profile m.engine --input x=x.npy" + with);
  EXPECT_EQ(profiled.code, 0) << profiled.err;
  EXPECT_TRUE(has(profiled.out, "test.sample.Positive.v3")) << profiled.out;
  const Ran benched = tool.run("bench m.engine --input x=x.npy --iterations 3" + with);
  EXPECT_EQ(benched.code, 0) << benched.err;
  const Ran compared = tool.run("compare m.onnx m.engine --input x=x.npy" + with);
  EXPECT_EQ(compared.code, 0) << compared.err << compared.out;
  const Ran listed = tool.run("ops" + with);
  EXPECT_TRUE(has(listed.out, "test.sample            Positive")) << listed.out;
  EXPECT_FALSE(has(listed.out, "test.sample.Positive")) << listed.out;
  const Ran page = tool.run("ops --markdown" + with);
  EXPECT_TRUE(has(page.out, "## test.sample: 4 operators")) << page.out;
}

}  // namespace
}  // namespace monza::test
