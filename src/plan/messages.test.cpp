// What the planner says of graphs that cannot be planned, to the letter.
#include <gtest/gtest.h>

#include <functional>

#include "ir/op.h"
#include "ir/text.h"
#include "plan/weights.h"
#include "support/engine_from_text.h"
#include "support/error_text.h"

namespace monza {
namespace {

std::string plan_text(const std::string& text, const plan::Profile& profile = {}, const BuildOptions& options = {}) {
  return test::error_of(
      [&] { test::engine_from_text("graph \"main\" " + text, {.profile = profile}, false, options); });
}

TEST(PlanMessages, SayWhatCannotBePlanned) {
  EXPECT_EQ(plan_text("(%x: f32[n]) {\n  %y = Relu(%x)\n  return (y: %y)\n}"), "input 'x': dimension 'n' has no range");
  EXPECT_EQ(plan_text("(%x: f32[4], %s: i64[2]) {\n  %y = Reshape(%x, %s)\n  %z = Relu(%y)\n  return (z: %z)\n}"),
            "output 'z': a value of shape [elem(%1, 0) + min(1, max(0, -elem(%1, 0) + 4*min(1, max(-elem(%1, 0), "
            "elem(%1, 0))) - "
            "4)) - 4*mi... has no bound: elem(%1, 0) + min(1, max(0, -elem(%1, 0) + 4*min(1, max(-elem(%1, 0), "
            "elem(%1, 0))) - 4)) - 4*min... can be anything\n  try: fix the inputs that decide it: --input NAME=FILE "
            "gives their elements, as does BuildOptions::shape_values");
  EXPECT_EQ(
      plan_text("(%x: f64[n]) {\n  %y = Relu(%x)\n  %z = Exp(%y)\n  return (z: %z)\n}",
                {{"n", {1, 1, (std::int64_t{1} << 48) - 1}}}),
      "input 'x': a value of shape [n] has no bound: n can be anything\n  try: fix the inputs that decide it: --input "
      "NAME=FILE gives their elements, as does BuildOptions::shape_values");
  EXPECT_EQ(plan_text("(%s: state(f32[1,4])) {\n  return (s: %s)\n}"), "output 's' is the state of a sequence");
  EXPECT_EQ(
      plan_text(
          "(%x: f32[n*m], %s: i64[2] @content=[n,m]) {\n  %y = Reshape(%x, %s)\n  %z = Relu(%y)\n  return (z: %z)\n}",
          {{"n", {1, 2, 4}}, {"m", {1, 2, 4}}}),
      "Relu node 'z': dimension 'n' is used before any input defines it");
  EXPECT_EQ(plan_text("(%x: f32[2,2]) {\n  %y = Det(%x)\n  return (y: %y)\n}", {}, {.device = Device::cuda}),
            "Det node 'y': there is no kernel for Det on device 'cuda'\n  try: let it run on the CPU: "
            "--allow-cpu-nodes, or --constrain NODE=cpu for this one");
  // Which kernels there are beside the last depends on what they are made for.
  const std::string refused =
      plan_text("(%x: i32[4,4]) {\n  %y = MatMul(%x, %x) {activation=\"relu\"}\n  return (y: %y)\n}");
  EXPECT_TRUE(refused.starts_with("MatMul node 'y': no kernel takes this MatMul:\n  ")) << refused;
  EXPECT_TRUE(
      refused.ends_with("\n  matmul_ref: an activation of integers\n  try: this combination of types and "
                        "attributes is not supported; change it in the model"))
      << refused;
}

TEST(PlanMessages, SayThatNoKernelComputesInWhatIsAsked) {
  const std::string refused = plan_text("(%x: f32[4]) {\n  %y = Softmax(%x) @precision=\"bf16\"\n  return (y: %y)\n}");
  EXPECT_TRUE(refused.starts_with("Softmax node 'y': no kernel takes this Softmax:\n  ")) << refused;
  EXPECT_TRUE(
      refused.ends_with("\n  softmax_ref: computes in fp32; allowed is bf16\n  try: let it compute in fp32, too: "
                        "--constrain NODE=fp32,bf16"))
      << refused;
  EXPECT_EQ(
      plan_text("(%x: f32[2,3]) {\n  %y = Transpose(%x) {perm=[1,0]} @precision=\"bf16\"\n  %z = Relu(%y)\n  return "
                "(z: %z, y: %y)\n}"),
      "")
      << "what only moves elements computes in no precision";
}

TEST(PlanMessages, OfGraphsThatAreOutOfOrder) {
  const auto graph = ir::parse("graph \"main\" (%x: f32[4]) {\n  %y = Relu(%x)\n  %z = Exp(%y)\n  return (z: %z)\n}");
  const ir::NodeId first = graph->order()[0], second = graph->order()[1];
  graph->node(first).inputs[0] = graph->node(second).outputs[0];
  EXPECT_EQ(test::error_of([&] { test::engine_from_graph(*graph); }),
            "Relu node 'y': value %2 is read before it is planned");
}

}  // namespace
}  // namespace monza
