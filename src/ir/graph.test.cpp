#include "ir/graph.h"

#include <gtest/gtest.h>

#include "ir/op.h"
#include "monza/error.h"
#include "support/error_text.h"

namespace monza::ir {
namespace {

// Operators of the test's own, so that the graph is tested alone.
void same_as_first(InferContext& c) {
  if (c.input_count() > 1 && c.shape(0) != c.shape(1))
    c.fail("inputs disagree: {} vs {}", to_string(c.shape(0)), to_string(c.shape(1)));
  c.set_output(0, c.dtype(0), c.shape(0));
}
constexpr OpDef kSum{
    .name = "Sum2", .min_inputs = 2, .max_inputs = 2, .flags = OpFlag::commutative, .infer = same_as_first};
constexpr OpDef kNegation{.name = "Negate", .infer = same_as_first};
constexpr OpDef kReshapeLike{.name = "ReshapeTo", .min_inputs = 2, .max_inputs = 2, .infer = [](InferContext& c) {
                               c.set_output(0, c.dtype(0), c.content(1));
                             }};

struct TwoNodes {
  std::shared_ptr<Model> model = std::make_shared<Model>();
  Graph graph{model, "main"};
  OriginSet origin(const char* name) { return {model->add_origin(name, "Test")}; }
  ValueId x = graph.add_input("x", {DType::f32, {Expr::symbol("n"), 3}}, origin("x"));
};

TEST(Graph, AddNodeInfersAndUsersAreKept) {
  TwoNodes b;
  Graph& g = b.graph;
  ValueId y = g.add_node(kNegation, {b.x}, {}, 1, b.origin("first")).outputs[0];
  ValueId z = g.add_node(kSum, {y, b.x}, {}, 1, b.origin("second")).outputs[0];
  g.add_output("z", z);
  verify(g);
  EXPECT_EQ(to_string(g.value(z).type), "f32[n,3]");
  EXPECT_EQ(g.users(b.x).size(), 2u);
  EXPECT_TRUE(g.is_output(z));
  EXPECT_EQ(g.producer(z)->op, &kSum);
  EXPECT_THROW(g.remove_node(g.producer(y)->id), Error);

  g.replace_uses(y, b.x);
  g.remove_node(g.producer(y)->id);
  EXPECT_EQ(g.users(b.x).size(), 1u);
  // The replaced node's origin lives on where its work went.
  EXPECT_EQ(g.value(b.x).origins.size(), 2u);
  g.infer_all();
  verify(g);
}

TEST(Graph, ErrorsNameTheNodeAndTheTypesOfItsInputs) {
  TwoNodes b;
  ValueId y = b.graph.add_input("y", {DType::f32, {4}}, b.origin("y"));
  ValueId n = b.graph.add_node(kNegation, {b.x}, {}, 1, b.origin("layer0/neg")).outputs[0];
  try {
    b.graph.add_node(kSum, {n, y}, {}, 1, b.origin("layer1/sum"));
    FAIL();
  } catch (const Error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find("Sum2 node 'layer1/sum'"), text.npos) << text;
    EXPECT_NE(text.find("[n,3] vs [4]"), text.npos) << text;
    EXPECT_NE(text.find("input 0: f32[n,3], output 0 of Negate node 'layer0/neg'"), text.npos) << text;
    EXPECT_NE(text.find("input 1: f32[4] 'y', an input of the graph"), text.npos) << text;
  }
  EXPECT_EQ(b.graph.order().size(), 1u);
  verify(b.graph);
}

TEST(Graph, ContentOfIntegersBecomesShape) {
  TwoNodes b;
  Graph& g = b.graph;
  ValueId c = g.add_constant("c", constant_i64({2, 5}), b.origin("c"));
  ValueId d = g.add_input("d", {DType::i64, {2}}, b.origin("d"));
  EXPECT_EQ(to_string(g.value(g.add_node(kReshapeLike, {b.x, c}, {}, 1, b.origin("r")).outputs[0]).type), "f32[2,5]");
  ValueId dynamic = g.add_node(kReshapeLike, {b.x, d}, {}, 1, b.origin("r2")).outputs[0];
  EXPECT_EQ(g.value(dynamic).type.shape[1], Expr::element(d, 1));
  verify(g);
}

TEST(Graph, CloneKeepsIdsAndIsIndependent) {
  TwoNodes b;
  ValueId y = b.graph.add_node(kNegation, {b.x}, {}, 1, b.origin("n")).outputs[0];
  b.graph.add_output("y", y);
  auto copy = b.graph.clone();
  verify(*copy);
  EXPECT_EQ(copy->order(), b.graph.order());
  copy->set_output(0, b.x);
  copy->remove_node(copy->producer(y)->id);
  EXPECT_EQ(b.graph.order().size(), 1u);
  EXPECT_TRUE(b.graph.is_output(y));
}

TEST(Graph, SortFindsOrderAndCycles) {
  TwoNodes b;
  Graph& g = b.graph;
  ValueId y = g.add_node(kNegation, {b.x}, {}, 1, b.origin("one")).outputs[0];
  ValueId z = g.add_node(kNegation, {b.x}, {}, 1, b.origin("two")).outputs[0];
  g.node(g.producer(y)->id).inputs[0] = z;
  EXPECT_THROW(verify(g), Error);
  g.sort();
  verify(g);
  g.node(g.producer(z)->id).inputs[0] = y;
  try {
    g.sort();
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("'one'"), std::string::npos) << e.what();
  }
}

