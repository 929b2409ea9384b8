// The structural passes: each does its work, leaves alone what it must, and keeps the numbers.
#include <gtest/gtest.h>

#include "base/constraint.h"
#include "ir/text.h"
#include "monza/error.h"
#include "passes/fusions/fusions.h"
#include "passes/rewrite.h"
#include "support/rewrite.h"

namespace monza {
namespace {
using test::expect_same_numbers;
using test::graph_text;
using test::rewrite;
using Ops = std::vector<std::string>;

TEST(FoldConstants, EvaluatesOnReferenceKernels) {
  auto r = rewrite(graph_text("%x: f32[2]", R"(
    %a = constant f32[2] [1, 2]
    %b = constant f32[2] [3, 4]
    %c = Mul(%a, %b)
    %d = Exp(%c)
    %y = Add(%x, %d))"),
                   {&fold_constants_pass});
  EXPECT_EQ(r.ops(), (Ops{"Add"}));
  expect_same_numbers(r);
}

TEST(FoldConstants, LimitsThatBecomeConstantsDecideShapes) {
  // The casts are folded in the same pass as what reads them: the shapes say so before the kernels run.
  auto r = rewrite(graph_text("%x: f32[4,3]", R"(
    %n = constant f16[] [4]
    %zero = constant f16[] [0]
    %one = constant f16[] [1]
    %i = constant i64[3] [0, 2, 3]
    %v = constant f32[2] [5, 7]
    %a = Cast(%zero) {to="f32"}
    %b = Cast(%n) {to="f32"}
    %c = Cast(%one) {to="f32"}
    %range = Range(%a, %b, %c)
    %hot = OneHot(%i, %b, %v)
    %column = Reshape(%range) {shape=[4,1]}
    %first = Add(%x, %column)
    %y = MatMul(%hot, %first))"),
                   {&fold_constants_pass});
  EXPECT_EQ(r.ops(), (Ops{"Add", "MatMul"}));
  expect_same_numbers(r);
}

TEST(FoldConstants, WorkThatElementsDoNotTell) {
  for (const char* last : {"%y, %i = TopK(%a) {k=[1], axis=1}", "%y, %i, %j, %c = Unique(%a)",
                           "%y = LRN(%a) {size=1000}", "%y = Resize(%a) {sizes=[1,1000,1,1], mode=\"cubic\"}"}) {
    const std::string text = graph_text("", std::string("%a = constant f32[1,1000,1,1] splat 1\n") + last);
    auto graph = ir::parse(text);
    graph->model().limits.fold_operations = 20'000;
    PassReport report;
    run_passes(*graph, {&fold_constants_pass}, {}, report);
    EXPECT_EQ(report.rewrites.size(), 0u) << text;
    graph->model().limits.fold_operations = 2'000'000;
    run_passes(*graph, {&fold_constants_pass}, {}, report);
    EXPECT_EQ(report.rewrites.size(), 1u) << text;
  }
}

TEST(FoldConstants, StopsAtItsLimit) {
  const std::string text = graph_text("", R"(
    %a = constant f32[1000] splat 1
    %y = Exp(%a))");
  auto graph = ir::parse(text);
  graph->model().limits.fold_bytes = 100;
  PassReport report;
  run_passes(*graph, {&fold_constants_pass}, {}, report);
  ASSERT_EQ(report.near_misses.size(), 1u);
  EXPECT_NE(report.near_misses[0].reason.find("more than 100 bytes (--max-fold-bytes)"), std::string::npos);
  graph->model().limits = {};
  graph->model().limits.fold_operations = 1999;  // of a thousand elements one to read and one to write
  run_passes(*graph, {&fold_constants_pass}, {}, report);
  ASSERT_EQ(report.near_misses.size(), 2u);
  EXPECT_NE(report.near_misses[1].reason.find("(--max-fold-operations)"), std::string::npos);
  graph->model().limits = {};
  graph->model().limits.fold_seconds = 0;
  run_passes(*graph, {&fold_constants_pass}, {}, report);
  ASSERT_EQ(report.near_misses.size(), 3u);
  EXPECT_EQ(report.near_misses[2].reason, "no time is left for folding (--max-fold-seconds)");
  EXPECT_EQ(graph->order().size(), 1u);
  BuildOptions none;
  none.max_rewrites = 0;
  EXPECT_EQ(rewrite(text, {&fold_constants_pass}, none).rewrites(), 0);
  BuildOptions off;
  off.disabled_passes = {"fold_constants"};
  EXPECT_EQ(rewrite(text, {&fold_constants_pass}, off).rewrites(), 0);
  BuildOptions wrong;
  wrong.disabled_passes = {"no_such_pass"};
  EXPECT_THROW(rewrite(text, {&fold_constants_pass}, wrong), Error);
}

TEST(FoldConstants, OutputsMayBecomeConstants) {
  auto r = rewrite(graph_text("", "%a = constant f32[2] [1, 2]\n%y = Neg(%a)", "y: %y, z: %y, a: %a"),
                   {&fold_constants_pass});
  EXPECT_TRUE(r.after->order().empty());
  expect_same_numbers(r);
}

TEST(FoldConstants, LeavesDequantisedWeightsUntilTheEnd) {
  const std::string text = graph_text("%x: f32[1,2]", R"(
    %w = constant u8[2,2] [1, 2, 3, 4]
    %s = constant f32[] [0.5]
    %f = DequantizeLinear(%w, %s)
    %y = MatMul(%x, %f))");
  EXPECT_EQ(rewrite(text, {&fold_constants_pass}).ops(), (Ops{"DequantizeLinear", "MatMul"}));
  auto r = rewrite(text, {&fold_dequantized_pass});
  EXPECT_EQ(r.ops(), (Ops{"MatMul"}));
  expect_same_numbers(r);
}

TEST(ShareConstants, OverAllBodies) {
  const std::string branch = R"((%a: f32[32,32]) {
      %w = constant f32[32,32] splat 0.5
      %r = MatMul(%a, %w)
      return (r: %r)
    })";
  const auto r =
      rewrite("graph \"g\" (%c: bool[], %x: f32[32,32]) {\n  %y: f32[32,32] = If(%c, %x)\n    body graph \"then\" " +
                  branch + "\n    body graph \"else\" " + branch + "\n  return (y: %y)\n}\n",
              {&share_constants_pass});
  const ir::Graph& after = *r.after;
  const auto constant_of = [](const ir::Graph& body) {
    for (ir::ValueId id : body.values())
      if (body.value(id).constant) return body.value(id).constant;
    return std::shared_ptr<const ir::Constant>();
  };
  const ir::Node& node = after.node(after.order()[0]);
  ASSERT_EQ(node.bodies.size(), 2u);
  ASSERT_NE(constant_of(*node.bodies[0]), nullptr);
  EXPECT_EQ(constant_of(*node.bodies[0]), constant_of(*node.bodies[1]));
}

