// Each rule of the plan verifier refuses a plan that breaks it, and nothing but it.
#include "engine/file/verify.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "monza/error.h"
#include "support/plan_builder.h"
#include "support/test_kernels.h"

namespace monza {
namespace {

using plan::Base;
using plan::Operand;
using plan::PlanStorage;
using plan::ScalarOp;
using test::Dim;
using test::PlanBuilder;

/// A plan with a bit of everything: a dynamic input, weights, a branch, a loop, events, reported extents.
PlanBuilder everything() {
  PlanBuilder b;
  b.input("x", DType::f32, {1}, {8});
  b.input("flag", DType::boolean, {}, {});
  const plan::Register n = b.variable(), m = b.variable(), trips = b.variable();
  const float two = 2, values[8] = {};
  const auto params = std::as_bytes(std::span(&two, 1));
  const Operand x = b.operand(Base::input, DType::f32, {Dim::in(n, 8)});
  const Operand w = b.operand(Base::weights, DType::f32, {8}, b.weight("w", std::as_bytes(std::span(values))));
  const Operand t = b.in_arena(DType::f32, {8}), u = b.in_arena(DType::f32, {8}),
                y = b.operand(Base::output, DType::f32, {8});
  b.output("y", y);
  b.step("then", test::kScale, {t}, {y}, params);
  const std::int32_t yes = b.end_region();
  b.step("else", test::kCopy, {t}, {y});
  const std::int32_t no = b.end_region();
  const Operand carried = b.in_arena(DType::f32, {8}), carried_out = b.in_arena(DType::f32, {8}),
                stacked = b.in_arena(DType::f32, {4, 8});
  b.step("body", test::kAdd, {carried, w}, {carried_out});
  const std::int32_t body = b.end_region();
  b.storage.event_count = 1;
  b.storage.events = {0};
  b.storage.ints = {0, 0};
  plan::Step& first = b.step("compress", test::kCompress, {x}, {t}, {}, {{ScalarOp::input_extent, {}, n, 0, 0}});
  first.extents = {static_cast<std::uint32_t>(m), 1};
  first.signals = 0;
  plan::Step& second = b.step("add", test::kAdd, {w, t}, {u});
  second.waits = {0, 1};
  second.scratch_bytes = 64;
  second.scratch_offset = b.arena(64);
  const std::int64_t four = 4;
  plan::LoopInfo loop;
  loop.region = body;
  loop.trip_count =
      b.add(b.operand(Base::weights, DType::i64, {}, b.weight("trips", std::as_bytes(std::span(&four, 1)))));
  loop.carried_in = b.add(std::vector{u});
  loop.body_carried_in = b.add(std::vector{carried});
  loop.body_carried_out = b.add(std::vector{carried_out});
  loop.carried_out = b.add(std::vector{u});
  loop.body_scan_out = b.add(std::vector{carried_out});
  loop.scan_out = b.add(std::vector{stacked});
  loop.trips = trips;
  loop.max_trips = 4;
  b.loop("loop", loop);
  b.branch("if", b.operand(Base::input, DType::boolean, {}, 0, 1), yes, no);
  const std::int32_t check = b.check(0, 8, "the count");
  b.finish({{ScalarOp::check_range, {}, -1, m, check}});
  return b;
}

std::string error_of(const PlanBuilder& b) {
  try {
    engine_file::verify_plan(b.storage.view(), static_cast<std::int64_t>(b.weights().size()));
    return {};
  } catch (const Error& e) {
    return e.what();
  }
}

TEST(VerifyPlan, AcceptsASoundPlan) { EXPECT_EQ(error_of(everything()), ""); }

TEST(VerifyPlan, RefusesWhatBreaksARule) {
  struct Case {
    const char* expect;
    std::function<void(PlanStorage&)> damage;
  };
  // Steps in file order: then, else, body, compress, add, loop, if.
  const Case cases[] = {
      {"threads", [](PlanStorage& p) { p.threads = 0; }},
      {"bytes of weights and needs", [](PlanStorage& p) { p.weights_bytes = 1 << 20; }},
      {"no region",
       [](PlanStorage& p) {
         p.regions.clear();
         p.region_refs.clear();
         p.loops.clear();
         p.steps.clear();
       }},
      {"regions[0]: steps", [](PlanStorage& p) { p.regions[0].steps.count = 100; }},
      {"regions[0]: steps", [](PlanStorage& p) { p.regions[0].steps = {0xffffffffu, 2}; }},
      {"instructions", [](PlanStorage& p) { p.regions[0].program.begin = 77; }},
      {"no branch or loop leads to it", [](PlanStorage& p) { p.regions.emplace_back(); }},
      {"two branches or loops lead to it", [](PlanStorage& p) { p.region_refs[1] = p.region_refs[0]; }},
      {"two branches or loops lead to it", [](PlanStorage& p) { p.loops[0].region = 0; }},
      {"it is in two regions", [](PlanStorage& p) { p.regions[1].steps = p.regions[2].steps; }},
      {"region 9 is not below", [](PlanStorage& p) { p.region_refs[0] = 9; }},
      {"which nothing before it signals", [](PlanStorage& p) { p.steps[3].signals = -1; }},
      {"event 5 does not exist", [](PlanStorage& p) { p.steps[3].signals = 5; }},
      {"event 5 does not exist", [](PlanStorage& p) { p.events[0] = 5; }},
      {"steps[4]: kind", [](PlanStorage& p) { p.steps[4].kind = static_cast<plan::StepKind>(9); }},
      {"device 3 is not below", [](PlanStorage& p) { p.steps[4].device = 3; }},
      {"kernel 99 is not below", [](PlanStorage& p) { p.steps[4].kernel = 99; }},
      {"kernel -1 is not below", [](PlanStorage& p) { p.steps[4].kernel = -1; }},
      {"inputs", [](PlanStorage& p) { p.steps[4].inputs.begin = 1000; }},
      {"outputs", [](PlanStorage& p) { p.steps[4].outputs.count = 1000; }},
      {"parameters", [](PlanStorage& p) { p.steps[0].params.count = 10000; }},
      {"are not aligned", [](PlanStorage& p) { p.steps[0].params.begin = 4; }},
      {"follow the begin of its parameters", [](PlanStorage& p) { p.params.resize(p.params.size() - 64); }},
      {"scratch", [](PlanStorage& p) { p.steps[4].scratch_bytes = 1 << 20; }},
      {"scratch", [](PlanStorage& p) { p.steps[4].scratch_offset = -64; }},
      {"scratch", [](PlanStorage& p) { p.steps[4].scratch_offset = INT64_MAX - 63; }},
      {"reported extents", [](PlanStorage& p) { p.steps[3].extents.begin = 1000; }},
      {"a branch has 1 regions", [](PlanStorage& p) { p.steps[6].regions.count = 1; }},
      {"holds none in host memory",
       [](PlanStorage& p) {
         p.operands[p.steps[6].inputs.begin].dtype = DType::f32;
         p.operands[p.steps[6].inputs.begin].byte_bound = 0;
         p.operands[p.steps[6].inputs.begin].is_static = 0;
       }},
      {"leaves the strings", [](PlanStorage& p) { p.steps[0].name.length = 100000; }},
      {"would be written to the weights", [](PlanStorage& p) { p.steps[4].outputs = {p.steps[4].inputs.begin, 1}; }},
      {"base 77", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].base = static_cast<Base>(77); }},
      {"type 99", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].dtype = static_cast<DType>(99); }},
      {"layout 9", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].layout = static_cast<Layout>(9); }},
      {"rank 9", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].rank = 9; }},
      {"register 1000", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].extent[0] = 1000; }},
      {"register -1", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].stride[0] = -1; }},
      {"leave the", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_offset = 1 << 20; }},
      {"leave the", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_bound = 1 << 20; }},
      {"overflows", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_offset = INT64_MAX; }},
      {"bytes [-64", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_offset = -64; }},
      {"not aligned", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_offset = 2; }},
      {"its bound is", [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_bound = 31; }},
      {"only weights can be packed",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin + 1].layout = Layout::packed; }},
      {"is written at run time", [](PlanStorage& p) { p.operands[p.steps[3].inputs.begin].is_static = 1; }},
      {"input 7 is not below", [](PlanStorage& p) { p.operands[p.steps[3].inputs.begin].index = 7; }},
      {"operation 99", [](PlanStorage& p) { p.program[0].op = static_cast<ScalarOp>(99); }},
      {"has no axis 5", [](PlanStorage& p) { p.program[0].b = 5; }},
      {"register 1000", [](PlanStorage& p) { p.program[0].dst = 1000; }},
      {"check 50", [](PlanStorage& p) { p.program[1].b = 50; }},
      {"differ in length", [](PlanStorage& p) { p.loops[0].carried_in.count = 0; }},
      {"changes its type", [](PlanStorage& p) { p.operands[p.loops[0].carried_in.begin].dtype = DType::i32; }},
      {"memory of its own",
       [](PlanStorage& p) {
         p.operands[p.loops[0].body_carried_in.begin].base = Base::weights;
         p.operands[p.loops[0].body_carried_in.begin].byte_offset = 0;
       }},
      {"stacked value",
       [](PlanStorage& p) {
         p.operands[p.loops[0].scan_out.begin].rank = 1;
         p.operands[p.loops[0].scan_out.begin].is_static = 0;
       }},
      {"along axis 0",
       [](PlanStorage& p) {
         p.loops[0].scan_axes = {0, 2};
         p.ints = {0, 1};
       }},
      {"axes for", [](PlanStorage& p) { p.loops[0].scan_axes = {0, 1}; }},
      {"iterations", [](PlanStorage& p) { p.loops[0].max_trips = -1; }},
      {"outputs[0]: operand", [](PlanStorage& p) { p.outputs[0].operand = 1000; }},
      {"outputs[0]: operand", [](PlanStorage& p) { p.outputs[0].operand = -1; }},
      {"its operand is not this port",
       [](PlanStorage& p) { p.outputs[0].operand = static_cast<std::int32_t>(p.steps[4].inputs.begin); }},
      {"bounds", [](PlanStorage& p) { p.inputs[0].min[0] = 9; }},
      {"overflows", [](PlanStorage& p) { p.inputs[0].max[0] = p.inputs[0].opt[0] = INT64_MAX; }},
      {"inputs[0]: rank", [](PlanStorage& p) { p.inputs[0].rank = 200; }},
      {"leave the", [](PlanStorage& p) { p.weight_blocks[0].bytes = INT64_MAX; }},
      {"leave the", [](PlanStorage& p) { p.weight_blocks[0].offset = -1; }},
      {"device kind", [](PlanStorage& p) { p.devices[0].kind = 77; }},
      {"devices[0]: the arena", [](PlanStorage& p) { p.devices[0].arena_bytes = -1; }},
      {"segments[0]", [](PlanStorage& p) { p.segments.push_back({{0, 99}}); }},
  };
  for (const Case& c : cases) {
    PlanBuilder b = everything();
    c.damage(b.storage);
    const std::string error = error_of(b);
    EXPECT_NE(error.find(c.expect), std::string::npos) << "expected '" << c.expect << "', got '" << error << "'";
  }
}