TEST(Graph, VerifierRefuses) {
  TwoNodes b;
  Graph& g = b.graph;
  EXPECT_THROW(g.add_node(kNegation, {b.x}, {}, 1, {}), Error);
  ValueId y = g.add_node(kNegation, {b.x}, {}, 1, b.origin("n")).outputs[0];
  g.value(y).type.shape[1] = 4;
  EXPECT_THROW(verify(g), Error);
  g.infer_all();
  verify(g);
  g.node(g.producer(y)->id).origins.clear();
  EXPECT_THROW(verify(g), Error);
}

TEST(Constant, ConvertsAndCompares) {
  const std::uint8_t nibbles[] = {0x21, 0x0f};
  auto c = make_constant(DType::i4, Shape{3}, std::as_bytes(std::span(nibbles)));
  EXPECT_EQ(to_ints(*c), (std::vector<std::int64_t>{1, 2, -1}));
  EXPECT_EQ(to_doubles(*constant_f32({1.5f}, Shape{1})), (std::vector<double>{1.5}));
  EXPECT_THROW(to_ints(*constant_f32_scalar(1)), Error);
  EXPECT_TRUE(same_content(*constant_i64({1, 2}), *constant_i64({1, 2})));
  EXPECT_FALSE(same_content(*constant_i64({1, 2}), *constant_i64({1, 3})));
  EXPECT_THROW(make_constant(DType::f32, Shape{3}, std::as_bytes(std::span(nibbles))), Error);
}

constexpr AttrDef kOne[] = {{"axis", -1}, {"scale", 0.5}, {"mode", "linear"}};
constexpr AttrDef kTwo[] = {{"strides", Each{1}},
                            {"sizes", AttrKind::ints},
                            {"value", AttrKind::tensor},
                            {"length", AttrKind::integer},
                            required("to", AttrKind::string)};
constexpr auto kBoth = joined(kOne, kTwo);

TEST(Attrs, ReadAsTheirSchemaHasThem) {
  const Attrs none, given{{"axis", std::int64_t{1}}, {"strides", std::vector<std::int64_t>{2, 3}}};
  EXPECT_EQ(AttrReader(kBoth, none).i("axis"), -1);
  EXPECT_EQ(AttrReader(kBoth, none).f("scale"), 0.5);
  EXPECT_EQ(AttrReader(kBoth, none).s("mode"), "linear");
  EXPECT_EQ(AttrReader(kBoth, none).ints("strides", 3), (std::vector<std::int64_t>{1, 1, 1}));
  EXPECT_TRUE(AttrReader(kBoth, none).ints("strides").empty());
  EXPECT_TRUE(AttrReader(kBoth, none).ints("sizes").empty());
  EXPECT_EQ(AttrReader(kBoth, none).tensor("value"), nullptr);
  EXPECT_FALSE(AttrReader(kBoth, none).has("axis"));
  EXPECT_EQ(AttrReader(kBoth, given).i("axis"), 1);
  EXPECT_EQ(AttrReader(kBoth, given).ints("strides", 3), (std::vector<std::int64_t>{2, 3}));
  EXPECT_TRUE(AttrReader(kBoth, given).has("axis"));
}

TEST(Attrs, SayWhatCannotBeRead) {
  const Attrs given{{"axis", std::string("x")}};
  const AttrReader r(kBoth, given);
  EXPECT_EQ(test::error_of([&] { (void)r.i("axis"); }), "attribute 'axis' is a string, but an integer is expected");
  EXPECT_EQ(test::error_of([&] { (void)r.i("axes"); }), "attribute 'axes' is read, but not declared");
  EXPECT_EQ(test::error_of([&] { (void)r.has("axes"); }), "attribute 'axes' is read, but not declared");
  EXPECT_EQ(test::error_of([&] { (void)r.i("scale"); }),
            "attribute 'scale' is read as an integer, but declared as a number");
  for (const char* name : {"length", "to"})
    EXPECT_EQ(test::error_of([&] { (void)(std::string_view(name) == "to" ? r.s(name).size() : r.i(name)); }),
              fmt::format("attribute '{}' is read, but it is not given and has no default", name));
}

TEST(Attrs, SayWhatASchemaDoesNotHave) {
  const auto said = [](Attrs attrs) { return test::error_of([&] { AttrReader(kBoth, attrs).check("Test"); }); };
  const std::string to = "f32";
  EXPECT_EQ(said({{"to", to}, {"axsi", std::int64_t{0}}}), "Test has no attribute 'axsi'\n  try: one of 'axis'");
  EXPECT_EQ(
      said({{"to", to}, {"blabla", std::int64_t{0}}}),
      "Test has no attribute 'blabla'\n  try: one of 'axis', 'scale', 'mode', 'strides', 'sizes', 'value', 'length', "
      "'to'");
  EXPECT_EQ(said({{"to", to}, {"axis", 1.5}}), "attribute 'axis' of Test is a number, but an integer is expected");
  EXPECT_EQ(said({}), "Test needs the attribute 'to', a string");
  EXPECT_EQ(test::error_of([] { AttrReader({}, Attrs{{"a", 1.5}}).check("Test"); }), "Test has no attribute 'a'");
}

TEST(Attrs, Compare) {
  Attrs a{{"axis", std::int64_t{1}}, {"mode", std::string("x")}};
  Attrs b = a;
  EXPECT_TRUE(a == b);
  b.set("axis", std::int64_t{2});
  EXPECT_FALSE(a == b);
}
}  // namespace
}  // namespace monza::ir
