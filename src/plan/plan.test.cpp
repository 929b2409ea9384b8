#include <gtest/gtest.h>

#include <random>

#include "ir/text.h"
#include "monza/error.h"
#include "plan/offsets.h"
#include "plan/planner.h"
#include "plan/tactics.h"
#include "plan/weights.h"
#include "support/engine_from_text.h"

namespace monza {
namespace {

using test::engine_from_text;
using test::expect_same_as_reference;

TEST(Plan, RunsAChain) {
  expect_same_as_reference(R"(graph "g" (%x: f32[2,3,5,7]) {
    %a = Relu(%x)
    %b = Add(%a, %x)
    %c = Sigmoid(%b)
    return (y: %c)
  })",
                           {{2, 3, 5, 7}});
}

TEST(Plan, OutputsThatAreInputsConstantsAndDuplicates) {
  expect_same_as_reference(R"(graph "g" (%x: f32[2,3]) {
    %k = constant f32[2] [1, 2]
    %a = Relu(%x)
    return (same: %x, again: %x, fixed: %k, one: %a, two: %a)
  })",
                           {{2, 3}});
}

TEST(Plan, ViewsOfViews) {
  expect_same_as_reference(R"(graph "g" (%x: f32[2,6,4,5]) {
    %t = Transpose(%x) {perm=[0,2,3,1]}
    %r = Relu(%t)
    %u = Transpose(%t) {perm=[2,0,1,3]}
    %s = Sigmoid(%u)
    return (a: %r, b: %s, c: %t)
  })",
                           {{2, 6, 4, 5}});
}

TEST(Plan, ConcatInPlaceOnBothSidesOfASplit) {
  expect_same_as_reference(R"(graph "g" (%x: f32[1,8,4,5]) {
    %y = Relu(%x)
    %n = constant i64[2] [4, 4]
    %p, %q = Split(%y, %n) {axis=1}
    %z = Sigmoid(%q)
    %c = Concat(%p, %q, %z) {axis=1}
    %d = Concat(%c, %x, %c) {axis=1}
    return (c: %c, d: %d)
  })",
                           {{1, 8, 4, 5}});
}

TEST(Plan, ConvolutionsInChannelsLastBetweenConcatenations) {
  const char* text = R"(graph "g" (%x: f32[1,8,9,7], %w: f32[8,8,3,3], %v: f32[16,8,1,1]) {
    %a = Conv(%x, %w) {pads=[1,1,1,1], strides=[1,1], dilations=[1,1], group=1}
    %b = Conv(%a, %v) {pads=[0,0,0,0], strides=[1,1], dilations=[1,1], group=1}
    %c = Concat(%a, %b, %x) {axis=1}
    %r = Relu(%c)
    %n = constant i64[2] [1, -1]
    %f = Reshape(%r, %n)
    return (f: %f, c: %c)
  })";
  expect_same_as_reference(text, {{1, 8, 9, 7}, {8, 8, 3, 3}, {16, 8, 1, 1}});
  plan::PlanScope copies;
  copies.copy_views = true;
  expect_same_as_reference(text, {{1, 8, 9, 7}, {8, 8, 3, 3}, {16, 8, 1, 1}}, copies);
}

TEST(Plan, DynamicDimensionsInsideTheirProfile) {
  plan::PlanScope scope;
  scope.profile = {{"n", {1, 2, 4}}, {"h", {1, 8, 16}}};
  const char* text = R"(graph "g" (%x: f32[n,h,3], %y: f32[n,h,3]) {
    %a = Add(%x, %y)
    %t = Transpose(%a) {perm=[1,0,2]}
    %r = Relu(%t)
    %c = Concat(%a, %x) {axis=1}
    return (r: %r, c: %c)
  })";
  expect_same_as_reference(text, {{2, 5, 3}, {2, 5, 3}}, scope);
  expect_same_as_reference(text, {{4, 16, 3}, {4, 16, 3}}, scope);
  expect_same_as_reference(text, {{1, 1, 3}, {1, 1, 3}}, scope);

  Engine engine = engine_from_text(text, scope).engine;
  Context context = engine.create_context();
  const Tensor large(DType::f32, {5, 5, 3});
  Status status = context.bind_input("x", large);
  if (status) status = context.bind_input("y", large);
  if (status) status = context.run();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(context.describe(status).find("'x', axis 0: 5 is not within 1 to 4"), std::string::npos)
      << context.describe(status);
}

TEST(Plan, NothingIsRearrangedForAViewThatCannotBe) {
  // Whether two arbitrary shapes have the same count is not known: a kernel reshapes, and reads the transposed value as
  // it lies.
  plan::PlanScope scope;
  scope.profile = {{"a", {1, 4, 8}}, {"b", {1, 4, 8}}, {"c", {1, 4, 8}}, {"d", {1, 4, 8}}};
  const char* text = R"(graph "g" (%x: f32[a,b], %y: f32[c,d]) {
    %t = Transpose(%x) {perm=[1,0]}
    %n = Shape(%y)
    %r = Reshape(%t, %n)
    %z = Relu(%r)
    return (z: %z)
  })";
  expect_same_as_reference(text, {{2, 6}, {3, 4}}, scope);
  const auto graph = ir::parse(text);
  plan::WeightStore weights;
  const plan::PlannedModel model = plan::make_plan(*graph, {.threads = 1}, scope, weights);
  const plan::Plan plan = model.plan.view();
  for (const plan::Step& step : plan.steps)
    EXPECT_FALSE(plan.text(step.name).starts_with("convert ")) << plan.text(step.name);
}

