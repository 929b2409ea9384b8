// Plans of drawn times: whatever timing may choose computes what the reference does.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include <cmath>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "ir/text.h"
#include "passes/evaluate.h"
#include "passes/pass.h"
#include "plan/tactics.h"
#include "support/backends.h"
#include "support/engine_from_text.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

struct Model {
  const char* name;
  const char* text;
};

/// Graphs around every decision on layouts: blocks of 8 and of 16 channels and tails, pointwise work between blocked
/// kernels, pooling, splits and concatenations of blocks, sums, depthwise and grouped kernels, sequences. Extents n and
/// h vary.
constexpr Model kModels[] = {
    {"pointwise_between_convolutions", R"(graph "g" (%x: f32[1,32,9,7]) {
      %a = constant f32[64,32,3,3] random 1
      %b = constant f32[32,64,1,1] random 2
      %c = Conv(%x, %a) {pads=[1,1,1,1]}
      %s = Softsign(%c)
      %e = Abs(%s)
      %m = Mul(%e, %s)
      %y = Conv(%m, %b)
      return (y: %y)
    })"},
    {"tails", R"(graph "g" (%x: f32[2,20,9,7]) {
      %a = constant f32[37,20,3,3] random 1
      %b = constant f32[20,37,1,1] random 2
      %c = Conv(%x, %a) {pads=[1,1,1,1]}
      %s = Sigmoid(%c)
      %p = MaxPool(%s) {kernel_shape=[2,2], strides=[2,2]}
      %d = Conv(%p, %b)
      %y = Neg(%d)
      return (y: %y)
    })"},
    {"sequence", R"(graph "g" (%x: f32[1,16,64]) {
      %a = constant f32[32,16,3] random 1
      %b = constant f32[16,32,3] random 2
      %c = Conv(%x, %a) {pads=[1,1]}
      %s = Tanh(%c)
      %y = Conv(%s, %b) {pads=[1,1]}
      return (y: %y)
    })"},
    {"branches", R"(graph "g" (%x: f32[1,32,8,8]) {
      %a = constant f32[32,32,1,1] random 1
      %b = constant f32[32,32,3,3] random 2
      %d = constant f32[32,1,3,3] random 3
      %z = constant f32[8,64,1,1] random 4
      %p = Conv(%x, %a)
      %q = Conv(%p, %b) {pads=[1,1,1,1]}
      %r = Conv(%p, %d) {pads=[1,1,1,1], group=32}
      %m = Max(%q, %r)
      %t = Sub(%m, %p)
      %c = Concat(%t, %q) {axis=1}
      %e = Tanh(%c)
      %y = Conv(%e, %z)
      return (y: %y, m: %m)
    })"},
    {"splits", R"(graph "g" (%x: f32[1,48,6,6]) {
      %a = constant f32[48,48,1,1] random 1
      %b = constant f32[16,32,3,3] random 2
      %c = Conv(%x, %a)
      %p, %q = Split(%c) {axis=1, split=[16, 32]}
      %u = Conv(%q, %b) {pads=[1,1,1,1]}
      %v = Min(%u, %p)
      %w = Exp(%v)
      %s = constant f32[1,1,1,1] [0.01]
      %k = Mul(%w, %s)
      %y = Concat(%v, %k, %q) {axis=1}
      return (y: %y)
    })"},
    {"quantised", R"(graph "g" (%x: f32[1,16,8,8]) {
      %s = constant f32[] [0.05]
      %z = constant u8[] [120]
      %a = constant f32[32,16,3,3] random 1
      %c = Conv(%x, %a) {pads=[1,1,1,1]}
      %t = Tanh(%c)
      %q = QuantizeLinear(%t, %s, %z)
      %d = DequantizeLinear(%q, %s, %z)
      %p = AveragePool(%d) {kernel_shape=[2,2], strides=[2,2]}
      %b = constant f32[16,32,1,1] random 2
      %y = Conv(%p, %b)
      return (y: %y)
    })"},
    {"pictures_of_any_size", R"(graph "g" (%x: f32[n,32,h,7]) {
      %a = constant f32[48,32,3,3] random 1
      %b = constant f32[20,48,1,1] random 2
      %d = constant f32[20,1,3,3] random 3
      %c = Conv(%x, %a) {pads=[1,1,1,1]}
      %e = Tanh(%c)
      %f = Abs(%e)
      %k = Conv(%f, %b)
      %l = Conv(%k, %d) {pads=[1,1,1,1], group=20}
      %m = Sub(%l, %k)
      %p = MaxPool(%m) {kernel_shape=[3,3], pads=[1,1,1,1]}
      %y = Concat(%p, %k) {axis=1}
      return (y: %y)
    })"},
    {"sequences_of_any_length", R"(graph "g" (%x: f32[n,16,h]) {
      %a = constant f32[32,16,3] random 1
      %b = constant f32[32,32,1] random 2
      %c = Conv(%x, %a) {pads=[1,1]}
      %e = Softsign(%c)
      %q, %r = Split(%e) {axis=1, split=[16, 16]}
      %m = Mul(%q, %r)
      %j = Concat(%m, %x) {axis=1}
      %k = Conv(%j, %b)
      %t = Transpose(%k) {perm=[0,2,1]}
      %y = Softmax(%t) {axis=2}
      return (y: %y)
    })"},
    {"products_and_norms", R"(graph "g" (%x: f32[2,12,32]) {
      %w = constant f32[32,48] random 1
      %v = constant f32[48,32] random 2
      %g = constant f32[32] random 3
      %a = MatMul(%x, %w)
      %e = Gelu(%a)
      %b = MatMul(%e, %v)
      %r = Add(%b, %x)
      %n = LayerNormalization(%r, %g, %g) {axis=-1}
      %t = Transpose(%n) {perm=[0,2,1]}
      %s = Softmax(%t) {axis=2}
      %y = MatMul(%n, %s)
      return (y: %y)
    })"},
};

