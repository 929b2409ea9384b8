// Builds of one session: the same engines as builds that stand alone, for less work.
#include "engine/session.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/bisect.h"
#include "engine/run/engine_impl.h"
#include "ir/op.h"
#include "monza/error.h"
#include "passes/pass.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza::test {
namespace {

/// Convolutions, a batch norm that is folded into weights, a product, constants that are folded, twins.
constexpr const char* kSessionModel = R"(
  w1: f32[16,3,3,3] = 0.02; w2: f32[16,16,3,3] = 0.01; w3: f32[16,40] = 0.03; b3: f32[40] = 0.5
  s: f32[16] = 0.9; o: f32[16] = 0.1; m: f32[16] = 0.2; v: f32[16] = 1.5; c: f32[1,40] = 0.25
  a = Conv(x: f32[n,3,16,16], w1; pads = [1,1,1,1])
  b = BatchNormalization(a, s, o, m, v)
  d = Relu(b)
  e = Conv(d, w2; pads = [1,1,1,1])
  f = Add(e, d)
  g = GlobalAveragePool(f)
  h = Flatten(g)
  i = MatMul(h, w3)
  j = Add(i, b3)
  k = Sigmoid(j)
  l = Mul(j, k)
  q = Add(c, c)
  y = Add(l, q)
  return y
  opset 15)";

std::string write_session_model(const std::filesystem::path& folder) {
  const std::string path = (folder / "m.onnx").string();
  std::ofstream(path, std::ios::binary) << parse_onnx_notation(kSessionModel).model.SerializeAsString();
  return path;
}

BuildOptions untimed_build(std::int64_t batch = 2) {
  BuildOptions options;
  options.threads = 1;
  options.tune = false;
  options.shapes["x"] = {{batch, 3, 16, 16}, {batch, 3, 16, 16}, {batch, 3, 16, 16}};
  return options;
}

std::vector<float> output_of(const Engine& engine) {
  Context context = engine.create_context();
  Tensor x(DType::f32, engine.inputs()[0].opt);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = static_cast<float>(i % 23) * 0.05f - 0.4f;
  EXPECT_TRUE(context.bind_input("x", x).ok());
  EXPECT_TRUE(context.run().ok());
  const TensorRef y = context.output(0);
  return {y.as<float>(), y.as<float>() + y.numel()};
}

/// Deliberately wrong: every Sigmoid becomes Tanh.
const Pass wrong_sigmoid{
    "wrong_sigmoid", "wrong on purpose", [](ir::Graph& graph, PassContext& context) {
      for (const ir::NodeId id : graph.order()) {
        ir::Node& node = graph.node(id);
        if (std::string_view(node.op->name) == "Sigmoid" && context.allow("Sigmoid becomes Tanh", graph, node))
          node.op = &ir::get_op("Tanh");
      }
    }};

class SessionTest : public ::testing::Test {
 protected:
  /// Variants of all kinds, by name.
  static std::vector<std::pair<std::string, BuildOptions>> variants() {
    std::vector<std::pair<std::string, BuildOptions>> list;
    const auto add = [&](const std::string& name, auto&& change) {
      list.emplace_back(name, untimed_build());
      change(list.back().second);
    };
    add("as it is", [](BuildOptions&) {});
    for (const char* pass : {"fuse_activation", "fuse_conv_batch_norm", "fold_constants", "fuse_silu", "fuse_bias"})
      add(pass, [&](BuildOptions& o) { o.disabled_passes = {pass}; });
    for (int n = 0; n < 9; ++n) add("rewrites", [&](BuildOptions& o) { o.max_rewrites = n; });
    add("two passes less", [](BuildOptions& o) { o.disabled_passes = {"fuse_bias", "fuse_silu"}; });
    add("a pass less and few rewrites", [](BuildOptions& o) {
      o.disabled_passes = {"fuse_residual"};
      o.max_rewrites = 4;
    });
    const NodeConstraint elsewhere{"*", {{Precision::fp32}, {Device::cpu, Device::reference}}};
    add("constraints", [&](BuildOptions& o) { o.constraints = {elsewhere}; });
    add("constraints and a pass less", [&](BuildOptions& o) {
      o.constraints = {elsewhere, {"l", {{}, {Device::reference}}}};
      o.disabled_passes = {"fuse_activation"};
    });
    add("reference", [](BuildOptions& o) { o.optimize = false, o.device = Device::reference; });
    add("baseline", [](BuildOptions& o) { o.isa = "baseline"; });
    for (const int seed : {1, 2, 3}) add("drawn", [&](BuildOptions& o) { o.tactic_seed = seed; });
    add("batch invariant", [](BuildOptions& o) { o.batch_invariant = true; });
    add("two threads", [](BuildOptions& o) { o.threads = 2; });
    add("stripped", [](BuildOptions& o) { o.strip = true; });
    return list;
  }

