#include "runtime/executor.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <new>
#include <numeric>

#include "base/cpu.h"
#include "base/error.h"
#include "engine/file/verify.h"
#include "kernel/registry.h"
#include "support/error_text.h"
#include "support/plan_builder.h"
#include "support/test_kernels.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

using plan::Base;
using plan::Operand;
using plan::ScalarOp;
using runtime::Executor;
using runtime::ExecutorOptions;
using test::Dim;
using test::PlanBuilder;

std::span<const std::byte> bytes_of(const float& f) { return std::as_bytes(std::span(&f, 1)); }
const float kTwo = 2, kThree = 3;

/// Verifies the plan as loading would, then makes a context.
Executor make(const PlanBuilder& b, const ExecutorOptions& options = {}) {
  engine_file::verify_plan(b.storage.view(), static_cast<std::int64_t>(b.weights().size()));
  engine_file::verify_kernels(b.storage.view(), b.kernels);
  return Executor(b.program_of(), options);
}

template <typename T, std::size_t N>
Status bind(Executor& e, int index, std::array<T, N>& data, const Shape& shape) {
  return e.bind_input(index, dtype_of<T>::value, shape, data.data(), static_cast<std::int64_t>(sizeof data));
}

/// y = (x + w) * 2
PlanBuilder affine() {
  PlanBuilder b;
  b.input("x", DType::f32, {4}, {4});
  const std::array<float, 4> w{1, 2, 3, 4};
  const Operand weight = b.operand(Base::weights, DType::f32, {4}, b.weight("w", std::as_bytes(std::span(w))));
  const Operand sum = b.in_arena(DType::f32, {4});
  const Operand y = b.operand(Base::output, DType::f32, {4});
  b.output("y", y);
  b.step("add", test::kAdd, {b.operand(Base::input, DType::f32, {4}), weight}, {sum});
  b.step("double", test::kScale, {sum}, {y}, bytes_of(kTwo));
  b.finish();
  return b;
}

TEST(Executor, RunsStepsInOrder) {
  PlanBuilder b = affine();
  Executor e = make(b);
  std::array<float, 4> x{10, 20, 30, 40};
  ASSERT_TRUE(bind(e, 0, x, {4}));
  ASSERT_TRUE(e.run());
  const TensorView y = e.output(0);
  ASSERT_EQ(y.shape, Shape({4}));
  EXPECT_EQ(y.as<float>()[0], 22);
  EXPECT_EQ(y.as<float>()[3], 88);
}

TEST(Executor, BoundMemoryIsPatchedIntoStaticOperands) {
  PlanBuilder b = affine();
  Executor e = make(b);
  std::array<float, 4> x{1, 1, 1, 1}, other{2, 2, 2, 2}, mine{};
  ASSERT_TRUE(bind(e, 0, x, {4}));
  ASSERT_TRUE(e.bind_output(0, DType::f32, mine.data(), sizeof mine));
  ASSERT_TRUE(e.run());
  EXPECT_EQ(mine[1], 6);
  EXPECT_EQ(e.output(0).data, mine.data());
  ASSERT_TRUE(bind(e, 0, other, {4}));
  e.unbind_output(0);
  ASSERT_TRUE(e.run());
  EXPECT_EQ(mine[1], 6);
  EXPECT_EQ(e.output(0).as<float>()[1], 8);
}

TEST(Executor, RefusesWrongInputs) {
  PlanBuilder b = affine();
  Executor e = make(b);
  std::array<float, 8> x{};
  EXPECT_EQ(e.run().code(), StatusCode::invalid_argument);  // nothing bound
  EXPECT_NE(e.explain().find("'x'"), std::string::npos);
  EXPECT_FALSE(bind(e, 0, x, {8}));
  EXPECT_NE(e.explain().find("axis 0: 8 is not within 4 to 4"), std::string::npos) << e.explain();
  EXPECT_FALSE(bind(e, 0, x, {2, 2}));
  EXPECT_FALSE(bind(e, 1, x, {4}));
  EXPECT_FALSE(e.bind_input(0, DType::i32, {4}, x.data(), 16));
  EXPECT_FALSE(e.bind_input(0, DType::f32, {4}, x.data(), 15));
  EXPECT_FALSE(e.bind_input(0, DType::f32, {4}, nullptr, 16));
  EXPECT_FALSE(e.bind_input(0, DType::f32, {4}, reinterpret_cast<char*>(x.data()) + 1, 16));
  EXPECT_FALSE(e.bind_output(0, DType::f32, x.data(), 15));
  EXPECT_FALSE(e.bind_output(0, DType::i64, x.data(), 32));
  EXPECT_EQ(e.run().code(), StatusCode::invalid_argument);
  EXPECT_TRUE(bind(e, 0, x, {4}));
  EXPECT_TRUE(e.run());
}

