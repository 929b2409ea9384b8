// The choice of layouts over a whole graph, with times that the tests write into the timing cache.
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "ir/text.h"
#include "plan/planner.h"
#include "plan/tactics.h"
#include "plan/weights.h"
#include "support/temporary.h"
#include "support/test_kernels.h"

namespace monza {
namespace {

struct Planned {
  std::vector<std::string> kernels;
  int conversions = 0, steps = 0;
};

Planned plan_with(const std::string& text, plan::Tactics& tactics, std::vector<const Kernel*> kernels) {
  const auto graph = ir::parse(text);
  plan::PlannerOptions options;
  options.isa = cpu_info().isa;
  options.tactics = &tactics;
  options.first_kernels = std::move(kernels);
  plan::WeightStore weights;
  const plan::PlannedModel model = plan::make_plan(*graph, options, weights);
  Planned planned;
  for (const plan::Choice& c : model.choices) planned.kernels.push_back(c.kernel);
  const plan::Plan plan = model.plan.view();
  planned.steps = int(plan.steps.size());
  for (const plan::Step& step : plan.steps) planned.conversions += plan.text(step.name).starts_with("convert ") ? 1 : 0;
  return planned;
}

/// Plans with the given microseconds: of kernels whose name begins so; all others take a second.
Planned plan_timed(const std::string& text, const std::map<std::string, double>& us,
                   const std::vector<const Kernel*>& kernels) {
  const test::TemporaryFolder folder;
  const std::string cache = folder / "timings";
  {
    plan::Tactics asked({1, cache, 0});
    plan_with(text, asked, kernels);
  }
  std::ifstream in(cache);
  std::ostringstream out;
  std::string line;
  std::getline(in, line);
  out << line << "\n";
  while (std::getline(in, line)) {
    const std::string key = line.substr(line.find(' ') + 1), name = key.substr(0, key.find('/'));
    double time = 1e6;
    for (const auto& [prefix, t] : us)
      if (name.starts_with(prefix)) time = t;
    out << time << " " << key << "\n";
  }
  in.close();
  std::ofstream(cache) << out.str();
  plan::Tactics tactics({1, cache, 1e-9});
  const Planned planned = plan_with(text, tactics, kernels);
  EXPECT_EQ(tactics.measured(), 0);
  return planned;
}

std::string chain(int length) {
  std::string text = "graph \"g\" (%v0: f32[1,32,4,4]) {\n";
  for (int i = 0; i < length; ++i) text += " %v" + std::to_string(i + 1) + " = Sigmoid(%v" + std::to_string(i) + ")\n";
  return text + " return (y: %v" + std::to_string(length) + ")\n}";
}

using Names = std::vector<std::string>;

// Node by node a blocked kernel never pays: 5 us instead of 10, but 8 us to bring its operand there.
const std::map<std::string, double> kTimes{
    {"test_sigmoid_dense", 10}, {"test_sigmoid_blocked", 5}, {"test_sigmoid_from_blocked", 5}, {"copy", 8}};

TEST(Layouts, ChainIsBlockedWhenTheSumIsLower) {
  const std::vector<const Kernel*> kernels{&test::kSigmoidDense, &test::kSigmoidBlocked};
  // 3 * 10 against 8 + 3 * 5 + 8; 4 * 10 against 8 + 4 * 5 + 8.
  const Planned three = plan_timed(chain(3), kTimes, kernels);
  EXPECT_EQ(three.kernels, Names(3, "test_sigmoid_dense"));
  EXPECT_EQ(three.conversions, 0);
  const Planned four = plan_timed(chain(4), kTimes, kernels);
  EXPECT_EQ(four.kernels, Names(4, "test_sigmoid_blocked"));
  EXPECT_EQ(four.conversions, 1);  // and a copy to the output
}

TEST(Layouts, ReadersShareAConversion) {
  const std::vector<const Kernel*> kernels{&test::kSigmoidDense, &test::kSigmoidFromBlocked};
  EXPECT_EQ(plan_timed(chain(1), kTimes, kernels).kernels, Names(1, "test_sigmoid_dense"));
  // 2 * 10 against 8 + 2 * 5.
  const Planned two = plan_timed(R"(graph "g" (%x: f32[1,32,4,4]) {
    %a = Sigmoid(%x)
    %b = Sigmoid(%x)
    return (a: %a, b: %b)
  })",
                                 kTimes, kernels);
  EXPECT_EQ(two.kernels, Names(2, "test_sigmoid_from_blocked"));
  EXPECT_EQ(two.conversions, 1);
}

TEST(Layouts, PointwiseWorkFollowsItsNeighbours) {
  // The sum of two blocked branches stays blocked, for a kernel that takes any gap-free layout.
  const Planned planned =
      plan_timed(R"(graph "g" (%x: f32[1,32,4,4]) {
    %a = Sigmoid(%x)
    %b = Sigmoid(%a)
    %c = Sigmoid(%a)
    %d = Relu(%c)
    %e = Sigmoid(%d)
    return (b: %b, e: %e)
  })",
                 {{"test_sigmoid_dense", 100}, {"test_sigmoid_blocked", 5}, {"copy", 8}, {"relu", 1}},
                 {&test::kSigmoidDense, &test::kSigmoidBlocked});
  ASSERT_EQ(planned.kernels.size(), 5u);
  for (const std::size_t i : {0, 1, 2, 4}) EXPECT_EQ(planned.kernels[i], "test_sigmoid_blocked") << i;
  EXPECT_EQ(planned.conversions, 1) << planned.kernels[3];
}

TEST(Layouts, SplitsAndConcatenationsOfWholeBlocksStayBlocked) {
  const std::map<std::string, double> times{{"test_sigmoid_dense", 100}, {"test_sigmoid_blocked", 5}, {"copy", 8}};
  const auto text = [](int first) {
    return R"(graph "g" (%x: f32[2,48,4,4]) {
      %n = constant i64[2] [)" +
           std::to_string(first) + ", " + std::to_string(48 - first) + R"(]
      %a = Sigmoid(%x)
      %p, %q = Split(%a, %n) {axis=1}
      %b = Sigmoid(%q)
      %c = Concat(%p, %q, %b) {axis=1}
      %d = Sigmoid(%c)
      return (d: %d)
    })";
  };
  const std::vector<const Kernel*> kernels{&test::kSigmoidDense, &test::kSigmoidBlocked};
  const Planned whole = plan_timed(text(16), times, kernels);
  EXPECT_EQ(whole.kernels, Names(3, "test_sigmoid_blocked"));
  EXPECT_EQ(whole.steps, 3 + 2) << "the input is converted, and the output";
  // 40 and 8 channels: the second part begins in the middle of a block.
  EXPECT_GT(plan_timed(text(40), times, kernels).steps, 3 + 2);
}

TEST(Layouts, TiesGoByTheOrderOfTheList) {
  const std::vector<const Kernel*> kernels{&test::kSigmoidDense, &test::kSigmoidFromBlocked};
  EXPECT_EQ(
      plan_timed(chain(1), {{"test_sigmoid_dense", 10.1}, {"test_sigmoid_from", 2}, {"copy", 8}}, kernels).kernels,
      Names(1, "test_sigmoid_dense"));
  EXPECT_EQ(
      plan_timed(chain(1), {{"test_sigmoid_dense", 10.5}, {"test_sigmoid_from", 2}, {"copy", 8}}, kernels).kernels,
      Names(1, "test_sigmoid_from_blocked"));
}

}  // namespace
}  // namespace monza
