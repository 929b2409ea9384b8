// What is said of graphs and constants that cannot be made or are not sound, to the letter.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "ir/graph.h"
#include "ir/op.h"
#include "support/error_text.h"

namespace monza::ir {
namespace {

using test::error_of;

constexpr OpDef kNegate{.name = "Negate", .infer = [](InferContext& c) { c.set_output(0, c.input(0)); }};
constexpr OpDef kReshapeTo{.name = "ReshapeTo", .min_inputs = 2, .max_inputs = 2, .infer = [](InferContext& c) {
                             SymShape shape = c.content(1);  // before the type, whatever order arguments have
                             c.set_output(0, c.dtype(0), std::move(shape));
                           }};
constexpr OpDef kLoud{.name = "Loud", .min_outputs = 1, .max_outputs = 2, .infer = [](InferContext& c) {
                        c.set_output(0, DType::i64, {3});
                        c.set_content(0, {Expr(1)});
                      }};
constexpr OpDef kDeep{.name = "Deep",
                      .infer = [](InferContext& c) { c.set_output(0, DType::f32, SymShape(9, Expr(1))); }};
constexpr OpDef kNegative{.name = "Negative",
                          .infer = [](InferContext& c) { c.set_output(0, DType::f32, {Expr(-1)}); }};
/// As a loop whose body's types do not settle.
constexpr OpDef kUnsettled{.name = "Unsettled",
                           .infer =
                               [](InferContext& c) {
                                 for (int i = 0; i < 100; ++i)
                                   infer_node(c.body(0), c.body(0).node(c.body(0).order()[0]));
                               },
                           .bodies = 1};
constexpr OpDef kHolder{.name = "Holder", .infer = [](InferContext& c) { c.set_output(0, c.input(0)); }, .bodies = 1};
constexpr OpDef kSilent{.name = "Silent", .infer = [](InferContext&) {}};
constexpr AttrDef kScale[] = {{"scale", 1.0}};
constexpr OpDef kScaled{
    .name = "Scaled", .attrs = kScale, .infer = [](InferContext& c) { c.set_output(0, c.input(0)); }};
constexpr OpDef kMute{.name = "Mute"};

/// y = Negate(x), x of [n, 3] floats; the constant c of 2 floats; the indices i of [n] and j of 2000 integers.
struct Built {
  std::shared_ptr<Model> model = std::make_shared<Model>();
  Graph graph{model, "main"};
  OriginSet here = {model->add_origin("here", "Test")};
  ValueId x = graph.add_input("x", {DType::f32, {Expr::symbol("n"), 3}}, here);
  ValueId i = graph.add_input("i", {DType::i64, {Expr::symbol("n")}}, here);
  ValueId j = graph.add_input("j", {DType::i64, {2000}}, here);
  ValueId c = graph.add_constant("c", constant_f32({1, 2}, Shape{2}), here);
  ValueId y = graph.add_node(kNegate, {x}, {}, 1, here, {}, {"y"}).outputs[0];
  NodeId negate = graph.value(y).producer;
};

struct Case {
  const char* error;
  std::function<void(Built&)> act;
};
void expect_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    Built b;
    EXPECT_EQ(error_of([&] { c.act(b); }), c.error);
  }
}
/// The graph after a change, verified.
std::function<void(Built&)> verified(std::function<void(Built&)> change) {
  return [change](Built& b) {
    change(b);
    verify(b.graph);
  };
}

