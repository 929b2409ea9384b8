// Where Q/DQ go in float graphs, what the fusions make of it, and how near the integers are to the floats.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "ir/text.h"
#include "passes/evaluate.h"
#include "quant/passes.h"
#include "quant/sites.h"
#include "support/rewrite.h"

namespace monza::quant {
namespace {

using test::graph_text;
using test::Rewritten;
using Ops = std::vector<std::string>;

constexpr const char* kConstants = R"(
  %w = constant f32[8,8,3,3] random 1
  %v = constant f32[8,8,1,1] random 2
  %b = constant f32[8] [0, 1, 2, 3, -1, -2, 0.5, 0.25]
  %m = constant f32[8,8] random 3
  %zero = constant f32[] [0]
  %six = constant f32[] [6]
)";

BuildOptions options_with(QuantizationPlan plan) {
  BuildOptions options;
  options.quantization = std::make_shared<QuantizationPlan>(std::move(plan));
  return options;
}

std::vector<ConstantPtr> random_inputs(const ir::Graph& graph) {
  std::mt19937 rng(3);
  std::vector<ConstantPtr> inputs;
  for (const ir::ValueId id : graph.inputs()) {
    Shape shape;
    for (const ir::Expr& e : graph.value(id).type.shape) shape.dim[shape.rank++] = e.constant();
    std::vector<float> values;
    for (std::int64_t i = 0; i < shape.numel(); ++i)
      values.push_back(std::uniform_real_distribution<float>(-2, 2)(rng));
    inputs.push_back(ir::constant_f32(std::move(values), shape));
  }
  return inputs;
}

/// The ranges of all that would be quantised, on random_inputs().
QuantizationPlan observed(const std::string& text) {
  const Rewritten r = test::rewrite(text, observing_pipeline());
  const auto values = run_reference(*r.after, random_inputs(*r.after));
  QuantizationPlan plan;
  for (std::size_t o = 0; o < values.size(); ++o) {
    const auto elements = ir::to_doubles(*values[o]);
    const auto [low, high] = std::minmax_element(elements.begin(), elements.end());
    plan.ranges[r.after->outputs()[o].name] = {static_cast<float>(*low), static_cast<float>(*high)};
  }
  return plan;
}

/// Runs the pipeline with the plan, or with the ranges that random inputs show.
Rewritten quantise(const std::string& body, const std::string& outputs = "y: %y", QuantizationPlan plan = {},
                   const std::string& inputs = "%x: f32[1,8,6,6]") {
  const std::string text = graph_text(inputs, kConstants + body, outputs);
  return test::rewrite(text, quantising_pipeline(), options_with(plan.ranges.empty() ? observed(text) : plan));
}

/// The largest difference of an output, in shares of its largest element.
double difference(const Rewritten& r) {
  const auto inputs = random_inputs(*r.before);
  const auto want = run_reference(*r.before, inputs), got = run_reference(*r.after, inputs);
  double worst = 0;
  for (std::size_t o = 0; o < want.size(); ++o) {
    const auto a = ir::to_doubles(*want[o]), b = ir::to_doubles(*got[o]);
    double largest = 1e-9, error = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, std::abs(a[i]));
      error = std::max(error, std::abs(a[i] - b[i]));
    }
    worst = std::max(worst, error / largest);
  }
  return worst;
}

void expect_near(const Rewritten& r) {
  EXPECT_LT(difference(r), 0.03) << ir::print(*r.after);
  EXPECT_GT(difference(r), 0) << "nothing was rounded\n" << ir::print(*r.after);
}

TEST(Quantise, WithoutAPlanNothingChanges) {
  const auto r =
      test::rewrite(graph_text("%x: f32[1,8,6,6]", std::string(kConstants) + "%y = Conv(%x, %w, %b)"), {&place_pass});
  EXPECT_EQ(r.ops(), Ops{"Conv"});
}

