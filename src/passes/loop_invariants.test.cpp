#include <gtest/gtest.h>

#include "ir/text.h"
#include "passes/loop_invariants.h"
#include "passes/rewrite.h"
#include "support/rewrite.h"

namespace monza::test {
namespace {

Rewritten hoisted(const std::string& inputs, const std::string& body, const std::string& outputs) {
  return rewrite(graph_text(inputs, body, outputs), {&loop_invariants_pass});
}
const ir::Node& loop_of(const Rewritten& r) {
  for (const ir::NodeId id : r.after->order())
    if (!std::as_const(*r.after).node(id).bodies.empty()) return std::as_const(*r.after).node(id);
  throw std::runtime_error("no loop");
}

TEST(LoopInvariants, WhatIsCarriedUnchangedIsCaptured) {
  const Rewritten r = hoisted("%x: f32[1,2], %v: f32[1,2]", R"(
    %t = constant i64[] [3]
    %w = constant f32[2,2] [1, 2, 3, 4]
    %s, %wo, %vo, %k = Loop(%t, _, %x, %w, %v) {carried=3} body graph "b" (%i: i64[], %c: bool[], %a: f32[1,2], %bw: f32[2,2], %bv: f32[1,2]) {
      %m = MatMul(%a, %bw)
      %n = Add(%m, %bv)
      return (c: %c, s: %n, w: %bw, v: %bv, k: %m)
    })",
                              "s: %s, w: %wo, v: %vo, k: %k");
  const ir::Node& loop = loop_of(r);
  EXPECT_EQ(ir::attrs_of(loop).i("carried"), 1);
  EXPECT_EQ(loop.inputs.size(), 4u) << "count, condition, the state and v";
  EXPECT_EQ(loop.inputs[3], r.after->inputs()[1]);
  EXPECT_EQ(loop.outputs.size(), 2u);
  const ir::Graph& body = *loop.bodies[0];
  EXPECT_EQ(body.inputs().size(), 4u);
  EXPECT_TRUE(body.value(std::as_const(body).node(body.order()[0]).inputs[1]).constant) << "weights stand in the body";
  EXPECT_TRUE(r.after->value(r.after->outputs()[1].value).constant);
  EXPECT_EQ(r.after->outputs()[2].value, r.after->inputs()[1]);
  EXPECT_EQ(r.rewrites(), 1);
}

TEST(LoopInvariants, OfAScanToo) {
  const Rewritten r = hoisted("%x: f32[3,2], %v: f32[2], %u: f32[2]", R"(
    %s, %vo, %k = Scan(%u, %v, %x) {carried=2} body graph "b" (%a: f32[2], %bv: f32[2], %row: f32[2]) {
      %m = Mul(%row, %bv)
      %n = Add(%a, %m)
      return (s: %n, v: %bv, k: %m)
    })",
                              "s: %s, v: %vo, k: %k");
  EXPECT_EQ(ir::attrs_of(loop_of(r)).i("carried"), 1);
  EXPECT_EQ(loop_of(r).inputs.size(), 3u);
}

TEST(LoopInvariants, WhatChangesStays) {
  const std::string loop = R"(
    %t = constant i64[] [3]
    %s, %r = Loop(%t, _, %x, %v) {carried=2} body graph "b" (%i: i64[], %c: bool[], %a: f32[2], %b: f32[2]) {
      %n = Add(%a, %b)
      return (c: %c, s: %b, r: %n)
    })";
  const Rewritten r = hoisted("%x: f32[2], %v: f32[2]", loop, "s: %s, r: %r");
  EXPECT_EQ(r.rewrites(), 0);
  EXPECT_EQ(ir::attrs_of(loop_of(r)).i("carried"), 2);
}

TEST(LoopInvariants, AFirstStateMayBeConstant) {
  const Rewritten r = hoisted("%v: f32[2]", R"(
    %t = constant i64[] [3]
    %zero = constant f32[2] [0, 0]
    %s = Loop(%t, _, %zero, %v) {carried=1} body graph "b" (%i: i64[], %c: bool[], %a: f32[2], %bv: f32[2]) {
      %n = Add(%a, %bv)
      return (c: %c, s: %n)
    })",
                              "s: %s");
  EXPECT_EQ(r.rewrites(), 0);
}

TEST(LoopInvariants, InnerBodiesMoveWhereResultsAreInferredAnew) {
  // What is carried is a constant here, which the loop's result did not tell.
  const Rewritten r = hoisted("%x: f32[2]", R"(
    %t = constant i64[] [2]
    %n = constant i64[1] [2]
    %s, %no = Loop(%t, _, %x, %n) {carried=2} body graph "b" (%i: i64[], %c: bool[], %a: f32[2], %bn: i64[1]) {
      %u = constant i64[] [2]
      %q = Loop(%u, _, %a) {carried=1} body graph "d" (%j: i64[], %e: bool[], %g: f32[2]) {
        %m = Neg(%g)
        return (e: %e, q: %m)
      }
      return (c: %c, s: %q, n: %bn)
    }
    %y = Expand(%s, %no))",
                              "y: %y");
  const ir::Graph& body = *loop_of(r).bodies[0];
  EXPECT_EQ(std::as_const(body).node(body.order()[0]).bodies.size(), 1u);
}

TEST(LoopInvariants, InnerBodiesMoveAlong) {
  const Rewritten r = hoisted("%x: f32[2], %v: f32[2]", R"(
    %t = constant i64[] [2]
    %s, %vo = Loop(%t, _, %x, %v) {carried=2} body graph "b" (%i: i64[], %c: bool[], %a: f32[2], %bv: f32[2]) {
      %u = constant i64[] [2]
      %q, %vi = Loop(%u, _, %a, %bv) {carried=2} body graph "d" (%j: i64[], %e: bool[], %g: f32[2], %h: f32[2]) {
        %n = Add(%g, %h)
        return (e: %e, q: %n, h: %h)
      }
      return (c: %c, s: %q, v: %vi)
    })",
                              "s: %s, v: %vo");
  const ir::Graph& body = *loop_of(r).bodies[0];
  const ir::Node& inner = std::as_const(body).node(body.order()[0]);
  EXPECT_EQ(ir::attrs_of(inner).i("carried"), 1);
}

}  // namespace
}  // namespace monza::test