TEST(DeadCode, RemovesChains) {
  auto r = rewrite(graph_text("%x: f32[2]", "%a = Neg(%x)\n%b = Exp(%a)\n%y = Abs(%x)"), {&dead_code_pass});
  EXPECT_EQ(r.ops(), (Ops{"Abs"}));
  expect_same_numbers(r);
}

TEST(CommonSubexpressions, MergesTwinsAndConstants) {
  auto r = rewrite(graph_text("%x: f32[2]", R"(
    %c = constant f32[2] [1, 2]
    %d = constant f32[2] [1, 2]
    %a = Add(%x, %c)
    %b = Add(%x, %d)
    %e = Exp(%a)
    %f = Exp(%b)
    %y = Mul(%e, %f))"),
                   {&common_subexpressions_pass, &dead_code_pass});
  EXPECT_EQ(r.ops(), (Ops{"Add", "Exp", "Mul"}));
  expect_same_numbers(r);
}

TEST(CommonSubexpressions, KeepsDifferentAttributesApart) {
  auto r = rewrite(
      graph_text("%x: f32[2]", "%a = LeakyRelu(%x) {alpha=0.1}\n%b = LeakyRelu(%x) {alpha=0.2}\n%y = Add(%a, %b)"),
      {&common_subexpressions_pass});
  EXPECT_EQ(r.rewrites(), 0);
}

