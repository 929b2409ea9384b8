// Rewrites that cannot be made: undone and noted, or fatal where the options are strict.
#include "passes/pattern.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "ir/text.h"
#include "passes/rewrite.h"
#include "support/rewrite.h"

namespace monza {
namespace {

using test::graph_text;

/// Softmax(Relu(x)) becomes what `replace` makes; what is left of it goes on as Tanh.
template <ir::ValueId (*kReplace)(const Match&)>
void run_fusion(ir::Graph& graph, PassContext& context) {
  const Pattern x = any("x");
  apply(graph, context,
        {{"softmax(relu(x))", op("Softmax", {op("Relu", {x}).as("relu")}), nullptr, kReplace},
         {"softmax(x)", op("Softmax", {x}), nullptr, [](const Match& m) { return m.add("Tanh", {m["x"]}); }}});
}

ir::ValueId beyond_the_rank(const Match& m) {
  const ir::ValueId twice = m.add("Add", {m["x"], m.add_constant(ir::constant_f32({1}, Shape{1}))});
  return m.add("Softmax", {twice}, {{"axis", std::int64_t{7}}});
}
ir::ValueId reads_what_goes(const Match& m) { return m.add("Mul", {m["x"], m["relu"]}); }
ir::ValueId is_what_goes(const Match& m) { return m["relu"]; }
ir::ValueId another_type(const Match& m) { return m.add("Cast", {m["x"]}, {{"to", std::string("f64")}}); }

const std::string kText = graph_text("%x: f32[2,3]", "%r = Relu(%x)\n%y = Softmax(%r)");

template <ir::ValueId (*kReplace)(const Match&)>
std::string left_alone() {
  static const Pass pass{"test_rewrite", "", run_fusion<kReplace>};
  const auto graph = ir::parse(kText);
  PassReport report;
  run_passes(*graph, {&pass, &dead_code_pass}, {}, report);
  ir::verify(*graph);
  EXPECT_EQ(graph->values().size(), 3u) << "something of the rewrite stayed:\n" << ir::print(*graph);
  EXPECT_EQ(report.rewrites.size(), 1u) << "the passes go on";
  EXPECT_EQ(report.near_misses.size(), 1u);
  return report.near_misses.empty() ? "" : report.near_misses[0].reason;
}

TEST(Rewrites, ThatCannotBeMadeAreUndoneAndNoted) {
  EXPECT_EQ(left_alone<beyond_the_rank>(), "the new node is refused: axis 7 lies outside [-2, 1]");
  EXPECT_EQ(left_alone<reads_what_goes>(), "the result of Relu node 'r' would be removed and is still read");
  EXPECT_EQ(left_alone<is_what_goes>(), "the result of Relu node 'r' would be removed and is still read");
  EXPECT_EQ(left_alone<another_type>(), "the result would be f64[2,3] instead of f32[2,3]");
}

/// What Tanh is asked that takes the place of Relu and Softmax; "" where they stay.
std::string fused_constraint(const std::string& relu, const std::string& softmax) {
  static const Pass pass{"test_rewrite", "", [](ir::Graph& graph, PassContext& context) {
                           const Pattern x = any("x");
                           apply(graph, context,
                                 {{"softmax(relu(x))", op("Softmax", {op("Relu", {x})}), nullptr,
                                   [](const Match& m) { return m.add("Tanh", {m["x"]}); }}});
                         }};
  const auto r =
      test::rewrite(graph_text("%x: f32[2,3]", "%r = Relu(%x)" + relu + "\n%y = Softmax(%r)" + softmax), {&pass});
  if (r.rewrites() == 0) {
    EXPECT_NE(r.reasons().find("its nodes are bound to precisions or devices that have none in common"),
              std::string::npos)
        << r.reasons();
    return "";
  }
  const std::string text = ir::print(*r.after);
  const std::size_t begin = text.find("Tanh(%x)") + 8;
  return text.substr(begin, text.find('\n', begin) - begin);
}

TEST(Rewrites, AreAskedWhatEachOfTheirNodesIs) {
  EXPECT_EQ(fused_constraint("", ""), "");
  EXPECT_EQ(fused_constraint(" @precision=\"fp32\"", ""), " @precision=\"fp32\"");
  EXPECT_EQ(fused_constraint("", " @device=\"reference\""), " @device=\"reference\"");
  EXPECT_EQ(fused_constraint(" @precision=\"fp32,bf16\" @device=\"cpu\"", " @precision=\"fp32,int8\""),
            " @precision=\"fp32\" @device=\"cpu\"");
  EXPECT_EQ(fused_constraint(" @precision=\"fp32\"", " @precision=\"bf16\""), "");
  EXPECT_EQ(fused_constraint(" @device=\"cpu\"", " @device=\"reference\""), "");
}

TEST(Rewrites, ThatInferenceRefusesAreFatalWhereAsked) {
  static const Pass pass{"test_rewrite", "", run_fusion<beyond_the_rank>};
  const auto graph = ir::parse(kText);
  PassReport report;
  try {
    run_passes(*graph, {&pass}, {.strict_rewrites = true}, report);
    FAIL() << "nothing was thrown";
  } catch (const std::logic_error& e) {
    const std::string text = e.what();
    EXPECT_TRUE(
        text.starts_with("the rewrite 'softmax(relu(x))' at Softmax node 'y' cannot be made, which its guard "
                         "should have known: "))
        << text;
  }
}

}  // namespace
}  // namespace monza