TEST(Executor, AFailingKernelNamesItsStep) {
  PlanBuilder b;
  const Operand t = b.in_arena(DType::f32, {1});
  b.step("fine", test::kCopy, {t}, {t});
  b.step("broken", test::kFail, {t}, {t});
  b.finish();
  Executor e = make(b);
  const Status s = e.run();
  EXPECT_EQ(s.code(), StatusCode::resource_exhausted);
  EXPECT_STREQ(s.message(), "the kernel was asked to fail");
  EXPECT_EQ(s.step(), 1);
}

/// y[n] = x[n] * 3 with n = 0..8 a run-time extent, checked to be even and at most 6 by the extent program.
TEST(Executor, DynamicExtentsFollowTheInput) {
  PlanBuilder b;
  b.input("x", DType::f32, {0}, {8});
  const plan::Register n = b.variable(), rest = b.variable();
  const Operand y = b.operand(Base::output, DType::f32, {Dim::in(n, 8)});
  b.output("y", y);
  const std::int32_t even = b.check(0, 0, "the remainder of 'n'"),
                     small = b.check(0, 6, "dimension 'n' (axis 0 of input 'x')");
  b.step("triple", test::kScale, {b.operand(Base::input, DType::f32, {Dim::in(n, 8)})}, {y}, bytes_of(kThree),
         {{ScalarOp::input_extent, {}, n, 0, 0},
          {ScalarOp::mod, {}, rest, n, b.constant(2)},
          {ScalarOp::check_range, {}, -1, rest, even},
          {ScalarOp::check_range, {}, -1, n, small}});
  b.finish();
  Executor e = make(b);
  std::array<float, 8> x{1, 2, 3, 4, 5, 6, 7, 8};
  for (std::int64_t extent : {2, 6, 0, 4}) {
    ASSERT_TRUE(bind(e, 0, x, {extent}));
    ASSERT_TRUE(e.run());
    ASSERT_EQ(e.output(0).shape, Shape({extent}));
    for (std::int64_t i = 0; i < extent; ++i) EXPECT_EQ(e.output(0).as<float>()[i], 3 * x[static_cast<std::size_t>(i)]);
  }
  ASSERT_TRUE(bind(e, 0, x, {3}));
  EXPECT_EQ(e.run().code(), StatusCode::out_of_range);
  EXPECT_STREQ(e.run().message(), "an extent leaves the bounds that the engine was built for");
  ASSERT_TRUE(bind(e, 0, x, {8}));
  EXPECT_EQ(e.run().code(), StatusCode::out_of_range);
  EXPECT_STREQ(e.run().message(), "an extent leaves the bounds that the engine was built for");
  EXPECT_EQ(e.explain(), "dimension 'n' (axis 0 of input 'x') is 8, not within 0 to 6");
  std::array<float, 4> small_memory{};
  ASSERT_TRUE(e.bind_output(0, DType::f32, small_memory.data(), sizeof small_memory));
  ASSERT_TRUE(bind(e, 0, x, {6}));
  EXPECT_EQ(e.run().code(), StatusCode::invalid_argument);  // bound memory holds 4
  EXPECT_STREQ(e.run().message(), "the memory bound to an output is too small for this run's shape");
  ASSERT_TRUE(bind(e, 0, x, {4}));
  ASSERT_TRUE(e.run());
  EXPECT_EQ(small_memory[3], 12);
  ASSERT_TRUE(e.bind_input(0, DType::f32, {0}, nullptr, 0));  // an empty tensor needs no memory
  EXPECT_TRUE(e.run());
}

TEST(Executor, ExtentArithmeticIsCheckedForOverflow) {
  struct Case {
    ScalarOp op;
    std::int64_t a, b, result;
    bool ok;
  };
  const std::int64_t big = INT64_MAX, low = INT64_MIN;
  const Case cases[] = {
      {ScalarOp::add, 2, 3, 5, true},         {ScalarOp::add, big, 1, 0, false},
      {ScalarOp::sub, 2, 3, -1, true},        {ScalarOp::sub, low, 1, 0, false},
      {ScalarOp::mul, 6, 7, 42, true},        {ScalarOp::mul, big, 2, 0, false},
      {ScalarOp::floor_div, 7, 2, 3, true},   {ScalarOp::floor_div, -7, 2, -4, true},
      {ScalarOp::floor_div, 7, -2, -4, true}, {ScalarOp::floor_div, -7, -2, 3, true},
      {ScalarOp::floor_div, 1, 0, 0, false},  {ScalarOp::floor_div, low, -1, 0, false},
      {ScalarOp::ceil_div, 7, 2, 4, true},    {ScalarOp::ceil_div, -7, 2, -3, true},
      {ScalarOp::ceil_div, 8, 2, 4, true},    {ScalarOp::ceil_div, 7, -2, -3, true},
      {ScalarOp::mod, 7, 3, 1, true},         {ScalarOp::mod, -7, 3, 2, true},
      {ScalarOp::mod, 7, -3, -2, true},       {ScalarOp::mod, 1, 0, 0, false},
      {ScalarOp::mod, 6, 3, 0, true},         {ScalarOp::min, 4, -4, -4, true},
      {ScalarOp::max, 4, -4, 4, true},
  };
  for (const Case& c : cases) {
    PlanBuilder b;
    const plan::Register r = b.variable();
    const std::int32_t check = b.check(c.result, c.result, "the result");
    b.finish({{c.op, {}, r, b.constant(c.a), b.constant(c.b)}, {ScalarOp::check_range, {}, -1, r, check}});
    Executor e = make(b);
    const Status s = e.run();
    EXPECT_EQ(s.ok(), c.ok) << static_cast<int>(c.op) << ": " << c.a << ", " << c.b << ": " << s.message() << " "
                            << e.explain();
  }
}