TEST(GraphMessages, SayWhatCannotBeAddedOrRemoved) {
  expect_all({
      {"input 'z' has no origin in the model", [](Built& b) { b.graph.add_input("z", {DType::f32, {2}}, {}); }},
      {"input 'z' has an origin set that is not a sorted set of the model's origins",
       [](Built& b) { b.graph.add_input("z", {DType::f32, {2}}, {7}); }},
      {"input 'z' has rank 9; at most 8 is supported",
       [](Built& b) { b.graph.add_input("z", {DType::f32, SymShape(9, Expr(1))}, b.here); }},
      {"node 99 is not in the graph", [](Built& b) { b.graph.insert_node(99, kNegate, {b.x}, {}, 1, b.here); }},
      {"a new Negate node reads value 99, which is not in the graph",
       [](Built& b) { b.graph.add_node(kNegate, {99}, {}, 1, b.here); }},
      {"output 'z' is value 99, which is not in the graph", [](Built& b) { b.graph.add_output("z", 99); }},
      {"output 'y' is value 99, which is not in the graph",
       [](Built& b) { b.graph.add_output("y", b.y), b.graph.set_output(0, 99); }},
      {"value 99 is not in graph 'main'", [](Built& b) { b.graph.value(99); }},
      {"node 99 is not in graph 'main'", [](Built& b) { b.graph.node(99); }},
      {"Negate node 'here' cannot be removed: an output of it is used",
       [](Built& b) { b.graph.add_output("y", b.y), b.graph.remove_node(b.negate); }},
      {"input 'x' cannot be removed: it is used", [](Built& b) { b.graph.remove_input(0); }},
      {"the graph has a cycle; nodes in it or behind it: Negate node 'here'",
       [](Built& b) {
         b.graph.node(b.negate).inputs[0] = b.y;
         b.graph.sort();
       }},
  });
}

TEST(GraphMessages, OfInference) {
  expect_all({
      {"Negate node 'here': Negate takes 1 inputs, but has 0",
       [](Built& b) { b.graph.add_node(kNegate, {}, {}, 1, b.here); }},
      {"Negate node 'here': input 0 is required", [](Built& b) { b.graph.add_node(kNegate, {kNone}, {}, 1, b.here); }},
      {"ReshapeTo node 'here': ReshapeTo takes 2 inputs, but has 1\n  input 0: f32[n,3] 'x', an input of the graph",
       [](Built& b) { b.graph.add_node(kReshapeTo, {b.x}, {}, 1, b.here); }},
      {"ReshapeTo node 'here': input 1 decides the result's shape, so its element count must be known at build, but it "
       "is i64[n]\n  input 1: i64[n] 'i', an input of the graph",
       [](Built& b) { b.graph.add_node(kReshapeTo, {kNone, b.i}, {}, 1, b.here); }},
      {"Negate node 'here': Negate makes 1 outputs, but 2 are asked for\n  input 0: f32[n,3] 'x', an input of the "
       "graph",
       [](Built& b) { b.graph.add_node(kNegate, {b.x}, {}, 2, b.here); }},
      {"ReshapeTo node 'here': input 1 must hold integers that can be read before the node runs, but is f32[n,3]\n  "
       "input 0: f32[n,3] 'x', an input of the graph\n  input 1: f32[n,3] 'x', an input of the graph",
       [](Built& b) { b.graph.add_node(kReshapeTo, {b.x, b.x}, {}, 1, b.here); }},
      {"ReshapeTo node 'here': input 1 decides the result's shape, so its element count must be known at build, but it "
       "is i64[n]\n  input 0: f32[n,3] 'x', an input of the graph\n  input 1: i64[n] 'i', an input of the graph",
       [](Built& b) { b.graph.add_node(kReshapeTo, {b.x, b.i}, {}, 1, b.here); }},
      {"ReshapeTo node 'here': input 1 decides the result's shape; at most 1024 elements are supported, but it is "
       "i64[2000]\n  input 0: f32[n,3] 'x', an input of the graph\n  input 1: i64[2000] 'j', an input of the graph",
       [](Built& b) { b.graph.add_node(kReshapeTo, {b.x, b.j}, {}, 1, b.here); }},
      {"Loud node 'here': Loud gives 1 elements for output 0 of shape [3]\n  input 0: f32[n,3] 'x', an input of the "
       "graph",
       [](Built& b) { b.graph.add_node(kLoud, {b.x}, {}, 1, b.here); }},
      {"Deep node 'here': output 0 would have rank 9; at most 8 is supported\n  input 0: f32[n,3] 'x', an input of the "
       "graph",
       [](Built& b) { b.graph.add_node(kDeep, {b.x}, {}, 1, b.here); }},
      {"Negative node 'here': output 0 would have the shape [-1]\n  input 0: f32[n,3] 'x', an input of the graph",
       [](Built& b) { b.graph.add_node(kNegative, {b.x}, {}, 1, b.here); }},
      {"Silent node 'here': Silent does not say the type of output 0\n  input 0: f32[n,3] 'x', an input of the graph",
       [](Built& b) { b.graph.add_node(kSilent, {b.x}, {}, 1, b.here); }},
      {"Scaled node 'here': Scaled has no attribute 'scael'\n  input 0: f32[n,3] 'x', an input of the graph\n  try: "
       "one of "
       "'scale'",
       [](Built& b) { b.graph.add_node(kScaled, {b.x}, {{"scael", 2.0}}, 1, b.here); }},
      {"Mute node 'here': operator Mute has no shape inference\n  input 0: f32[n,3] 'x', an input of the graph",
       [](Built& b) { b.graph.add_node(kMute, {b.x}, {}, 1, b.here); }},
  });
}

