// Equations: what they read as, what they refuse, and the shapes they give.
#include <gtest/gtest.h>

#include "ir/text.h"
#include "monza/error.h"
#include "ops/einsum/einsum.def.h"

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

}  // namespace
}  // namespace monza