TEST(Executor, ElementsOfHostTensorsBecomeExtents) {
  PlanBuilder b;
  b.input("x", DType::f32, {6}, {6});
  b.input("n", DType::i32, {2}, {2});
  const plan::Register n = b.variable(), bad = b.variable();
  const Operand y = b.operand(Base::output, DType::f32, {Dim::in(n, 6)});
  b.output("y", y);
  const std::int32_t list = b.add(b.operand(Base::input, DType::i32, {2}, 0, 1));
  b.step("copy", test::kCopy, {b.operand(Base::input, DType::f32, {Dim::in(n, 6)})}, {y}, {},
         {{ScalarOp::load_element, {}, n, list, 1}});
  b.finish();
  Executor e = make(b);
  std::array<float, 6> x{1, 2, 3, 4, 5, 6};
  std::array<std::int32_t, 2> extents{-1, 4};
  ASSERT_TRUE(bind(e, 0, x, {6}));
  ASSERT_TRUE(bind(e, 1, extents, {2}));
  ASSERT_TRUE(e.run());
  EXPECT_EQ(e.output(0).shape, Shape({4}));
  for (std::int32_t hostile : {7, -1, INT32_MAX, INT32_MIN}) {
    extents[1] = hostile;
    EXPECT_EQ(e.run().code(), StatusCode::out_of_range) << hostile;
  }
  (void)bad;
}

TEST(Executor, ReportedExtentsShapeWhatFollows) {
  PlanBuilder b;
  b.input("x", DType::f32, {8}, {8});
  const plan::Register n = b.variable();
  const Operand packed = b.in_arena(DType::f32, {8});
  Operand some = b.operand(Base::arena, DType::f32, {Dim::in(n, 8)});
  some.byte_offset = packed.byte_offset;
  const Operand y = b.operand(Base::output, DType::f32, {Dim::in(n, 8)});
  b.output("y", y);
  plan::Step& s = b.step("compress", test::kCompress, {b.operand(Base::input, DType::f32, {8})}, {packed});
  s.extents = {static_cast<std::uint32_t>(n), 1};
  b.step("double", test::kScale, {some}, {y}, bytes_of(kTwo));
  b.finish();
  Executor e = make(b);
  std::array<float, 8> x{1, -1, 2, -2, 3, -3, 4, -4};
  ASSERT_TRUE(bind(e, 0, x, {8}));
  ASSERT_TRUE(e.run());
  ASSERT_EQ(e.output(0).shape, Shape({4}));
  EXPECT_EQ(e.output(0).as<float>()[3], 8);
  x.fill(-1);
  ASSERT_TRUE(e.run());
  EXPECT_EQ(e.output(0).shape, Shape({0}));
}

TEST(Executor, BranchTakesOneRegion) {
  PlanBuilder b;
  b.input("x", DType::f32, {2}, {2});
  b.input("flag", DType::boolean, {}, {});
  const Operand x = b.operand(Base::input, DType::f32, {2}), y = b.operand(Base::output, DType::f32, {2});
  b.output("y", y);
  b.step("then", test::kScale, {x}, {y}, bytes_of(kTwo));
  const std::int32_t yes = b.end_region();
  b.step("else", test::kScale, {x}, {y}, bytes_of(kThree));
  const std::int32_t no = b.end_region();
  b.branch("if", b.operand(Base::input, DType::boolean, {}, 0, 1), yes, no);
  b.finish();
  Executor e = make(b);
  std::array<float, 2> data{1, 2};
  std::array<bool, 1> flag{true};
  ASSERT_TRUE(bind(e, 0, data, {2}));
  ASSERT_TRUE(bind(e, 1, flag, {}));
  ASSERT_TRUE(e.run());
  EXPECT_EQ(e.output(0).as<float>()[1], 4);
  flag[0] = false;
  ASSERT_TRUE(e.run());
  EXPECT_EQ(e.output(0).as<float>()[1], 6);
}

