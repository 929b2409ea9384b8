// Plans over the host and the reference device, whose queue is a thread and whose memory is its own.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <thread>

#include "engine/file/verify.h"
#include "runtime/executor.h"
#include "support/error_text.h"
#include "support/plan_builder.h"
#include "support/slow_reference.h"
#include "support/test_kernels.h"

namespace monza {
namespace {

using plan::Base;
using plan::Operand;
using runtime::Executor;
using test::Dim;
using test::PlanBuilder;

std::span<const std::byte> queues_bytes_of(const float& f) { return std::as_bytes(std::span(&f, 1)); }
const float kQueuesTwo = 2;

/// A test kernel as the reference device takes it.
Kernel on_reference(Kernel kernel) {
  kernel.reference = true;
  return kernel;
}
const Kernel kRefAdd = on_reference(test::kAdd), kRefFail = on_reference(test::kFail),
             kRefCompress = on_reference(test::kCompress);

PlanBuilder two_devices() {
  PlanBuilder b;
  b.storage.devices.push_back({.kind = static_cast<std::uint8_t>(DeviceKind::reference)});
  return b;
}

/// y = 2 * (2 * x + 2 * x), the sum of it on the reference device.
PlanBuilder there_and_back() {
  PlanBuilder b = two_devices();
  b.input("x", DType::f32, {4}, {4});
  const Operand doubled = b.in_arena(DType::f32, {4}), there = b.in_arena(DType::f32, {4}, 1),
                sum = b.in_arena(DType::f32, {4}, 1), back = b.in_arena(DType::f32, {4});
  const Operand y = b.operand(Base::output, DType::f32, {4});
  b.output("y", y);
  b.storage.event_count = 1;
  b.storage.events = {0};
  b.step("double", test::kScale, {b.operand(Base::input, DType::f32, {4})}, {doubled}, queues_bytes_of(kQueuesTwo));
  b.copy("send", doubled, there);
  b.step("add", kRefAdd, {there, there}, {sum}).device = 1;
  b.copy("fetch", sum, back).signals = 0;
  b.step("double again", test::kScale, {back}, {y}, queues_bytes_of(kQueuesTwo)).waits = {0, 1};
  b.finish();
  return b;
}

std::string refusal(const PlanBuilder& b) {
  return test::error_of([&] {
    engine_file::verify_plan(b.storage.view(), static_cast<std::int64_t>(b.weights().size()));
    engine_file::verify_kernels(b.storage.view(), b.kernels);
  });
}

float third_of(Executor& e, std::array<float, 4> x = {1, 2, 3, 4}) {
  EXPECT_TRUE(e.bind_input(0, DType::f32, {4}, x.data(), sizeof x));
  const Status status = e.run();
  EXPECT_TRUE(status) << status.message();
  return e.output(0).as<float>()[2];
}

TEST(Queues, TwoDevicesHaveSeparateMemory) {
  PlanBuilder b = there_and_back();
  ASSERT_EQ(refusal(b), "");
  Executor e(b.program_of(), {});
  EXPECT_EQ(e.arena_bytes(), 128 + 128);
  EXPECT_EQ(third_of(e), 24);
  const test::SlowReference slow;
  EXPECT_EQ(third_of(e, {3, 3, 5, 5}), 40);
}

TEST(Queues, WhoDoesNotWaitIsRefusedAndWouldBeEarly) {
  PlanBuilder b = there_and_back();
  b.storage.steps[4].waits = {};
  EXPECT_EQ(
      refusal(b),
      "the engine's plan is damaged: steps[4]: it does not wait for step 3, which touches the same memory\n  try: "
      "rebuild the engine");
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "it is a race";
#endif
  const test::SlowReference slow;
  Executor e(b.program_of(), {});
  EXPECT_NE(third_of(e), 24);
}

/// y = x + x on the reference device, with nothing of the host between.
PlanBuilder straight_there() {
  PlanBuilder b = two_devices();
  b.input("x", DType::f32, {4}, {4});
  const Operand there = b.in_arena(DType::f32, {4}, 1), sum = b.in_arena(DType::f32, {4}, 1);
  const Operand y = b.operand(Base::output, DType::f32, {4});
  b.output("y", y);
  b.copy("send", b.operand(Base::input, DType::f32, {4}), there);
  b.step("add", kRefAdd, {there, there}, {sum}).device = 1;
  b.copy("fetch", sum, y);
  b.finish();
  return b;
}

TEST(Queues, MemoryOfADeviceIsBoundWhereOnlyCopiesToItComeBy) {
  PlanBuilder b = straight_there();
  ASSERT_EQ(refusal(b), "");
  Executor e(b.program_of(), {});
  std::array<float, 4> x{1, 2, 3, 4}, y{};
  const auto reference = backend::open_device(DeviceKind::reference);
  const backend::DeviceMemory in = reference->allocate(sizeof x), out = reference->allocate(sizeof y);
  const auto queue = reference->make_queue({});
  ASSERT_TRUE(queue->copy(in.data, x.data(), sizeof x, backend::Queue::Direction::to_device));
  ASSERT_TRUE(queue->synchronise());
  ASSERT_TRUE(e.bind_input(0, DType::f32, {4}, in.data, sizeof x, DeviceKind::reference));
  ASSERT_TRUE(e.bind_output(0, DType::f32, out.data, sizeof y, DeviceKind::reference));
  ASSERT_TRUE(e.run());
  EXPECT_EQ(e.output(0).data, out.data);
  EXPECT_EQ(e.output_device(0), DeviceKind::reference);
  ASSERT_TRUE(queue->copy(y.data(), out.data, sizeof y, backend::Queue::Direction::to_host));
  ASSERT_TRUE(queue->synchronise());
  EXPECT_EQ(y, (std::array<float, 4>{2, 4, 6, 8}));
  // The host's memory again.
  e.unbind_output(0);
  EXPECT_EQ(third_of(e, {0, 0, 5, 0}), 10);
  EXPECT_EQ(e.output_device(0), DeviceKind::cpu);
}

TEST(Queues, MemoryOfADeviceThatTheHostWouldTouchIsRefused) {
  std::array<float, 4> x{};
  const auto bind = [&](const PlanBuilder& b, DeviceKind device, bool output) {
    Executor e(b.program_of(), {});
    const Status s = output ? e.bind_output(0, DType::f32, x.data(), sizeof x, device)
                            : e.bind_input(0, DType::f32, {4}, x.data(), sizeof x, device);
    return std::string(s.message());
  };
  const std::string needed =
                        "the tensor lies on a device, and the engine needs it on the host or on another one: "
                        "bind host memory",
                    unused = "the tensor lies on a device that the engine does not use";
  const PlanBuilder plain = straight_there();
  EXPECT_EQ(bind(plain, DeviceKind::cuda, false), unused);
  EXPECT_EQ(bind(plain, DeviceKind::cuda, true), unused);
  // Kernels of the host read the input and write the output.
  const PlanBuilder by_kernels = there_and_back();
  EXPECT_EQ(bind(by_kernels, DeviceKind::reference, false), needed);
  EXPECT_EQ(bind(by_kernels, DeviceKind::reference, true), needed);
  // An extent is read from the input.
  PlanBuilder by_extent = straight_there();
  by_extent.storage.program.push_back(
      {.op = plan::ScalarOp::load_element, .a = static_cast<std::int32_t>(by_extent.storage.steps[0].inputs.begin)});
  EXPECT_EQ(bind(by_extent, DeviceKind::reference, false), needed);
  EXPECT_EQ(bind(by_extent, DeviceKind::reference, true), "ok");
  // Nobody reads it, but strings are taken from it.
  PlanBuilder of_strings = straight_there();
  of_strings.input("s", DType::string, {1}, {1});
  const StringRef string{};
  Executor e(of_strings.program_of(), {});
  EXPECT_EQ(e.bind_input(1, DType::string, {1}, const_cast<StringRef*>(&string), sizeof string, DeviceKind::reference)
                .message(),
            std::string("strings lie in the host's memory alone"));
  // A loop carries it.
  PlanBuilder by_loop = straight_there();
  by_loop.storage.loops.push_back({.carried_out = by_loop.storage.steps[2].outputs});
  EXPECT_EQ(bind(by_loop, DeviceKind::reference, true), needed);
}

TEST(Queues, RefusesStepsThatAreNotWhereTheirOperandsAre) {
  struct Case {
    const char* expect;
    void (*damage)(plan::PlanStorage&);
  };
  const Case cases[] = {
      {"steps[4]: it waits for event 0, which nothing before it signals",
       [](plan::PlanStorage& p) { p.steps[3].signals = -1; }},
      {"steps[2]: input 0 lies on device 1, and the step runs on device 0",
       [](plan::PlanStorage& p) { p.steps[2].device = 0; }},
      {"steps[0]: input 0 lies on device 0, and the step runs on device 1",
       [](plan::PlanStorage& p) { p.steps[0].device = 1; }},
      {"steps[1]: a copy from device 0 to device 1 is no step of device 0",
       [](plan::PlanStorage& p) { p.steps[1].device = 0; }},
      {"steps[1]: a copy from device 1 to device 1 is no step of device 1",
       [](plan::PlanStorage& p) { p.operands[p.steps[1].inputs.begin].device = 1; }},
      {"steps[1]: a copy has 1 inputs and 0 outputs", [](plan::PlanStorage& p) { p.steps[1].outputs.count = 0; }},
      {"steps[1]: a copy changes the type or the rank",
       [](plan::PlanStorage& p) { p.operands[p.steps[1].inputs.begin].dtype = DType::i32; }},
      {"steps[1]: a copy changes the extent of axis 0",
       [](plan::PlanStorage& p) {
         p.registers.push_back(3);
         p.operands[p.steps[1].inputs.begin].extent[0] = static_cast<plan::Register>(p.registers.size() - 1);
       }},
      {"steps[1]: a copy moves dense tensors alone",
       [](plan::PlanStorage& p) {
         p.registers.push_back(0);
         p.operands[p.steps[1].inputs.begin].stride[0] = static_cast<plan::Register>(p.registers.size() - 1);
       }},
      {"steps[1]: its device has no queue 1", [](plan::PlanStorage& p) { p.steps[1].queue = 1; }},
      {"steps[0]: the host runs it, and it is on device 1",
       [](plan::PlanStorage& p) {
         p.steps[0].kind = plan::StepKind::wait;
         p.steps[0].outputs.count = 0;
         p.steps[0].device = 1;
       }},
      {"steps[0]: a wait has outputs", [](plan::PlanStorage& p) { p.steps[0].kind = plan::StepKind::wait; }},
      {"steps[3]: another step signals event 0 too", [](plan::PlanStorage& p) { p.steps[2].signals = 0; }},
      {"devices[0]: the first device, and no other, is the host",
       [](plan::PlanStorage& p) { std::swap(p.devices[0], p.devices[1]); }},
      {"devices[1]: it has 0 queues", [](plan::PlanStorage& p) { p.devices[1].queues = 0; }},
      {"devices[1]: its part [0, +64) leaves the 0 bytes of weights or is not aligned",
       [](plan::PlanStorage& p) { p.devices[1].weights_bytes = 64; }},
      {"its devices have 32 queues",
       [](plan::PlanStorage& p) {
         p.devices[1].queues = 16;
         p.devices.push_back(p.devices[1]);
       }},
      {"inputs[0]: it is bound on device 1, and callers have memory of the host",
       [](plan::PlanStorage& p) { p.inputs[0].device = 1; }},
      {"operands[1]: input 0 is not bound on device 1",
       [](plan::PlanStorage& p) { p.operands[p.steps[0].inputs.begin].device = 1; }},
      {"operands[4]: strings and lists lie on the host alone",
       [](plan::PlanStorage& p) { p.operands[p.steps[1].outputs.begin].dtype = DType::string; }},
  };
  for (const Case& c : cases) {
    PlanBuilder b = there_and_back();
    c.damage(b.storage);
    EXPECT_EQ(refusal(b), std::string("the engine's plan is damaged: ") + c.expect + "\n  try: rebuild the engine");
  }
}

/// The condition is computed on the device, and the branch writes there.
PlanBuilder branching() {
  PlanBuilder b = two_devices();
  b.input("x", DType::f32, {4}, {4});
  const Operand x = b.operand(Base::input, DType::f32, {4}), y = b.operand(Base::output, DType::f32, {4}),
                there = b.in_arena(DType::f32, {4}, 1), sum = b.in_arena(DType::f32, {4}, 1),
                early = b.in_arena(DType::f32, {4}, 1);
  b.output("y", y);
  b.storage.event_count = 2;
  b.storage.events = {0};
  b.copy("send", x, there);
  b.step("add", kRefAdd, {there, there}, {sum}).device = 1;
  b.copy("fetch", sum, y).signals = 0;
  plan::Step wait;
  b.step("wait", test::kCopy, {}, {}) = {.kind = plan::StepKind::wait, .waits = {0, 1}};
  const std::int32_t yes = b.end_region();
  b.step("double", test::kScale, {x}, {y}, queues_bytes_of(kQueuesTwo));
  const std::int32_t no = b.end_region();
  b.input("flag", DType::boolean, {}, {});
  b.copy("send early", x, early).signals = 1;
  b.branch("if", b.operand(Base::input, DType::boolean, {}, 0, 1), yes, no);
  b.finish();
  return b;
}

TEST(Queues, BodiesEndWithNothingUnderWay) {
  PlanBuilder b = branching();
  ASSERT_EQ(refusal(b), "");
  Executor e(b.program_of(), {});
  for (bool flag : {true, false}) {
    ASSERT_TRUE(e.bind_input(1, DType::boolean, {}, &flag, 1));
    EXPECT_EQ(third_of(e), 6);
  }
  b.storage.steps[3].waits = {};
  EXPECT_EQ(refusal(b),
            "the engine's plan is damaged: regions[1]: it ends while step 2 may be under way\n  try: rebuild the "
            "engine");
}

/// y = 16 x by four sums on the device, captured as one segment.
PlanBuilder captured() {
  PlanBuilder b = two_devices();
  b.input("x", DType::f32, {4}, {4});
  Operand there = b.in_arena(DType::f32, {4}, 1);
  const Operand y = b.operand(Base::output, DType::f32, {4});
  b.output("y", y);
  b.copy("send", b.operand(Base::input, DType::f32, {4}), there);
  for (int i = 0; i < 4; ++i) {
    const Operand next = b.in_arena(DType::f32, {4}, 1);
    b.step("add", kRefAdd, {there, there}, {next}).device = 1;
    there = next;
  }
  b.copy("fetch", there, y);
  b.storage.segments = {{.steps = {1, 4}, .device = 1, .capturable = plan::Capturable::always}};
  b.finish();
  return b;
}

TEST(Queues, CapturedSegmentsAreReplayed) {
  PlanBuilder b = captured();
  ASSERT_EQ(refusal(b), "");
  Executor e(b.program_of(), {});
  EXPECT_EQ(third_of(e), 48);
  EXPECT_EQ(third_of(e, {1, 1, 5, 1}), 80);
  e.set_profiling(true);
  EXPECT_EQ(third_of(e), 48);
  EXPECT_EQ(e.times()[2].runs, 1) << "a step has a time of its own where times are asked for";
}

TEST(Queues, SegmentsHoldWhatIsTheSameInEveryRun) {
  struct Case {
    const char* expect;
    void (*damage)(plan::PlanStorage&);
  };
  const Case cases[] = {
      {"step 0 of it is not the same in every run", [](plan::PlanStorage& p) { p.segments[0].steps = {0, 5}; }},
      {"step 2 of it is not the same in every run", [](plan::PlanStorage& p) { p.steps[1].signals = 0; }},
      {"step 3 of it is not the same in every run",
       [](plan::PlanStorage& p) { p.operands[p.steps[3].outputs.begin].is_static = 0; }},
      {"its steps are not those of a region", [](plan::PlanStorage& p) { p.segments[0].steps = {1, 0}; }},
  };
  for (const Case& c : cases) {
    PlanBuilder b = captured();
    b.storage.event_count = 1;
    c.damage(b.storage);
    EXPECT_EQ(refusal(b),
              std::string("the engine's plan is damaged: segments[0]: ") + c.expect + "\n  try: rebuild the engine");
  }
}

/// y = 4 x by two sums on the device, of 1 to 8 elements.
PlanBuilder of_any_length() {
  PlanBuilder b = two_devices();
  b.input("x", DType::f32, {1}, {8});
  const plan::Register n = b.variable();
  const auto place = [&] {
    const std::int64_t at = b.in_arena(DType::f32, {8}, 1).byte_offset;
    return b.operand(Base::arena, DType::f32, {Dim::in(n, 8)}, at, 0, 1);
  };
  const Operand there = place(), sum = place(), twice = place();
  const Operand y = b.operand(Base::output, DType::f32, {Dim::in(n, 8)});
  b.output("y", y);
  b.copy("send", b.operand(Base::input, DType::f32, {Dim::in(n, 8)}), there).program =
      b.program({{.op = plan::ScalarOp::input_extent, .dst = n, .a = 0, .b = 0}});
  b.step("add", kRefAdd, {there, there}, {sum}).device = 1;
  b.step("add", kRefAdd, {sum, sum}, {twice}).device = 1;
  b.copy("fetch", twice, y);
  b.storage.segments = {{.steps = {1, 2}, .device = 1, .capturable = plan::Capturable::by_shape}};
  b.finish();
  return b;
}

/// Runs `length` elements until a run is replayed. Whether each gave what it should.
bool replays(Executor& e, std::int64_t length) {
  std::array<float, 8> x{1, 2, 3, 4, 5, 6, 7, 8};
  const std::int64_t before = e.replayed();
  for (int run = 0; run < 2000 && e.replayed() == before; ++run) {
    for (float& f : x) f += 1;
    if (!e.bind_input(0, DType::f32, {length}, x.data(), sizeof x) || !e.run()) return false;
    const TensorView y = e.output(0);
    if (y.shape != Shape{length}) return false;
    for (std::int64_t i = 0; i < length; ++i)
      if (y.as<float>()[i] != 4 * x[static_cast<std::size_t>(i)]) return false;
    if (run > 10) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return e.replayed() > before;
}

TEST(Queues, ShapesThatComeAgainAreReplayed) {
  PlanBuilder b = of_any_length();
  ASSERT_EQ(refusal(b), "");
  Executor e(b.program_of(), {.captured_shapes = 2});
  for (const std::int64_t length : {3, 5, 3, 8, 5, 3, 1}) EXPECT_TRUE(replays(e, length)) << length;
  // The two that came last are there at once, in any order.
  const std::int64_t before = e.replayed();
  for (const std::int64_t length : {3, 1, 1, 3}) EXPECT_TRUE(replays(e, length));
  EXPECT_EQ(e.replayed(), before + 4);
}

TEST(Queues, ShapesAreNotCapturedWhereNoneIsKept) {
  PlanBuilder b = of_any_length();
  Executor e(b.program_of(), {.captured_shapes = 0});
  std::array<float, 8> x{1, 2};
  for (int run = 0; run < 20; ++run) {
    ASSERT_TRUE(e.bind_input(0, DType::f32, {2}, x.data(), sizeof x));
    ASSERT_TRUE(e.run());
    EXPECT_EQ(e.output(0).as<float>()[1], 8);
  }
  EXPECT_EQ(e.replayed(), 0);
}

TEST(Queues, AnExecutorThatGoesWaitsForItsCaptures) {
  PlanBuilder b = of_any_length();
  const auto program = b.program_of();
  std::array<float, 8> x{};
  for (int round = 0; round < 50; ++round) {
    Executor e(program, {});
    ASSERT_TRUE(e.bind_input(0, DType::f32, {1 + round % 8}, x.data(), sizeof x));
    ASSERT_TRUE(e.run());
  }
}

TEST(Queues, SegmentsOfAShapeHoldWhatThatShapeDecides) {
  const auto damaged = [](void (*damage)(plan::PlanStorage&)) {
    PlanBuilder b = of_any_length();
    damage(b.storage);
    return refusal(b);
  };
  const std::string at = "the engine's plan is damaged: segments[0]: ", hint = "\n  try: rebuild the engine";
  EXPECT_EQ(damaged([](plan::PlanStorage& p) { p.segments[0].capturable = plan::Capturable::always; }),
            at + "step 1 of it is not the same in every run" + hint);
  EXPECT_EQ(damaged([](plan::PlanStorage& p) { p.segments[0].capturable = static_cast<plan::Capturable>(3); }),
            at + "it is captured in no way that there is" + hint);
  EXPECT_EQ(damaged([](plan::PlanStorage& p) { p.segments[0].steps = {0, 3}; }),
            at + "step 0 of it is not the same in every run of one shape" + hint);
}

TEST(Queues, EventsAreOfOneRegion) {
  PlanBuilder b = branching();
  b.storage.events[0] = 1;  // of the step before the branch
  EXPECT_NE(refusal(b).find("event 1, which no step before it in its region signals"), std::string::npos) << refusal(b);
}

/// A stranger's plan whose steps touch memory in ever more pieces costs no more than it is worth.
TEST(Queues, PiecesOfMemoryAreCounted) {
  PlanBuilder b = two_devices();
  std::vector<Operand> pieces;
  for (int i = 0; i < 1000; ++i) pieces.push_back(b.in_arena(DType::f32, {1}, 1));
  const Operand all = b.operand(Base::arena, DType::f32, {16000}, 0, 0, 1);
  for (const Operand& piece : pieces) b.step("part", kRefAdd, {piece}, {}).device = 1;
  for (int i = 0; i < 600; ++i) b.step("all", kRefAdd, {all}, {}).device = 1;
  b.finish();
  EXPECT_NE(refusal(b).find("the memory of steps before it is cut into too many pieces"), std::string::npos);
}

TEST(Queues, DeviceCodeLiesWithinItsSection) {
  PlanBuilder b = there_and_back();
  b.storage.devices[1].code_bytes = 64;
  EXPECT_EQ(refusal(b),
            "the engine's plan is damaged: devices[1]: its code [0, +64) leaves the 0 bytes of device code\n  try: "
            "rebuild the engine");
  const std::array<std::byte, 64> code{};
  EXPECT_EQ(test::error_of([&] { engine_file::verify_plan(b.storage.view(), 0, 64); }), "");
  EXPECT_EQ(test::error_of([&] { (void)runtime::open_devices(b.storage.view(), {}, code); }),
            "the engine carries 64 bytes of code for a device that runs none");
}

TEST(Queues, ExtentsThatADeviceReportsAreTheHosts) {
  PlanBuilder b = two_devices();
  b.input("x", DType::f32, {4}, {4});
  const plan::Register n = b.variable();
  const Operand there = b.in_arena(DType::f32, {4}, 1), packed = b.in_arena(DType::f32, {4}, 1);
  Operand some = b.operand(Base::arena, DType::f32, {Dim::in(n, 4)}, packed.byte_offset, 0, 1);
  const Operand y = b.operand(Base::output, DType::f32, {Dim::in(n, 4)});
  b.output("y", y);
  b.copy("send", b.operand(Base::input, DType::f32, {4}), there);
  plan::Step& compress = b.step("compress", kRefCompress, {there}, {packed});
  compress.device = 1;
  compress.extents = {static_cast<std::uint32_t>(n), 1};
  b.copy("fetch", some, y);
  b.finish();
  ASSERT_EQ(refusal(b), "");
  const test::SlowReference slow;
  Executor e(b.program_of(), {});
  EXPECT_EQ(third_of(e, {1, 5, -2, 7}), 7);
  EXPECT_EQ(e.output(0).shape, Shape({3}));
}

TEST(Queues, AFailureOnADeviceNamesItsStepAndIsOver) {
  PlanBuilder b = there_and_back();
  const std::vector<const Kernel*> kernels = b.kernels;
  b.kernels[1] = &kRefFail;
  Executor e(b.program_of(), {});
  std::array<float, 4> x{1, 2, 3, 4};
  ASSERT_TRUE(e.bind_input(0, DType::f32, {4}, x.data(), sizeof x));
  for (int run = 0; run < 2; ++run) {
    const Status s = e.run();
    EXPECT_STREQ(s.message(), "the kernel was asked to fail");
    EXPECT_EQ(s.step(), 2);
    EXPECT_EQ(e.explain(), "input 0 f32[4], input 1 f32[4], output 0 f32[4]");
  }
}

TEST(Queues, ALongQueueMakesTheHostWait) {
  PlanBuilder b = two_devices();
  b.input("x", DType::f32, {4}, {4});
  Operand there = b.in_arena(DType::f32, {4}, 1);
  const Operand y = b.operand(Base::output, DType::f32, {4});
  b.output("y", y);
  b.copy("send", b.operand(Base::input, DType::f32, {4}), there);
  for (int i = 0; i < 100; ++i) {
    const Operand next = b.in_arena(DType::f32, {4}, 1);
    b.step("copy", test::kCopy, {there}, {next}).device = 1;
    there = next;
  }
  b.copy("fetch", there, y);
  b.finish();
  ASSERT_EQ(refusal(b), "");
  Executor e(b.program_of(), {});
  e.set_profiling(true);
  EXPECT_EQ(third_of(e), 3);
  e.set_profiling(false);
  EXPECT_EQ(third_of(e, {1, 1, 9, 1}), 9);
}

}  // namespace
}  // namespace monza