  TemporaryFolder folder_;
  std::string path_ = write_session_model(folder_.path());
  BuildSession session_{path_};
};

TEST_F(SessionTest, EnginesAreThoseOfBuildsThatStandAlone) {
  // Twice: the second time everything is there.
  for (int round = 0; round < 2; ++round)
    for (const auto& [name, options] : variants()) {
      const auto alone = engine_file::engine_bytes(Engine::build(path_, options).impl().image);
      const auto shared = engine_file::engine_bytes(session_.build(options).impl().image);
      EXPECT_TRUE(alone == shared) << name << ", round " << round;
      if (round == 1) {
        EXPECT_EQ(session_.last().new_weights, 0) << name;
      }
    }
}

TEST_F(SessionTest, PassesGoOnFromWhereTheOptionsDiffer) {
  const int all = static_cast<int>(pipeline().size());
  session_.build(untimed_build());
  EXPECT_EQ(session_.last().passes, all);
  // What is asked of nodes comes in behind the passes that do not look at it.
  BuildOptions asked = untimed_build();
  asked.constraints = {{"*", {{Precision::fp32}, {}}}};
  session_.build(asked);
  EXPECT_EQ(session_.last().passes, all - 4);
  // The batch norm is folded into the weights, and then there is a node less.
  BuildOptions less = untimed_build();
  less.disabled_passes = {"fuse_residual"};
  session_.build(less);
  EXPECT_GT(session_.last().passes, 0);
  EXPECT_LT(session_.last().passes, all / 2);
  less.disabled_passes = {"identities"};
  session_.build(less);
  EXPECT_EQ(session_.last().passes, all);
  // A limit that was not met is as good as none.
  less.disabled_passes.clear();
  less.max_rewrites = 1000;
  session_.build(less);
  EXPECT_EQ(session_.last().passes, 0);
  less.max_rewrites = 0;
  session_.build(less);
  EXPECT_EQ(session_.last().passes, all);
}

TEST_F(SessionTest, ASecondBuildMakesOnlyWhatIsNew) {
  session_.build(untimed_build());
  EXPECT_TRUE(session_.last().imported);
  EXPECT_TRUE(session_.last().passes);
  const std::int64_t all = session_.last().new_weights;
  EXPECT_GT(all, 16 * 16 * 9 * 4);

  BuildOptions less = untimed_build();
  less.disabled_passes = {"fuse_silu"};
  session_.build(less);
  EXPECT_FALSE(session_.last().imported);
  EXPECT_EQ(session_.last().new_weights, 0) << "the same weights in the same packings";

  // Other kernels want one product's weight otherwise, and nothing else.
  BuildHooks hooks;
  hooks.before_plan = [](ir::Graph& graph) {
    for (const ir::NodeId id : graph.order())
      if (std::string_view(graph.node(id).op->name) == "MatMul") graph.constrain(id, {{}, {Device::reference}});
  };
  session_.build(untimed_build(), hooks);
  EXPECT_FALSE(session_.last().imported);
  EXPECT_FALSE(session_.last().passes);
  EXPECT_GT(session_.last().new_weights, 0);
  EXPECT_LE(session_.last().new_weights, 16 * 40 * 4 + 40 * 4 + 128);
  session_.build(untimed_build(), hooks);
  EXPECT_EQ(session_.last().new_weights, 0);

  // What decides the imported graph is imported again.
  session_.build(untimed_build(3));
  EXPECT_TRUE(session_.last().imported);
  EXPECT_LT(session_.last().new_weights, all / 2) << "weights do not depend on the batch";
  BuildOptions limited = untimed_build(3);
  limited.limits.nodes = 1000;
  session_.build(limited);
  EXPECT_TRUE(session_.last().imported);
}

