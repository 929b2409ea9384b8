// Attention in the spellings of exporters.
#include <gtest/gtest.h>

#include <cmath>

#include "ir/text.h"
#include "passes/evaluate.h"
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

Rewritten run_attention(const std::string& inputs, const std::string& body, const std::string& outputs = "y: %y") {
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
  auto r = run_attention(
      kProjections,
      kHeads +
          "%s = MatMul(%qt, %kt)\n%d = Div(%s, %two)\n%m = Add(%d, %mask)\n%p = Softmax(%m)\n%o = MatMul(%p, %vt)\n" +
          kJoin);
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << r.reasons();
  r = run_attention(kProjections,
                    kHeads +
                        "%s = MatMul(%qt, %kt)\n%d = Mul(%half, %s)\n%m = Add(%mask, %d)\n%p = Softmax(%m) "
                        "{axis=3}\n%o = MatMul(%p, %vt)\n" +
                        kJoin);
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << r.reasons();
}

TEST(Attention, WithoutMaskAndWithScaledOperands) {
  auto r =
      run_attention(kProjections, kHeads + "%s = MatMul(%qt, %kt)\n%p = Softmax(%s)\n%o = MatMul(%p, %vt)\n" + kJoin);
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << r.reasons();
  // Both operands carry the root of the scale.
  r = run_attention(kProjections,
                    kHeads +
                        "%qs = Mul(%qt, %half)\n%ks = Mul(%half, %kt)\n%s = MatMul(%qs, %ks)\n%p = Softmax(%s)\n%o "
                        "= MatMul(%p, %vt)\n" +
                        kJoin);
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << r.reasons();
}

