// Loop and Scan as plans: carried values, growing shapes, stacked outputs, early exits, bounds.
#include <gtest/gtest.h>

#include <array>

#include "engine/file/verify.h"
#include "runtime/executor.h"
#include "support/plan_builder.h"
#include "support/test_kernels.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

using plan::Base;
using plan::LoopInfo;
using plan::Operand;
using plan::ScalarOp;
using runtime::Executor;
using test::Dim;
using test::PlanBuilder;

const float kLoopTwo = 2;
std::span<const std::byte> loop_bytes_of(const float& f) { return std::as_bytes(std::span(&f, 1)); }
std::int64_t weight_i64(PlanBuilder& b, std::int64_t v) { return b.weight("trips", std::as_bytes(std::span(&v, 1))); }

Executor executor_of(const PlanBuilder& b) {
  engine_file::verify_plan(b.storage.view(), static_cast<std::int64_t>(b.weights().size()));
  return Executor(b.program_of(), {});
}
void bind_floats(Executor& e, int index, std::vector<float>& data, const Shape& shape) {
  const Status s = e.bind_input(index, DType::f32, shape, data.data(), static_cast<std::int64_t>(data.size() * 4));
  ASSERT_TRUE(s) << s.message();
}
std::vector<float> floats(const Executor& e, int output) {
  const TensorView v = e.output(output);
  return {v.as<float>(), v.as<float>() + v.shape.numel()};
}

/// v = x; repeat `trips` (an input) times while v[0] < limit: v = 2 v, stacked. Outputs v and the stack.
PlanBuilder doubling() {
  PlanBuilder b;
  b.input("x", DType::f32, {2}, {2});
  b.input("trips", DType::i64, {}, {});
  b.input("limit", DType::f32, {}, {});
  b.input("go", DType::boolean, {}, {});
  const plan::Register trips = b.variable();
  const Operand x = b.operand(Base::input, DType::f32, {2});
  const Operand v = b.in_arena(DType::f32, {2}), doubled = b.in_arena(DType::f32, {2});
  const Operand go_on = b.in_arena(DType::boolean, {}), index = b.in_arena(DType::i64, {}),
                go_in = b.in_arena(DType::boolean, {});
  const Operand y = b.operand(Base::output, DType::f32, {2});
  b.output("y", y);
  Operand stack = b.operand(Base::output, DType::f32, {Dim::in(trips, 5), 2}, 0, 1);
  b.output("stack", stack);
  stack.bound_axes = 1;
  b.step("double", test::kScale, {v}, {doubled}, loop_bytes_of(kLoopTwo));
  b.step("less", test::kLess, {doubled, b.operand(Base::input, DType::f32, {}, 0, 2)}, {go_on});
  LoopInfo loop;
  loop.region = b.end_region();
  loop.trip_count = b.add(b.operand(Base::input, DType::i64, {}, 0, 1));
  loop.condition = b.add(b.operand(Base::input, DType::boolean, {}, 0, 3));
  loop.body_iteration = b.add(index);
  loop.body_condition_in = b.add(go_in);
  loop.body_condition_out = b.add(go_on);
  loop.carried_in = b.add(std::vector{x});
  loop.body_carried_in = b.add(std::vector{v});
  loop.body_carried_out = b.add(std::vector{doubled});
  loop.carried_out = b.add(std::vector{y});
  loop.body_scan_out = b.add(std::vector{doubled});
  loop.scan_out = b.add(std::vector{stack});
  loop.trips = trips;
  loop.max_trips = 5;
  b.loop("loop", loop);
  b.finish();
  return b;
}

TEST(Loop, RunsUntilItsCountOrItsCondition) {
  const PlanBuilder b = doubling();
  Executor e = executor_of(b);
  std::vector<float> x{1, 3}, limit{1000};
  std::int64_t trips = 3;
  bool go = true;
  bind_floats(e, 0, x, {2});
  ASSERT_TRUE(e.bind_input(1, DType::i64, {}, &trips, 8));
  bind_floats(e, 2, limit, {});
  ASSERT_TRUE(e.bind_input(3, DType::boolean, {}, &go, 1));
  ASSERT_TRUE(e.run());
  EXPECT_EQ(floats(e, 0), (std::vector<float>{8, 24}));
  EXPECT_EQ(e.output(1).shape, Shape({3, 2}));
  EXPECT_EQ(floats(e, 1), (std::vector<float>{2, 6, 4, 12, 8, 24}));
  limit[0] = 4;  // stops after the second: 4 < 4 is false
  ASSERT_TRUE(e.run());
  EXPECT_EQ(floats(e, 1), (std::vector<float>{2, 6, 4, 12}));
  trips = 0;
  ASSERT_TRUE(e.run());
  EXPECT_EQ(floats(e, 0), x);
  EXPECT_EQ(e.output(1).shape, Shape({0, 2}));
  trips = INT64_MAX;
  go = false;
  ASSERT_TRUE(e.run());
  EXPECT_EQ(floats(e, 0), x);
  go = true;
  limit[0] = 1e30f;
  EXPECT_EQ(e.run().code(), StatusCode::resource_exhausted);  // more than the five planned for
  EXPECT_STREQ(e.run().message(), "a loop makes more iterations than the engine was built for");
  trips = -3;
  ASSERT_TRUE(e.run());
  EXPECT_EQ(floats(e, 0), x);
}

