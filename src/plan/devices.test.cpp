// Plans over several devices: nodes placed at random compute the same bits as on the host alone.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "engine/run/engine_impl.h"
#include "ir/op.h"
#include "ir/text.h"
#include "plan/data/plan.h"
#include "plan/tactics.h"
#include "plan/weights.h"
#include "support/engine_from_text.h"
#include "support/error_text.h"
#include "support/hostile.h"
#include "support/slow_reference.h"

namespace monza {
namespace {

using plan::StepKind;

/// The graph without pins.
std::string on_host(std::string text) {
  const std::string pin = " @device=\"reference\"";
  for (std::size_t at = text.find(pin); at != std::string::npos; at = text.find(pin)) text.erase(at, pin.size());
  return text;
}

bool of_host(const ir::Graph& graph, const ir::Node& node) {
  if (has(node.op->flags, ir::OpFlag::control)) return true;
  for (const auto* values : {&node.inputs, &node.outputs})
    for (const ir::ValueId v : *values)
      if (v != ir::kNone &&
          (graph.value(v).type.kind != ir::ValueKind::tensor || graph.value(v).type.dtype == DType::string))
        return true;
  return false;
}

/// Pins nodes, those of bodies too, to the host or to the reference device.
void place_at_random(ir::Graph& graph, std::mt19937& random) {
  for (const ir::NodeId id : std::vector<ir::NodeId>(graph.order())) {
    ir::Node& node = graph.node(id);
    if (!of_host(graph, node)) node.constraint.devices = {random() % 2 == 0 ? Device::reference : Device::cpu};
    for (std::size_t b = 0; b < node.bodies.size(); ++b) place_at_random(graph.body(id, b), random);
  }
}

bool can_be_elsewhere(const ir::Graph& graph) {
  bool any = false;
  for (const ir::NodeId id : graph.order()) {
    any |= !of_host(graph, graph.node(id));
    for (const auto& body : graph.node(id).bodies) any |= can_be_elsewhere(*body);
  }
  return any;
}

int count(const Engine& engine, StepKind kind) {
  int n = 0;
  for (const plan::Step& s : engine.impl().image.plan.steps) n += s.kind == kind ? 1 : 0;
  return n;
}

class Placement : public testing::TestWithParam<std::size_t> {};

TEST_P(Placement, GivesTheBitsOfTheHost) {
  const test::HostileGraph& model = test::hostile_graphs()[GetParam()];
  const plan::PlanScope scope{.profile = model.profile};
  BuildOptions options;
  options.optimize = false;  // the same kernels on both devices
  const auto plain = ir::parse(on_host(model.text));
  const Engine host = test::engine_from_graph(*plain, scope, options);
  ASSERT_EQ(count(host, StepKind::copy), 0);
  int copies = 0;
  for (unsigned seed = 0; seed < 12; ++seed) {
    const auto graph = ir::parse(on_host(model.text));
    if (seed == 0) {
      options.device = Device::reference;  // all that can be there
    } else {
      options.device = Device::cpu;
      std::mt19937 random(seed);
      place_at_random(*graph, random);
    }
    const Engine placed = test::engine_from_graph(*graph, scope, options);
    copies += count(placed, StepKind::copy);
    for (unsigned data = 0; data < 3; ++data) {
      std::string want, got;
      test::run_hostile(host, data, 1 << 22, &want);
      test::run_hostile(placed, data, 1 << 22, &got);
      ASSERT_EQ(got, want) << model.name << ", seed " << seed << ", data " << data << "\n" << placed.describe_plan();
    }
  }
  EXPECT_EQ(copies > 0, can_be_elsewhere(*plain));
}

/// Lets every node be where it can.
void allow_both(ir::Graph& graph) {
  for (const ir::NodeId id : std::vector<ir::NodeId>(graph.order())) {
    ir::Node& node = graph.node(id);
    if (!of_host(graph, node)) node.constraint.devices = {Device::cpu, Device::reference};
    for (std::size_t b = 0; b < node.bodies.size(); ++b) allow_both(graph.body(id, b));
  }
}

TEST_P(Placement, ChosenByAnyTimesGivesTheBitsOfTheHost) {
  const test::HostileGraph& model = test::hostile_graphs()[GetParam()];
  plan::PlanScope scope{.profile = model.profile};
  BuildOptions options;
  options.optimize = false;  // the same kernels on both devices
  const auto graph = ir::parse(on_host(model.text));
  const Engine host = test::engine_from_graph(*graph, scope, options);
  allow_both(*graph);
  int copies = 0;
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    plan::Tactics tactics({.threads = 1, .tactic_seed = seed});
    scope.tactics = &tactics;
    const Engine placed = test::engine_from_graph(*graph, scope, options);
    copies += count(placed, StepKind::copy);
    std::string want, got;
    test::run_hostile(host, 0, 1 << 22, &want);
    test::run_hostile(placed, 0, 1 << 22, &got);
    ASSERT_EQ(got, want) << model.name << ", seed " << seed << "\n" << placed.describe_plan();
  }
  EXPECT_TRUE(copies > 0 || !can_be_elsewhere(*graph)) << "no seed sends a node away";
}

INSTANTIATE_TEST_SUITE_P(Models, Placement, testing::Range(std::size_t{0}, test::hostile_graphs().size()),
                         [](const auto& info) { return std::string(test::hostile_graphs()[info.param].name); });

/// A plan and its weights, to be changed before it becomes an engine.
struct Parts {
  plan::PlanStorage plan;
  plan::WeightStore weights;
};
std::unique_ptr<Parts> planned(const std::string& text, const BuildOptions& options = {.threads = 1}) {
  auto parts = std::make_unique<Parts>();
  const auto graph = ir::parse(text);
  parts->plan = plan::make_plan(*graph, options, {}, parts->weights).plan;
  parts->weights.settle(parts->plan);
  return parts;
}
Engine engine_of(const Parts& from) {
  engine_file::Parts parts;
  parts.plan = from.plan;
  parts.stored = from.weights.assemble();
  return make_engine(engine_file::make_image(std::move(parts)), {});
}
std::string trace_of(const Engine& engine) {
  std::string trace;
  for (unsigned data = 0; data < 3; ++data) test::run_hostile(engine, data, 1 << 22, &trace);
  return trace;
}

/// Extents, a condition and the bound of a loop are computed on the device, and the host reads them.
std::string read_by_the_host() {
  for (const test::HostileGraph& g : test::hostile_graphs())
    if (std::string_view(g.name) == "devices") return g.text;
  return {};
}

TEST(DevicePlans, BringToTheHostWhatItReads) {
  const BuildOptions options{.threads = 1, .optimize = false};
  const Engine host = engine_of(*planned(on_host(read_by_the_host()), options));
  const Engine placed = engine_of(*planned(read_by_the_host(), options));
  EXPECT_GE(count(placed, StepKind::wait), 3) << placed.describe_plan();
  const std::string want = trace_of(host);
  EXPECT_EQ(trace_of(placed), want) << placed.describe_plan();
  const test::SlowReference slow;
  EXPECT_EQ(trace_of(placed), want) << placed.describe_plan();
}

/// Every wait and every signal that the planner wrote is needed.
TEST(DevicePlans, WithoutAWaitOrASignalAreRefused) {
  const auto whole = planned(read_by_the_host());
  const auto refusal = [](const Parts& parts) { return test::error_of([&] { engine_of(parts); }); };
  ASSERT_EQ(refusal(*whole), "");
  int waits = 0, signals = 0;
  const std::vector<std::int32_t> events = whole->plan.events;
  for (std::size_t i = 0; i < whole->plan.steps.size(); ++i) {
    plan::Step& step = whole->plan.steps[i];
    const plan::Step sound = step;
    for (std::uint32_t w = 0; w < sound.waits.count; ++w, ++waits) {
      std::swap(whole->plan.events[sound.waits.begin + w], whole->plan.events[sound.waits.begin]);
      step.waits = {sound.waits.begin + 1, sound.waits.count - 1};
      const std::string said = refusal(*whole);
      EXPECT_TRUE(said.find("it does not wait for step") != std::string::npos ||
                  said.find("may be under way") != std::string::npos ||
                  said.find("its extents read what a device may not have brought yet") != std::string::npos)
          << i << ": " << said;
      whole->plan.events = events;
      step = sound;
    }
    if (sound.signals < 0) continue;
    ++signals;
    step.signals = -1;
    EXPECT_NE(refusal(*whole).find("which nothing before it signals"), std::string::npos) << i;
    step = sound;
  }
  EXPECT_GE(waits, 5);
  EXPECT_GE(signals, 5);
}

TEST(DevicePlans, MarkWhatADeviceMayCapture) {
  const auto parts = planned(R"(graph "g" (%x: f32[4,5]) {
    %a = Exp(%x) @device="reference"
    %b = Neg(%a) @device="reference"
    %c = Abs(%b) @device="reference"
    %d = Relu(%c)
    return (d: %d)
  })");
  int captured = 0;
  for (const plan::Segment& s : parts->plan.segments)
    if (s.device == 1 && s.capturable != plan::Capturable::never) captured += static_cast<int>(s.steps.count);
  EXPECT_EQ(captured, 3);
  EXPECT_EQ(parts->plan.segments.size(), 4u) << "a copy there, the kernels, a copy back, and the host's";
}

