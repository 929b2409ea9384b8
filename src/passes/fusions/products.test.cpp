// What convolutions and matrix products take in: padding, normalisation, bias, activation, residual.
#include <gtest/gtest.h>

#include <algorithm>

#include "ir/op.h"
#include "ir/text.h"
#include "kernel/registry.h"
#include "passes/fusions/fusions.h"
#include "passes/rewrite.h"
#include "support/rewrite.h"

namespace monza {
namespace {
using test::expect_same_numbers;
using test::graph_text;
using test::rewrite;
using test::Rewritten;
using Ops = std::vector<std::string>;

const std::vector<const Pass*> kEpilogue{&pad_conv_pass,   &conv_batch_norm_pass, &conv_scale_pass, &bias_pass,
                                         &activation_pass, &residual_pass,        &activation_pass, &dead_code_pass};

constexpr const char* kProductConstants = R"(
  %w = constant f32[4,3,3,3] random 1
  %w2 = constant f32[4,4,1,1] random 2
  %bias = constant f32[4] random 3
  %s = constant f32[4] random 4
  %mean = constant f32[4] random 5
  %var = constant f32[4] [0.5, 1, 2, 0.1]
  %b4 = constant f32[1,4,1,1] random 6
  %zero = constant f32[] [0]
  %six = constant f32[] [6]
)";

Rewritten run_products(const std::string& body, const std::string& outputs = "y: %y") {
  auto r = rewrite(graph_text("%x: f32[n,3,6,6], %r: f32[n,4,4,4], %lo: f32[]", kProductConstants + body, outputs),
                   kEpilogue);
  expect_same_numbers(r, 2e-5, 2);
  return r;
}
std::string attr(const Rewritten& r, const char* name) {
  for (ir::NodeId id : r.after->order())
    if (const ir::Node& n = std::as_const(*r.after).node(id); std::string_view(n.op->name) == "Conv")
      return attrs_of(n).s(name);
  return "";
}

TEST(ConvBatchNorm, FoldsWithAndWithoutBias) {
  for (const char* bias : {"", ", %bias"}) {
    auto r = run_products(std::string("%c = Conv(%x, %w") + bias +
                          ")\n%n = BatchNormalization(%c, %s, %bias, %mean, %var) {epsilon=0.001}\n%y = Relu(%n)");
    EXPECT_EQ(r.ops(), (Ops{"Conv"})) << r.reasons();
    EXPECT_EQ(attr(r, "activation"), "relu");
  }
}

TEST(ConvBatchNorm, FoldsBehindABiasThatIsAnOperatorOfItsOwn) {
  auto r = rewrite(graph_text("%x: f32[n,3,6,6]",
                              std::string(kProductConstants) +
                                  "%c = Conv(%x, %w)\n%d = Add(%c, %b4)\n%n = BatchNormalization(%d, %s, %bias, %mean, "
                                  "%var) {epsilon=0.001}\n%y = Relu(%n)"),
                   pipeline());
  expect_same_numbers(r, 2e-5, 2);
  EXPECT_EQ(r.ops(), (Ops{"Conv"})) << r.reasons();
}

TEST(ConvBatchNorm, RefusesSharedResultAndVariableWeight) {
  auto r = run_products("%c = Conv(%x, %w)\n%n = BatchNormalization(%c, %s, %bias, %mean, %var)\n%y = Add(%n, %c)");
  EXPECT_NE(r.reasons().find("also read by"), std::string::npos) << r.reasons();
  auto v = rewrite(graph_text("%x: f32[1,3,6,6], %w: f32[4,3,3,3]",
                              "%s = constant f32[4] random 4\n%c = Conv(%x, %w)\n%y = BatchNormalization(%c, %s, %s, "
                              "%s, %s) {epsilon=9.0}"),
                   kEpilogue);
  EXPECT_EQ(v.rewrites(), 0);
  EXPECT_NE(v.reasons().find("the weight is not a constant"), std::string::npos) << v.reasons();
}

TEST(ConvScale, FoldsFactorsPerChannel) {
  auto r = run_products("%c = Conv(%x, %w, %bias)\n%m = Mul(%c, %b4)\n%y = Add(%b4, %m)");
  EXPECT_EQ(r.ops(), (Ops{"Conv"})) << r.reasons();
  auto v = run_products("%k = constant f32[4,1] random 9\n%c = Conv(%x, %w)\n%y = Mul(%c, %k)");
  EXPECT_EQ(v.rewrites(), 0);
  EXPECT_NE(v.reasons().find("not one number per channel"), std::string::npos);
}

TEST(Epilogue, BiasActivationResidualInEveryOrder) {
  EXPECT_EQ(run_products("%c = Conv(%x, %w)\n%b = Add(%c, %b4)\n%a = Relu(%b)\n%y = Add(%r, %a)").ops(), (Ops{"Conv"}));
  EXPECT_EQ(run_products("%c = Conv(%x, %w)\n%b = Add(%c, %b4)\n%a = Add(%b, %r)\n%y = Relu(%a)").ops(), (Ops{"Conv"}));
  EXPECT_EQ(run_products("%c = Conv(%x, %w)\n%b = Add(%b4, %c)\n%y = Clip(%b, %zero, %six)").ops(), (Ops{"Conv"}));
  // Activation, residual and another activation: the last one stays.
  EXPECT_EQ(run_products("%c = Conv(%x, %w)\n%a = Relu(%c)\n%b = Add(%a, %r)\n%y = Sigmoid(%b)").ops(),
            (Ops{"Conv", "Sigmoid"}));
  // Two convolutions meet: one of them takes the other as its residual.
  EXPECT_EQ(run_products("%c = Conv(%x, %w)\n%d = Conv(%r, %w2)\n%a = Add(%c, %d)\n%y = Relu(%a)").ops(),
            (Ops{"Conv", "Conv"}));
}

TEST(Epilogue, EveryActivation) {
  for (const char* act : {"Relu(%c)", "Sigmoid(%c)", "Tanh(%c)", "HardSwish(%c)", "Softplus(%c)", "Mish(%c)",
                          "Swish(%c)", "Gelu(%c)", "Gelu(%c) {approximate=\"tanh\"}", "LeakyRelu(%c) {alpha=0.3}",
                          "Elu(%c) {alpha=0.7}", "HardSigmoid(%c) {alpha=0.3, beta=0.4}", "Clip(%c, %zero, %six)",
                          "Clip(%c, %zero)", "Clip(%c, _, %six)", "PRelu(%c, %slope)"}) {
    auto r = run_products(
        std::string("%slope = constant f32[4,1,1] [0.1, 0.2, 0.3, 0.4]\n%c = Conv(%x, %w, %bias)\n%y = ") + act);
    EXPECT_EQ(r.ops(), (Ops{"Conv"})) << act << r.reasons();
  }
}

TEST(Epilogue, Refusals) {
  auto r = run_products("%c = Conv(%x, %w)\n%y = Clip(%c, %lo, %six)");
  EXPECT_NE(r.reasons().find("its bounds are not constant"), std::string::npos) << r.reasons();
  r = run_products("%c = Conv(%x, %w)\n%y = Relu(%c)", "y: %y, c: %c");
  EXPECT_NE(r.reasons().find("also an output"), std::string::npos) << r.reasons();
  r = run_products("%c = Conv(%x, %w)\n%y = Swish(%c) {alpha=2.0}");
  EXPECT_EQ(r.rewrites(), 0);
  r = run_products("%k = constant f32[1,4,4,4] random 8\n%c = Conv(%x, %w)\n%y = Add(%c, %k)");
  EXPECT_EQ(r.rewrites(), 0);
  EXPECT_NE(r.reasons().find("broadcast"), std::string::npos) << r.reasons();
  r = run_products("%c = Conv(%x, %w)\n%d = Relu(%c)\n%y = Add(%d, %d)");
  EXPECT_EQ(r.ops(), (Ops{"Conv", "Add"})) << r.reasons();
}

// A constant of a higher rank makes the sum's rank its own, and the channels another axis.
TEST(Epilogue, ConstantsThatRaiseTheRank) {
  const char* const kReason = "broadcasts the product";
  for (const char* shape : {"[1,1,1,1,1]", "[1,1,4,1,1]"}) {
    const auto r =
        run_products(std::string("%k = constant f32") + shape + " splat 0.5\n%c = Conv(%x, %w)\n%y = Add(%c, %k)");
    EXPECT_EQ(r.ops(), (Ops{"Conv", "Add"})) << shape;
    EXPECT_NE(r.reasons().find(kReason), std::string::npos) << r.reasons();
    const auto scaled =
        run_products(std::string("%k = constant f32") + shape + " splat 0.5\n%c = Conv(%x, %w)\n%y = Mul(%c, %k)");
    EXPECT_EQ(scaled.ops(), (Ops{"Conv", "Mul"})) << shape;
  }
  auto r =
      rewrite(graph_text("%a: f32[3], %b: f32[3]", "%k = constant f32[1] [0.5]\n%m = MatMul(%a, %b)\n%y = Add(%m, %k)"),
              kEpilogue);
  EXPECT_EQ(r.ops(), (Ops{"MatMul", "Add"}));
  EXPECT_NE(r.reasons().find(kReason), std::string::npos) << r.reasons();
  expect_same_numbers(r);
  // A batch of one and channels in its place: sums that broadcast along another axis.
  r = rewrite(graph_text("%x: f32[1,1,4,4]",
                         "%w = constant f32[1,1,3,3] random 1\n%k = constant f32[1,3,1,1] random 2\n"
                         "%c = Conv(%x, %w)\n%y = Add(%c, %k)"),
              kEpilogue);
  EXPECT_EQ(r.ops(), (Ops{"Conv", "Add"}));
  expect_same_numbers(r);
}

TEST(Epilogue, MatMul) {
  auto r = rewrite(
      graph_text(
          "%x: f32[n,5,6], %z: f32[n,5,7]",
          "%w = constant f32[6,7] random 1\n%b = constant f32[7] random 2\n%m = MatMul(%x, %w)\n%a = Add(%b, %m)\n"
          "%g = Gelu(%a)\n%y = Add(%z, %g)"),
      kEpilogue);
  EXPECT_EQ(r.ops(), (Ops{"MatMul"})) << r.reasons();
  expect_same_numbers(r);
  r = rewrite(
      graph_text(
          "%x: f32[n,5,6]",
          "%w = constant f32[6,7] random 1\n%s = constant f32[1] [0.1]\n%m = MatMul(%x, %w)\n%y = PRelu(%m, %s)"),
      kEpilogue);
  EXPECT_EQ(r.rewrites(), 0);
  EXPECT_NE(r.reasons().find("only convolutions take a slope"), std::string::npos) << r.reasons();
}

TEST(PadConv, MovesZerosInto) {
  auto r = run_products(
      "%p = Pad(%x) {pads=[0, 0, 1, 0, 0, 0, 2, 1], mode=\"constant\"}\n%y = Conv(%p, %w) {pads=[1, 1, 1, 1], "
      "strides=[2, 2]}");
  EXPECT_EQ(r.ops(), (Ops{"Conv"})) << r.reasons();
  r = run_products("%p = Pad(%x) {pads=[0, 0, 1, 1, 0, 0, 1, 1], mode=\"reflect\"}\n%y = Conv(%p, %w)");
  EXPECT_NE(r.reasons().find("not with a constant"), std::string::npos) << r.reasons();
  r = run_products("%p = Pad(%x, _, %six) {pads=[0, 0, 1, 1, 0, 0, 1, 1], mode=\"constant\"}\n%y = Conv(%p, %w)");
  EXPECT_NE(r.reasons().find("not known to be zero"), std::string::npos) << r.reasons();
  r = run_products("%p = Pad(%x) {pads=[0, 0, -1, 1, 0, 0, 1, 1], mode=\"constant\"}\n%y = Conv(%p, %w)");
  EXPECT_NE(r.reasons().find("negative"), std::string::npos) << r.reasons();
}
TEST(Separable, TakesDepthwiseAndPointwise) {
  const auto separable = [](const std::string& body, const char* size = "256") {
    const std::string extents = std::string(size) + "," + size;
    return rewrite(graph_text("%x: f32[1,2," + extents + "], %r: f32[1,3," + extents + "], %k: f32[2,1,3,3]",
                              "%d = constant f32[2,1,3,3] random 1\n%p = constant f32[3,2,1,1] random 2\n"
                              "%b = constant f32[2] random 3\n%c = constant f32[3] random 4\n" +
                                  body),
                   {&separable_pass});
  };
  auto r = separable(
      "%m = Conv(%x, %d, %b) {group=2, pads=[1, 1, 1, 1], activation=\"relu\"}\n"
      "%y = Conv(%m, %p, %c, %r) {activation=\"silu\", residual_after=1}");
  EXPECT_EQ(r.ops(), (Ops{"SeparableConv"})) << r.reasons();
  expect_same_numbers(r, 2e-5);
  r = separable(
      "%m = Conv(%x, %d) {group=2, strides=[1, 1], pads=[2, 2, 2, 2], dilations=[2, 2], activation=\"clip\", "
      "act_alpha=-0.5, act_beta=0.5}\n%y = Conv(%m, %p)");
  EXPECT_EQ(r.ops(), (Ops{"SeparableConv"})) << r.reasons();
  expect_same_numbers(r, 2e-5);

  const std::string depth = "%m = Conv(%x, %d) {group=2, pads=[1, 1, 1, 1]}\n";
  const auto refused = [&](const std::string& body, const char* why, const char* size = "256") {
    const auto rewritten = separable(body, size);
    EXPECT_EQ(rewritten.rewrites(), 0) << body;
    EXPECT_NE(rewritten.reasons().find(why), std::string::npos) << rewritten.reasons();
  };
  refused(depth + "%y = Conv(%m, %p)", "small enough", "16");
  refused(depth + "%y = Conv(%m, %p) {strides=[2, 2]}", "strides or padding");
  refused("%m = Conv(%x, %d) {group=2, activation=\"silu\"}\n%y = Conv(%m, %p)", "not a bound");
  refused(depth + "%y = Conv(%m, %p) {pads=[1, 1, 1, 1]}", "strides or padding");
  refused(depth + "%z = Conv(%m, %p)\n%s = ReduceMax(%m) {keepdims=0}\n%y = Add(%z, %s)", "also read by");
  refused("%m = Conv(%x, %d, %b, %x) {group=2, pads=[1, 1, 1, 1]}\n%y = Conv(%m, %p)", "a residual");
  r = separable("%w = constant f32[2,2,3,3] random 5\n%m = Conv(%x, %w) {pads=[1, 1, 1, 1]}\n%y = Conv(%m, %p)");
  EXPECT_EQ(r.rewrites(), 0);
  EXPECT_EQ(r.reasons(), "") << "a dense convolution is no near miss";
  refused(depth + "%w = constant f32[2,2,1,1] random 5\n%y = Conv(%m, %w, _, %m)",
          "would be removed and is still read");
  refused(depth + "%w = constant f32[3,2,3,3] random 5\n%y = Conv(%m, %w) {pads=[1, 1, 1, 1]}", "not 1x1");
  if (std::ranges::any_of(kernels_of("Conv"),
                          [](const Kernel* k) { return k->arithmetic.computes_in == Precision::bf16; }))
    refused(depth + "%y = Conv(%m, %p) @precision=\"fp32,bf16\"",
            "the second convolution may compute in bf16, for which no kernel computes both");
  r = separable(depth.substr(0, depth.size() - 1) + " @precision=\"fp32,bf16\"\n%y = Conv(%m, %p) @precision=\"fp32\"");
  EXPECT_EQ(r.ops(), (Ops{"SeparableConv"})) << r.reasons();
}

}  // namespace
}  // namespace monza