TEST(ShapeArithmetic, ShapesOfDynamicTensorsBecomeAttributes) {
  // What exporters write for x.view(x.size(0), -1): Shape, Gather through Slice, Concat, Reshape.
  auto r = rewrite(graph_text("%x: f32[batch,4,6]", R"(
    %s = Shape(%x)
    %b = Slice(%s) {starts=[0], ends=[1], axes=[0], steps=[1]}
    %r = constant i64[1] [-1]
    %t = Concat(%b, %r) {axis=0}
    %y = Reshape(%x, %t))"),
                   {&shape_arithmetic_pass, &dead_code_pass});
  EXPECT_EQ(r.ops(), (Ops{"Reshape"})) << ir::print(*r.after);
  expect_same_numbers(r);
}

TEST(ShapeArithmetic, KnownShapesAreConstants) {
  auto r = rewrite(graph_text("%x: f32[3,4]", "%y = Shape(%x)"), {&shape_arithmetic_pass, &dead_code_pass});
  EXPECT_TRUE(r.after->order().empty());
  expect_same_numbers(r);
}

/// The graph after one pass, as text.
std::string rewritten_text(const std::string& inputs, const std::string& body, const Pass& pass) {
  return ir::print(*rewrite(graph_text(inputs, body), {&pass, &dead_code_pass}).after);
}

TEST(ShapeArithmetic, WhatIsAskedOfAReshapeStaysAsked) {
  const std::string text = rewritten_text("%x: f32[batch,4,6]", R"(
    %s = Shape(%x)
    %b = Slice(%s) {starts=[0], ends=[1], axes=[0], steps=[1]}
    %r = constant i64[1] [-1]
    %t = Concat(%b, %r) {axis=0}
    %y = Reshape(%x, %t) @precision="fp32" @device="reference")",
                                          shape_arithmetic_pass);
  EXPECT_NE(text.find("Reshape(%x) {shape=[0, 24]} @precision=\"fp32\" @device=\"reference\""), std::string::npos)
      << text;
}

TEST(Moves, AreMergedWhereSomeDeviceMayDoBoth) {
  const auto merged = [](const std::string& first, const std::string& second, const std::string& asked) {
    for (const auto& [body, pass] :
         {std::pair{"%a = Reshape(%x) {shape=[4,6]}" + first + "\n%y = Reshape(%a) {shape=[3,8]}" + second,
                    &reshapes_pass},
          {"%a = Transpose(%x) {perm=[1,0,2]}" + first + "\n%y = Transpose(%a) {perm=[0,2,1]}" + second,
           &transposes_pass}}) {
      const auto r = rewrite(graph_text("%x: f32[2,2,6]", body), {pass, &dead_code_pass});
      const ir::Graph& after = *r.after;
      if (asked.empty()) {
        EXPECT_EQ(r.ops().size(), 2u) << ir::print(after);
        EXPECT_NE(r.reasons().find(kNothingInCommon), std::string::npos) << r.reasons();
        continue;
      }
      ASSERT_EQ(r.ops().size(), 1u) << ir::print(after);
      EXPECT_EQ(to_string(after.node(after.order()[0]).constraint.devices), asked);
    }
  };
  merged("", " @device=\"reference\"", "reference");
  merged(" @device=\"cpu,reference\"", " @device=\"reference\"", "reference");
  merged(" @device=\"cpu\"", " @device=\"reference\"", "");
}

