// `monza edit` and `monza reduce`: ONNX in, ONNX out.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/driver.h"
#include "cli/text.h"

namespace monza::test {
namespace {

using Json = nlohmann::json;

onnx::NodeProto& add_node(onnx::GraphProto& graph, const char* op, const std::vector<std::string>& inputs,
                          const std::string& output) {
  onnx::NodeProto& n = *graph.add_node();
  n.set_op_type(op);
  n.set_name(output);
  for (const std::string& i : inputs) n.add_input(i);
  n.add_output(output);
  return n;
}
void add_ints(onnx::GraphProto& graph, const std::string& name, const std::vector<std::int64_t>& values) {
  auto& t = *graph.add_initializer();
  t.set_name(name);
  t.set_data_type(onnx::TensorProto::INT64);
  t.add_dims(static_cast<std::int64_t>(values.size()));
  for (const std::int64_t v : values) t.add_int64_data(v);
}

/// y = reshape(identity(relu(x)) + w, [shape(x)[0], -1]) of x [rows, 3].
void chain(onnx::ModelProto& m) {
  auto& g = *m.mutable_graph();
  g.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param("rows");
  g.mutable_output(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  g.mutable_initializer(0)->set_dims(0, 1);
  g.mutable_initializer(0)->mutable_float_data()->Truncate(3);
  const std::string relu = g.node(0).output(0), w = g.initializer(0).name(), x = g.input(0).name();
  g.clear_node();
  add_ints(g, "zero", {0});
  add_ints(g, "rest", {-1});
  add_node(g, "Relu", {x}, relu).mutable_unknown_fields()->append("\x32\x02hi");  // doc_string, field 6
  add_node(g, "Identity", {relu}, "same");
  add_node(g, "Add", {"same", w}, "sum");
  add_node(g, "Shape", {x}, "shape");
  add_node(g, "Gather", {"shape", "zero"}, "first");
  auto& concat = add_node(g, "Concat", {"first", "rest"}, "target");
  auto& axis = *concat.add_attribute();
  axis.set_name("axis");
  axis.set_type(onnx::AttributeProto::INT);
  axis.set_i(0);
  add_node(g, "Reshape", {"sum", "target"}, g.output(0).name());
}

onnx::ModelProto read_model(const Tool& tool, const std::string& name) {
  onnx::ModelProto m;
  EXPECT_TRUE(m.ParseFromString(tool.read(name))) << name;
  return m;
}
std::vector<std::string> ops(const onnx::ModelProto& m) {
  std::vector<std::string> list;
  for (const auto& n : m.graph().node()) list.push_back(n.op_type());
  return list;
}

using Ops = std::vector<std::string>;

TEST(CliEdit, TakesAPartOut) {
  const Tool tool;
  tool.model("m.onnx", chain);
  const Ran ran = tool.run("edit m.onnx -o part.onnx --inputs same --outputs sum --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(Json::parse(ran.out).at("nodes"), 1);
  const onnx::ModelProto part = read_model(tool, "part.onnx");
  EXPECT_EQ(ops(part), Ops{"Add"});
  ASSERT_EQ(part.graph().input_size(), 1);
  EXPECT_EQ(part.graph().input(0).name(), "same");
  const auto& type = part.graph().input(0).type().tensor_type();
  EXPECT_EQ(type.elem_type(), onnx::TensorProto::FLOAT);
  EXPECT_EQ(type.shape().dim(0).dim_param(), "rows");
  EXPECT_EQ(type.shape().dim(1).dim_value(), 3);
  EXPECT_EQ(part.graph().initializer_size(), 1);
  EXPECT_EQ(tool.run("run part.onnx --random --shape rows=2").code, 0);
}

TEST(CliEdit, SetsShapesAndFoldsWhatTheyMakeConstant) {
  const Tool tool;
  tool.model("m.onnx", chain);
  tool.array("x.npy", "(2, 3)", 6, -2);
  ASSERT_EQ(tool.run("run m.onnx --input x=x.npy --output want.npz").code, 0);
  ASSERT_EQ(tool.run("edit m.onnx -o fixed.onnx --shape rows=2 --sanitise --strip").code, 0);
  const onnx::ModelProto fixed = read_model(tool, "fixed.onnx");
  EXPECT_EQ(ops(fixed), (Ops{"Relu", "Add", "Reshape"})) << "shape arithmetic is a constant, Identity is gone";
  EXPECT_EQ(fixed.graph().input(0).type().tensor_type().shape().dim(0).dim_value(), 2);
  EXPECT_EQ(fixed.graph().output(0).type().tensor_type().shape().dim(0).dim_value(), 2) << "what follows is known";
  EXPECT_EQ(fixed.graph().node(0).unknown_fields(), "");
  EXPECT_EQ(tool.run("run fixed.onnx --input x=x.npy --expect want.npz --rtol 0 --atol 0").code, 0);
  // Without shapes nothing of it is constant.
  ASSERT_EQ(tool.run("edit m.onnx -o open.onnx --sanitise").code, 0);
  EXPECT_EQ(ops(read_model(tool, "open.onnx")).size(), 6u);
}

TEST(CliEdit, CutsOutWhatIsRefused) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    chain(m);
    m.mutable_graph()->mutable_node(2)->set_op_type("NoSuchOperator");
  });
  const Ran ran = tool.run("edit m.onnx -o head.onnx --outputs same");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ops(read_model(tool, "head.onnx")), (Ops{"Relu", "Identity"}));
  EXPECT_EQ(tool.run("run head.onnx --random --shape rows=2").code, 0);
  const Ran tail = tool.run("edit m.onnx -o tail.onnx --inputs sum");
  EXPECT_EQ(tail.code, 3);
  EXPECT_TRUE(has(tail.err, "nothing says which element type 'sum' has\n  try: --type sum=f32")) << tail.err;
  ASSERT_EQ(tool.run("edit m.onnx -o tail.onnx --inputs sum --type sum=f32 --shape sum=2x3").code, 0);
  EXPECT_EQ(tool.run("run tail.onnx --random --shape rows=2").code, 0);
}

