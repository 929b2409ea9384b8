// Activations spelled out: they fire on every spelling, refuse what only looks alike, and keep the numbers.
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

constexpr const char* kActivationConstants = R"(
  %half = constant f32[] [0.5]
  %one = constant f32[] [1]
  %two = constant f32[] [2]
  %three = constant f32[] [3]
  %six = constant f32[] [6]
  %zero = constant f32[] [0]
  %sixth = constant f32[1] [0.16666667]
  %root2 = constant f32[] [1.4142135]
  %inv_root2 = constant f32[] [0.70710678]
  %k = constant f32[] [0.7978846]
  %c = constant f32[] [0.044715]
)";

void fires(const Pass& pass, const std::string& body, const std::string& op, double tolerance = 1e-5) {
  auto r = rewrite(graph_text("%x: f32[2,n]", kActivationConstants + body), {&pass});
  EXPECT_EQ(r.ops(), (Ops{op})) << body << r.reasons();
  expect_same_numbers(r, tolerance);
}
void refuses(const Pass& pass, const std::string& body, const std::string& reason,
             const std::string& outputs = "y: %y") {
  auto r = rewrite(graph_text("%x: f32[2,3], %z: f32[2,3]", kActivationConstants + body, outputs), {&pass});
  EXPECT_EQ(r.rewrites(), 0) << body;
  EXPECT_NE(r.reasons().find(reason), std::string::npos) << body << r.reasons();
  expect_same_numbers(r);
}

TEST(Silu, Spellings) {
  fires(silu_pass, "%s = Sigmoid(%x)\n%y = Mul(%x, %s)", "Swish");
  fires(silu_pass, "%s = Sigmoid(%x)\n%y = Mul(%s, %x)", "Swish");
  fires(silu_pass, "%n = Neg(%x)\n%e = Exp(%n)\n%d = Add(%one, %e)\n%y = Div(%x, %d)", "Swish");
}

TEST(Silu, Refusals) {
  refuses(silu_pass, "%s = Sigmoid(%x)\n%y = Mul(%x, %s)", "also an output", "y: %y, s: %s");
  refuses(silu_pass, "%s = Sigmoid(%x)\n%m = Mul(%x, %s)\n%y = Add(%m, %s)", "also read by Add");
  auto r = rewrite(graph_text("%x: f32[2,3], %z: f32[2,3]", "%s = Sigmoid(%x)\n%y = Mul(%z, %s)"), {&silu_pass});
  EXPECT_EQ(r.rewrites(), 0);
}

TEST(Gelu, EveryBracketingOfTheExactForm) {
  const std::string erf = "%d = Div(%x, %root2)\n%e = Erf(%d)\n%p = Add(%e, %one)\n";
  const std::string erf2 = "%d = Mul(%inv_root2, %x)\n%e = Erf(%d)\n%p = Add(%one, %e)\n";
  for (const std::string& head : {erf, erf2}) {
    fires(gelu_pass, head + "%m = Mul(%x, %p)\n%y = Mul(%m, %half)", "Gelu");
    fires(gelu_pass, head + "%m = Mul(%x, %half)\n%y = Mul(%m, %p)", "Gelu");
    fires(gelu_pass, head + "%m = Mul(%half, %p)\n%y = Mul(%x, %m)", "Gelu");
    fires(gelu_pass, head + "%m = Div(%x, %two)\n%y = Mul(%p, %m)", "Gelu");
    fires(gelu_pass, head + "%m = Mul(%p, %x)\n%y = Div(%m, %two)", "Gelu");
  }
  fires(gelu_pass, "%d = Div(%x, %root2)\n%e = Erf(%d)\n%h = Mul(%e, %half)\n%p = Add(%h, %half)\n%y = Mul(%x, %p)",
        "Gelu");
}