TEST(Identities, EveryKind) {
  auto r = rewrite(graph_text("%x: f32[n,4]", R"(
    %one = constant f32[] [1]
    %a = Identity(%x)
    %b = Cast(%a) {to="f32"}
    %c = Transpose(%b) {perm=[0, 1]}
    %d = Reshape(%c) {shape=[0, 4]}
    %e = Slice(%d) {starts=[0], ends=[4], axes=[1], steps=[1]}
    %f = Concat(%e) {axis=0}
    %g = Mul(%one, %f)
    %y = Exp(%g))"),
                   {&identities_pass});
  EXPECT_EQ(r.ops(), (Ops{"Exp"})) << ir::print(*r.after);
  expect_same_numbers(r);
}

TEST(Identities, KeepsWhatChangesSomething) {
  auto r = rewrite(graph_text("%x: f32[4,4]", R"(
    %a = Transpose(%x) {perm=[1, 0]}
    %b = Slice(%a) {starts=[3], ends=[-9], axes=[0], steps=[-1]}
    %y = Cast(%b) {to="f64"})"),
                   {&identities_pass});
  EXPECT_EQ(r.rewrites(), 0) << ir::print(*r.after);
}

TEST(Reshapes, MergeAndSink) {
  auto r = rewrite(graph_text("%x: f32[2,3]", R"(
    %w = constant f32[3,4] random 3
    %m = MatMul(%x, %w)
    %a = Reshape(%m) {shape=[2, 2, 2]}
    %b = Relu(%a)
    %y = Flatten(%b) {axis=2})"),
                   {&reshapes_pass, &dead_code_pass});
  EXPECT_EQ(r.ops(), (Ops{"MatMul", "Relu", "Reshape"})) << ir::print(*r.after);
  expect_same_numbers(r);
}

TEST(Reshapes, MergedBatchesOfAttentionComeApart) {
  // How exporters of encoder-decoder models spell attention: batch and heads are one axis around the products.
  const std::string text = graph_text("%q: f32[b,l,12], %k: f32[b,l,12], %v: f32[b,l,12], %mask: f32[b,1,l,l]", R"(
    %q4 = Reshape(%q) {shape=[0, 0, 2, 6]}
    %k4 = Reshape(%k) {shape=[0, 0, 2, 6]}
    %v4 = Reshape(%v) {shape=[0, 0, 2, 6]}
    %qt = Transpose(%q4) {perm=[0, 2, 1, 3]}
    %kt = Transpose(%k4) {perm=[0, 2, 1, 3]}
    %vt = Transpose(%v4) {perm=[0, 2, 1, 3]}
    %q3 = Reshape(%qt) {shape=[-1, 4, 6]}
    %k3 = Reshape(%kt) {shape=[-1, 4, 6]}
    %v3 = Reshape(%vt) {shape=[-1, 4, 6]}
    %kk = Transpose(%k3) {perm=[0, 2, 1]}
    %s = MatMul(%q3, %kk)
    %s4 = Reshape(%s) {shape=[-1, 2, 4, 4]}
    %m = Add(%s4, %mask)
    %m3 = Reshape(%m) {shape=[-1, 4, 4]}
    %p = Softmax(%m3) {axis=-1}
    %o = MatMul(%p, %v3)
    %o4 = Reshape(%o) {shape=[-1, 2, 4, 6]}
    %t = Transpose(%o4) {perm=[0, 2, 1, 3]}
    %y = Reshape(%t) {shape=[-1, 4, 12]})");
  std::string fixed = text;  // the length is 4, so that the reshapes can say so
  for (std::size_t at; (at = fixed.find(",l,")) != fixed.npos;) fixed.replace(at, 3, ",4,");
  for (std::size_t at; (at = fixed.find(",l]")) != fixed.npos;) fixed.replace(at, 3, ",4]");
  auto r = rewrite(
      fixed, {&reshapes_pass, &transposes_pass, &identities_pass, &dead_code_pass, &attention_pass, &dead_code_pass});
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << ir::print(*r.after) << r.reasons();
  expect_same_numbers(r);
}

