// Products of one input become one, on a GPU.
#include <gtest/gtest.h>

#include "ir/op.h"
#include "passes/fusions/fusions.h"
#include "passes/rewrite.h"
#include "support/rewrite.h"

namespace monza {
namespace {
using test::expect_same_numbers;
using test::graph_text;
using test::rewrite;
using test::Rewritten;
using Ops = std::vector<std::string>;

constexpr const char* kInputs = "%x: f32[b,5,6], %p: f32[b,3,7,7]";
constexpr const char* kConstants = R"(
  %q = constant f32[6,4] random 1
  %k = constant f32[6,4] random 2
  %v = constant f32[6,7] random 3
  %kt = constant f32[4,6] random 4
  %b4 = constant f32[4] random 5
  %b7 = constant f32[7] random 6
  %row = constant f32[5,4] random 7
  %f = constant f32[2,3,3,3] random 8
  %g = constant f32[5,3,3,3] random 9
  %h = constant f32[5,3,1,1] random 10
)";

Rewritten run(const std::string& body, const std::string& outputs, Device device = Device::cuda) {
  BuildOptions options;
  options.device = device;
  auto r = rewrite(graph_text(kInputs, kConstants + body, outputs), {&siblings_pass, &dead_code_pass}, options);
  expect_same_numbers(r, 1e-5, 2);
  return r;
}

TEST(Siblings, ProjectionsBecomeOneProductAndASplit) {
  const auto r = run("%1 = MatMul(%x, %q, %b4)\n%2 = MatMul(%x, %k)\n%3 = MatMul(%x, %v, %b7)", "1: %1, 2: %2, 3: %3");
  EXPECT_EQ(r.ops(), (Ops{"MatMul", "Split"})) << r.reasons();
}

TEST(Siblings, WithoutABiasThereIsNone) {
  const auto r = run("%1 = MatMul(%x, %q)\n%2 = MatMul(%x, %k)", "1: %1, 2: %2");
  ASSERT_EQ(r.ops(), (Ops{"MatMul", "Split"})) << r.reasons();
  for (const ir::NodeId id : r.after->order())
    if (const ir::Node& n = std::as_const(*r.after).node(id); std::string_view(n.op->name) == "MatMul") {
      EXPECT_EQ(n.inputs.size(), 2u);
    }
}

TEST(Siblings, FiltersOfConvolutions) {
  const auto r =
      run("%1 = Conv(%p, %f) {pads=[1,1,1,1]}\n%2 = Conv(%p, %g) {pads=[1,1,1,1]}\n%3 = Conv(%p, %h)\n"
          "%4 = Relu(%2)",
          "1: %1, 3: %3, 4: %4");
  EXPECT_EQ(r.ops(), (Ops{"Conv", "Split", "Conv", "Relu"})) << r.reasons();
}

TEST(Siblings, WhatDiffersStaysApart) {
  // Attributes, transposed weights, another input, a residual, a bias that is no row, groups.
  for (const char* body :
       {"%1 = MatMul(%x, %q) {activation=\"relu\"}\n%2 = MatMul(%x, %k)",
        "%1 = MatMul(%x, %q)\n%2 = MatMul(%x, %kt) {trans_b=1}",
        "%t = Relu(%x)\n%1 = MatMul(%x, %q)\n%2 = MatMul(%t, %k)", "%1 = MatMul(%x, %q)\n%2 = MatMul(%x, %k, _, %1)",
        "%1 = MatMul(%x, %q, %row)\n%2 = MatMul(%x, %k, %b4)",
        "%1 = Conv(%p, %f)\n%2 = Conv(%p, %g) {strides=[2,2]}"}) {
    const auto r = run(body, "1: %1, 2: %2");
    EXPECT_EQ(r.rewrites(), 0) << body;
  }
}

TEST(Siblings, OnGpusAlone) {
  const auto r = run("%1 = MatMul(%x, %q)\n%2 = MatMul(%x, %k)", "1: %1, 2: %2", Device::cpu);
  EXPECT_EQ(r.ops(), (Ops{"MatMul", "MatMul"}));
}

}  // namespace
}  // namespace monza
