// What a run says of plans and inputs whose extents do not hold, to the letter.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <vector>

#include "runtime/executor.h"
#include "support/plan_builder.h"
#include "support/test_kernels.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

using plan::Base;
using plan::LoopInfo;
using plan::Operand;
using plan::ScalarInstruction;
using plan::ScalarOp;
using runtime::Executor;
using test::Dim;
using test::PlanBuilder;

/// The status of a run of `program` on integers of [2, 3] that count up from 1, of which the input i of [n] is told to
/// hold `count`.
struct Said {
  std::string message, explanation;
};
Said said(const std::function<std::vector<ScalarInstruction>(PlanBuilder&, std::int32_t operand)>& program,
          std::int64_t count = 2) {
  PlanBuilder b;
  b.input("i", DType::i64, {0}, {4});
  const plan::Register n = b.variable();
  const std::int32_t operand = b.add(b.operand(Base::input, DType::i64, {Dim::in(n, 4)}));
  std::vector<ScalarInstruction> list = {{ScalarOp::input_extent, {}, n, 0, 0}};
  for (const ScalarInstruction& in : program(b, operand)) list.push_back(in);
  b.finish(list);
  Executor e(b.program_of(), {});
  std::array<std::int64_t, 4> data{1, 2, 3, 4};
  EXPECT_TRUE(e.bind_input(0, DType::i64, {count}, data.data(), sizeof data));
  return {e.run().message(), e.explain()};
}

TEST(RunMessages, OfExtents) {
  const auto load = [](std::int32_t element) {
    return [=](PlanBuilder& b, std::int32_t operand) {
      return std::vector<ScalarInstruction>{{ScalarOp::load_element, {}, b.variable(), operand, element}};
    };
  };
  EXPECT_EQ(said(load(1)).message, "ok");
  EXPECT_EQ(said(load(2)).message, "an integer that shapes depend on is missing: its tensor is too short");
  EXPECT_EQ(said(load(0), 0).message, "an integer that shapes depend on is missing: its tensor is empty");
  EXPECT_EQ(
      said([](PlanBuilder& b, std::int32_t) {
        return std::vector<ScalarInstruction>{{ScalarOp::floor_div, {}, b.variable(), b.constant(7), b.constant(0)}};
      }).message,
      "the arithmetic on extents overflows or divides by zero");
  const Said range = said([](PlanBuilder& b, std::int32_t) {
    return std::vector<ScalarInstruction>{
        {ScalarOp::check_range, {}, -1, b.constant(7), b.check(0, 5, "the element 3 of input 'i'")}};
  });
  EXPECT_EQ(range.message, "an extent leaves the bounds that the engine was built for");
  EXPECT_EQ(range.explanation, "the element 3 of input 'i' is 7, not within 0 to 5");
}

TEST(RunMessages, OfAnOutputThatOutgrowsItsMemory) {
  PlanBuilder b;
  b.input("x", DType::f32, {0}, {4000});
  const plan::Register n = b.variable();
  b.output("y", b.operand(Base::output, DType::f32, {Dim::in(n, 2)}));
  b.finish({{ScalarOp::input_extent, {}, n, 0, 0}});
  Executor e(b.program_of(), {});
  std::vector<float> data(4000);
  ASSERT_TRUE(e.bind_input(0, DType::f32, {4000}, data.data(), 16000));
  EXPECT_STREQ(e.run().message(), "an output's shape does not fit the memory planned for it");
}

TEST(RunMessages, OfWhatIsNotThere) {
  PlanBuilder b;
  b.input("x", DType::f32, {2}, {2});
  b.finish();
  Executor e(b.program_of(), {});
  float data[2] = {};
  EXPECT_STREQ(e.bind_input(7, DType::f32, {2}, data, sizeof data).message(), "no such input");
  EXPECT_STREQ(e.bind_output(7, DType::f32, data, sizeof data).message(), "no such output");
  TensorView view;
  EXPECT_STREQ(e.output_element(7, 0, &view).message(), "no such output");
}

