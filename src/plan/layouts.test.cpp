// The choice of kernels, layouts and devices over a whole graph, with times that the tests write into the timing cache.
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
  int conversions = 0, transfers = 0, steps = 0;
};

Planned plan_with(const std::string& text, plan::Tactics& tactics, std::vector<const Kernel*> kernels) {
  const auto graph = ir::parse(text);
  const plan::PlanScope scope{.tactics = &tactics, .first_kernels = std::move(kernels)};
  plan::WeightStore weights;
  const plan::PlannedModel model = plan::make_plan(*graph, {.threads = 1}, scope, weights);
  Planned planned;
  for (const plan::Choice& c : model.choices) planned.kernels.push_back(c.kernel);
  const plan::Plan plan = model.plan.view();
  planned.steps = static_cast<int>(plan.steps.size());
  for (const plan::Step& step : plan.steps) {
    planned.conversions += plan.text(step.name).starts_with("convert ") ? 1 : 0;
    planned.transfers += step.kind == plan::StepKind::copy ? 1 : 0;
  }
  return planned;
}

/// Plans with the given microseconds: of kernels whose name begins so; all others take a second.
Planned plan_timed(const std::string& text, const std::map<std::string, double>& us,
                   const std::vector<const Kernel*>& kernels) {
  const test::TemporaryFolder folder;
  const std::string cache = folder / "timings";
  {
    plan::Tactics asked({.threads = 1, .max_build_seconds = 0, .timing_cache = cache});
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
  plan::Tactics tactics({.threads = 1, .max_build_seconds = 1e-9, .timing_cache = cache});
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
                 {{"test_sigmoid_dense", 100}, {"test_sigmoid_blocked", 5}, {"copy", 8}, {"test_relu_uniform", 1}},
                 {&test::kSigmoidDense, &test::kSigmoidBlocked, &test::kReluUniform});
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

// On the reference device a node takes a tenth of the host's time, and each copy there or back half of it.
const std::map<std::string, double> kDeviceTimes{
    {"test_sigmoid_dense", 100}, {"sigmoid_ref", 10}, {"transfer", 50}, {"copy", 8}};
const std::string kHere = "test_sigmoid_dense on cpu", kThere = "sigmoid_ref on reference";

/// y = sigmoids of sigmoids of x, one for each of `devices`.
Planned placed(const Names& devices, const std::map<std::string, double>& us = kDeviceTimes) {
  std::string text = "graph \"g\" (%v0: f32[1,32,4,4]) {\n";
  for (std::size_t i = 0; i < devices.size(); ++i)
    text += fmt::format(" %v{} = Sigmoid(%v{}) @device=\"{}\"\n", i + 1, i, devices[i]);
  return plan_timed(text + fmt::format(" return (y: %v{})\n}}", devices.size()), us, {&test::kSigmoidDense});
}

TEST(Devices, ANodeGoesWhereTheSumWithCopiesIsLeast) {
  const std::string either = "cpu,reference";
  // 100 against 50 + 10 + 50; 200 against 50 + 20 + 50.
  EXPECT_EQ(placed({either}).kernels, Names{kHere});
  const Planned two = placed({either, either});
  EXPECT_EQ(two.kernels, Names(2, kThere));
  EXPECT_EQ(two.transfers, 2);
  // One that stays in the middle: 300 against 10 + 100 + 10 and four copies. A longer way pays again.
  EXPECT_EQ(placed({either, "cpu", either}).kernels, (Names{kHere, "test_sigmoid_dense", kHere}));
  const Planned five = placed({either, either, "cpu", either, either});
  EXPECT_EQ(five.kernels, (Names{kThere, kThere, "test_sigmoid_dense", kThere, kThere}));
  EXPECT_EQ(five.transfers, 4);
  // Where one is pinned its neighbour may as well be.
  EXPECT_EQ(placed({"reference", either}).kernels, (Names{"sigmoid_ref", kThere}));
}

TEST(Devices, ReadersShareACopy) {
  // Alone each would stay: 100 against 50 + 10 + 50. Together they share the way there: 200 against 50 + 20 + 100.
  const Planned two = plan_timed(R"(graph "g" (%x: f32[1,32,4,4]) {
    %a = Sigmoid(%x) @device="cpu,reference"
    %b = Sigmoid(%x) @device="cpu,reference"
    return (a: %a, b: %b)
  })",
                                 kDeviceTimes, {&test::kSigmoidDense});
  EXPECT_EQ(two.kernels, Names(2, kThere));
  EXPECT_EQ(two.transfers, 3);
}

TEST(Devices, ConcatenationsFollowTheirParts) {
  // The last node is there to be timed: of one candidate each nothing is asked.
  const auto joined = [](const char* device) {
    return plan_timed(fmt::format(R"(graph "g" (%x: f32[1,32,4,4]) {{
      %a = Sigmoid(%x) @device="{0}"
      %b = Sigmoid(%a) @device="{0}"
      %c = Concat(%a, %b) {{axis=1}} @device="cpu,reference"
      %d = Sigmoid(%c) @device="{0}"
      %e = Sigmoid(%x) @device="cpu,reference"
      return (d: %d, e: %e)
    }})",
                                  device),
                      kDeviceTimes, {&test::kSigmoidDense});
  };
  // The input goes there once and two outputs come back: the parts are computed in their buffer there.
  EXPECT_EQ(joined("reference").transfers, 3);
  EXPECT_EQ(joined("cpu").transfers, 0);
}

TEST(Devices, WithoutTimesTheUsualOneIsTaken) {
  const auto graph = ir::parse(R"(graph "g" (%x: f32[4]) {
    %y = Sigmoid(%x) @device="cpu,reference"
    return (y: %y)
  })");
  BuildOptions options{.threads = 1, .isa = "baseline"};
  plan::WeightStore weights;
  EXPECT_EQ(plan::make_plan(*graph, options, {}, weights).choices[0].kernel, "sigmoid_ref on cpu");
  options.device = Device::reference;
  EXPECT_EQ(plan::make_plan(*graph, options, {}, weights).choices[0].kernel, kThere);
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