TEST(Gelu, EverySpellingOfTheApproximation) {
  const std::string tail = "%p = Add(%t, %one)\n%h = Mul(%x, %half)\n%y = Mul(%h, %p)";
  fires(gelu_pass, "%q = Pow(%x, %three)\n%a = Mul(%q, %c)\n%b = Add(%x, %a)\n%d = Mul(%b, %k)\n%t = Tanh(%d)\n" + tail,
        "Gelu");
  fires(gelu_pass,
        "%q = Mul(%x, %x)\n%r = Mul(%q, %x)\n%a = Mul(%c, %r)\n%b = Add(%x, %a)\n%d = Mul(%k, %b)\n%t = Tanh(%d)\n" +
            tail,
        "Gelu");
  fires(gelu_pass,
        "%q = Mul(%x, %x)\n%a = Mul(%q, %c)\n%r = Mul(%a, %x)\n%b = Add(%x, %r)\n%d = Mul(%k, %b)\n%t = Tanh(%d)\n" +
            tail,
        "Gelu");
  fires(gelu_pass,
        "%q = Mul(%x, %x)\n%a = Mul(%q, %c)\n%b = Add(%a, %one)\n%f = Mul(%x, %k)\n%d = Mul(%f, %b)\n%t = Tanh(%d)\n" +
            tail,
        "Gelu");
  fires(
      gelu_pass,
      "%q = Pow(%x, %two)\n%a = Mul(%q, %c)\n%b = Add(%a, %one)\n%f = Mul(%x, %k)\n%d = Mul(%f, %b)\n%t = Tanh(%d)\n" +
          tail,
      "Gelu");
}

TEST(Gelu, Refusals) {
  const std::string erf = "%d = Div(%x, %root2)\n%e = Erf(%d)\n%p = Add(%e, %one)\n";
  refuses(gelu_pass, erf + "%m = Mul(%z, %p)\n%y = Mul(%m, %half)", "is expected");
  refuses(gelu_pass, erf + "%m = Mul(%x, %p)\n%y = Mul(%m, %half)", "also an output", "y: %y, e: %e");
  auto r = rewrite(graph_text("%x: f32[2,3]", kActivationConstants + erf + "%m = Mul(%x, %p)\n%y = Mul(%m, %two)"),
                   {&gelu_pass});
  EXPECT_EQ(r.rewrites(), 0);
}

TEST(HardSwish, Spellings) {
  fires(hardswish_pass, "%a = Add(%x, %three)\n%b = Clip(%a, %zero, %six)\n%m = Mul(%x, %b)\n%y = Div(%m, %six)",
        "HardSwish");
  fires(hardswish_pass, "%a = Add(%three, %x)\n%b = Clip(%a, %zero, %six)\n%m = Div(%b, %six)\n%y = Mul(%m, %x)",
        "HardSwish");
  fires(hardswish_pass, "%h = HardSigmoid(%x) {alpha=0.16666667, beta=0.5}\n%y = Mul(%x, %h)", "HardSwish");
  auto r = rewrite(graph_text("%x: f32[2,3]", "%h = HardSigmoid(%x) {alpha=0.2, beta=0.5}\n%y = Mul(%x, %h)"),
                   {&hardswish_pass});
  EXPECT_EQ(r.rewrites(), 0);
}

TEST(Mish, Spellings) {
  fires(mish_pass, "%s = Softplus(%x)\n%t = Tanh(%s)\n%y = Mul(%x, %t)", "Mish");
  fires(mish_pass, "%e = Exp(%x)\n%o = Add(%e, %one)\n%s = Log(%o)\n%t = Tanh(%s)\n%y = Mul(%t, %x)", "Mish");
}
TEST(HardSwish, SlopesOfAnotherFunction) {
  // 0.1667 is no sixth: up to 3e-4 of difference.
  for (const auto& [alpha, rewrites] : {std::pair("0.16666667", 1), std::pair("0.1667", 0)}) {
    auto r = rewrite(
        graph_text("%x: f32[7]", std::string("%g = HardSigmoid(%x) {alpha=") + alpha + ", beta=0.5}\n%y = Mul(%x, %g)"),
        {&hardswish_pass});
    EXPECT_EQ(r.rewrites(), rewrites) << alpha;
    expect_same_numbers(r, 1e-6);
  }
}

}  // namespace
}  // namespace monza
