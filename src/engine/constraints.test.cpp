// What is asked of nodes by name: where it reaches, and what is planned for it.
#include "engine/constraints.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/cpu.h"
#include "engine/explain.h"
#include "engine/run/engine_impl.h"
#include "engine/session.h"
#include "engine/variants.h"
#include "support/error_text.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza::test {
namespace {

/// Two products and a softmax between them; nodes are named after what they make.
constexpr const char* kConstraintsModel = R"(
  w1: f32[64,64] = 0.02; w2: f32[64,64] = 0.01; b1: f32[64] = 0.5
  head_a = MatMul(x: f32[32,64], w1)
  head_b = Add(head_a, b1)
  mid = Softmax(head_b)
  tail = MatMul(mid, w2)
  y = Relu(tail)
  return y
  opset 15)";

class ConstraintsTest : public ::testing::Test {
 protected:
  ConstraintsTest() {
    std::ofstream(path_, std::ios::binary) << parse_onnx_notation(kConstraintsModel).model.SerializeAsString();
    options_.threads = 1;
    options_.tune = false;
  }
  void constrain(const std::string& nodes, Precisions precisions, Devices devices = {}) {
    options_.constraints.push_back({nodes, {precisions, devices}});
  }
  /// The step that makes the tensor, or is fused with what makes it.
  StepText step(const std::string& tensor) { return built(tensor).first; }
  /// The device of that step, as plans count them: 0 is the host.
  int device_of(const std::string& tensor) { return built(tensor).second; }
  std::pair<StepText, int> built(const std::string& tensor) {
    BuildReport report;
    BuildHooks hooks;
    hooks.report = &report;
    const Engine engine = build_engine(path_, options_, hooks);
    const Explanation e = explain(report, engine, tensor);
    for (const Realisation& r : e.realisations)
      if (!r.steps.empty()) return {r.steps[0], engine.impl().image.plan.steps[r.steps[0].index].device};
    return {};
  }

  TemporaryFolder folder_;
  std::string path_ = folder_ / "m.onnx";
  BuildOptions options_;
};

TEST_F(ConstraintsTest, StepsSayWhatTheyComputeIn) {
  EXPECT_EQ(step("head_a").computes_in, "fp32");
  EXPECT_EQ(step("mid").computes_in, "fp32");
  EXPECT_EQ(step("mid").accumulates_in, "f32");
}

TEST_F(ConstraintsTest, NameWhatMustNotAndWhatMustComputeInBf16) {
  if (!covers(cpu_info().isa, Isa::avx512bf16)) GTEST_SKIP() << "this CPU lacks avx512bf16";
  constrain("head*", {Precision::bf16});
  EXPECT_EQ(step("head_a").computes_in, "bf16");
  EXPECT_EQ(step("head_a").accumulates_in, "f32");
  EXPECT_EQ(step("mid").computes_in, "fp32");
  EXPECT_EQ(step("tail").computes_in, "fp32");
  // The last one that names a node counts.
  options_.precision = Precision::bf16;
  options_.constraints.clear();
  EXPECT_EQ(step("tail").computes_in, "bf16");
  constrain("tai?", {Precision::bf16});
  constrain("t*l", {Precision::fp32});
  EXPECT_EQ(step("tail").computes_in, "fp32");
  EXPECT_EQ(step("head_a").computes_in, "bf16");
}

TEST(RoundedPrecisions, AreThoseThatComparisonsAllowMore) {
  EXPECT_TRUE(is_rounded("bf16") && is_rounded("fp16"));
  EXPECT_FALSE(is_rounded("fp32") || is_rounded("int8") || is_rounded(""));
}

TEST_F(ConstraintsTest, SendNodesToADevice) {
  constrain("mid", {}, {Device::reference});
  EXPECT_EQ(step("mid").kernel, "softmax_ref");
  EXPECT_EQ(device_of("mid"), 1);
  EXPECT_EQ(device_of("tail"), 0);
}

TEST_F(ConstraintsTest, ThatNoKernelKeepsAreRefused) {
  constrain("*", {Precision::bf16});
  const std::string said = error_of([&] { step("mid"); });
  EXPECT_NE(said.find("computes in fp32; allowed is bf16"), std::string::npos) << said;
  EXPECT_NE(said.find("--constrain NODE=fp32,bf16"), std::string::npos) << said;
}

TEST_F(ConstraintsTest, OfNoNodeAreRefused) {
  const auto said = [&](const std::string& name) {
    options_.constraints = {{name, {{Precision::fp32}, {}}}};
    return error_of([&] { step("mid"); });
  };
  EXPECT_EQ(said("tial"),
            "a constraint is on 'tial', and the model has no node and no tensor of that name\n  try: one of 'tail'");
  EXPECT_EQ(said("q?x*"),
            "a constraint is on 'q?x*', and the model has no node and no tensor of that name\n  try: `monza inspect "
            "MODEL --imported` lists the nodes");
  EXPECT_EQ(said("tai"),
            "a constraint is on 'tai', and the model has no node and no tensor of that name\n  try: one of 'tail'");
  for (const char* every : {"*", "**", "t*", "*l", "?ail", "t*a*l"}) EXPECT_EQ(said(every), "") << every;
}

TEST_F(ConstraintsTest, OfASessionImportNothing) {
  BuildSession session(path_);
  session.build(options_);
  constrain("tail", {Precision::fp32});
  session.build(options_);
  EXPECT_FALSE(session.last().imported);
  EXPECT_TRUE(session.last().passes) << "what is fused depends on them";
  EXPECT_EQ(session.last().new_weights, 0);
  session.build(options_);
  EXPECT_FALSE(session.last().passes);
}

}  // namespace
}  // namespace monza::test
