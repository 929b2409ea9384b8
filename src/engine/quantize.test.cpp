// From samples to ranges, plans, integers and what they cost, on a small network.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "engine/integer_share.h"
#include "engine/mixed_precision.h"
#include "engine/observer.h"
#include "engine/plan_evaluator.h"
#include "monza/error.h"
#include "support/error_text.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza::test {
namespace {

/// Two convolutions, the first with a batch norm, a SiLU and a residual; what the second multiplies is small in most
/// channels and large in one, so that 8 bits with one scale lose much of it.
constexpr const char* kModel = R"(
  w1: f32[8,3,3,3] = 0.05; w2: f32[8,8,3,3] = 0.02; w3: f32[8,16] = 0.3
  s: f32[8] = 0.9; o: f32[8] = 0.1; m: f32[8] = 0.02; v: f32[8] = 0.5
  a = Conv(x: f32[1,3,16,16], w1; pads = [1,1,1,1])
  b = BatchNormalization(a, s, o, m, v)
  c = Sigmoid(b)
  d = Mul(b, c)
  e = Conv(d, w2; pads = [1,1,1,1])
  f = Add(e, d)
  g = GlobalAveragePool(f)
  h = Flatten(g)
  y = MatMul(h, w3)
  return y
  opset 15)";

class QuantizeTest : public ::testing::Test {
 protected:
  QuantizeTest() {
    path_ = folder_ / "m.onnx";
    std::ofstream(path_, std::ios::binary) << parse_onnx_notation(kModel).model.SerializeAsString();
    options_.threads = 1;
    options_.tune = false;
    session_ = std::make_shared<BuildSession>(path_);
  }

  static std::map<std::string, Tensor> sample(std::uint32_t seed) {
    Tensor x(DType::f32, {1, 3, 16, 16});
    std::mt19937 rng(seed);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = std::uniform_real_distribution<float>(0, 1)(rng);
    return {{"x", x}};
  }
  Observer observer_of(std::initializer_list<std::uint32_t> seeds) {
    Observer observer(*session_, options_);
    for (const std::uint32_t seed : seeds) observer.run(sample(seed));
    return observer;
  }
  QuantizationPlan plan() { return {observer_of({1, 2, 3}).table(quant::Calibrator::min_max).ranges, {}, {}, {}}; }

  TemporaryFolder folder_;
  std::string path_;
  BuildOptions options_;
  std::shared_ptr<BuildSession> session_;
};

TEST_F(QuantizeTest, ObservesWhatIsQuantised) {
  const Observer observer = observer_of({1});
  std::vector<std::string> names;
  for (const auto& [name, histogram] : observer.histograms()) names.push_back(name);
  // Not a, b and c, which are no values of their own once they are fused; not h, which is g. The sum f has integers of
  // both its operands.
  EXPECT_EQ(names, (std::vector<std::string>{"d", "e", "f", "g", "x", "y"}));
  EXPECT_EQ(observer.histograms().at("x").count(), 3 * 16 * 16);
  EXPECT_GE(observer.histograms().at("d").min(), -0.2785F);  // behind its SiLU
}

TEST_F(QuantizeTest, TheOrderOfSamplesDoesNotMatter) {
  const Observer one = observer_of({1, 2, 3}), other = observer_of({3, 1, 2});
  EXPECT_EQ(one.histograms(), other.histograms());
  for (const quant::Calibrator c : quant::kCalibrators) EXPECT_EQ(one.table(c), other.table(c));
}

TEST_F(QuantizeTest, ValuesThatAreNotFiniteHaveNoRange) {
  Observer observer(*session_, options_);
  auto bad = sample(1);
  bad.at("x").as<float>()[7] = std::numeric_limits<float>::infinity();
  observer.run(bad);
  const auto names = observer.not_finite();
  EXPECT_NE(std::find(names.begin(), names.end(), "x"), names.end());
  EXPECT_FALSE(observer.table(quant::Calibrator::mse).ranges.contains("x"));
}

TEST_F(QuantizeTest, SamplesThatDoNotFitAreRefused) {
  Observer observer(*session_, options_);
  EXPECT_EQ(error_of([&] { observer.run({}); }), "a sample has nothing for input 'x'");
  EXPECT_NE(error_of([&] { observer.run({{"x", Tensor(DType::f32, {1, 3, 8, 8})}}); }).find("input 'x'"),
            std::string::npos);
}

TEST_F(QuantizeTest, BuildsAnEngineOfIntegers) {
  BuildReport report;
  BuildHooks hooks;
  hooks.report = &report;
  options_.precision = Precision::int8;
  options_.quantization = std::make_shared<QuantizationPlan>(plan());
  const Engine engine = session_->build(options_, hooks);
  EXPECT_EQ(multiply_adds(*report.planned).share(), 1);
  EXPECT_NE(engine.graph_text().find("QConv"), std::string::npos);
  EXPECT_EQ(engine.stats().precision, Precision::int8);
  // What it was built of stays with it: it is planned anew from its graph.
  engine.save(folder_ / "m.engine");
  EXPECT_NE(Engine::build(folder_ / "m.engine").graph_text().find("QConv"), std::string::npos);
}

TEST_F(QuantizeTest, ErrorsRankProductsAndTheCostliestAreKept) {
  PlanEvaluator evaluator(session_, options_, {sample(4), sample(5)});
  QuantizationPlan good = plan();
  EXPECT_EQ(evaluator.integer_products(good), (std::vector<std::string>{"a", "e", "y"}));
  EXPECT_LT(evaluator.error(good), 1e-3);
  EXPECT_GT(evaluator.error(good), 0);
  QuantizationPlan none = good;
  for (const char* node : {"a", "e", "y"}) none.kept[node] = "test";
  EXPECT_LT(evaluator.error(none), 1e-10);

  // A range that cuts off most of what the last product reads.
  QuantizationPlan bad = good;
  bad.ranges["g"] = {0, good.ranges["g"].high / 8};
  EXPECT_GT(evaluator.error(bad), 0.1);
  const auto ranked = rank_products(evaluator, bad, [](double) {});
  ASSERT_EQ(ranked.size(), 3U);
  EXPECT_EQ(ranked[0].node, "y");
  const auto kept = keep_costliest(bad, ranked, [&](const QuantizationPlan& p) { return evaluator.error(p) < 0.01; });
  ASSERT_TRUE(kept.has_value());
  EXPECT_EQ(kept->kept.size(), 1U);
  EXPECT_TRUE(kept->kept.contains("y"));
  EXPECT_NE(kept->kept.at("y").find("it alone moves the outputs"), std::string::npos);
}

TEST(KeepCostliest, FindsTheFewest) {
  std::vector<ProductCost> ranked;
  for (int i = 0; i < 37; ++i) ranked.push_back({"n" + std::to_string(i), 1.0 / (i + 1)});
  for (const std::size_t least : {0U, 1U, 2U, 3U, 5U, 17U, 36U, 37U}) {
    int asked = 0;
    const auto kept = keep_costliest({}, ranked, [&](const QuantizationPlan& p) {
      ++asked;
      return p.kept.size() >= least;
    });
    ASSERT_TRUE(kept.has_value());
    EXPECT_EQ(kept->kept.size(), least);
    EXPECT_LE(asked, 14);
  }
  EXPECT_FALSE(keep_costliest({}, ranked, [](const QuantizationPlan&) { return false; }).has_value());
  EXPECT_FALSE(keep_costliest({}, {}, [](const QuantizationPlan&) { return false; }).has_value());
}

}  // namespace
}  // namespace monza::test