/// The carried value grows by its own length each time: compress(concatenation) is stood in for by a kernel that
/// reports its extent. v (n) -> compress -> at most 8.
TEST(Loop, CarriedExtentsAreBoundEachIteration) {
  PlanBuilder b;
  b.input("x", DType::f32, {8}, {8});
  const plan::Register n = b.variable(), m = b.variable(), last = b.variable();
  Operand v = b.operand(Base::arena, DType::f32, {Dim::in(n, 8)});
  v.byte_offset = b.arena(32);
  const Operand less = b.in_arena(DType::f32, {8}), minus_one = b.operand(Base::weights, DType::f32, {1}, [&] {
    const float value = -1;
    return b.weight("minus one", std::as_bytes(std::span(&value, 1)));
  }());
  Operand lowered = b.operand(Base::arena, DType::f32, {Dim::in(n, 8)});
  lowered.byte_offset = less.byte_offset;
  Operand stretched = minus_one;  // the constant repeated n times: stride 0
  stretched.is_static = 0;
  stretched.extent[0] = n;
  stretched.stride[0] = b.constant(0);
  const Operand packed = b.in_arena(DType::f32, {8});
  Operand some = b.operand(Base::arena, DType::f32, {Dim::in(m, 8)});
  some.byte_offset = packed.byte_offset;
  Operand y = b.operand(Base::output, DType::f32, {Dim::in(last, 8)});
  b.output("y", y);
  // Body: subtract one from each and keep what is still above 0.
  b.step("lower", test::kAdd, {v, stretched}, {lowered});
  b.step("compress", test::kCompress, {lowered}, {packed}).extents = {static_cast<std::uint32_t>(m), 1};
  LoopInfo loop;
  loop.region = b.end_region();
  loop.trip_count = b.add(b.operand(Base::weights, DType::i64, {}, weight_i64(b, 3)));
  Operand bound = v;
  bound.bound_axes = 1;
  y.bound_axes = 1;
  loop.carried_in = b.add(std::vector{b.operand(Base::input, DType::f32, {8})});
  loop.body_carried_in = b.add(std::vector{bound});
  loop.body_carried_out = b.add(std::vector{some});
  loop.carried_out = b.add(std::vector{y});
  loop.max_trips = 3;
  b.loop("loop", loop);
  b.finish();
  Executor e = executor_of(b);
  std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8};
  bind_floats(e, 0, x, {8});
  ASSERT_TRUE(e.run());
  EXPECT_EQ(floats(e, 0), (std::vector<float>{1, 2, 3, 4, 5}));
  x = {1, 1, 1, 1, 1, 1, 1, 1};
  ASSERT_TRUE(e.run());
  EXPECT_EQ(e.output(0).shape, Shape({0}));
}

TEST(Loop, AShapeThatMayNotChangeIsChecked) {
  PlanBuilder b;
  b.input("x", DType::f32, {4}, {4});
  const plan::Register m = b.variable();
  const Operand x = b.operand(Base::input, DType::f32, {4}), v = b.in_arena(DType::f32, {4}),
                packed = b.in_arena(DType::f32, {4});
  Operand some = b.operand(Base::arena, DType::f32, {Dim::in(m, 4)});
  some.byte_offset = packed.byte_offset;
  const Operand y = b.operand(Base::output, DType::f32, {4});
  b.output("y", y);
  b.step("compress", test::kCompress, {v}, {packed}).extents = {static_cast<std::uint32_t>(m), 1};
  LoopInfo loop;
  loop.region = b.end_region();
  loop.trip_count = b.add(b.operand(Base::weights, DType::i64, {}, weight_i64(b, 2)));
  loop.carried_in = b.add(std::vector{x});
  loop.body_carried_in = b.add(std::vector{v});
  loop.body_carried_out = b.add(std::vector{some});
  loop.carried_out = b.add(std::vector{y});
  loop.max_trips = 2;
  b.loop("loop", loop);
  b.finish();
  Executor e = executor_of(b);
  std::vector<float> x_data{1, 2, 3, 4};
  bind_floats(e, 0, x_data, {4});
  EXPECT_TRUE(e.run());
  x_data[2] = -1;
  EXPECT_EQ(e.run().code(), StatusCode::out_of_range);
  EXPECT_STREQ(e.run().message(), "a value of a loop has another shape than the one planned for");
}

