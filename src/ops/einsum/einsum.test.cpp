// Equations: what they read as, what they refuse, and the shapes they give.
#include <gtest/gtest.h>

#include <random>

#include "ir/text.h"
#include "kernel/registry.h"
#include "monza/error.h"
#include "ops/einsum/einsum.def.h"
#include "ops/einsum/einsum.params.h"
#include "support/kernel_check.h"

namespace monza {
namespace {

using Labels = std::vector<std::vector<int>>;

TEST(Einsum, ReadsEquations) {
  const ops::Equation product = ops::parse_equation("bij, bjk -> bik", {3, 3});
  EXPECT_EQ(product.operands, (Labels{{0, 1, 3}, {0, 3, 2}}));
  EXPECT_EQ(product.out_rank, 3);
  EXPECT_EQ(product.labels, 4);
  // Without an output: labels that occur once, in alphabetical order.
  EXPECT_EQ(ops::parse_equation("ba,bc", {2, 2}).operands, (Labels{{2, 0}, {2, 1}}));
  // An ellipsis covers what the letters leave, aligned at its end.
  EXPECT_EQ(ops::parse_equation("...i,...i->...", {3, 2}).operands, (Labels{{0, 1, 2}, {1, 2}}));
  EXPECT_EQ(ops::parse_equation("...ii->...i", {3}).operands, (Labels{{0, 1, 1}}));
}

TEST(Einsum, RefusesWhatDoesNotFit) {
  EXPECT_THROW(ops::parse_equation("ij,jk->ik", {2}), Error);
  EXPECT_THROW(ops::parse_equation("ij->ij", {3}), Error);
  EXPECT_THROW(ops::parse_equation("ij->ik", {2}), Error);
  EXPECT_THROW(ops::parse_equation("ij->ii", {2}), Error);
  EXPECT_THROW(ops::parse_equation("i1->i", {2}), Error);
}

TEST(Einsum, ShapesAreSymbolic) {
  const auto g = ir::parse(R"(graph "t" (%x: f32[n,s,8], %w: f32[8,t]) {
  %y = Einsum(%x, %w) {equation="nsd,dt->tns"}
  return (y: %y)
})");
  EXPECT_EQ(ir::to_string(g->value(g->outputs()[0].value).type), "f32[t,n,s]");
  EXPECT_THROW(ir::parse(R"(graph "t" (%x: f32[2,3], %w: f32[4,5]) {
  %y = Einsum(%x, %w) {equation="ij,jk->ik"}
  return (y: %y)
})"),
               Error);
}

/// Kernels of other devices against the reference: two and three operands, a diagonal, sums over labels of one operand.
TEST(Einsum, DeviceKernelsMatchTheReference) {
  struct Case {
    const char* equation;
    std::vector<Shape> in;
    Shape out;
  };
  const Case cases[] = {{"bij,bjk->bik", {{2, 5, 7}, {2, 7, 3}}, {2, 5, 3}},
                        {"ii->i", {{6, 6}}, {6}},
                        {"ij->", {{3, 40}}, {}},
                        {"ab,bc,cd->da", {{2, 3}, {3, 4}, {4, 5}}, {5, 2}},
                        {"ij,kj->ik", {{4, 0}, {3, 0}}, {4, 3}},
                        {"...i,...i->...", {{2, 3, 9}, {9}}, {2, 3}}};
  constexpr std::pair<DType, double> kAccuracies[] = {
      {DType::f32, 1e-6}, {DType::f16, 1e-3}, {DType::bf16, 8e-3}, {DType::f64, 1e-12}, {DType::i32, 0}};
  const auto kernels = kernels_of("Einsum");
  for (const Kernel* kernel : kernels) {
    if (kernel->device == DeviceKind::cpu || !test::lacking(*kernel).empty()) continue;
    std::mt19937 rng(1);
    for (const Case& c : cases)
      for (const auto& [dtype, error] : kAccuracies) {
        std::vector<std::size_t> ranks;
        for (const Shape& s : c.in) ranks.push_back(static_cast<std::size_t>(s.rank));
        const ops::Equation equation = ops::parse_equation(c.equation, ranks);
        EinsumParams p;
        p.operands = static_cast<std::int32_t>(c.in.size());
        p.labels = equation.labels;
        p.out_rank = equation.out_rank;
        std::vector<test::Tensor> in;
        for (std::size_t i = 0; i < c.in.size(); ++i) {
          in.push_back(test::converted(test::random_f32(c.in[i], rng, -5, 5), dtype));
          for (std::size_t a = 0; a < equation.operands[i].size(); ++a) p.label[i][a] = equation.operands[i][a];
        }
        const auto got = test::run_kernel(*kernel, &p, in, {{dtype, c.out}}, {.seed = 3});
        const auto want = test::run_kernel(*kernels.back(), &p, in, {{dtype, c.out}});
        ASSERT_EQ(got.refusal + got.problem + want.problem, "") << c.equation;
        EXPECT_LE(test::relative_error(got.outputs[0], want.outputs[0]), error) << c.equation;
      }
  }
}

}  // namespace
}  // namespace monza