TEST_F(SessionTest, KernelsAreTimedOnce) {
  BuildOptions tuned = untimed_build();
  tuned.tune = true;
  // On two devices, so that there is a choice where the CPU has one kernel of each operator.
  BuildHooks hooks;
  hooks.before_plan = [](ir::Graph& graph) {
    for (const ir::NodeId id : graph.order())
      if (std::string_view(graph.node(id).op->name) == "MatMul")
        graph.constrain(id, {{}, {Device::cpu, Device::reference}});
  };
  session_.build(tuned, hooks);
  EXPECT_GT(session_.last().timed_kernels, 0);
  session_.build(tuned, hooks);
  EXPECT_EQ(session_.last().timed_kernels, 0);
  tuned.disabled_passes = {"fuse_silu"};
  session_.build(tuned, hooks);
  const std::int64_t apart = session_.last().timed_kernels;
  session_.build(untimed_build(), hooks);
  EXPECT_EQ(session_.last().timed_kernels, 0);
  session_.build(tuned, hooks);
  EXPECT_EQ(session_.last().timed_kernels, 0) << "after " << apart;
}

TEST_F(SessionTest, WeightsInPlaceAreSharedAndStay) {
  BuildHooks in_place;
  in_place.weights_in_place = true;
  // The begin of the model alone: memory for its weights is soon too small for all.
  BuildOptions begin = untimed_build();
  begin.outputs = {"a"};
  const Engine small = session_.build(begin, in_place);
  const auto small_output = output_of(small);
  const Engine first = session_.build(untimed_build(), in_place);
  EXPECT_NE(first.impl().image.weights.data(), small.impl().image.weights.data());
  const auto want = output_of(Engine::build(path_, untimed_build()));
  EXPECT_EQ(output_of(first), want);
  BuildOptions less = untimed_build();
  less.disabled_passes = {"fuse_silu"};
  const Engine second = session_.build(less, in_place);
  EXPECT_EQ(first.impl().image.weights.data(), second.impl().image.weights.data());
  for (const auto& [name, options] : variants())
    EXPECT_EQ(output_of(session_.build(options, in_place)), output_of(Engine::build(path_, options))) << name;
  EXPECT_EQ(output_of(first), want);
  EXPECT_EQ(output_of(small), small_output);
  // What such an engine saves is whole.
  const std::string file = folder_ / "in_place.engine";
  second.save(file);
  EXPECT_EQ(output_of(Engine::load(file, {.verify = true})), output_of(second));
}

TEST_F(SessionTest, EnginesOutliveIt) {
  std::optional<Engine> engine;
  {
    BuildHooks in_place;
    in_place.weights_in_place = true;
    BuildSession session(path_);
    engine = session.build(untimed_build(), in_place);
  }
  EXPECT_EQ(output_of(*engine), output_of(Engine::build(path_, untimed_build())));
}

TEST_F(SessionTest, GoesOnAfterAnError) {
  session_.build(untimed_build());
  BuildOptions wrong = untimed_build();
  wrong.disabled_passes = {"no_such_pass"};
  EXPECT_THROW(session_.build(wrong), Error);
  BuildOptions small = untimed_build();
  small.max_memory = 100;
  EXPECT_THROW(session_.build(small), Error);
  const Engine engine = session_.build(untimed_build());
  EXPECT_FALSE(session_.last().imported);
  EXPECT_EQ(output_of(engine), output_of(Engine::build(path_, untimed_build())));
}

TEST_F(SessionTest, BisectionImportsOnce) {
  Tensor x(DType::f32, {2, 3, 16, 16});
  for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = static_cast<float>(i % 23) * 0.05f - 0.4f;
  const auto session = std::make_shared<BuildSession>(path_);
  VariantRunner runner(session, {{"x", x}});
  BuildOptions options = untimed_build();
  options.shapes.clear();
  std::vector<const Pass*> passes = pipeline();
  passes.insert(passes.begin(), &wrong_sigmoid);
  const Variant suspect{options, &passes};
  runner.run(reference_of(suspect));
  EXPECT_TRUE(session->last().imported);
  const Culprit culprit = find_culprit(runner, suspect, reference_of(suspect), 1e-3);
  EXPECT_EQ(culprit.pass, "wrong_sigmoid") << to_string(culprit);
  EXPECT_GT(culprit.builds, 4);
  EXPECT_FALSE(session->last().imported);
  runner.run(suspect);
  EXPECT_FALSE(session->last().imported);
  EXPECT_EQ(session->last().new_weights, 0);
}

}  // namespace
}  // namespace monza::test
