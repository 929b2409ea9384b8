#include <gtest/gtest.h>

#include "base/constraint.h"
#include "ir/text.h"
#include "passes/rewrite.h"
#include "support/rewrite.h"

namespace monza::test {
namespace {

using Ops = std::vector<std::string>;

Rewritten known(const std::string& inputs, const std::string& body, const std::string& outputs = "y: %y") {
  return rewrite(graph_text(inputs, body, outputs), {&known_sequences_pass, &dead_code_pass});
}

TEST(KnownSequences, ElementsAreTheValuesThemselves) {
  const auto r = known("%a: f32[2], %b: f32[3], %c: f32[4]", R"(
    %one = constant i64[] [1]
    %last = constant i64[] [-1]
    %s = SequenceConstruct(%a, %b)
    %t = SequenceInsert(%s, %c, %one)
    %u = SequenceErase(%t, %one)
    %v = SequenceInsert(%u, %c)
    %e = SequenceAt(%v, %last)
    %y = Neg(%e))");
  EXPECT_EQ(r.ops(), (Ops{"Neg"}));
  EXPECT_EQ(r.after->node(r.after->order()[0]).inputs[0], r.after->inputs()[2]);
}

TEST(KnownSequences, LengthsSplitsAndConcatenations) {
  auto r = known("%x: f32[2,5]", R"(
    %two = constant i64[] [2]
    %s = SplitToSequence(%x, %two) {axis=1}
    %n = SequenceLength(%s)
    %e = SequenceAt(%s, %two)
    %y = Neg(%e))",
                 "y: %y, n: %n");
  EXPECT_EQ(r.ops(), (Ops{"Split", "Neg"}));
  EXPECT_EQ(to_ints(*r.after->value(r.after->outputs()[1].value).constant), (std::vector<std::int64_t>{3}));
  r = known("%x: f32[2,3]",
            "%s = SplitToSequence(%x) {axis=0, keepdims=0}\n%y = ConcatFromSequence(%s) {axis=1, new_axis=1}");
  EXPECT_EQ(r.ops(), (Ops{"Split", "Squeeze", "Squeeze", "Unsqueeze", "Unsqueeze", "Concat"}));
}

TEST(KnownSequences, OptionalsOfKnownMaking) {
  const auto r = known("%x: f32[2]", R"(
    %o = SequenceConstruct(%x) {optional=1}
    %none = OptionalNone() {dtype="f32"}
    %h = OptionalHas(%o)
    %i = OptionalHas(%none)
    %g = OptionalGet(%o)
    %y = Neg(%g))",
                       "y: %y, h: %h, i: %i");
  EXPECT_EQ(r.ops(), (Ops{"Neg"}));
  EXPECT_EQ(to_ints(*r.after->value(r.after->outputs()[1].value).constant), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(to_ints(*r.after->value(r.after->outputs()[2].value).constant), (std::vector<std::int64_t>{0}));
}

TEST(KnownSequences, WhatIsAskedOfThemStaysAsked) {
  const auto r = known("%x: f32[2,3]", R"(
    %s = SplitToSequence(%x) {axis=0, keepdims=0} @precision="fp32"
    %y = ConcatFromSequence(%s) {axis=1, new_axis=1} @precision="fp32,int8")");
  ASSERT_EQ(r.ops(), (Ops{"Split", "Squeeze", "Squeeze", "Unsqueeze", "Unsqueeze", "Concat"}));
  std::vector<std::string> asked;
  for (const ir::NodeId id : r.after->order())
    asked.push_back(to_string(std::as_const(*r.after).node(id).constraint.precisions));
  EXPECT_EQ(asked, (Ops{"fp32", "fp32", "fp32", "fp32,int8", "fp32,int8", "fp32,int8"}));
}

TEST(KnownSequences, WhatFollowsMayRefuseTheElement) {
  // The run would stop at these nodes, if it came so far: the build does not.
  auto r = known("%a: f32[2], %b: f32[3], %c: f32[2]", R"(
    %one = constant i64[] [1]
    %s = SequenceConstruct(%a, %b)
    %e = SequenceAt(%s, %one)
    %n = Neg(%e)
    %y = Add(%n, %c))");
  EXPECT_EQ(r.ops(), (Ops{"SequenceConstruct", "SequenceAt", "Neg", "Add"}));
  EXPECT_EQ(ir::print(*r.after), ir::print(*r.before));
  EXPECT_NE(r.reasons().find("what follows is refused: shapes [3] and [2] do not broadcast"), std::string::npos)
      << r.reasons();
  EXPECT_EQ(r.rewrites(), 0);
  r = known("%a: f32[2,3], %b: f32[2,4]", R"(
    %s = SequenceConstruct(%a, %b)
    %y = ConcatFromSequence(%s) {axis=0})");
  EXPECT_EQ(r.ops(), (Ops{"SequenceConstruct", "ConcatFromSequence"}));
  EXPECT_NE(r.reasons().find("what stands for it is refused"), std::string::npos) << r.reasons();
  EXPECT_EQ(r.rewrites(), 0);
}

TEST(KnownSequences, WhatARunDecidesStays) {
  const auto r = known("%a: f32[2], %b: f32[2], %at: i64[], %l: seq(f32[2])", R"(
    %five = constant i64[] [5]
    %s = SequenceConstruct(%a, %b)
    %y = SequenceAt(%s, %at)
    %z = SequenceAt(%s, %five)
    %n = SequenceLength(%l))",
                       "y: %y, z: %z, n: %n");
  EXPECT_EQ(r.ops(), (Ops{"SequenceConstruct", "SequenceAt", "SequenceAt", "SequenceLength"}))
      << "positions of a run, or outside, and inputs are left to the runtime";
}

}  // namespace
}  // namespace monza::test