TEST(Transposes, CancelThroughPointwiseWork) {
  auto r = rewrite(graph_text("%x: f32[2,3,4]", R"(
    %c = constant f32[2,1] [1, 2]
    %a = Transpose(%x) {perm=[0, 2, 1]}
    %b = Relu(%a)
    %d = Transpose(%b) {perm=[2, 1, 0]}
    %e = Mul(%d, %d)
    %f = Transpose(%x) {perm=[0, 2, 1]}
    %g = Transpose(%x) {perm=[0, 2, 1]}
    %h = Add(%f, %g)
    %k = Transpose(%h) {perm=[1, 2, 0]}
    %l = Exp(%k)
    %z = Transpose(%l) {perm=[1, 2, 0]}
    %y = Neg(%e))",
                              "y: %y, z: %z"),
                   {&transposes_pass, &dead_code_pass});
  int transposes = 0;
  for (const std::string& op : r.ops()) transposes += op == "Transpose";
  EXPECT_LE(transposes, 2) << ir::print(*r.after);
  expect_same_numbers(r);
}

TEST(Transposes, ConstantsFollow) {
  auto r = rewrite(graph_text("%x: f32[2,3,4]", R"(
    %c = constant f32[3] [1, 2, 3]
    %a = Transpose(%x) {perm=[0, 2, 1]}
    %b = Add(%a, %c)
    %y = Transpose(%b) {perm=[0, 2, 1]})"),
                   {&transposes_pass, &dead_code_pass});
  EXPECT_EQ(r.ops(), (Ops{"Add"})) << ir::print(*r.after);
  expect_same_numbers(r);
}

TEST(InlineBranches, TakesTheBranchThatIsKnown) {
  const auto text = [](const char* condition) {
    return graph_text("%x: f32[2], %z: f32[2], %c: bool[]",
                      std::string("%yes = constant bool[] [1]\n%no = constant bool[] [0]\n%y: f32[2] = If(") +
                          condition + R"(, %x, %z)
      body graph "then" (%p: f32[2], %q: f32[2]) {
        %k = constant f32[2] [1, 2]
        %s = Add(%p, %k)
        %x = Mul(%s, %q)
        return (r: %x)
      }
      body graph "else" (%p: f32[2], %q: f32[2]) {
        return (r: %q)
      })");
  };
  auto r = rewrite(text("%yes"), {&inline_branches_pass});
  EXPECT_EQ(r.ops(), (Ops{"Add", "Mul"})) << ir::print(*r.after);
  r = rewrite(text("%no"), {&inline_branches_pass});
  EXPECT_TRUE(r.after->order().empty());
  EXPECT_EQ(r.after->outputs()[0].value, r.after->inputs()[1]);
  r = rewrite(text("%c"), {&inline_branches_pass});
  EXPECT_EQ(r.ops(), (Ops{"If"}));
  EXPECT_NE(r.reasons().find("only known at run time"), std::string::npos) << r.reasons();
}

TEST(InlineBranches, LeavesABranchThatWhatFollowsRefuses) {
  // The branch that is taken gives 3 elements where 2 are wanted. A run would stop at the sum, if it came so far.
  const auto r = rewrite(graph_text("%x: f32[2], %z: f32[3], %c: bool[]", R"(%yes = constant bool[] [1]
      %i = If(%yes, %x, %z, %c)
      body graph "then" (%p: f32[2], %q: f32[3], %d: bool[]) {
        %n = Neg(%q)
        %r = If(%d, %n)
        body graph "one" (%m: f32[3]) {
          %a = Exp(%m)
          return (a: %a)
        }
        body graph "two" (%m: f32[3]) {
          return (b: %m)
        }
        return (r: %r)
      }
      body graph "else" (%p: f32[2], %q: f32[3], %d: bool[]) {
        return (r: %p)
      }
      %y = Add(%i, %x))"),
                         {&inline_branches_pass});
  EXPECT_EQ(r.ops(), (Ops{"If", "Add"})) << ir::print(*r.after);
  EXPECT_EQ(ir::print(*r.after), ir::print(*r.before));
  EXPECT_NE(r.reasons().find("what follows is refused: shapes [3] and [2] do not broadcast"), std::string::npos)
      << r.reasons();
  EXPECT_EQ(r.rewrites(), 0);
}

