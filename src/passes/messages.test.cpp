// What the reference evaluator and patterns say of what they lack, to the letter.
#include <gtest/gtest.h>

#include "ir/text.h"
#include "passes/evaluate.h"
#include "passes/pass.h"
#include "passes/pattern.h"
#include "support/error_text.h"

namespace monza {
namespace {

using test::error_of;

TEST(EvaluateMessages, SayWhatIsNotKnown) {
  const auto run = [](const char* text, const std::vector<ConstantPtr>& inputs) {
    return error_of([&] { run_reference(*ir::parse(std::string("graph \"main\" ") + text), inputs); });
  };
  const ConstantPtr four = ir::constant_f32({1, 2, 3, 4}, Shape{4}), two = ir::constant_i64({2});
  EXPECT_EQ(run("(%x: f32[4]) {\n  %y = Relu(%x)\n  return (y: %y)\n}", {}), "1 inputs are expected, 0 given");
  EXPECT_EQ(run("(%x: f32[4]) {\n  %y = Relu(%x)\n  return (y: %y)\n}", {two}),
            "input 0 does not have the type f32[4]");
  EXPECT_EQ(run("(%x: f32[2*n]) {\n  %y = Relu(%x)\n  return (y: %y)\n}", {four}),
            "Relu node 'y': the extent n is not known");
  EXPECT_EQ(run("(%x: f32[4]) {\n  %i = NonZero(%x)\n  %j = Neg(%i)\n  return (j: %j)\n}", {four}),
            "Neg node 'j': an extent depends on data");
  EXPECT_EQ(run("(%x: f32[4], %s: i64[1]) {\n  %y = Reshape(%x, %s)\n  return (y: %y)\n}", {four, two}),
            "Reshape node 'y': input and output do not fit each other");
}

TEST(EvaluateMessages, OfOneNode) {
  const auto graph = ir::parse(
      "graph \"main\" (%x: f32[4], %s: i64[1]) {\n  %y = Reshape(%x, %s)\n  %z = Relu(%y)\n  return (z: %z)\n}");
  Evaluator evaluator;
  FoldBudget budget{.one_bytes = 1000, .all_bytes = 1000, .operations = 1000};
  evaluator.values[graph->inputs()[0]] = ir::constant_f32({1, 2, 3, 4}, Shape{4});
  EXPECT_EQ(evaluator.run(*graph, graph->node(graph->order()[0]), budget), "input 1 is not known");
  evaluator.values[graph->node(graph->order()[1]).inputs[0]] = ir::constant_f32({1, 2, 3, 4}, Shape{4});
  EXPECT_EQ(evaluator.run(*graph, graph->node(graph->order()[1]), budget), "the elements of value 1 are not known");
}

TEST(PatternMessages, SayWhichNameThereIsNot) {
  const Match match;
  EXPECT_EQ(error_of([&] { (void)match["x"]; }), "the pattern captures no value 'x'");
  EXPECT_EQ(error_of([&] { (void)match.number("x"); }), "the pattern captures no number 'x'");
}

TEST(PassMessages, SayWhichPassThereIsNot) {
  const auto graph = ir::parse("graph \"main\" (%x: f32[4]) {\n  return (x: %x)\n}");
  BuildOptions options;
  options.disabled_passes = {"fly"};
  PassReport report;
  EXPECT_EQ(error_of([&] { run_passes(*graph, pipeline(), options, report); }),
            "there is no pass 'fly' to switch off\n  try: `monza inspect MODEL --fusions` lists the passes");
}

}  // namespace
}  // namespace monza
