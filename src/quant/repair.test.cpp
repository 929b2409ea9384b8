// What makes rounding cost less: channels divided by factors, and biases that take back what weights lose on average.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "ir/text.h"
#include "passes/evaluate.h"
#include "quant/bias_correction.h"
#include "quant/channels.h"
#include "quant/passes.h"
#include "quant/smoothing.h"
#include "support/rewrite.h"

namespace monza::quant {
namespace {

using test::graph_text;
using test::Rewritten;
using Ops = std::vector<std::string>;

constexpr const char* kRowConstants = R"(
  %g = constant f32[4] [1, 2, 0.5, 40]
  %h = constant f32[4] [0.1, 0, -3, 0.5]
  %m = constant f32[4,6] random 3
  %t = constant f32[6,4] random 4
)";

Rewritten divide(const std::string& body, const std::string& outputs, std::vector<float> factors = {1, 2, 0.5, 8}) {
  BuildOptions options;
  options.quantization = std::make_shared<QuantizationPlan>(QuantizationPlan{{}, {}, {{"n", std::move(factors)}}, {}});
  return test::rewrite(graph_text("%x: f32[3,4]", kRowConstants + body, outputs), {&divide_channels_pass}, options);
}

TEST(DivideChannels, ANormalisationThatProductsAloneReadTakesThem) {
  const auto r = divide("%n = LayerNormalization(%x, %g, %h)\n%a = MatMul(%n, %m)\n%b = MatMul(%n, %t) {trans_b=1}",
                        "a: %a, b: %b");
  EXPECT_EQ(r.ops(), (Ops{"LayerNormalization", "MatMul", "MatMul"})) << ir::print(*r.after);
  test::expect_same_numbers(r);
  const ir::Node& norm = r.after->node(r.after->order().front());
  EXPECT_EQ(ir::to_doubles(*r.after->value(norm.inputs[1]).constant), (std::vector<double>{1, 1, 1, 5}));
}

TEST(DivideChannels, OthersReadWhatIsNotDivided) {
  const auto r = divide("%n = LayerNormalization(%x, %g, %h)\n%a = MatMul(%n, %m)\n%b = Relu(%n)", "a: %a, b: %b");
  EXPECT_EQ(r.ops(), (Ops{"LayerNormalization", "Mul", "MatMul", "Relu"})) << ir::print(*r.after);
  test::expect_same_numbers(r);
}

TEST(DivideChannels, FactorsThatDoNotFitChangeNothing) {
  const char* body = "%n = LayerNormalization(%x, %g, %h)\n%a = MatMul(%n, %m)";
  EXPECT_EQ(divide(body, "a: %a", {1, 2, 3}).ops(), (Ops{"LayerNormalization", "MatMul"}));
  EXPECT_EQ(divide("%n = LayerNormalization(%x, %g, %h)\n%a = Relu(%n)", "a: %a").ops(),
            (Ops{"LayerNormalization", "Relu"}));
}

TEST(Smoothing, FactorsAreThoseOfThePaper) {
  const auto graph = ir::parse(graph_text("%x: f32[2,2]",
                                          "%g = constant f32[2] [1, 1]\n%w = constant f32[2,2] [4, -1, 0.25, 0]\n"
                                          "%v = constant f32[2,2] [1, 1, -1, 0]\n%n = LayerNormalization(%x, %g)\n"
                                          "%a = MatMul(%n, %w)\n%b = MatMul(%n, %v)\n%c = MatMul(%a, %v)",
                                          "b: %b, c: %c"));
  const auto factors = smoothing_factors(*graph, {{"n", {16, 0}}, {"a", {1, 1}}});
  ASSERT_EQ(factors.size(), 1U);                           // not of a, which is no normalisation
  EXPECT_EQ(factors.at("n"), (std::vector<float>{2, 1}));  // sqrt(16) / sqrt(4); nothing is there in channel 1
}

TEST(BiasCorrection, TakesBackWhatRoundingMovesOnAverage) {
  const auto graph = ir::parse(graph_text("%x: f32[1,8,6,6]",
                                          "%w = constant f32[4,4,1,1] random 5\n%b = constant f32[4] [0, 1, 2, 3]\n"
                                          "%y = Conv(%x, %w, %b) {group=2}"));
  const ir::Node& conv = graph->node(graph->order().front());
  const ir::Constant& w = *graph->value(conv.inputs[1]).constant;
  QuantizedWeight weight = quantize_weight(w, 0);
  const std::vector<float> mean{5, -3, 2, 7, 1, 9, -4, 8};
  const auto bias = corrected_bias(*graph, conv, weight, mean);
  ASSERT_NE(bias, nullptr);
  bool corrected = false;
  for (int m = 0; m < 4; ++m) {
    // Of pixels that are all means: what integers give with the new bias is what floats give with the old one.
    double floats = m, integers = bias->as<float>()[m];
    for (int c = 0; c < 4; ++c) {
      const double x = mean[static_cast<std::size_t>(m / 2 * 4 + c)];
      floats += w.as<float>()[m * 4 + c] * x;
      integers +=
          weight.integers->as<std::int8_t>()[m * 4 + c] * static_cast<double>(weight.scales->as<float>()[m]) * x;
    }
    EXPECT_NEAR(integers, floats, 1e-5);
    corrected |= bias->as<float>()[m] != static_cast<float>(m);
  }
  EXPECT_TRUE(corrected) << "nothing was rounded";
  EXPECT_EQ(corrected_bias(*graph, conv, weight, {1, 2}), nullptr);
}

TEST(Channels, OfWeights) {
  const auto graph = ir::parse(
      graph_text("%x: f32[1,4,3,3]", "%w = constant f32[2,2,1,1] [1, -2, 3, 4]\n%y = Conv(%x, %w) {group=2}"));
  EXPECT_EQ(weight_reach(*graph, graph->node(graph->order().front())), (std::vector<float>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace monza::quant