TEST(GraphMessages, OfLimits) {
  expect_all({
      {"the graph grows to 3 nodes, more than twice the limit of 1\n  try: --max-nodes 2 (Limits::nodes), if the model "
       "is to be trusted",
       [](Built& b) {
         b.model->limits.nodes = 1;  // of the file: passes may hold as many again
         for (int i = 0; i < 2; ++i) b.graph.add_node(kNegate, {b.x}, {}, 1, b.here);
       }},
      {"Negate node 'here', in Unsettled node 'here': 4 nodes (tens of inferences until the types of loops inside "
       "loops settle) are more than the limit of 3\n  input 0: f32[2] 'z', an input of the graph\n  try: --max-nodes 4 "
       "(Limits::nodes), if the model is to be trusted",
       [](Built& b) {
         b.model->limits.nodes = 3;
         std::vector<std::unique_ptr<Graph>> bodies;
         bodies.push_back(std::make_unique<Graph>(b.model, "body"));
         bodies[0]->add_node(kNegate, {bodies[0]->add_input("z", {DType::f32, {2}}, b.here)}, {}, 1, b.here);
         b.graph.add_node(kUnsettled, {b.x}, {}, 1, b.here, std::move(bodies));
       }},
  });
}

TEST(GraphMessages, OfTheVerifier) {
  Built sound;
  verify(sound.graph);
  expect_all({
      {"value 'x' (0): it has no origin in the model", verified([](Built& b) { b.graph.value(b.x).origins.clear(); })},
      {"value 'x' (0): its origins are not a sorted set of the model's origins",
       verified([](Built& b) { b.graph.value(b.x).origins = {7}; })},
      {"Negate node 0: it has no origin in the model",
       verified([](Built& b) { b.graph.node(b.negate).origins.clear(); })},
      {"input 'x' of graph 'main' has a producer or a constant",
       verified([](Built& b) { b.graph.value(b.x).producer = b.negate; })},
      {"value id 0 is not unique in graph 'main'", verified([](Built& b) { b.graph.value(b.x).id = b.y; })},
      {"two values of graph 'main' are named 'x'", verified([](Built& b) { b.graph.value(b.y).name = "x"; })},
      {"value 'c' (3) is a constant and a node's output",
       verified([](Built& b) { b.graph.value(b.c).producer = b.negate; })},
      {"constant 'c' (3) is declared f32[3] but holds another type",
       verified([](Built& b) { b.graph.value(b.c).type.shape = {3}; })},
      {"value 'c' (3) is no input and no constant, and no node makes it",
       verified([](Built& b) { b.graph.value(b.c).constant.reset(); })},
      {"Negate node 'here': output 0 (value 4) is made twice or names another producer",
       verified([](Built& b) { b.graph.value(b.y).producer = 99; })},
      {"Negate node 'here': output 0 (value 4) is made twice or names another producer",
       verified([](Built& b) { b.graph.value(b.y).output_index = 1; })},
      {"Negate node 'here': output 0 carries the type f32[3], but inference gives f32[n,3]",
       verified([](Built& b) { b.graph.value(b.y).type.shape = {3}; })},
      {"unknown node 'here': it has no operator", verified([](Built& b) { b.graph.node(b.negate).op = nullptr; })},
      {"Scaled node 'here': attribute 'scale' of Scaled is an integer, but a number is expected\n  input 0: f32[n,3] "
       "'x', "
       "an input of the graph",
       verified([](Built& b) {
         const ValueId z = b.graph.add_node(kScaled, {b.x}, {}, 1, b.here).outputs[0];
         b.graph.node(b.graph.value(z).producer).attrs.set("scale", std::int64_t{2});
       })},
      {"Negate node 'here': input 0 (value 4) is used before it is made",
       verified([](Built& b) { b.graph.node(b.negate).inputs[0] = b.y; })},
      {"value 'c' (3) names a producer that does not make it", verified([](Built& b) {
         b.graph.value(b.c).constant.reset();
         b.graph.value(b.c).producer = b.negate;
       })},
      {"Negate node 'here': node id 0 is not unique", verified([](Built& b) {
         const ValueId z = b.graph.add_node(kNegate, {b.x}, {}, 1, b.here).outputs[0];
         b.graph.node(b.graph.value(z).producer).id = b.negate;
       })},
      {"Negate node 'here': Negate makes 1 outputs, but 0 are asked for\n  input 0: f32[n,3] 'x', an input of the "
       "graph",
       verified([](Built& b) {
         const ValueId z = b.graph.add_node(kNegate, {b.x}, {}, 1, b.here).outputs[0];
         b.graph.node(b.graph.value(z).producer).outputs.clear();
       })},
      {"Holder node 'here': body 0 belongs to another model", verified([](Built& b) {
         std::vector<std::unique_ptr<Graph>> bodies;
         bodies.push_back(std::make_unique<Graph>(std::make_shared<Model>(), "body"));
         b.graph.add_node(kHolder, {b.x}, {}, 1, b.here, std::move(bodies));
       })},
      {"value 'z' (5), in body 0 of Holder node 'here': it has no origin in the model", verified([](Built& b) {
         std::vector<std::unique_ptr<Graph>> bodies;
         bodies.push_back(std::make_unique<Graph>(b.model, "body"));
         const ValueId z = bodies[0]->add_input("z", {DType::f32, {2}}, b.here);
         bodies[0]->add_output("z", z);
         bodies[0]->value(z).origins.clear();
         b.graph.add_node(kHolder, {b.x}, {}, 1, b.here, std::move(bodies));
       })},
  });
}