TEST(Plan, DimensionWithoutARangeIsNamed) {
  try {
    engine_from_text(R"(graph "g" (%x: f32[batch,3]) {
      %a = Relu(%x)
      return (a: %a)
    })");
    FAIL() << "built without a range";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("batch"), std::string::npos) << e.what();
  }
}

TEST(Plan, WritesOutputsOfReshapesWithoutACopy) {
  const auto made = engine_from_text(R"(graph "g" (%x: f32[2,6]) {
    %n = constant i64[3] [2, 3, 2]
    %a = Relu(%x)
    %r = Reshape(%a, %n)
    return (r: %r)
  })");
  EXPECT_EQ(made.engine.stats().steps, 1);
  EXPECT_EQ(made.engine.stats().arena_bytes, 0);
}

TEST(Plan, ComputesElementwiseChainsInPlace) {
  const auto made = engine_from_text(R"(graph "g" (%x: f32[64,64]) {
    %a = Sigmoid(%x)
    %b = Relu(%a)
    %c = Sigmoid(%b)
    %d = Relu(%c)
    %e = Add(%d, %x)
    return (e: %e)
  })");
  EXPECT_LE(made.engine.stats().arena_bytes, 2 * 64 * 64 * 4);
}

TEST(Plan, NothingIsWrittenOverRepeatedElements) {
  for (const bool optimize : {true, false})
    expect_same_as_reference(R"(graph "g" (%x: f32[1,3]) {
      %rows = constant i64[2] [4, 3]
      %k = constant f32[3] [1, 2, 3]
      %a = Sigmoid(%x)
      %e = Expand(%a, %rows)
      %d = Sub(%e, %k)
      %s = Sigmoid(%d)
      return (s: %s)
    })",
                             {{1, 3}}, {}, false, {.optimize = optimize});
}

TEST(Plan, TwoDevicesWithTheirCopiesInThePlan) {
  auto graph = ir::parse(R"(graph "g" (%x: f32[4,4]) {
    %a = Relu(%x)
    %b = Sigmoid(%a)
    %c = Relu(%b)
    return (c: %c)
  })");
  graph->constrain(graph->order()[1], {{}, {Device::reference}});
  const Engine engine = test::engine_from_graph(*graph);
  EXPECT_EQ(engine.stats().steps, 5);  // relu, copy there, sigmoid, copy back, relu
  EXPECT_NE(engine.describe_plan().find("Send [send a]"), std::string::npos) << engine.describe_plan();
  EXPECT_NE(engine.describe_plan().find("Fetch [fetch b]"), std::string::npos) << engine.describe_plan();
  EXPECT_NE(engine.describe_plan().find("arena 1"), std::string::npos) << engine.describe_plan();
  Context context = engine.create_context();
  Tensor x(DType::f32, {4, 4});
  for (int i = 0; i < 16; ++i) x.as<float>()[i] = static_cast<float>(i - 8);
  ASSERT_TRUE(context.bind_input("x", x).ok());
  const Status status = context.run();
  ASSERT_TRUE(status.ok()) << context.describe(status);
  EXPECT_FLOAT_EQ(context.output("c").as<float>()[0], 0.5f);
  EXPECT_NEAR(context.output("c").as<float>()[15], 0.99908894f, 1e-6);
}

TEST(Offsets, NeverOverlapAndStayNearTheBound) {
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    std::vector<plan::Lifetime> blocks(1 + random() % 60);
    for (plan::Lifetime& b : blocks) {
      b.bytes = static_cast<std::int64_t>(random() % 5000);
      b.first = static_cast<int>(random() % 40);
      b.last = b.first + static_cast<int>(random() % 12);
    }
    const plan::ArenaSize size = plan::assign_offsets(blocks);
    EXPECT_GE(size.bytes, size.lower_bound);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      EXPECT_EQ(blocks[i].offset % 64, 0);
      EXPECT_LE(blocks[i].offset + blocks[i].bytes, size.bytes);
      for (std::size_t k = 0; k < i; ++k) {
        const bool together = blocks[i].first <= blocks[k].last && blocks[k].first <= blocks[i].last;
        const bool apart = blocks[i].offset + blocks[i].bytes <= blocks[k].offset ||
                           blocks[k].offset + blocks[k].bytes <= blocks[i].offset;
        EXPECT_TRUE(!together || apart || blocks[i].bytes == 0 || blocks[k].bytes == 0) << "round " << round;
      }
    }
  }
}

TEST(Plan, ShapesThatARunDecidesAreData) {
  expect_same_as_reference(R"(graph "g" (%x: f32[3,4]) {
    %i = NonZero(%x)
    %y = Shape(%i)
    %z = Size(%i)
    return (y: %y, z: %z)
  }
  )",
                           {{3, 4}});
}

TEST(Offsets, EmptyAndSingle) {
  std::vector<plan::Lifetime> none;
  EXPECT_EQ(plan::assign_offsets(none).bytes, 0);
  std::vector<plan::Lifetime> one{{100, 0, 0, 0}};
  EXPECT_EQ(plan::assign_offsets(one).bytes, 128);
}

}  // namespace
}  // namespace monza
