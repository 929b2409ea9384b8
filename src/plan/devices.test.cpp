// Plans over several devices: nodes placed at random compute what they compute on the host alone.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "engine/run/engine_impl.h"
#include "ir/op.h"
#include "ir/text.h"
#include "plan/data/plan.h"
#include "plan/tactics.h"
#include "plan/weights.h"
#include "support/backends.h"
#include "support/engine_from_text.h"
#include "support/error_text.h"
#include "support/hostile.h"
#include "support/slow_reference.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

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

/// Sends nodes, those of bodies too, to the host or to the device, where it has a kernel for them.
void place_at_random(ir::Graph& graph, Device device, std::mt19937& random) {
  for (const ir::NodeId id : std::vector<ir::NodeId>(graph.order())) {
    ir::Node& node = graph.node(id);
    if (!of_host(graph, node))
      node.constraint.devices = random() % 2 == 0 ? Devices{device, Device::cpu} : Devices{Device::cpu};
    for (std::size_t b = 0; b < node.bodies.size(); ++b) place_at_random(graph.body(id, b), device, random);
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

/// Whether the numbers agree but for rounding; 8-bit integers may be a step of quantisation apart.
bool near(DType type, double got, double want) {
  if (std::isnan(want) || std::isinf(want)) return std::isnan(want) ? std::isnan(got) : got == want;
  const double apart = std::fabs(got - want);
  if (is_float(type)) return apart <= 1e-3 * (1 + std::fabs(want));
  return apart <= (type != DType::boolean && dtype_bits(type) == 8 ? 1 : 0);
}

/// "" or how one run differs from the host's.
std::string difference(const test::HostileRun& got, const test::HostileRun& want, bool exact) {
  if (exact ? got.status != want.status : got.status.empty() != want.status.empty())
    return "it ends with '" + got.status + "' instead of '" + want.status + "'";
  if (got.outputs.size() != want.outputs.size()) return "another number of tensors comes out";
  for (std::size_t o = 0; o < want.outputs.size(); ++o) {
    const TensorRef a = got.outputs[o].ref(), b = want.outputs[o].ref();
    if (a.dtype != b.dtype || a.shape != b.shape) return fmt::format("tensor {} has another type or shape", o);
    const ElementAccess& access = element_access(b.dtype);
    if (exact || access.load == nullptr) {
      if (b.bytes > 0 && std::memcmp(a.data, b.data, b.bytes) != 0) return fmt::format("tensor {} has other bits", o);
      continue;
    }
    for (std::int64_t i = 0; i < b.numel(); ++i)
      if (const double x = access.load(a.data, i), y = access.load(b.data, i); !near(b.dtype, x, y))
        return fmt::format("element {} of tensor {} is {} instead of {}", i, o, x, y);
  }
  return "";
}

std::vector<test::HostileRun> runs_of(const Engine& engine, unsigned seed, test::InputData data) {
  std::vector<test::HostileRun> runs;
  test::run_hostile(engine, seed, 1 << 22, &runs, data);
  return runs;
}

/// Each device, and each model: by its number.
class Placement : public testing::TestWithParam<std::tuple<test::Backend, std::size_t>> {
 protected:
  void SetUp() override {
    if (const std::string missing = test::lacking(backend_); !missing.empty()) GTEST_SKIP() << missing;
  }
  void expect_as_the_host(const Engine& placed, const Engine& host, unsigned seed, const std::string& what) const {
    // Kernels that round otherwise are compared on numbers of which rounding makes no others.
    const test::InputData data = exact_ ? test::InputData::any : test::InputData::tame;
    const auto got = runs_of(placed, seed, data), want = runs_of(host, seed, data);
    ASSERT_EQ(got.size(), want.size()) << what;
    for (std::size_t r = 0; r < want.size(); ++r)
      ASSERT_EQ(difference(got[r], want[r], exact_), "") << what << ", run " << r << "\n" << placed.describe_plan();
  }

  const test::Backend backend_ = std::get<0>(GetParam());
  const test::HostileGraph& model_ = test::hostile_graphs()[std::get<1>(GetParam())];
  const bool exact_ = test::computes_as_the_host(backend_);
  const BuildOptions on_host_{.optimize = false};  // reference kernels
};

TEST_P(Placement, GivesWhatTheHostDoes) {
  const plan::PlanScope scope{.profile = model_.profile};
  const auto plain = ir::parse(on_host(model_.text));
  const Engine host = test::engine_from_graph(*plain, scope, on_host_);
  ASSERT_EQ(count(host, StepKind::copy), 0);
  BuildOptions options = on_host_;
  options.device = backend_.device;  // all that can be there, unless it is sent to the host
  options.allow_cpu_nodes = true;
  int copies = 0;
  for (unsigned seed = 0; seed < 12; ++seed) {
    const auto graph = ir::parse(on_host(model_.text));
    std::mt19937 random(seed);
    if (seed > 0) place_at_random(*graph, backend_.device, random);
    const Engine placed = test::engine_from_graph(*graph, scope, options);
    copies += count(placed, StepKind::copy);
    for (unsigned data = 0; data < 3; ++data)
      expect_as_the_host(placed, host, data, fmt::format("{}, seed {}, data {}", model_.name, seed, data));
    if (HasFatalFailure()) return;
  }
  // Of another device there may be no kernel for any node of a model.
  EXPECT_TRUE(copies == 0 || can_be_elsewhere(*plain));
  if (exact_) EXPECT_EQ(copies > 0, can_be_elsewhere(*plain));
}

/// Lets every node be where it can.
void allow_both(ir::Graph& graph, Device device) {
  for (const ir::NodeId id : std::vector<ir::NodeId>(graph.order())) {
    ir::Node& node = graph.node(id);
    if (!of_host(graph, node)) node.constraint.devices = {Device::cpu, device};
    for (std::size_t b = 0; b < node.bodies.size(); ++b) allow_both(graph.body(id, b), device);
  }
}

TEST_P(Placement, ChosenByAnyTimesGivesWhatTheHostDoes) {
  plan::PlanScope scope{.profile = model_.profile};
  const auto graph = ir::parse(on_host(model_.text));
  const Engine host = test::engine_from_graph(*graph, scope, on_host_);
  allow_both(*graph, backend_.device);
  BuildOptions options = on_host_;
  options.optimize = !exact_;  // a plan of reference kernels has no others
  int copies = 0;
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    plan::Tactics tactics({.threads = 1, .tactic_seed = seed});
    scope.tactics = &tactics;
    const Engine placed = test::engine_from_graph(*graph, scope, options);
    copies += count(placed, StepKind::copy);
    expect_as_the_host(placed, host, 0, fmt::format("{}, seed {}", model_.name, seed));
    if (HasFatalFailure()) return;
  }
  if (exact_) EXPECT_TRUE(copies > 0 || !can_be_elsewhere(*graph)) << "no seed sends a node away";
}

INSTANTIATE_TEST_SUITE_P(Models, Placement,
                         testing::Combine(testing::ValuesIn(test::backends_beside_the_host()),
                                          testing::Range(std::size_t{0}, test::hostile_graphs().size())),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) + "_" +
                                  test::hostile_graphs()[std::get<1>(info.param)].name;
                         });

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
/// Every bit of what three kinds of inputs give.
std::string trace_of(const Engine& engine) {
  std::string trace;
  for (unsigned seed = 0; seed < 3; ++seed)
    for (const test::HostileRun& run : runs_of(engine, seed, test::InputData::any)) {
      trace += run.status;
      for (const Tensor& t : run.outputs) {
        for (const std::int64_t e : t.shape()) trace += std::to_string(e) + ",";
        if (t.bytes() > 0) trace.append(static_cast<const char*>(t.ref().data), t.bytes());
      }
    }
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
