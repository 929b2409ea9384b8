// Attention in the spellings of exporters.
#include <gtest/gtest.h>

#include "ir/text.h"
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

Rewritten run(const std::string& inputs, const std::string& body, const std::string& outputs = "y: %y") {
  auto r = rewrite(graph_text(inputs, body, outputs), {&transposes_pass, &attention_pass, &dead_code_pass});
  expect_same_numbers(r, 1e-5, 4);
  return r;
}

const std::string kProjections =
    "%q: f32[b,l,12], %k: f32[b,l,12], %v: f32[b,l,12], %mask: f32[b,1,1,l], %r: f32[b,2,l,l]";
const std::string kHeads = R"(
  %two = constant f32[] [2.0]
  %half = constant f32[] [0.7]
  %q4 = Reshape(%q) {shape=[0, 0, 2, 6]}
  %k4 = Reshape(%k) {shape=[0, 0, 2, 6]}
  %v4 = Reshape(%v) {shape=[0, 0, 2, 6]}
  %qt = Transpose(%q4) {perm=[0, 2, 1, 3]}
  %kt = Transpose(%k4) {perm=[0, 2, 3, 1]}
  %vt = Transpose(%v4) {perm=[0, 2, 1, 3]}
)";
const std::string kJoin = "%t = Transpose(%o) {perm=[0, 2, 1, 3]}\n%y = Reshape(%t) {shape=[0, 0, 12]}";

TEST(Attention, BertWithMask) {
  auto r = run(
      kProjections,
      kHeads +
          "%s = MatMul(%qt, %kt)\n%d = Div(%s, %two)\n%m = Add(%d, %mask)\n%p = Softmax(%m)\n%o = MatMul(%p, %vt)\n" +
          kJoin);
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << r.reasons();
  r = run(kProjections, kHeads +
                            "%s = MatMul(%qt, %kt)\n%d = Mul(%half, %s)\n%m = Add(%mask, %d)\n%p = Softmax(%m) "
                            "{axis=3}\n%o = MatMul(%p, %vt)\n" +
                            kJoin);
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << r.reasons();
}

TEST(Attention, WithoutMaskAndWithScaledOperands) {
  auto r = run(kProjections, kHeads + "%s = MatMul(%qt, %kt)\n%p = Softmax(%s)\n%o = MatMul(%p, %vt)\n" + kJoin);
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << r.reasons();
  // Both operands carry the root of the scale.
  r = run(kProjections, kHeads +
                            "%qs = Mul(%qt, %half)\n%ks = Mul(%half, %kt)\n%s = MatMul(%qs, %ks)\n%p = Softmax(%s)\n%o "
                            "= MatMul(%p, %vt)\n" +
                            kJoin);
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << r.reasons();
}

TEST(Attention, VitWithOneProjection) {
  auto r = run("%x: f32[b,5,36]", R"(
    %half = constant f32[] [0.7]
    %zero = constant i64[] [0]
    %one = constant i64[] [1]
    %two = constant i64[] [2]
    %s5 = Reshape(%x) {shape=[0, 5, 3, 2, 6]}
    %t5 = Transpose(%s5) {perm=[2, 0, 3, 1, 4]}
    %q = Gather(%t5, %zero) {axis=0}
    %k = Gather(%t5, %one) {axis=0}
    %v = Gather(%t5, %two) {axis=0}
    %qs = Mul(%q, %half)
    %kt = Transpose(%k) {perm=[0, 1, 3, 2]}
    %s = MatMul(%qs, %kt)
    %p = Softmax(%s)
    %o = MatMul(%p, %v)
)" + kJoin);
  EXPECT_EQ(r.ops(), (Ops{"Slice", "Slice", "Slice", "Attention"})) << r.reasons() << ir::print(*r.after);
}

TEST(Attention, GptWithCausalMask) {
  const std::string causal =
      "%c = constant bool[1,1,4,4] [1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1]\n%far = constant f32[] [-10000]\n";
  auto r = run("%x: f32[b,4,36]", causal + R"(
    %root = constant f32[] [2.4494898]
    %q, %k, %v = Split(%x) {axis=2, split=[12, 12, 12]}
    %q4 = Reshape(%q) {shape=[0, 0, 2, 6]}
    %k4 = Reshape(%k) {shape=[0, 0, 2, 6]}
    %v4 = Reshape(%v) {shape=[0, 0, 2, 6]}
    %qt = Transpose(%q4) {perm=[0, 2, 1, 3]}
    %kt = Transpose(%k4) {perm=[0, 2, 3, 1]}
    %vt = Transpose(%v4) {perm=[0, 2, 1, 3]}
    %s = MatMul(%qt, %kt)
    %d = Div(%s, %root)
    %w = Where(%c, %d, %far)
    %p = Softmax(%w)
    %o = MatMul(%p, %vt)
)" + kJoin);
  EXPECT_EQ(r.ops(), (Ops{"Split", "Attention"})) << r.reasons();
}

TEST(Attention, HeadsThatStayApart) {
  auto r = run("%q: f32[b,2,5,6], %k: f32[b,2,l,6], %v: f32[b,2,l,3], %mask: f32[5,l]",
               "%half = constant f32[] [0.7]\n%kt = Transpose(%k) {perm=[0, 1, 3, 2]}\n%s = MatMul(%q, %kt)\n%d = "
               "Mul(%s, %half)\n%m = Add(%d, %mask)\n"
               "%p = Softmax(%m)\n%y = MatMul(%p, %v)");
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << r.reasons();
}

TEST(Attention, Refusals) {
  const std::string start = kHeads + "%s = MatMul(%qt, %kt)\n";
  const std::string end = "%p = Softmax(%m)\n%o = MatMul(%p, %vt)\n" + kJoin;
  auto r = run(kProjections, start + "%m = Div(%s, %two)\n" + end, "y: %y, p: %p");
  EXPECT_NE(r.reasons().find("also an output"), std::string::npos) << r.reasons();
  r = run(kProjections, start + "%one = constant f32[1,1,1,1] [1.5]\n%m = Add(%s, %one)\n" + end);
  EXPECT_NE(r.reasons().find("one column per key"), std::string::npos) << r.reasons();
  r = run(kProjections, start + "%m = Identity(%s)\n%p = Softmax(%m) {axis=2}\n%o = MatMul(%p, %vt)\n" + kJoin);
  EXPECT_EQ(r.rewrites(), 0);
  r = run(kProjections, start + "%p = Softmax(%s) {axis=2}\n%o = MatMul(%p, %vt)\n" + kJoin);
  EXPECT_NE(r.reasons().find("not over the keys"), std::string::npos) << r.reasons();
  // Rows that may attend to nothing would differ.
  r = rewrite(graph_text(kProjections + ", %c: bool[b,1,l,l]",
                         start + "%far = constant f32[] [-10000]\n%m = Where(%c, %s, %far)\n" + end),
              {&attention_pass});
  EXPECT_EQ(r.rewrites(), 0);
  EXPECT_NE(r.reasons().find("might let nothing through"), std::string::npos) << r.reasons();
}
}  // namespace
}  // namespace monza