TEST(ConstantMessages, SayWhatAConstantCannotBe) {
  const std::byte few[5] = {};
  Constant text;
  text.dtype = DType::string;
  text.shape = Shape{1};
  text.strings = {"a"};
  EXPECT_EQ(error_of([&] { make_constant(DType::f32, Shape{2}, few); }),
            "a constant f32 2 takes 8 bytes, but 5 are given");
  EXPECT_EQ(error_of([&] { borrow_constant(DType::f32, Shape{2}, few, nullptr); }),
            "a constant f32 2 takes 8 bytes, but 5 are given");
  EXPECT_EQ(error_of([] { constant_scalar(DType::string, 1); }),
            "a scalar of element type string cannot be made from a number");
  EXPECT_EQ(error_of([] { to_ints(*constant_f32_scalar(1)); }), "integers are expected, but the constant is f32");
  EXPECT_EQ(error_of([&] { to_doubles(text); }), "numbers are expected, but the constant is string");
#ifndef __SANITIZE_ADDRESS__  // whose allocator ends the process
  EXPECT_EQ(error_of([] { allocate_constant(DType::f32, Shape{std::int64_t{1} << 46}); }),
            "out of memory: a constant of 281474976710656 bytes");
#endif
}

}  // namespace
}  // namespace monza::ir
