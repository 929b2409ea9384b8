// LayerNorm, RMSNorm and Softmax spelled out.
#include <gtest/gtest.h>

#include "passes/fusions/fusions.h"
#include "passes/rewrite.h"
#include "support/rewrite.h"

namespace monza {
namespace {
using test::expect_same_numbers;
using test::graph_text;
using test::rewrite;
using Ops = std::vector<std::string>;

constexpr const char* kNormConstants = R"(
  %two = constant f32[] [2]
  %half = constant f32[] [0.5]
  %minus_half = constant f32[] [-0.5]
  %one = constant f32[] [1]
  %eps = constant f32[] [1e-3]
  %g = constant f32[6] random 1
  %b = constant f32[1,1,6] random 2
)";

void norm_fires(const Pass& pass, const std::string& body, const Ops& ops) {
  auto r = rewrite(graph_text("%x: f32[n,4,6]", kNormConstants + body), {&pass, &dead_code_pass});
  EXPECT_EQ(r.ops(), ops) << body << r.reasons();
  expect_same_numbers(r);
}

const std::string kHead = "%m = ReduceMean(%x) {axes=[-1], keepdims=1}\n%d = Sub(%x, %m)\n%q = Pow(%d, %two)\n";

TEST(LayerNorm, Spellings) {
  const std::string var = kHead + "%v = ReduceMean(%q) {axes=[2], keepdims=1}\n%e = Add(%v, %eps)\n";
  const std::string tail = "%s = Mul(%n, %g)\n%y = Add(%s, %b)";
  norm_fires(layer_norm_pass, var + "%r = Sqrt(%e)\n%n = Div(%d, %r)\n" + tail, {"LayerNormalization"});
  norm_fires(layer_norm_pass, var + "%r = Sqrt(%e)\n%i = Reciprocal(%r)\n%n = Mul(%d, %i)\n" + tail,
             {"LayerNormalization"});
  norm_fires(layer_norm_pass, var + "%r = Sqrt(%e)\n%i = Div(%one, %r)\n%n = Mul(%i, %d)\n" + tail,
             {"LayerNormalization"});
  norm_fires(layer_norm_pass, var + "%i = Pow(%e, %minus_half)\n%n = Mul(%i, %d)\n" + tail, {"LayerNormalization"});
  norm_fires(layer_norm_pass,
             "%m = ReduceMean(%x) {axes=[1, 2], keepdims=1}\n%d = Sub(%x, %m)\n%q = Mul(%d, %d)\n"
             "%v = ReduceMean(%q) {axes=[-2, -1], keepdims=1}\n%e = Add(%eps, %v)\n%r = Sqrt(%e)\n%y = Div(%d, %r)",
             {"LayerNormalization"});
}

TEST(LayerNorm, Refusals) {
  auto r = rewrite(
      graph_text("%x: f32[n,4,6]",
                 kNormConstants + kHead +
                     "%v = ReduceMean(%q) {axes=[1], keepdims=1}\n%e = Add(%v, %eps)\n%r = Sqrt(%e)\n%y = Div(%d, %r)"),
      {&layer_norm_pass});
  EXPECT_EQ(r.rewrites(), 0);
  EXPECT_NE(r.reasons().find("not over the last axes"), std::string::npos) << r.reasons();
  r = rewrite(
      graph_text("%x: f32[n,4,6]",
                 kNormConstants + kHead +
                     "%v = ReduceMean(%q) {axes=[-1], keepdims=1}\n%e = Add(%v, %eps)\n%r = Sqrt(%e)\n%y = Div(%d, %r)",
                 "y: %y, m: %m"),
      {&layer_norm_pass});
  EXPECT_EQ(r.rewrites(), 0);
  EXPECT_NE(r.reasons().find("also an output"), std::string::npos) << r.reasons();
}

const std::string kNorm = kHead +
                          "%v = ReduceMean(%q) {axes=[2], keepdims=1}\n%e = Add(%v, %eps)\n%r = Sqrt(%e)\n"
                          "%n = Div(%d, %r)\n";

/// The pass leaves what is behind the normalisation alone, says why, and the numbers stay.
void stays(const Pass& pass, const std::string& body, const Ops& ops, const std::string& reason) {
  auto r = rewrite(graph_text("%x: f32[n,4,6]", kNormConstants + body), {&pass, &dead_code_pass});
  EXPECT_EQ(r.ops(), ops) << body << r.reasons();
  EXPECT_NE(r.reasons().find(reason), std::string::npos) << r.reasons();
  expect_same_numbers(r);
}

// What is not one element per element of a row is no scale or bias of the operator's kernels.
TEST(LayerNorm, ScaleAndBiasAreWholeRows) {
  const std::string no_row = "is not one element per element of a row";
  for (const char* shape : {"[]", "[1]", "[1,1]", "[4,1]", "[1,4,1]", "[4,6]"}) {
    const std::string c = std::string("%c = constant f32") + shape + " splat 0.5\n";
    stays(layer_norm_pass, c + kNorm + "%y = Mul(%n, %c)", {"LayerNormalization", "Mul"}, no_row);
    stays(layer_norm_pass, c + kNorm + "%s = Mul(%n, %g)\n%y = Add(%s, %c)", {"LayerNormalization", "Add"}, no_row);
  }
  stays(layer_norm_pass, "%c = constant f32[1,1,1,6] splat 0.5\n" + kNorm + "%y = Mul(%n, %c)",
        {"LayerNormalization", "Mul"}, "a higher rank than the input");
  // The operator itself, its axis counted from the end.
  const std::string op = "%n = LayerNormalization(%x, %g) {axis=-1}\n";
  norm_fires(layer_norm_pass, op + "%y = Add(%n, %b)", {"LayerNormalization"});
  stays(layer_norm_pass, "%c = constant f32[1] [0.5]\n" + op + "%y = Add(%n, %c)", {"LayerNormalization", "Add"},
        no_row);
  // Rows over two axes take a matrix.
  const std::string two = "%n = LayerNormalization(%x) {axis=-2}\n";
  norm_fires(layer_norm_pass, "%c = constant f32[4,6] random 3\n" + two + "%y = Mul(%n, %c)", {"LayerNormalization"});
  stays(layer_norm_pass, two + "%y = Mul(%n, %g)", {"LayerNormalization", "Mul"}, no_row);
}

TEST(RmsNorm, Spellings) {
  const std::string head = "%q = Pow(%x, %two)\n%v = ReduceMean(%q) {axes=[-1], keepdims=1}\n%e = Add(%v, %eps)\n";
  norm_fires(rms_norm_pass, head + "%r = Sqrt(%e)\n%n = Div(%x, %r)\n%y = Mul(%g, %n)", {"RMSNormalization"});
  norm_fires(rms_norm_pass, head + "%r = Sqrt(%e)\n%i = Reciprocal(%r)\n%n = Mul(%x, %i)\n%y = Mul(%n, %g)",
             {"RMSNormalization"});
  auto r = rewrite(
      graph_text("%x: f32[n,4,6]",
                 kNormConstants +
                     std::string("%q = Pow(%x, %two)\n%v = ReduceMean(%q) {axes=[-1], keepdims=0}\n"
                                 "%u = Unsqueeze(%v) {axes=[2]}\n%e = Add(%u, %eps)\n%r = Sqrt(%e)\n%y = Div(%x, %r)")),
      {&rms_norm_pass});
  EXPECT_EQ(r.rewrites(), 0);
}

TEST(RmsNorm, ScalesAreWholeRowsAndNothingRaisesTheRank) {
  const std::string op = "%n = RMSNormalization(%x) {axis=-1}\n";
  norm_fires(rms_norm_pass, op + "%y = Mul(%n, %g)", {"RMSNormalization"});
  norm_fires(rms_norm_pass, op + "%y = Mul(%n, %b)", {"RMSNormalization"});
  for (const char* shape : {"[]", "[1]", "[4,1]"})
    stays(rms_norm_pass, std::string("%c = constant f32") + shape + " splat 0.5\n" + op + "%y = Mul(%n, %c)",
          {"RMSNormalization", "Mul"}, "is not one element per element of a row");
  // An exponent of rank 4 makes the squares' rank 4, and the last axis another one.
  auto r = rewrite(graph_text("%x: f32[2,4,6]", kNormConstants + std::string(R"(
    %two4 = constant f32[1,1,1,1] [2]
    %q = Pow(%x, %two4)
    %v = ReduceMean(%q) {axes=[-1], keepdims=1}
    %e = Add(%v, %eps)
    %r = Sqrt(%e)
    %y = Div(%x, %r))")),
                   {&rms_norm_pass});
  EXPECT_EQ(r.rewrites(), 0);
  EXPECT_NE(r.reasons().find("not over the last axes"), std::string::npos) << r.reasons();
}

TEST(Softmax, Spellings) {
  norm_fires(
      softmax_pass,
      "%m = ReduceMax(%x) {axes=[-1], keepdims=1}\n%d = Sub(%x, %m)\n%e = Exp(%d)\n%s = ReduceSum(%e) {axes=[2], "
      "keepdims=1}\n%y = Div(%e, %s)",
      {"Softmax"});
  norm_fires(softmax_pass, "%e = Exp(%x)\n%s = ReduceSum(%e) {axes=[1], keepdims=1}\n%y = Div(%e, %s)", {"Softmax"});
  // A maximum over another axis is no part of it, but what is left is a softmax all the same.
  norm_fires(softmax_pass,
             "%m = ReduceMax(%x) {axes=[1], keepdims=1}\n%d = Sub(%x, %m)\n%e = Exp(%d)\n%s = ReduceSum(%e) {axes=[2], "
             "keepdims=1}\n%y = Div(%e, %s)",
             {"ReduceMax", "Sub", "Softmax"});
  auto r = rewrite(
      graph_text("%x: f32[n,4,6]", "%e = Exp(%x)\n%s = ReduceSum(%e) {axes=[1, 2], keepdims=1}\n%y = Div(%e, %s)"),
      {&softmax_pass});
  EXPECT_EQ(r.rewrites(), 0);
  EXPECT_NE(r.reasons().find("not over one axis"), std::string::npos) << r.reasons();
}
}  // namespace
}  // namespace monza