TEST(Executor, ScratchIsCheckedAtEachDynamicShape) {
  PlanBuilder b;
  b.input("x", DType::f32, {0}, {8});
  const plan::Register n = b.variable();
  const Operand y = b.operand(Base::output, DType::f32, {Dim::in(n, 8)});
  b.output("y", y);
  plan::Step& s = b.step("scratchy", test::kScratchy, {b.operand(Base::input, DType::f32, {Dim::in(n, 8)})}, {y}, {},
                         {{ScalarOp::input_extent, {}, n, 0, 0}});
  s.scratch_bytes = 4 * 64;  // planned for 4, though 8 may come
  s.scratch_offset = b.arena(s.scratch_bytes);
  b.finish();
  Executor e = make(b);
  std::array<float, 8> x{};
  ASSERT_TRUE(bind(e, 0, x, {4}));
  EXPECT_TRUE(e.run());
  ASSERT_TRUE(bind(e, 0, x, {5}));
  EXPECT_EQ(e.run().code(), StatusCode::out_of_range);
  EXPECT_STREQ(e.run().message(), "the kernel needs more scratch memory at this shape than was planned");
}

TEST(Executor, ThreadsDoNotExceedThePlan) {
  PlanBuilder b = affine();
  b.storage.threads = 2;
  EXPECT_EQ(make(b, {.threads = 8}).threads(), 2);
  EXPECT_EQ(make(b, {.threads = 1}).threads(), 1);
}

/// What making a program says of a plan whose kernel's name, version or needs are not this build's.
TEST(Program, SaysWhichKernelThereIsNot) {
  const auto of_kernel = [](const Kernel& kernel, const std::function<void(plan::KernelRef&)>& change) {
    PlanBuilder b;
    b.step("step", kernel, {}, {});
    b.finish();
    change(b.storage.kernels[0]);
    return test::error_of([&] { runtime::make_program(b.storage.view(), {}, nullptr); });
  };
  const Kernel& copy = *find_kernel("copy_ref");
  const std::string rebuild = "\n  try: rebuild the engine on this machine: monza build MODEL --output FILE";
  EXPECT_EQ(of_kernel(copy, [](plan::KernelRef&) {}), "");
  EXPECT_EQ(of_kernel(copy, [](plan::KernelRef& r) { r.name.length = 3; }),
            "the engine uses kernel 'cop', which this build of monza does not have" + rebuild);
  EXPECT_EQ(
      of_kernel(copy, [](plan::KernelRef& r) { r.version = 99; }),
      fmt::format("the engine uses version 99 of kernel 'copy_ref', this build of monza has version {}", copy.version) +
          rebuild);
  for (const Kernel* kernel : all_kernels()) {
    if (covers(cpu_info().isa, kernel->needs)) continue;
    EXPECT_EQ(of_kernel(*kernel, [](plan::KernelRef&) {}),
              fmt::format("the engine uses kernel '{}', which needs {}; this CPU has {}", kernel->name,
                          isa_name(kernel->needs), isa_name(cpu_info().isa)) +
                  rebuild);
    return;
  }
  GTEST_SKIP() << "this CPU runs every kernel";
}

TEST(Executor, OperandsOfAPlanThatWasNotVerified) {
  PlanBuilder b = affine();
  const auto error = [&] { return test::error_of([&] { Executor(b.program_of(), {}); }); };
  b.storage.operands[b.storage.steps[0].inputs.begin].byte_bound = 15;
  EXPECT_EQ(error(), "operand 1 of the plan reaches past its bound");
  b = affine();
  b.storage.operands[b.storage.steps[0].outputs.begin].byte_bound = 15;
  EXPECT_EQ(error(), "operand 3 of the plan: a tensor outgrows the memory planned for it");
}

TEST(Executor, ProfilesOnDemand) {
  PlanBuilder b = affine();
  Executor e = make(b);
  std::array<float, 4> x{};
  ASSERT_TRUE(bind(e, 0, x, {4}));
  ASSERT_TRUE(e.run());
  EXPECT_EQ(e.times()[0].runs, 0);
  e.set_profiling(true);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(e.run());
  EXPECT_EQ(e.times()[1].runs, 3);
  EXPECT_LE(e.times()[1].best_us * 3, e.times()[1].total_us + 1e-9);
  EXPECT_GE(e.times()[1].start_us, e.times()[0].start_us);
  e.set_profiling(false);
  ASSERT_TRUE(e.run());
  EXPECT_EQ(e.times()[1].runs, 3);
}

}  // namespace
}  // namespace monza