/// Without its copy a device reads what its memory was filled with, and the host what its own was.
TEST(DevicePlans, WithoutACopyComputeSomethingElse) {
  const auto parts = planned(R"(graph "g" (%x: f32[4,5]) {
    %a = Exp(%x) @device="reference"
    %b = Neg(%a)
    %c = Abs(%b) @device="reference"
    return (c: %c)
  })");
  const std::string want = trace_of(engine_of(*parts));
  const std::vector<plan::Operand> operands = parts->plan.operands;
  int copies = 0;
  for (const plan::Step& sound : parts->plan.steps) {
    if (sound.kind != StepKind::copy) continue;
    ++copies;
    // A copy of nothing.
    parts->plan.registers.push_back(0);
    for (const plan::Range& r : {sound.inputs, sound.outputs})
      parts->plan.operands[r.begin].extent[0] = static_cast<plan::Register>(parts->plan.registers.size() - 1);
    EXPECT_NE(trace_of(engine_of(*parts)), want) << copies;
    parts->plan.operands = operands;
  }
  EXPECT_EQ(copies, 4);
}

TEST(DevicePlans, RefuseNodesThatCannotBeWhereTheyAreSent) {
  const auto said = [](const std::string& text) {
    return test::error_of([&] { test::engine_from_text("graph \"g\" " + text); });
  };
  const std::string branch = said(
      "(%c: bool[], %x: f32[2]) {\n  %y = If(%c, %x) @device=\"reference\"\n  body graph \"a\" (%a: f32[2]) { return "
      "(a: %a) "
      "}\n  body graph \"b\" (%b: f32[2]) { return (b: %b) }\n  return (y: %y)\n}");
  EXPECT_TRUE(branch.starts_with("If node 'y': it runs on the host, and is to run on device 'reference'")) << branch;
  EXPECT_EQ(said("(%x: seq(f32[2])) {\n  %y = SequenceLength(%x) @device=\"reference\"\n  return (y: %y)\n}"),
            "SequenceLength node 'y': it runs on the host, and is to run on device 'reference'\n  try: leave control "
            "flow, strings, lists and states of sequences where they are");
}

}  // namespace
}  // namespace monza