TEST(VerifyPlan, RandomDamageNeverCrashesIt) {
  std::mt19937 random(11);
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    PlanBuilder b = everything();
    const int target = static_cast<int>(random() % 19);
    int number = 0;
    plan::for_each_array(b.storage, [&](const char*, auto& array) {
      if (number++ != target || array.empty()) return;
      auto* bytes = reinterpret_cast<unsigned char*>(array.data());
      for (int k = 0; k < 1 + static_cast<int>(random() % 3); ++k)
        bytes[random() % (array.size() * sizeof(array[0]))] = static_cast<unsigned char>(random());
    });
    refused += error_of(b).empty() ? 0 : 1;
  }
  EXPECT_GT(refused, 5000);
  EXPECT_LT(refused, 20000);  // names, times and the like may be anything
}

TEST(VerifyKernels, ChecksDeviceScratchAndPacking) {
  const auto error = [](const PlanBuilder& b) -> std::string {
    try {
      engine_file::verify_kernels(b.storage.view(), b.kernels);
      return {};
    } catch (const Error& e) {
      return e.what();
    }
  };
  PlanBuilder b;
  const Operand t = b.in_arena(DType::f32, {2}), u = b.in_arena(DType::f32, {2});
  plan::Step& s = b.step("scratchy", test::kScratchy, {t}, {u});
  s.scratch_bytes = 128;
  b.finish();
  EXPECT_EQ(error(b), "");
  b.storage.steps[0].scratch_bytes = 127;
  EXPECT_NE(error(b).find("needs more scratch memory at this shape than was planned"), std::string::npos);
  b.storage.steps[0].scratch_bytes = 128;
  plan::Operand& out = b.storage.operands[b.storage.steps[0].outputs.begin];
  out.byte_offset = t.byte_offset + 4;
  EXPECT_NE(error(b).find("an output lies over an input that its kernel still reads"), std::string::npos);
  out.byte_offset = u.byte_offset;
  b.storage.devices[0].kind = static_cast<std::uint8_t>(DeviceKind::reference);
  EXPECT_NE(error(b).find("does not run on device"), std::string::npos);
  b.storage.devices[0].kind = 0;
  b.storage.operands[b.storage.steps[0].inputs.begin].layout = Layout::packed;
  EXPECT_NE(error(b).find("has another layout than its kernel takes"), std::string::npos);
}

}  // namespace
}  // namespace monza