TEST(Quantise, AChainOfProductsStaysInIntegers) {
  const auto r = quantise(
      "%a = Conv(%x, %w, %b) {pads=[1, 1, 1, 1]}\n%r = Relu(%a)\n%c = Conv(%r, %v)\n%k = Clip(%c, %zero, %six)\n%y = "
      "Conv(%k, %w)");
  EXPECT_EQ(r.ops(), (Ops{"QuantizeLinear", "QConv", "QConv", "QConv"})) << ir::print(*r.after);
  expect_near(r);
}

TEST(Quantise, ActivationsAreComputedOnTheWayOut) {
  const auto r = quantise("%a = Conv(%x, %v, %b)\n%s = Sigmoid(%a)\n%h = Mul(%a, %s)\n%y = Conv(%h, %v)");
  EXPECT_EQ(r.ops(), (Ops{"QuantizeLinear", "QConv", "QConv"})) << ir::print(*r.after);
  expect_near(r);
}

TEST(Quantise, MatrixProducts) {
  auto r =
      quantise("%a = MatMul(%x, %m, %b)\n%g = Relu(%a)\n%y = MatMul(%g, %m) {trans_b=1}", "y: %y", {}, "%x: f32[5,8]");
  EXPECT_EQ(r.ops(), (Ops{"QuantizeLinear", "QMatMul", "QMatMul"})) << ir::print(*r.after);
  expect_near(r);
  // Of two computed operands no weights are known.
  r = quantise("%y = MatMul(%x, %z)", "y: %y", {}, "%x: f32[5,8], %z: f32[8,3]");
  EXPECT_EQ(r.ops(), Ops{"MatMul"});
  EXPECT_NE(r.reasons().find("it multiplies two values that are computed"), std::string::npos) << r.reasons();
}

TEST(Quantise, WhatMovesElementsMovesIntegers) {
  const auto r = quantise(
      "%a = Conv(%x, %v, %b)\n%h = Relu(%a)\n%p, %q = Split(%h) {axis=1, split=[4, 4]}\n%c = Concat(%q, %p, %h) "
      "{axis=1}\n%u = Resize(%c) {mode=\"nearest\", scales=[1.0, 1.0, 2.0, 2.0]}\n%o = MaxPool(%u) {kernel_shape=[2, "
      "2], "
      "strides=[2, 2]}\n%k = constant f32[8,16,1,1] random 4\n%y = Conv(%o, %k)");
  EXPECT_EQ(r.ops(), (Ops{"QuantizeLinear", "QConv", "Split", "Concat", "Resize", "MaxPool", "QConv"}))
      << ir::print(*r.after) << r.reasons();
  expect_near(r);
}

TEST(Quantise, SumsOfResults) {
  // A residual goes into the product before it.
  auto r = quantise("%a = Conv(%x, %v, %b)\n%h = Relu(%a)\n%c = Conv(%h, %v)\n%s = Add(%c, %h)\n%y = Conv(%s, %v)");
  EXPECT_EQ(r.ops(), (Ops{"QuantizeLinear", "QConv", "QConv", "QConv"})) << ir::print(*r.after) << r.reasons();
  expect_near(r);
  // Behind a SiLU it is added to what was quantised.
  r = quantise(
      "%a = Conv(%x, %v, %b)\n%h = Relu(%a)\n%c = Conv(%h, %v)\n%g = Sigmoid(%c)\n%i = Mul(%c, %g)\n%s = Add(%i, "
      "%h)\n%y = Conv(%s, %v)");
  EXPECT_EQ(r.ops(), (Ops{"QuantizeLinear", "QConv", "QConv", "QAdd", "QConv"})) << ir::print(*r.after) << r.reasons();
  expect_near(r);
}

TEST(Quantise, AnAverageOverEverything) {
  const auto r = quantise(
      "%a = Conv(%x, %v, %b)\n%h = Relu(%a)\n%g = AveragePool(%h) {global=1}\n%f = Flatten(%g)\n%y = MatMul(%f, %m)");
  EXPECT_EQ(r.ops(), (Ops{"QuantizeLinear", "QConv", "QGlobalAveragePool", "Flatten", "QMatMul"}))
      << ir::print(*r.after) << r.reasons();
  expect_near(r);
}