/// Running sums over axis `in_axis`, stacked along `out_axis`, in either direction.
PlanBuilder scan_sums(int in_axis, bool in_reverse, int out_axis, bool out_reverse) {
  PlanBuilder b;
  const bool first = in_axis == 0;
  b.input("x", DType::f32, first ? std::vector<std::int64_t>{3, 2} : std::vector<std::int64_t>{2, 3},
          first ? std::vector<std::int64_t>{3, 2} : std::vector<std::int64_t>{2, 3});
  const Operand x = first ? b.operand(Base::input, DType::f32, {3, 2}) : b.operand(Base::input, DType::f32, {2, 3});
  const float zeros[2] = {0, 0};
  const Operand start = b.operand(Base::weights, DType::f32, {2}, b.weight("zeros", std::as_bytes(std::span(zeros))));
  const Operand sum = b.in_arena(DType::f32, {2}), row = b.in_arena(DType::f32, {2}),
                next = b.in_arena(DType::f32, {2});
  const Operand total = b.operand(Base::output, DType::f32, {2});
  b.output("total", total);
  const Operand all = out_axis == 0 ? b.operand(Base::output, DType::f32, {3, 2}, 0, 1)
                                    : b.operand(Base::output, DType::f32, {2, 3}, 0, 1);
  b.output("all", all);
  b.step("add", test::kAdd, {sum, row}, {next});
  LoopInfo loop;
  loop.is_scan = 1;
  loop.region = b.end_region();
  loop.carried_in = b.add(std::vector{start});
  loop.body_carried_in = b.add(std::vector{sum});
  loop.body_carried_out = b.add(std::vector{next});
  loop.carried_out = b.add(std::vector{total});
  loop.scanned = b.add(std::vector{x});
  loop.body_scanned = b.add(std::vector{row});
  loop.body_scan_out = b.add(std::vector{next});
  loop.scan_out = b.add(std::vector{all});
  b.storage.ints = {in_axis, in_reverse, out_axis, out_reverse};
  loop.scan_axes = {0, 4};
  loop.max_trips = 3;
  b.loop("scan", loop);
  b.finish();
  return b;
}

TEST(Scan, WalksAndStacksAlongAnyAxisInBothDirections) {
  struct Case {
    int in_axis;
    bool in_reverse;
    int out_axis;
    bool out_reverse;
    std::vector<float> x, all;
  };
  const Case cases[] = {
      {0, false, 0, false, {1, 10, 2, 20, 3, 30}, {1, 10, 3, 30, 6, 60}},
      {0, true, 0, false, {1, 10, 2, 20, 3, 30}, {3, 30, 5, 50, 6, 60}},
      {0, false, 0, true, {1, 10, 2, 20, 3, 30}, {6, 60, 3, 30, 1, 10}},
      {1, false, 1, false, {1, 2, 3, 10, 20, 30}, {1, 3, 6, 10, 30, 60}},
      {1, true, 1, true, {1, 2, 3, 10, 20, 30}, {6, 5, 3, 60, 50, 30}},
      {0, false, 1, false, {1, 10, 2, 20, 3, 30}, {1, 3, 6, 10, 30, 60}},
  };
  for (const Case& c : cases) {
    const PlanBuilder b = scan_sums(c.in_axis, c.in_reverse, c.out_axis, c.out_reverse);
    Executor e = executor_of(b);
    std::vector<float> x = c.x;
    bind_floats(e, 0, x, c.in_axis == 0 ? Shape{3, 2} : Shape{2, 3});
    const Status s = e.run();
    ASSERT_TRUE(s) << s.message();
    EXPECT_EQ(floats(e, 0), (std::vector<float>{6, 60}));
    EXPECT_EQ(floats(e, 1), c.all) << c.in_axis << c.in_reverse << c.out_axis << c.out_reverse;
  }
}

TEST(Scan, LengthsMustAgreeAndStayWithinTheBound) {
  PlanBuilder b = scan_sums(0, false, 0, false);
  b.storage.loops[0].max_trips = 2;
  Executor e = executor_of(b);
  std::vector<float> x{1, 10, 2, 20, 3, 30};
  bind_floats(e, 0, x, {3, 2});
  EXPECT_EQ(e.run().code(), StatusCode::resource_exhausted);
  EXPECT_STREQ(e.run().message(), "a loop makes more iterations than the engine was built for");
}

}  // namespace
}  // namespace monza
