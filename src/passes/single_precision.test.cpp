// Graphs of f16 and bf16 on a CPU: what is computed in f32, what keeps its type, and what is cast between them.
#include <gtest/gtest.h>

#include "ir/text.h"
#include "passes/pass.h"
#include "passes/rewrite.h"
#include "support/rewrite.h"

namespace monza {
namespace {
using test::graph_text;
using test::rewrite;
using test::Rewritten;
using Ops = std::vector<std::string>;

Rewritten widened(const std::string& inputs, const std::string& body, double tolerance = 2e-3) {
  auto r = rewrite(graph_text(inputs, body), {&single_precision_pass, &dead_code_pass});
  test::expect_same_numbers(r, tolerance);
  return r;
}

TEST(SinglePrecision, CastsAtTheEdgesAlone) {
  EXPECT_EQ(widened("%x: f16[2,8]", "%a = Tanh(%x)\n%b = Sigmoid(%a)\n%y = Add(%b, %a)").ops(),
            (Ops{"Cast", "Tanh", "Sigmoid", "Add", "Cast"}));
  EXPECT_EQ(widened("%x: bf16[2,8]", "%a = Tanh(%x)\n%y = Mul(%a, %a)", 2e-2).ops(),
            (Ops{"Cast", "Tanh", "Mul", "Cast"}));
  // What is of f32 already stays as it is, beside what is not.
  EXPECT_EQ(widened("%x: f32[2,8]", "%a = Tanh(%x)\n%h = Cast(%a) {to=\"f16\"}\n%y = Exp(%h)").ops(),
            (Ops{"Tanh", "Cast", "Cast", "Exp", "Cast"}));
}

TEST(SinglePrecision, WeightsBecomeF32WhenTheModelIsBuilt) {
  const auto r = widened("%x: f16[2,8]",
                         "%w = constant f16[8,2] [1,2,0.5,-1,0,3,0.25,1,-2,1,1.5,0.125,1,2,-1,0.75]\n"
                         "%b = constant f16[2] [0.5,-3]\n"
                         "%a = MatMul(%x, %w)\n%y = Add(%a, %b)");
  EXPECT_EQ(r.ops(), (Ops{"Cast", "MatMul", "Add", "Cast"}));
  EXPECT_EQ(ir::print(*r.after).find("constant f16"), std::string::npos) << ir::print(*r.after);
}

TEST(SinglePrecision, MovesKeepTheTypeOfWhatTheyMove) {
  // Rows of a table are gathered as they are stored; what follows a result of f32 moves that.
  const auto r = widened("%i: i64[5]",
                         "%w = constant f16[3,2] [1,2,0.5,-1,0,3]\n%g = Gather(%w, %i)\n%e = Exp(%g)\n"
                         "%t = Transpose(%e) {perm=[1,0]}\n%y = Neg(%t)");
  EXPECT_EQ(r.ops(), (Ops{"Gather", "Cast", "Exp", "Transpose", "Neg", "Cast"}));
  EXPECT_EQ(
      widened("%x: f16[2,8]", "%a = Transpose(%x) {perm=[1,0]}\n%y = Slice(%a) {starts=[1], ends=[3]}").rewrites(), 0);
}

TEST(SinglePrecision, CastsOfTheModelRound) {
  // 1 + 2^-12 is 1 in f16: what was rounded there is not taken from before it.
  const auto r = widened("%x: f32[3]", "%h = Cast(%x) {to=\"f16\"}\n%a = Abs(%h)\n%y = Cast(%a) {to=\"f32\"}");
  EXPECT_EQ(r.ops(), (Ops{"Cast", "Cast", "Abs", "Cast", "Cast"}));
}

TEST(SinglePrecision, OnlyOnACpu) {
  BuildOptions options;
  options.device = Device::reference;
  EXPECT_EQ(rewrite(graph_text("%x: f16[2,8]", "%y = Tanh(%x)"), {&single_precision_pass}, options).rewrites(), 0);
}

TEST(SinglePrecision, NodesWithBodiesStay) {
  const auto branch = [](const char* op) {
    return std::string("(%v: f16[4]) {\n      %a = ") + op + "(%v)\n      return (r: %a)\n    }";
  };
  const auto r =
      rewrite("graph \"g\" (%c: bool[], %x: f16[4]) {\n  %y: f16[4] = If(%c, %x)\n    body graph \"then\" " +
                  branch("Identity") + "\n    body graph \"else\" " + branch("Identity") + "\n  return (y: %y)\n}\n",
              {&single_precision_pass});
  EXPECT_EQ(r.ops(), (Ops{"If"}));
}

}  // namespace
}  // namespace monza