TEST(InlineBranches, LeavesABranchWhoseNodesRefuseWhatIsKnown) {
  // In the branch the step is a value of a run; in its place stands a constant that no range can have.
  const auto r = rewrite(graph_text("%x: f32[2], %c: bool[]", R"(%yes = constant bool[] [1]
      %from = constant f32[] [0.5]
      %to = constant f32[] [2.5]
      %step = constant f32[] [0]
      %y = If(%yes, %from, %to, %step, %c, %x)
      body graph "then" (%f: f32[], %t: f32[], %s: f32[], %d: bool[], %p: f32[2]) {
        %q = If(%d, %p)
        body graph "one" (%m: f32[2]) {
          %a = Exp(%m)
          return (a: %a)
        }
        body graph "two" (%m: f32[2]) {
          return (b: %m)
        }
        %n = Neg(%q)
        %r = Range(%f, %t, %s)
        return (r: %r)
      }
      body graph "else" (%f: f32[], %t: f32[], %s: f32[], %d: bool[], %p: f32[2]) {
        return (r: %p)
      })"),
                         {&inline_branches_pass});
  EXPECT_EQ(r.ops(), (Ops{"If"})) << ir::print(*r.after);
  EXPECT_EQ(ir::print(*r.after), ir::print(*r.before));
  EXPECT_NE(r.reasons().find("a node of it is refused: delta is 0"), std::string::npos) << r.reasons();
  EXPECT_EQ(r.rewrites(), 0);
}

TEST(Runner, RunsOnBodies) {
  auto r = rewrite(graph_text("%x: f32[2], %c: bool[]", R"(%y: f32[2] = If(%c, %x)
      body graph "then" (%p: f32[2]) {
        %s = Identity(%p)
        %t = Exp(%s)
        return (r: %t)
      }
      body graph "else" (%p: f32[2]) {
        return (r: %p)
      })"),
                   {&identities_pass});
  EXPECT_EQ(r.rewrites(), 1);
  EXPECT_EQ(std::as_const(*r.after).node(r.after->order()[0]).bodies[0]->order().size(), 1u);
}

TEST(ReshapeTarget, LeavesOneExtentToBeInferredWhereThereAreElements) {
  const ir::Expr n = ir::Expr::symbol("n");
  EXPECT_EQ(reshape_target({n, 6}, {n, 2, 3}), (std::vector<std::int64_t>{0, 2, 3}));
  EXPECT_EQ(reshape_target({6, n}, {3, ir::Expr(2) * n}), (std::vector<std::int64_t>{3, -1}));
  EXPECT_EQ(reshape_target({0, 5}, {0, 5, n, 5}), std::nullopt) << "of no elements -1 may be anything";
  // Its elements are known, there are none; its extents are not.
  EXPECT_NO_THROW(
      ir::parse("graph \"main\" (%s: i64[4]) {\n  %x = constant f32[0,5] random 1\n  %y = Reshape(%x, %s)\n"
                "  return (y: %y)\n}"));
}

TEST(Runner, StopsAndReports) {
  BuildOptions options;
  options.max_rewrites = 1;
  auto r = rewrite(graph_text("%x: f32[2]", "%a = Identity(%x)\n%b = Identity(%a)\n%y = Exp(%b)"),
                   {&identities_pass, &dead_code_pass}, options);
  EXPECT_EQ(r.rewrites(), 1);
  EXPECT_EQ(r.ops().size(), 2u);
  EXPECT_NE(to_string(r.report, true).find("identities: changed nothing at Identity node 'a'"), std::string::npos)
      << to_string(r.report, true);
  expect_same_numbers(r);
}
}  // namespace
}  // namespace monza