TEST(Attention, VitWithOneProjection) {
  auto r = run_attention("%x: f32[b,5,36]", R"(
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
  auto r = run_attention("%x: f32[b,4,36]", causal + R"(
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
  auto r =
      run_attention("%q: f32[b,2,5,6], %k: f32[b,2,l,6], %v: f32[b,2,l,3], %mask: f32[5,l]",
                    "%half = constant f32[] [0.7]\n%kt = Transpose(%k) {perm=[0, 1, 3, 2]}\n%s = MatMul(%q, %kt)\n%d = "
                    "Mul(%s, %half)\n%m = Add(%d, %mask)\n"
                    "%p = Softmax(%m)\n%y = MatMul(%p, %v)");
  EXPECT_EQ(r.ops(), (Ops{"Attention"})) << r.reasons();
}

TEST(Attention, Refusals) {
  const std::string start = kHeads + "%s = MatMul(%qt, %kt)\n";
  const std::string end = "%p = Softmax(%m)\n%o = MatMul(%p, %vt)\n" + kJoin;
  auto r = run_attention(kProjections, start + "%m = Div(%s, %two)\n" + end, "y: %y, p: %p");
  EXPECT_NE(r.reasons().find("also an output"), std::string::npos) << r.reasons();
  r = run_attention(kProjections, start + "%one = constant f32[1,1,1,1] [1.5]\n%m = Add(%s, %one)\n" + end);
  EXPECT_NE(r.reasons().find("one column per key"), std::string::npos) << r.reasons();
  r = run_attention(kProjections,
                    start + "%m = Identity(%s)\n%p = Softmax(%m) {axis=2}\n%o = MatMul(%p, %vt)\n" + kJoin);
  EXPECT_EQ(r.rewrites(), 0);
  r = run_attention(kProjections, start + "%p = Softmax(%s) {axis=2}\n%o = MatMul(%p, %vt)\n" + kJoin);
  EXPECT_NE(r.reasons().find("not over the keys"), std::string::npos) << r.reasons();
}

// Where leaves a number in place of hidden scores: with all of a row hidden its softmax is even, and a score below the
// number counts less than what is hidden.
TEST(Attention, MasksOfWhere) {
  const std::string start = kHeads + "%s = MatMul(%qt, %kt)\n";
  const std::string end = "%p = Softmax(%m)\n%o = MatMul(%p, %vt)\n" + kJoin;
  for (const char* masked : {"-10000", "-3.4e38", "-1", "0"}) {
    const std::string where = std::string("%far = constant f32[] [") + masked + "]\n%m = Where(%c, %s, %far)\n";
    EXPECT_EQ(run_attention(kProjections + ", %c: bool[b,1,l,l]", start + where + end).ops(), Ops{"Attention"});
    EXPECT_EQ(run_attention("%q: f32[b,4,12], %k: f32[b,4,12], %v: f32[b,4,12]",
                            "%c = constant bool[4,4] [0,0,0,0, 1,0,0,0, 1,1,0,0, 0,0,0,0]\n" + start + where + end)
                  .ops(),
              Ops{"Attention"});
  }
  auto r = rewrite(graph_text(kProjections + ", %c: bool[b,1,l,l]",
                              start + "%far = constant f32[] [inf]\n%m = Where(%c, %s, %far)\n" + end),
                   {&attention_pass});
  EXPECT_NE(r.reasons().find("masked scores are no numbers"), std::string::npos) << r.reasons();
}

// A row of minus infinity is NaN, as softmax has it.
TEST(Attention, RowsOfMinusInfinity) {
  auto r = rewrite(graph_text("%q: f32[1,1,2,4], %k: f32[1,1,2,4], %v: f32[1,1,2,4]", R"(
    %mask = constant f32[2,2] [-inf, -inf, 0, -inf]
    %kt = Transpose(%k) {perm=[0, 1, 3, 2]}
    %s = MatMul(%q, %kt)
    %m = Add(%s, %mask)
    %p = Softmax(%m)
    %y = MatMul(%p, %v))"),
                   {&attention_pass, &dead_code_pass});
  EXPECT_EQ(r.ops(), Ops{"Attention"}) << r.reasons();
  const auto inputs = std::vector<ConstantPtr>(3, ir::constant_f32({1, 2, 3, 4, 5, 6, 7, 8}, Shape{1, 1, 2, 4}));
  for (const ir::Graph* graph : {r.before.get(), r.after.get()}) {
    const auto y = run_reference(*graph, inputs)[0];
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(std::isnan(y->as<float>()[i])) << i;
    for (int i = 4; i < 8; ++i) EXPECT_EQ(y->as<float>()[i], static_cast<float>(i - 3)) << i;
  }
}

// Products broadcast batches and heads, the operator does not.
TEST(Attention, OperandsThatBroadcast) {
  const auto reasons = [](const std::string& q, const std::string& k, const std::string& v, const std::string& perm) {
    auto r = run_attention(
        "%q: f32" + q + ", %k: f32" + k + ", %v: f32" + v,
        "%kt = Transpose(%k) {perm=" + perm + "}\n%s = MatMul(%q, %kt)\n%p = Softmax(%s)\n%y = MatMul(%p, %v)");
    return r.rewrites() > 0 ? "fused" : r.reasons();
  };
  const std::string four = "[0, 1, 3, 2]", three = "[0, 2, 1]";
  const auto refused = [&](const std::string& reasons, const char* why) {
    EXPECT_NE(reasons.find(why), std::string::npos) << reasons;
  };
  refused(reasons("[2,3,4,8]", "[3,5,8]", "[3,5,8]", three), "lacks the axes of batch or heads");
  refused(reasons("[2,3,4,8]", "[2,3,5,8]", "[5,8]", four), "lacks the axes of batch or heads");
  refused(reasons("[2,3,4,8]", "[1,3,5,8]", "[1,3,5,8]", four), "the batches of query, key and value differ");
  refused(reasons("[1,3,4,8]", "[2,3,5,8]", "[2,3,5,8]", four), "the batches of query, key and value differ");
  refused(reasons("[2,3,4,8]", "[2,3,5,8]", "[1,3,5,8]", four), "the batches of query, key and value differ");
  refused(reasons("[2,3,4,8]", "[2,3,5,8]", "[2,1,5,8]", four), "query, key and value have different heads");
  refused(reasons("[2,3,4,8]", "[2,1,5,8]", "[2,3,5,8]", four), "query, key and value have different heads");
  refused(reasons("[2,0,4,8]", "[2,0,5,8]", "[2,0,5,8]", four), "there are no heads");
  refused(reasons("[2,1,4,8]", "[2,3,5,8]", "[2,3,5,8]", four), "query, key and value have different heads");
  EXPECT_EQ(reasons("[2,3,4,8]", "[2,1,5,8]", "[2,1,5,8]", four), "fused") << "one key head for all query heads";
}

// Operands that the patterns take as they come may be what goes.
TEST(Attention, OperandsThatAreScores) {
  for (const char* body : {"%m = Add(%s, %s)\n%p = Softmax(%m)\n%y = MatMul(%p, %v)",
                           "%t = Mul(%s, %half)\n%m = Add(%t, %s)\n%p = Softmax(%m)\n%y = MatMul(%p, %v)",
                           "%p = Softmax(%s)\n%y = MatMul(%p, %p)"}) {
    auto r = run_attention("%q: f32[1,2,4,4], %k: f32[1,2,4,4], %v: f32[1,2,4,4]",
                           std::string("%half = constant f32[] [0.5]\n%kt = Transpose(%k) {perm=[0, 1, 3, 2]}\n") +
                               "%s = MatMul(%q, %kt)\n" + body);
    EXPECT_EQ(r.rewrites(), 0) << body;
  }
}
}  // namespace
}  // namespace monza