using Extents = std::map<std::string, std::int64_t>;

std::vector<ConstantPtr> random_inputs(const ir::Graph& graph, const Extents& extents) {
  std::mt19937 random(11);
  std::vector<ConstantPtr> inputs;
  for (const ir::ValueId v : graph.inputs()) {
    Shape shape;
    for (const ir::Expr& e : graph.value(v).type.shape)
      shape[shape.rank++] = ir::evaluate(e, [&](const ir::Atom& atom) { return extents.at(atom.name); });
    std::vector<float> values(static_cast<std::size_t>(shape.numel()));
    for (float& x : values) x = std::uniform_real_distribution<float>(-1, 1)(random);
    inputs.push_back(ir::constant_f32(std::move(values), shape));
  }
  return inputs;
}

/// What the reference computes for inputs of these extents.
struct Feed {
  std::vector<ConstantPtr> inputs, want;
};
std::vector<Feed> feeds_of(const ir::Graph& graph) {
  std::vector<Feed> feeds;
  const bool varies = !ir::product(graph.value(graph.inputs()[0]).type.shape).is_constant();
  for (const Extents& extents : {Extents{{"n", 2}, {"h", 6}}, {{"n", 1}, {"h", 4}}, {{"n", 3}, {"h", 9}}}) {
    Feed& feed = feeds.emplace_back();
    feed.inputs = random_inputs(graph, extents);
    feed.want = run_reference(graph, feed.inputs);
    if (!varies) break;
  }
  return feeds;
}

/// Within 1e-4 of the output's largest element; where it is quantised on the way, a step of it may differ.
void expect_close(const TensorRef& got, const ir::Constant& want, const std::string& what) {
  ASSERT_EQ(got.numel(), want.numel()) << what;
  double largest = 0, error = 0;
  for (std::int64_t i = 0; i < want.numel(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(want.as<float>()[i])));
    const double e = std::fabs(static_cast<double>(got.as<float>()[i]) - static_cast<double>(want.as<float>()[i]));
    error = std::isnan(e) ? INFINITY : std::max(error, e);
  }
  const double tolerance = what.starts_with("quantised") ? 0.02 : 1e-4;
  EXPECT_LE(error, tolerance * largest) << what;
}