TEST(Quantise, WhatNoProductReadsStaysInFloats) {
  // Boxes of hundreds beside scores below one: one scale for both would leave the scores nothing.
  const auto r = quantise(
      "%a = Conv(%x, %v, %b)\n%c = Conv(%x, %v)\n%s = Sigmoid(%c)\n%l = Mul(%a, %a)\n%y = "
      "Concat(%l, %s) {axis=1}");
  EXPECT_EQ(r.ops(), (Ops{"QuantizeLinear", "QConv", "QConv", "Mul", "Concat"})) << ir::print(*r.after);
}

TEST(Quantise, ProductsThatStayInFloatsSayWhy) {
  QuantizationPlan plan{{{"x", {-2, 2}}}, {{"y", "it costs too much"}}};
  auto r = quantise("%y = Conv(%x, %v)", "y: %y", plan);
  EXPECT_EQ(r.ops(), Ops{"Conv"});
  EXPECT_NE(r.reasons().find("it costs too much"), std::string::npos) << r.reasons();
  plan.kept.clear();
  r = quantise("%a = Conv(%x, %v)\n%e = Elu(%a)\n%t = Tanh(%e)\n%y = Conv(%t, %v)", "y: %y", plan);
  EXPECT_EQ(r.ops(), (Ops{"QuantizeLinear", "QConv", "Tanh", "Conv"}));
  EXPECT_NE(r.reasons().find("no range is known of what it reads"), std::string::npos) << r.reasons();
  r = quantise("%y = Conv(%x, %v) @precision=\"fp32\"", "y: %y", plan);
  EXPECT_NE(r.reasons().find("it is asked to compute in floats"), std::string::npos) << r.reasons();
  r = quantise("%k = constant f32[1,8,1,1] splat 1\n%y = Conv(%x, %k)", "y: %y", plan);
  EXPECT_NE(r.reasons().find("it does little for each element"), std::string::npos) << r.reasons();
  r = quantise("%k = constant f32[8,8,1,1] splat nan\n%y = Conv(%x, %k)", "y: %y", plan);
  EXPECT_NE(r.reasons().find("not finite"), std::string::npos) << r.reasons();
  r = quantise("%i = constant f32[1,8,6,6] splat 1\n%y = Conv(%i, %z)", "y: %y", plan, "%x: f32[1], %z: f32[8,8,1,1]");
  EXPECT_NE(r.reasons().find("its input is a constant"), std::string::npos) << r.reasons();
}

TEST(Quantise, ChainsOfAnyLengthDoNotNeedStack) {
  std::string body = "%r0 = Relu(%x)\n";
  for (int i = 1; i <= 20'000; ++i) body += fmt::format("%r{} = MaxPool(%r{}) {{kernel_shape=[1, 1]}}\n", i, i - 1);
  const auto graph = ir::parse(graph_text("%x: f32[1,8,6,6]", kConstants + body + "%y = Conv(%r20000, %v)"));
  const Sites sites = find_sites(*graph, {}, [](const std::string&) { return true; });
  EXPECT_EQ(sites.products.size(), 1U);
  ASSERT_EQ(sites.groups.size(), 1U);
  EXPECT_EQ(sites.groups[0].values.size(), 20'001U);
  EXPECT_EQ(sites.groups[0].sources.size(), 1U);
}

TEST(Observe, ShowsWhatWouldBeQuantised) {
  const std::string text =
      graph_text("%x: f32[1,8,6,6]",
                 std::string(kConstants) +
                     "%a = Conv(%x, %v, %b)\n%h = Relu(%a)\n%c = Conv(%h, %v)\n%s = Add(%c, %h)\n%y = Conv(%s, %v)");
  const auto r = test::rewrite(text, observing_pipeline());
  Ops names;
  for (const auto& output : r.after->outputs()) names.push_back(output.name);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (Ops{"c", "h", "input of convolutions: h", "input of convolutions: s", "input of convolutions: x",
                        "s", "x", "y"}));
}

}  // namespace
}  // namespace monza::quant