/// What a loop whose one carried value, or whose one stacked part, has been changed says.
std::string looped(const std::function<void(PlanBuilder&, LoopInfo&, const Operand& grows)>& change) {
  PlanBuilder b;
  b.input("x", DType::f32, {2}, {2});
  const Operand v = b.in_arena(DType::f32, {2}), doubled = b.in_arena(DType::f32, {2}),
                y = b.operand(Base::output, DType::f32, {2});
  b.output("y", y);
  const plan::Register n = b.variable();
  const Operand grows = b.in_arena(DType::f32, {Dim::in(n, 8)});  // by 1 in each iteration
  const float two = 2;
  b.step("double", test::kScale, {v}, {doubled}, std::as_bytes(std::span(&two, 1)),
         {{ScalarOp::add, {}, n, n, b.constant(1)}});
  LoopInfo loop;
  loop.region = b.end_region();
  const std::int64_t trips = 2;
  loop.trip_count =
      b.add(b.operand(Base::weights, DType::i64, {}, b.weight("trips", std::as_bytes(std::span(&trips, 1)))));
  loop.carried_in = b.add(std::vector{b.operand(Base::input, DType::f32, {2})});
  loop.body_carried_in = b.add(std::vector{v});
  loop.body_carried_out = b.add(std::vector{doubled});
  loop.carried_out = b.add(std::vector{y});
  loop.max_trips = 5;
  change(b, loop, grows);
  b.loop("loop", loop);
  b.finish();
  Executor e(b.program_of(), {});
  float x[2] = {1, 2};
  EXPECT_TRUE(e.bind_input(0, DType::f32, {2}, x, sizeof x));
  return e.run().message();
}

TEST(RunMessages, OfLoops) {
  EXPECT_EQ(looped([](PlanBuilder&, LoopInfo&, const Operand&) {}), "ok");
  EXPECT_EQ(looped([](PlanBuilder& b, LoopInfo& l, const Operand&) {
              l.body_carried_in = b.add(std::vector{b.in_arena(DType::f32, {2, 1})});
            }),
            "a value of a loop changes its rank");
  EXPECT_EQ(looped([](PlanBuilder& b, LoopInfo& l, const Operand&) {
              l.body_carried_in = b.add(std::vector{b.in_arena(DType::f32, {1})});
            }),
            "a value of a loop has another shape than the one planned for");
  EXPECT_EQ(looped([](PlanBuilder& b, LoopInfo& l, const Operand&) {
              Operand small = b.in_arena(DType::f32, {2});
              small.byte_bound = 4;
              small.is_static = 0;
              l.body_carried_in = b.add(std::vector{small});
            }),
            "a value of a loop outgrows the memory planned for it");
  EXPECT_EQ(looped([](PlanBuilder& b, LoopInfo& l, const Operand&) {
              l.body_scan_out = l.body_carried_out;
              l.scan_out = b.add(std::vector{b.in_arena(DType::f32, {2})});
            }),
            "an output of a loop changes its rank");
  EXPECT_EQ(looped([](PlanBuilder& b, LoopInfo& l, const Operand& grows) {
              l.body_scan_out = b.add(std::vector{grows});
              l.scan_out = b.add(std::vector{b.in_arena(DType::f32, {4, 8})});
            }),
            "an output that a loop stacks changes its shape between iterations");
  EXPECT_EQ(looped([](PlanBuilder& b, LoopInfo& l, const Operand&) {
              l.is_scan = 1;
              l.trip_count = -1;
              l.scanned = b.add(std::vector{b.in_arena(DType::f32, {2, 2}), b.in_arena(DType::f32, {3, 2})});
              l.body_scanned = b.add(std::vector{b.in_arena(DType::f32, {2}), b.in_arena(DType::f32, {2})});
              l.scan_axes = {static_cast<std::uint32_t>(b.storage.ints.size()), 4};
              b.storage.ints.insert(b.storage.ints.end(), {0, 0, 0, 0});
            }),
            "the sequences that a Scan walks differ in length");
}

}  // namespace
}  // namespace monza