const plan::Profile kProfile{{"n", {1, 2, 3}}, {"h", {4, 6, 9}}};

void run_and_compare(const Engine& engine, Context& context, const Feed& feed, const std::string& model) {
  for (std::size_t i = 0; i < feed.inputs.size(); ++i) {
    const ir::Constant& c = *feed.inputs[i];
    ASSERT_TRUE(context.bind_input(i, {DType::f32,
                                       {c.shape.dim, c.shape.dim + c.shape.rank},
                                       const_cast<std::byte*>(c.bytes.data()),
                                       c.bytes.size()}));
  }
  const std::string what = fmt::format("{}, input {}", model, to_string(feed.inputs[0]->shape));
  const Status status = context.run();
  ASSERT_TRUE(status.ok()) << what << ": " << context.describe(status) << "\n" << engine.describe_plan();
  for (std::size_t o = 0; o < feed.want.size(); ++o) expect_close(context.output(o), *feed.want[o], what);
}

class RandomTactics : public testing::TestWithParam<Model> {};

TEST_P(RandomTactics, AgreeWithTheReference) {
  const Model& model = GetParam();
  const auto graph = ir::parse(model.text);
  const std::vector<Feed> feeds = feeds_of(*graph);
  std::set<std::string> plans;
  for (std::uint64_t seed = 0; seed < 24; ++seed) {
    plan::Tactics tactics({.threads = 1, .tactic_seed = seed});
    const plan::PlanScope scope{.profile = kProfile, .tactics = &tactics};
    const auto planned = ir::parse(model.text);
    if (seed % 2 == 1) optimize(*planned, {.strict_rewrites = true});
    // The later ones on either device, so that there is a choice where the CPU has one kernel of each operator.
    for (const ir::NodeId id : std::vector<ir::NodeId>(planned->order()))
      if (seed >= 12) planned->constrain(id, {{}, {Device::cpu, Device::reference}});
    const Engine engine = test::engine_from_graph(*planned, scope);
    plans.insert(engine.describe_plan());
    Context context = engine.create_context();
    for (const Feed& feed : feeds) run_and_compare(engine, context, feed, fmt::format("{}, seed {}", model.name, seed));
    if (HasFailure()) FAIL() << engine.describe_plan();
  }
  EXPECT_GT(plans.size(), 4u) << "the seeds reach few plans";
}

class PlacedTactics : public testing::TestWithParam<std::tuple<test::Backend, Model>> {};

/// On another device, whatever its kernels are timed at; and with every node drawn to be there or on the host.
TEST_P(PlacedTactics, AgreeWithTheReference) {
  const auto& [backend, model] = GetParam();
  if (const std::string missing = test::lacking(backend); !missing.empty()) GTEST_SKIP() << missing;
  const auto graph = ir::parse(model.text);
  const std::vector<Feed> feeds = feeds_of(*graph);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    std::unique_ptr<ir::Graph> placed = graph->clone();
    std::mt19937 random(static_cast<unsigned>(seed));
    for (const ir::NodeId id : std::vector<ir::NodeId>(placed->order()))
      placed->constrain(id, {{}, {seed % 2 == 0 || random() % 2 == 0 ? backend.device : Device::cpu}});
    plan::Tactics tactics({.threads = 1, .tactic_seed = seed});
    const plan::PlanScope scope{.profile = kProfile, .tactics = &tactics};
    const Engine engine = test::engine_from_graph(*placed, scope);
    Context context = engine.create_context();
    for (int again = 0; again < 2; ++again)
      for (const Feed& feed : feeds)
        run_and_compare(engine, context, feed, fmt::format("{}, seed {}", model.name, seed));
    if (HasFailure()) FAIL() << engine.describe_plan();
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, PlacedTactics,
                         testing::Combine(testing::ValuesIn(test::backends_beside_the_host()),
                                          testing::ValuesIn(kModels)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param).name) + "_" + std::get<1>(info.param).name;
                         });
INSTANTIATE_TEST_SUITE_P(Models, RandomTactics, testing::ValuesIn(kModels),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace monza
