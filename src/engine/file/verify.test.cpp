// Each rule of the plan verifier refuses a plan that breaks it, and nothing but it.
#include "engine/file/verify.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "support/error_text.h"
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
  b.storage.nodes = {b.storage.intern("node")};
  b.storage.node_refs = {0, 0};
  plan::Step& first = b.step("compress", test::kCompress, {x}, {t}, {}, {{ScalarOp::input_extent, {}, n, 0, 0}});
  first.extents = {static_cast<std::uint32_t>(m), 1};
  first.signals = 0;
  plan::Step& second = b.step("add", test::kAdd, {w, t}, {u});
  second.waits = {0, 1};
  second.nodes = {0, 2};
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
  return test::error_of(
      [&] { engine_file::verify_plan(b.storage.view(), static_cast<std::int64_t>(b.weights().size())); });
}

TEST(VerifyPlan, AcceptsASoundPlan) { EXPECT_EQ(error_of(everything()), ""); }

TEST(VerifyPlan, RefusesWhatBreaksARule) {
  struct Case {
    const char* expect;
    std::function<void(PlanStorage&)> damage;
  };
  // Steps in file order: then, else, body, compress, add, loop, if.
  const Case cases[] = {
      {"the engine's plan is damaged: it is for 0 threads\n  try: rebuild the engine",
       [](PlanStorage& p) { p.threads = 0; }},
      {"the engine's plan is damaged: it has 128 bytes of weights and needs 1048576\n  try: rebuild the engine",
       [](PlanStorage& p) { p.weights_bytes = 1 << 20; }},
      {"the engine's plan is damaged: it has no region\n  try: rebuild the engine",
       [](PlanStorage& p) {
         p.regions.clear();
         p.region_refs.clear();
         p.loops.clear();
         p.steps.clear();
         p.events.clear();
         p.event_count = 0;
       }},
      {"the engine's plan is damaged: regions[0]: steps [3, +100) leave their array of 7\n  try: rebuild the engine",
       [](PlanStorage& p) { p.regions[0].steps.count = 100; }},
      {"the engine's plan is damaged: regions[0]: steps [4294967295, +2) leave their array of 7\n  try: rebuild the "
       "engine",
       [](PlanStorage& p) { p.regions[0].steps = {0xffffffffu, 2}; }},
      {"the engine's plan is damaged: regions[0]: instructions [77, +1) leave their array of 2\n  try: rebuild the "
       "engine",
       [](PlanStorage& p) { p.regions[0].program.begin = 77; }},
      {"the engine's plan is damaged: regions[4]: no branch or loop leads to it\n  try: rebuild the engine",
       [](PlanStorage& p) { p.regions.emplace_back(); }},
      {"the engine's plan is damaged: regions[1]: two branches or loops lead to it\n  try: rebuild the engine",
       [](PlanStorage& p) { p.region_refs[1] = p.region_refs[0]; }},
      {"the engine's plan is damaged: regions[0]: two branches or loops lead to it\n  try: rebuild the engine",
       [](PlanStorage& p) { p.loops[0].region = 0; }},
      {"the engine's plan is damaged: steps[1]: it is in two regions\n  try: rebuild the engine",
       [](PlanStorage& p) { p.regions[1].steps = p.regions[2].steps; }},
      {"the engine's plan is damaged: region_refs[0]: region 9 is not below 4\n  try: rebuild the engine",
       [](PlanStorage& p) { p.region_refs[0] = 9; }},
      {"the engine's plan is damaged: steps[4]: it waits for event 0, which nothing before it signals\n  try: rebuild "
       "the engine",
       [](PlanStorage& p) { p.steps[3].signals = -1; }},
      {"the engine's plan is damaged: steps[3]: event 5 does not exist\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[3].signals = 5; }},
      {"the engine's plan is damaged: events[0]: event 5 does not exist\n  try: rebuild the engine",
       [](PlanStorage& p) { p.events[0] = 5; }},
      {"the engine's plan is damaged: steps[4]: kind 9 is unknown\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].kind = static_cast<plan::StepKind>(9); }},
      {"the engine's plan is damaged: steps[4]: device 3 is not below 1\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].device = 3; }},
      {"the engine's plan is damaged: steps[4]: kernel 99 is not below 4\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].kernel = 99; }},
      {"the engine's plan is damaged: steps[4]: kernel -1 is not below 4\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].kernel = -1; }},
      {"the engine's plan is damaged: steps[4]: inputs [1000, +2) leave their array of 21\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].inputs.begin = 1000; }},
      {"the engine's plan is damaged: steps[4]: outputs [12, +1000) leave their array of 21\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].outputs.count = 1000; }},
      {"the engine's plan is damaged: steps[0]: parameters [0, +10000) leave their array of 1040\n  try: rebuild the "
       "engine",
       [](PlanStorage& p) { p.steps[0].params.count = 10000; }},
      {"the engine's plan is damaged: steps[0]: parameters at 4 are not aligned\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[0].params.begin = 4; }},
      {"the engine's plan is damaged: steps[0]: less than 1024 bytes follow the begin of its parameters\n  try: "
       "rebuild the engine",
       [](PlanStorage& p) { p.params.resize(p.params.size() - 64); }},
      {"the engine's plan is damaged: steps[4]: scratch [384, +1048576) leaves the arena of 448 bytes or is not "
       "aligned\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].scratch_bytes = 1 << 20; }},
      {"the engine's plan is damaged: steps[4]: scratch [-64, +64) leaves the arena of 448 bytes or is not aligned\n  "
       "try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].scratch_offset = -64; }},
      {"the engine's plan is damaged: steps[4]: scratch [9223372036854775744, +64) leaves the arena of 448 bytes or is "
       "not aligned\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].scratch_offset = INT64_MAX - 63; }},
      {"the engine's plan is damaged: steps[3]: reported extents [1000, +1) leave their array of 6\n  try: rebuild the "
       "engine",
       [](PlanStorage& p) { p.steps[3].extents.begin = 1000; }},
      {"the engine's plan is damaged: steps[6]: a branch has 1 regions and 1 inputs\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[6].regions.count = 1; }},
      {"the engine's plan is damaged: steps[6]: integers are read from an operand that holds none in host memory\n  "
       "try: rebuild the engine",
       [](PlanStorage& p) {
         p.operands[p.steps[6].inputs.begin].dtype = DType::f32;
         p.operands[p.steps[6].inputs.begin].byte_bound = 0;
         p.operands[p.steps[6].inputs.begin].is_static = 0;
       }},
      {"the engine's plan is damaged: steps[0]: text [7, +100000) leaves the strings\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[0].name.length = 100000; }},
      {"the engine's plan is damaged: steps[0]: nodes [5, +1) leave their array of 2\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[0].nodes = {5, 1}; }},
      {"the engine's plan is damaged: nodes of steps lie over each other\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[0].nodes = p.steps[1].nodes = {0, 2}; }},
      {"the engine's plan is damaged: node_refs[1]: node 7 is not below 1\n  try: rebuild the engine",
       [](PlanStorage& p) { p.node_refs[1] = 7; }},
      {"the engine's plan is damaged: nodes[0]: text [7, +100000) leaves the strings\n  try: rebuild the engine",
       [](PlanStorage& p) { p.nodes[0] = {7, 100000}; }},
      {"the engine's plan is damaged: steps[4]: output 0 would be written to the weights\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].outputs = {p.steps[4].inputs.begin, 1}; }},
      {"the engine's plan is damaged: operands[10]: base 77 is unknown\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].base = static_cast<Base>(77); }},
      {"the engine's plan is damaged: operands[10]: type 99 is unknown\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].dtype = static_cast<DType>(99); }},
      {"the engine's plan is damaged: operands[10]: layout 9 is unknown\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].layout = static_cast<Layout>(9); }},
      {"the engine's plan is damaged: operands[10]: rank 9 is above 8\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].rank = 9; }},
      {"the engine's plan is damaged: operands[10]: register 1000 is not below 6\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].extent[0] = 1000; }},
      {"the engine's plan is damaged: operands[10]: register -1 is not below 6\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].stride[0] = -1; }},
      {"the engine's plan is damaged: operands[10]: bytes [1048576, +32) leave the 128 bytes there are\n  try: rebuild "
       "the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_offset = 1 << 20; }},
      {"the engine's plan is damaged: operands[10]: bytes [0, +1048576) leave the 128 bytes there are\n  try: rebuild "
       "the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_bound = 1 << 20; }},
      {"the engine's plan is damaged: operands[10]: the operand's end overflows 64 bits: 9223372036854775807 + 32\n  "
       "try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_offset = INT64_MAX; }},
      {"the engine's plan is damaged: operands[10]: bytes [-64, +32) are no range\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_offset = -64; }},
      {"the engine's plan is damaged: operands[10]: offset 2 is not aligned to 4 bytes\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_offset = 2; }},
      {"the engine's plan is damaged: operands[10]: shape 8 reaches 32 bytes, its bound is 31\n  try: rebuild the "
       "engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_bound = 31; }},
      {"the engine's plan is damaged: operands[11]: only weights can be packed\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin + 1].layout = Layout::packed; }},
      {"the engine's plan is damaged: operands[8]: a static operand uses register 0, which is written at run time\n  "
       "try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[3].inputs.begin].is_static = 1; }},
      {"the engine's plan is damaged: operands[8]: input 7 is not below 2\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[3].inputs.begin].index = 7; }},
      {"the engine's plan is damaged: program[0]: operation 99 is unknown\n  try: rebuild the engine",
       [](PlanStorage& p) { p.program[0].op = static_cast<ScalarOp>(99); }},
      {"the engine's plan is damaged: program[0]: input 0 has no axis 5\n  try: rebuild the engine",
       [](PlanStorage& p) { p.program[0].b = 5; }},
      {"the engine's plan is damaged: program[0]: register 1000 is not below 6\n  try: rebuild the engine",
       [](PlanStorage& p) { p.program[0].dst = 1000; }},
      {"the engine's plan is damaged: program[1]: check 50 is not below 1\n  try: rebuild the engine",
       [](PlanStorage& p) { p.program[1].b = 50; }},
      {"the engine's plan is damaged: loops[0]: lists that belong together differ in length\n  try: rebuild the engine",
       [](PlanStorage& p) { p.loops[0].carried_in.count = 0; }},
      {"the engine's plan is damaged: loops[0]: carried value 0 changes its type\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.loops[0].carried_in.begin].dtype = DType::i32; }},
      {"the engine's plan is damaged: loops[0]: a loop writes to an operand that is not memory of its own\n  try: "
       "rebuild the engine",
       [](PlanStorage& p) {
         p.operands[p.loops[0].body_carried_in.begin].base = Base::weights;
         p.operands[p.loops[0].body_carried_in.begin].byte_offset = 0;
       }},
      {"the engine's plan is damaged: loops[0]: stacked value 0 does not fit its slices along axis 0\n  try: rebuild "
       "the engine",
       [](PlanStorage& p) {
         p.operands[p.loops[0].scan_out.begin].rank = 1;
         p.operands[p.loops[0].scan_out.begin].is_static = 0;
       }},
      {"the engine's plan is damaged: loops[0]: a Loop stacks along axis 0, forwards\n  try: rebuild the engine",
       [](PlanStorage& p) {
         p.loops[0].scan_axes = {0, 2};
         p.ints = {0, 1};
       }},
      {"the engine's plan is damaged: loops[0]: 1 axes for 0 inputs and 1 outputs\n  try: rebuild the engine",
       [](PlanStorage& p) { p.loops[0].scan_axes = {0, 1}; }},
      {"the engine's plan is damaged: loops[0]: at most -1 iterations\n  try: rebuild the engine",
       [](PlanStorage& p) { p.loops[0].max_trips = -1; }},
      {"the engine's plan is damaged: outputs[0]: operand 1000 is not below 21\n  try: rebuild the engine",
       [](PlanStorage& p) { p.outputs[0].operand = 1000; }},
      {"the engine's plan is damaged: outputs[0]: operand -1 is not below 21\n  try: rebuild the engine",
       [](PlanStorage& p) { p.outputs[0].operand = -1; }},
      {"the engine's plan is damaged: outputs[0]: its operand is not this port\n  try: rebuild the engine",
       [](PlanStorage& p) { p.outputs[0].operand = static_cast<std::int32_t>(p.steps[4].inputs.begin); }},
      {"the engine's plan is damaged: inputs[0]: bounds 9 <= 8 <= 8 of axis 0 are not in order\n  try: rebuild the "
       "engine",
       [](PlanStorage& p) { p.inputs[0].min[0] = 9; }},
      {"the engine's plan is damaged: inputs[0]: the tensor's size overflows 64 bits: 9223372036854775807 * 4\n  try: "
       "rebuild the engine",
       [](PlanStorage& p) { p.inputs[0].max[0] = p.inputs[0].opt[0] = INT64_MAX; }},
      {"the engine's plan is damaged: inputs[0]: rank 200 is above 8\n  try: rebuild the engine",
       [](PlanStorage& p) { p.inputs[0].rank = 200; }},
      {"the engine's plan is damaged: weight_blocks[0]: bytes [0, +9223372036854775807) leave the 128 bytes of "
       "weights\n  try: rebuild the engine",
       [](PlanStorage& p) { p.weight_blocks[0].bytes = INT64_MAX; }},
      {"the engine's plan is damaged: weight_blocks[0]: bytes [-1, +32) leave the 128 bytes of weights\n  try: rebuild "
       "the engine",
       [](PlanStorage& p) { p.weight_blocks[0].offset = -1; }},
      {"the engine's plan is damaged: devices[0]: device kind 77 is unknown\n  try: rebuild the engine",
       [](PlanStorage& p) { p.devices[0].kind = 77; }},
      {"the engine's plan is damaged: devices[0]: the arena has -1 bytes\n  try: rebuild the engine",
       [](PlanStorage& p) { p.devices[0].arena_bytes = -1; }},
      {"the engine's plan is damaged: devices[0]: the arena has 9223372036854775807 bytes\n  try: rebuild the engine",
       [](PlanStorage& p) { p.devices[0].arena_bytes = INT64_MAX; }},
      {"the engine's plan is damaged: devices[0]: the arena's lower bound is -64 of 448 bytes\n  try: rebuild the "
       "engine",
       [](PlanStorage& p) { p.devices[0].arena_lower_bound = -64; }},
      {"the engine's plan is damaged: it has 257 devices\n  try: rebuild the engine",
       [](PlanStorage& p) { p.devices.resize(257); }},
      {"the engine's plan is damaged: segments[0]: steps [0, +99) leave their array of 7\n  try: rebuild the engine",
       [](PlanStorage& p) { p.segments.push_back({{0, 99}}); }},
      {"the engine's plan is damaged: it has -1 events for 7 steps\n  try: rebuild the engine",
       [](PlanStorage& p) { p.event_count = -1; }},
      {"the engine's plan is damaged: it has 2000000000 events for 7 steps\n  try: rebuild the engine",
       [](PlanStorage& p) { p.event_count = 2'000'000'000; }},
      {"the engine's plan is damaged: weight_blocks[0]: kernel 99 is not below 4\n  try: rebuild the engine",
       [](PlanStorage& p) { p.weight_blocks[0].kernel = 99; }},
      {"the engine's plan is damaged: inputs[0]: kind 3 is unknown\n  try: rebuild the engine",
       [](PlanStorage& p) { p.inputs[0].kind = 3; }},
      {"the engine's plan is damaged: operands[8]: bytes [0, +32) leave the 16 bytes there are\n  try: rebuild the "
       "engine",
       [](PlanStorage& p) { p.inputs[0].kind = 1; }},
      {"the engine's plan is damaged: outputs[0]: its operand is not the whole dense output\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[static_cast<std::size_t>(p.outputs[0].operand)].dtype = DType::i32; }},
      {"the engine's plan is damaged: program[0]: element -1 is negative\n  try: rebuild the engine",
       [](PlanStorage& p) { p.program[0] = {ScalarOp::load_element, {}, 0, 0, -1}; }},
      {"the engine's plan is damaged: operands[10]: bytes [0, +-1) are no range\n  try: rebuild the engine",
       [](PlanStorage& p) { p.operands[p.steps[4].inputs.begin].byte_bound = -1; }},
      {"the engine's plan is damaged: steps[4]: operand 1 lies in the scratch memory\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[4].scratch_offset = 0; }},
      {"the engine's plan is damaged: loops[0]: 0 axes for 0 inputs and 1 outputs\n  try: rebuild the engine",
       [](PlanStorage& p) { p.loops[0].is_scan = 1; }},
      {"the engine's plan is damaged: loops[0]: a Scan that scans nothing\n  try: rebuild the engine",
       [](PlanStorage& p) {
         p.loops[0].is_scan = 1;
         p.loops[0].scan_axes = {0, 2};
       }},
      {"the engine's plan is damaged: outputs[0]: its operand does not stand for a sequence or optional\n  try: "
       "rebuild the engine",
       [](PlanStorage& p) { p.outputs[0].kind = 1; }},
      {"the engine's plan is damaged: operands[10]: element 1 begins inside a byte\n  try: rebuild the engine",
       [](PlanStorage& p) {
         Operand& o = p.operands[p.steps[4].inputs.begin];
         o.dtype = DType::i4;
         o.element_offset = static_cast<plan::Register>(p.registers.size());
         p.registers.push_back(1);
       }},
      {"the engine's plan is damaged: steps[4]: operand 32 is a state, and only the first 32 can be\n  try: rebuild "
       "the engine",
       [](PlanStorage& p) {
         p.states.push_back(p.inputs[0]);
         p.states.back().name = {};
         Operand o;
         o.base = Base::state;
         o.dtype = DType::f32;
         p.steps[4].inputs = {static_cast<std::uint32_t>(p.operands.size()), 33};
         p.operands.resize(p.operands.size() + 33, o);
       }},
      {"the engine's plan is damaged: states[0]: the state of a sequence holds no i64\n  try: rebuild the engine",
       [](PlanStorage& p) {
         p.states.push_back(p.inputs[0]);
         p.states.back().name = {};
         p.states.back().operand = -1;
         p.states.back().dtype = DType::i64;
       }},
      {"the engine's plan is damaged: loops[0]: a Loop that scans\n  try: rebuild the engine",
       [](PlanStorage& p) {
         p.loops[0].scanned = p.loops[0].body_scanned = p.loops[0].carried_in;
         p.loops[0].scan_axes = {0, 4};
         p.ints = {0, 0, 0, 0};
       }},
      {"the engine's plan is damaged: loops[0]: a Scan with a trip count\n  try: rebuild the engine",
       [](PlanStorage& p) {
         p.loops[0].is_scan = 1;
         p.loops[0].scanned = p.loops[0].body_scanned = p.loops[0].carried_in;
         p.loops[0].scan_axes = {0, 4};
         p.ints = {0, 0, 0, 0};
       }},
      {"the engine's plan is damaged: loops[0]: scanned value 0 does not fit its slices along axis 0\n  try: rebuild "
       "the engine",
       [](PlanStorage& p) {
         p.loops[0].is_scan = 1;
         p.loops[0].trip_count = -1;
         p.loops[0].scanned = p.loops[0].carried_in;
         p.loops[0].body_scanned = {static_cast<std::uint32_t>(p.operands.size()), 1};
         p.operands.push_back(Operand(p.operands[p.loops[0].carried_in.begin]));
         p.loops[0].scan_axes = {0, 4};
         p.ints = {0, 0, 0, 0};
       }},
      {"the engine's plan is damaged: loops[0]: a loop reshapes operand 12, which is used elsewhere too\n  try: "
       "rebuild the engine",
       [](PlanStorage& p) { p.loops[0].carried_out = {p.steps[4].outputs.begin, 1}; }},
      {"the engine's plan is damaged: waits lie over each other\n  try: rebuild the engine",
       [](PlanStorage& p) { p.steps[5].waits = p.steps[4].waits; }},
      {"the engine's plan is damaged: texts lie over each other\n  try: rebuild the engine",
       [](PlanStorage& p) { p.inputs[0].name = {0, static_cast<std::uint32_t>(p.strings.size())}; }},
      {"the engine's plan is damaged: loops[0]: a loop moves an operand that is not plain host memory\n  try: rebuild "
       "the engine",
       [](PlanStorage& p) { p.operands[p.loops[0].carried_in.begin].base = Base::none; }},
  };
  for (const Case& c : cases) {
    PlanBuilder b = everything();
    c.damage(b.storage);
    const std::string error = error_of(b);
    EXPECT_EQ(error, c.expect);
  }
}

TEST(VerifyPlan, RefusesRegionsThatAreNestedTooDeep) {
  PlanBuilder b;
  b.input("flag", DType::boolean, {}, {});
  std::int32_t inner = b.end_region();
  for (int depth = 0; depth < 202; ++depth) {
    const std::int32_t other = b.end_region();
    b.branch("if", b.operand(Base::input, DType::boolean, {}), inner, other);
    if (depth < 201) inner = b.end_region();
  }
  b.finish();
  EXPECT_EQ(error_of(b), "the engine's plan is damaged: regions[3]: nested deeper than 201\n  try: rebuild the engine");
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
  const auto error = [](const PlanBuilder& b) {
    return test::error_of([&] { engine_file::verify_kernels(b.storage.view(), b.kernels); });
  };
  PlanBuilder b;
  const Operand t = b.in_arena(DType::f32, {2}), u = b.in_arena(DType::f32, {2});
  plan::Step& s = b.step("scratchy", test::kScratchy, {t}, {u});
  s.scratch_bytes = 128;
  b.finish();
  EXPECT_EQ(error(b), "");
  b.storage.steps[0].scratch_bytes = 127;
  EXPECT_EQ(error(b),
            "the engine's plan is damaged: step 0 (scratchy): kernel 'test_scratchy' cannot run it: the kernel needs "
            "more scratch memory at this shape than was planned\n  try: rebuild the engine");
  b.storage.steps[0].scratch_bytes = 128;
  plan::Operand& out = b.storage.operands[b.storage.steps[0].outputs.begin];
  out.byte_offset = t.byte_offset + 4;
  EXPECT_EQ(error(b),
            "the engine's plan is damaged: step 0 (scratchy): kernel 'test_scratchy' cannot run it: an output lies "
            "over an input that its kernel still reads\n  try: rebuild the engine");
  out.byte_offset = u.byte_offset;
  b.storage.devices[0].kind = static_cast<std::uint8_t>(DeviceKind::reference);
  EXPECT_EQ(error(b),
            "the engine's plan is damaged: step 0 (scratchy): kernel 'test_scratchy' does not run on device 0\n  try: "
            "rebuild the engine");
  b.storage.devices[0].kind = 0;
  b.storage.operands[b.storage.steps[0].inputs.begin].layout = Layout::packed;
  EXPECT_EQ(error(b),
            "the engine's plan is damaged: step 0 (scratchy): kernel 'test_scratchy' cannot run it: an operand has "
            "another layout than its kernel takes\n  try: rebuild the engine");
}

}  // namespace
}  // namespace monza