TEST(CliEdit, RefusesWhatTheModelLacks) {
  const Tool tool;
  tool.model("m.onnx", chain);
  const auto error = [&](const std::string& line) { return tool.run("edit m.onnx -o o.onnx " + line); };
  EXPECT_EQ(error("--outputs sun").code, 3);
  EXPECT_TRUE(has(error("--outputs sun").err, "the model has no value 'sun'\n  try: one of 'sum'"));
  EXPECT_TRUE(has(error("--inputs w").err, "'w' is a constant, which cannot become an input"))
      << error("--inputs w").err;
  EXPECT_EQ(error("--shape columns=2").code, 2);
  EXPECT_EQ(error("--shape x=2x3x4").code, 2);
  EXPECT_EQ(tool.run("edit m.onnx -o m.onnx --strip").code, 3) << "the model is not written over";
}

TEST(CliReduce, LeavesTheNodeThatIsRefused) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    chain(m);
    m.mutable_graph()->mutable_node(2)->set_op_type("NoSuchOperator");
  });
  const Ran ran = tool.run("reduce m.onnx -o small.onnx --json --shape rows=2");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ops(read_model(tool, "small.onnx")), Ops{"NoSuchOperator"});
  EXPECT_TRUE(has(Json::parse(ran.out).at("failure").get<std::string>(), "NoSuchOperator")) << ran.out;
  const Ran same = tool.run("run small.onnx --random");
  EXPECT_EQ(same.code, 3);
}

TEST(CliReduce, FollowsACommand) {
  const Tool tool;
  tool.model("m.onnx", chain);
  const Ran ran = tool.run("reduce m.onnx -o small.onnx --shape rows=2 --check true");
  EXPECT_EQ(ran.code, 3);
  EXPECT_TRUE(has(ran.err, "it does not fail")) << ran.err;
  ASSERT_EQ(
      tool.run("reduce m.onnx -o small.onnx --shape rows=2 --check 'test -f {inputs} && ! grep -q Identity'").code, 0);
  EXPECT_EQ(ops(read_model(tool, "small.onnx")), Ops{"Identity"});
}

TEST(CliReduce, FindsWhatMakesNumbersDiffer) {
  const Tool tool;
  // Any difference is one above a tolerance of 1e-12: Exp is computed otherwise than by the reference.
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    chain(m);
    m.mutable_graph()->mutable_node(1)->set_op_type("Exp");
  });
  tool.array("x.npy", "(2, 3)", 6, 0.3F);
  const Ran ran =
      tool.run("reduce m.onnx -o small.onnx --input x=x.npy --save-inputs small.npz --tolerance 1e-12 --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ops(read_model(tool, "small.onnx")), Ops{"Exp"});
  EXPECT_EQ(tool.run("run small.onnx --input small.npz").code, 0);
}

}  // namespace
}  // namespace monza::test
