// Shape arithmetic stays symbolic through elementwise operators.
#include <gtest/gtest.h>

#include "ir/graph.h"
#include "ir/op.h"

namespace monza {
namespace {

using ir::Expr;

struct Built {
  std::shared_ptr<ir::Model> model = std::make_shared<ir::Model>();
  ir::Graph graph{model, "main"};
  ir::OriginSet origin{model->add_origin("node", "Test")};
  ir::ValueId x = graph.add_input("x", {DType::f32, {Expr::symbol("n"), Expr::symbol("h")}}, origin);

  ir::ValueId add(const char* op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {}) {
    return graph.add_node(ir::get_op(op), std::move(inputs), std::move(attrs), 1, origin).outputs[0];
  }
  ir::ValueId numbers(std::vector<std::int64_t> v) {
    return graph.add_constant({}, ir::constant_i64(std::move(v)), origin);
  }
  /// The elements of a value as text, or "unknown".
  std::string content(ir::ValueId v) {
    const auto& c = graph.value(v).content;
    return c ? ir::to_string(ir::SymShape(*c)) : "unknown";
  }
};

TEST(ElementwiseContent, ArithmeticOnExtents) {
  Built b;
  const ir::ValueId shape = b.add("Shape", {b.x});
  EXPECT_EQ(b.content(b.add("Add", {shape, b.numbers({1})})),
            ir::to_string(ir::SymShape{Expr::symbol("n") + 1, Expr::symbol("h") + 1}));
  const ir::ValueId doubled = b.add("Mul", {shape, b.numbers({2, 4})});
  EXPECT_EQ(b.content(b.add("Div", {doubled, b.numbers({2})})),
            ir::to_string(ir::SymShape{Expr::symbol("n"), Expr::symbol("h") * 2}));
  EXPECT_EQ(b.content(b.add("Div", {shape, b.numbers({3})})),
            ir::to_string(ir::SymShape{ir::floor_div(Expr::symbol("n"), 3), ir::floor_div(Expr::symbol("h"), 3)}));
  EXPECT_EQ(b.content(b.add("Cast", {shape}, {{"to", std::string("i32")}})), b.content(shape));
}

TEST(ElementwiseContent, RoundingTowardZeroIsNotFloor) {
  Built b;
  const ir::ValueId shape = b.add("Shape", {b.x});
  const ir::ValueId maybe_negative = b.add("Sub", {shape, b.numbers({7})});
  EXPECT_EQ(b.content(b.add("Div", {maybe_negative, b.numbers({2})})), "unknown");
  EXPECT_EQ(b.content(b.add("Div", {b.add("Sub", {b.numbers({3}), b.numbers({10})}), b.numbers({2})})), "[-3]");
}

TEST(ElementwiseContent, ComparisonsDecideWhere) {
  Built b;
  const ir::ValueId shape = b.add("Shape", {b.x});
  // No extent is -1, so the branch is known: what exporters write for Expand.
  const ir::ValueId is_free = b.add("Equal", {shape, b.numbers({-1, -1})});
  EXPECT_EQ(b.content(is_free), "[0,0]");
  EXPECT_EQ(b.content(b.add("Where", {is_free, b.numbers({5, 6}), shape})), b.content(shape));
  EXPECT_EQ(b.content(b.add("Equal", {shape, b.numbers({2, 2})})), "unknown");
  EXPECT_EQ(b.content(b.add("Less", {shape, shape})), "[0,0]");
}

TEST(ElementwiseContent, NarrowTypesMayWrapAndAreNotFollowed) {
  Built b;
  const ir::ValueId narrow = b.add("Cast", {b.add("Shape", {b.x})}, {{"to", std::string("u8")}});
  EXPECT_EQ(b.content(narrow), "unknown");
}

TEST(ElementwiseContent, FloatsHoldExtents) {
  Built b;
  const Expr n = Expr::symbol("n"), h = Expr::symbol("h");
  const auto text = [](const Expr& x, const Expr& y) { return ir::to_string(ir::SymShape{x, y}); };
  const auto whole = [&](ir::ValueId v) { return b.content(b.add("Cast", {v}, {{"to", std::string("i64")}})); };
  const auto f32 = [&](std::vector<float> v) {
    return b.graph.add_constant({}, ir::constant_f32(std::move(v), Shape{2}), b.origin);
  };
  const ir::ValueId shape = b.add("Cast", {b.add("Shape", {b.x})}, {{"to", std::string("f32")}});
  EXPECT_EQ(b.content(shape), text(n, h));
  EXPECT_EQ(whole(b.add("Mul", {shape, f32({2, 4})})), text(Expr(2) * n, Expr(4) * h));
  // Halves are held, and rounded when they become integers.
  const ir::ValueId halves = b.add("Mul", {shape, f32({0.5, 1.5})});
  EXPECT_EQ(b.content(halves), "unknown");
  EXPECT_EQ(whole(halves), text(ir::floor_div(n, 2), ir::floor_div(Expr(3) * h, 2)));
  EXPECT_EQ(whole(b.add("Add", {halves, halves})), text(n, Expr(3) * h));
  EXPECT_EQ(b.content(b.add("Floor", {b.add("Div", {shape, f32({2, 32})})})),
            text(ir::floor_div(n, 2), ir::floor_div(h, 32)));
  EXPECT_EQ(b.content(b.add("Ceil", {b.add("Div", {shape, f32({3, 7})})})),
            text(ir::ceil_div(n, 3), ir::ceil_div(h, 7)));
  // A third is no float: what is computed with it further is not followed.
  EXPECT_EQ(whole(b.add("Mul", {b.add("Div", {shape, f32({3, 3})}), f32({3, 3})})), "unknown");
  EXPECT_EQ(whole(b.add("Mul", {shape, f32({0.3f, 0.7f})})), "unknown");
  EXPECT_EQ(b.content(b.add("Sqrt", {shape})), "unknown");
}

TEST(ElementwiseContent, FloatsTooLargeAreNotFollowed) {
  Built b;
  const ir::ValueId large = b.graph.add_constant({}, ir::constant_f32({16777216.f}, Shape{1}), b.origin);
  ir::ValueId v = b.add("Mul", {large, large});
  EXPECT_EQ(b.content(v), "unknown");
  v = b.add("Cast", {b.add("Shape", {b.x})}, {{"to", std::string("f32")}});
  for (int i = 0; i < 4; ++i) v = b.add("Mul", {v, large});  // beyond 64 bits
  EXPECT_EQ(b.content(v), "unknown");
}

}  // namespace
}  // namespace monza
