// The Plan: what the runtime executes. Plain data in flat arrays that can be mapped from a file as they are.
//
// A plan is a tree of regions (region 0 is the model; bodies of If, Loop and Scan are children), each a run
// of steps. A step names a kernel, its parameters, its operands, a queue, and what it waits for and signals.
// Addresses are a base plus an offset, never absolute. Extents, strides and run-time offsets are registers
// of a small integer program over input extents, elements of host tensors and extents that kernels report.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "monza/dtype.h"
#include "tensor/shape.h"
#include "tensor/view.h"

namespace monza::plan {

/// Version of these structs and of their meaning: an engine file of another version is refused.
inline constexpr std::uint32_t kPlanVersion = 4;

using Register = std::int32_t;  ///< index into the register file; -1: none
inline constexpr Register kNoRegister = -1;
inline constexpr std::uint32_t kNoValue = 0xffffffffu;  ///< of Step::value

/// A range of another array.
struct Range {
  std::uint32_t begin = 0, count = 0;
};
/// Text in the plan's string pool.
struct Text {
  std::uint32_t begin = 0, length = 0;
};

/// Where an operand's offset counts from.
enum class Base : std::uint8_t {
  none = 0,  ///< an absent operand
  arena,     ///< the context's activations; one arena for each device (Operand::device)
  weights,   ///< the engine's constants: shared and read-only; a part of them for each device (Operand::device)
  input,     ///< the memory bound to model input `index`
  output,    ///< the memory bound to model output `index`
  state,     ///< sequence state `index`: reaches the kernel through a StateView, not through `data`
};

/// A tensor as a step sees it. All elements lie in [base + byte_offset, + byte_bound): a view that steps backwards
/// starts at the last element through element_offset. The runtime checks what depends on registers before each use.
/// The output of a kernel that reports extents carries the bounds; its readers carry the reported registers.
struct Operand {
  Base base = Base::none;
  DType dtype = DType::invalid;
  Layout layout = Layout::strided;
  std::uint8_t rank = 0;
  std::uint8_t device = 0;     ///< index into Plan::devices of the memory it lies in; whatever its base
  std::uint8_t is_static = 0;  ///< every register below is a constant: resolved once, when a context is made
  /// Bit i: extent[i] is a register that a loop sets from the value it copies in (see LoopInfo). Other operands: 0.
  std::uint16_t bound_axes = 0;
  std::int32_t index = 0;                 ///< input, output, state: which one
  Register element_offset = kNoRegister;  ///< added to the address, in elements
  std::int64_t byte_offset = 0;           ///< added to the base
  std::int64_t byte_bound = 0;  ///< bytes the operand may reach at the largest shape, counted from byte_offset
  Register extent[kMaxRank] = {};
  Register stride[kMaxRank] = {};  ///< elements
};

/// One instruction of the extent program: register[dst] = a OP b.
enum class ScalarOp : std::uint8_t {
  add,
  sub,
  mul,
  floor_div,
  ceil_div,
  mod,
  min,
  max,
  input_extent,  ///< extent of axis b of model input a
  load_element,  ///< element b of operand a (an integer or boolean tensor in host memory)
  check_range,   ///< fails the run unless checks[b].low <= register[a] <= checks[b].high; dst unused
  check_equal,   ///< fails the run unless register[a] == register[b] (message: checks[dst])
};
struct ScalarInstruction {
  ScalarOp op = ScalarOp::add;
  std::uint8_t reserved[3] = {};
  Register dst = kNoRegister;
  std::int32_t a = 0, b = 0;
};
/// Bounds of a dimension, with the text shown when a run leaves them.
struct Check {
  std::int64_t low = 0, high = 0;
  Text what;  ///< "dimension 'batch' (axis 0 of input 'images')"
};

enum class StepKind : std::uint8_t {
  kernel = 0,
  branch,  ///< If: in[0] is the condition; regions[0] then, regions[1] else; each region writes the step's outputs
  loop,    ///< Loop and Scan: see LoopInfo
  copy,    ///< in[0] to out[0], both dense and of one shape: one lies on the host, the other on the step's device
  wait,    ///< the host waits for the events; inputs name what it reads next, outside of any kernel
};

/// The operands of a kernel lie on the step's device. Branches, loops and waits are steps of the host; their regions'
/// steps may be of any device. A copy is a step of the device that is not the host.
struct Step {
  StepKind kind = StepKind::kernel;
  std::uint8_t device = 0;          ///< index into Plan::devices
  std::uint16_t queue = 0;          ///< of the device: below DeviceRef::queues
  std::int32_t kernel = -1;         ///< index into Plan::kernels
  Range inputs, outputs;            ///< operands
  Range params;                     ///< bytes of Plan::params; begin is 16-byte aligned
  Range program;                    ///< scalar instructions that run just before the step
  Range extents;                    ///< begin: first register that the kernel's reported extents go to; count: how many
  Range regions;                    ///< Plan::region_refs: the children of a branch or loop
  Range waits;                      ///< Plan::events: ids that must have been signalled
  std::int32_t signals = -1;        ///< event id signalled when done, or -1
  std::int32_t loop = -1;           ///< index into Plan::loops
  std::int64_t scratch_offset = 0;  ///< in the device's arena
  std::int64_t scratch_bytes = 0;
  Text name;                   ///< what it computes in words, shortened, for messages and profiles
  Range nodes;                 ///< Plan::node_refs: the ONNX nodes it computes; none where it only rearranges a value
  float flops = 0, bytes = 0;  ///< work at the shape planned for, for profiles
  float measured_us = 0;       ///< time of this kernel when it was chosen; 0 when it was not timed
  /// The value of the engine's graph that it computes (the first of several) or rearranges, by its number there.
  std::uint32_t value = kNoValue;
};

/// Bytes that lie in Plan::params from the begin of any step's parameters on: at least any kernel's params struct, so
/// that a kernel reads within the array whatever a damaged plan says.
inline constexpr std::uint32_t kParamsRoom = 1024;

/// How a loop binds its body. Ranges are of operands; those of one pair have equal length.
/// Each iteration: copies `carried_in` (first) or the last `body_carried_out` into `body_carried_in`, sets the
/// iteration number and the slices of `scanned`, runs the body region, reads `body_condition_out`, appends
/// `body_scan_out` to `scan_out`. At the end copies the last carried values to `carried_out`.
/// Memory of `body_carried_out` may be that of the `body_carried_in` of the same index, and of no other.
/// What a loop writes (body_carried_in, body_scanned, carried_out, scan_out) is dense. Extents in bound_axes are set
/// from the value copied, before it is used; all others must be equal to it, or the run fails. Strides of such
/// operands are not read by the loop: the steps that follow compute them where they need them.
struct LoopInfo {
  std::uint8_t is_scan = 0;
  std::uint8_t reserved[3] = {};
  std::int32_t region = -1;
  std::int32_t trip_count = -1, condition = -1;                                       ///< operands, or -1
  std::int32_t body_iteration = -1, body_condition_in = -1, body_condition_out = -1;  ///< operands, or -1
  Range carried_in, body_carried_in, body_carried_out, carried_out;
  Range scanned, body_scanned;    ///< Scan inputs and their slices
  Range body_scan_out, scan_out;  ///< per-iteration outputs and what they are stacked into
  Range scan_axes;                ///< Plan::ints: input axes, input directions, output axes, output directions
  Register trips = kNoRegister;   ///< receives the number of iterations made
  std::int64_t max_trips = 0;     ///< bound set at build
};

/// Steps run in order. A child region is executed only through the branch or loop that names it.
struct Region {
  Range steps;
  Range program;  ///< scalar instructions after the last step (extents of outputs)
};

/// Which runs hand out the same launches for all steps of a segment (plan/data/segments.h).
enum class Capturable : std::uint8_t {
  never,
  always,    ///< captured when a context is made
  by_shape,  ///< those in which the extents are equal: captured for the shapes that are met
};

/// Steps that a device may capture and replay: no host read, no allocation, no data-dependent extent inside. Contexts
/// do so with the segments of devices other than the host.
struct Segment {
  Range steps;
  std::uint8_t device = 0;
  Capturable capturable = Capturable::never;
  std::uint8_t reserved[2] = {};
};

struct KernelRef {
  Text name;
  std::int32_t version = 0;
};

/// Plan::devices[0] is the host: its memory is the process's, where callers bind inputs and outputs and where extents,
/// conditions and loop bounds are read. Its one queue is the thread that runs the plan.
struct DeviceRef {
  std::uint8_t kind = 0;    ///< DeviceKind
  std::uint8_t queues = 1;  ///< steps of one queue run one after the other; queues run beside each other
  std::uint8_t reserved[6] = {};
  std::int64_t arena_bytes = 0;
  std::int64_t arena_lower_bound = 0;            ///< largest sum of live bytes over the executed order
  std::int64_t weights_offset = 0;               ///< its part of the engine's weights; operands count from there
  std::int64_t weights_bytes = 0;                ///< of that part
  std::int64_t code_offset = 0, code_bytes = 0;  ///< its part of the engine's device code; none for the host
};

/// A model input, output or state.
struct ModelPort {
  Text name;
  DType dtype = DType::invalid;
  std::uint8_t rank = 0;
  std::uint8_t kind = 0;      ///< as monza::ValueKind; the dtype of all but tensors is that of their elements
  std::uint8_t device = 0;    ///< whose memory is bound to it
  std::int32_t operand = -1;  ///< its operand: gives the extents after the run (outputs)
  std::int64_t min[kMaxRank] = {}, opt[kMaxRank] = {}, max[kMaxRank] = {};
  Text symbol[kMaxRank] = {};  ///< the dimension's name, or empty
};

/// A constant, plain or packed, in the weights section.
struct WeightBlock {
  Text name;
  std::int64_t offset = 0, bytes = 0;
  std::uint64_t checksum = 0;  ///< hash64 of the bytes; checked by --verify
  std::int32_t kernel = -1;    ///< the kernel (index into kernels) whose packing it has, or -1: plain
  std::int16_t packing = 0;    ///< which packing of that kernel
  std::uint8_t device = 0;     ///< in whose part it lies
  std::uint8_t reserved = 0;
};

/// All of a plan. The spans point into a PlanStorage or into a mapped engine file.
struct Plan {
  std::span<const Region> regions;
  std::span<const Step> steps;
  std::span<const Operand> operands;
  std::span<const ScalarInstruction> program;
  std::span<const std::int64_t> registers;  ///< initial register file; constants lie here
  std::span<const Check> checks;
  std::span<const LoopInfo> loops;
  std::span<const std::int32_t> region_refs;
  std::span<const std::int32_t> events;
  std::span<const std::int64_t> ints;
  std::span<const Segment> segments;
  std::span<const KernelRef> kernels;
  std::span<const DeviceRef> devices;
  std::span<const ModelPort> inputs, outputs, states;
  std::span<const WeightBlock> weight_blocks;
  std::span<const Text> nodes;              ///< names of ONNX nodes, each once
  std::span<const std::int32_t> node_refs;  ///< indices of nodes
  std::span<const std::byte> params;
  std::span<const char> strings;
  std::int64_t weights_bytes = 0;
  std::int32_t threads = 1;  ///< thread count it was timed for
  std::int32_t event_count = 0;

  std::string_view text(Text t) const { return {strings.data() + t.begin, t.length}; }
  /// Names of the ONNX nodes that a step computes.
  std::vector<std::string> nodes_of(const Step& step) const;
};

/// What a step does, in a word: its kernel's name, or If, Loop, Scan, Send and Fetch (copies to and from a device),
/// Wait. Lives as long as the plan.
std::string_view work_of(const Plan& plan, const Step& step);

/// Calls f(name, span member) for every array of a plan, in file order: one list for the writer, the reader
/// and the verifier, so that none can forget one.
template <typename P, typename F>
void for_each_array(P& plan, F&& f) {
  f("regions", plan.regions);
  f("steps", plan.steps);
  f("operands", plan.operands);
  f("program", plan.program);
  f("registers", plan.registers);
  f("checks", plan.checks);
  f("loops", plan.loops);
  f("region_refs", plan.region_refs);
  f("events", plan.events);
  f("ints", plan.ints);
  f("segments", plan.segments);
  f("kernels", plan.kernels);
  f("devices", plan.devices);
  f("inputs", plan.inputs);
  f("outputs", plan.outputs);
  f("states", plan.states);
  f("weight_blocks", plan.weight_blocks);
  f("nodes", plan.nodes);
  f("node_refs", plan.node_refs);
  f("params", plan.params);
  f("strings", plan.strings);
}

/// A plan that owns its arrays: what the planner fills. view() is valid while the storage lives unchanged.
struct PlanStorage {
  std::vector<Region> regions;
  std::vector<Step> steps;
  std::vector<Operand> operands;
  std::vector<ScalarInstruction> program;
  std::vector<std::int64_t> registers;
  std::vector<Check> checks;
  std::vector<LoopInfo> loops;
  std::vector<std::int32_t> region_refs;
  std::vector<std::int32_t> events;
  std::vector<std::int64_t> ints;
  std::vector<Segment> segments;
  std::vector<KernelRef> kernels;
  std::vector<DeviceRef> devices;
  std::vector<ModelPort> inputs, outputs, states;
  std::vector<WeightBlock> weight_blocks;
  std::vector<Text> nodes;
  std::vector<std::int32_t> node_refs;
  std::vector<std::byte> params;
  std::vector<char> strings;
  std::int64_t weights_bytes = 0;
  std::int32_t threads = 1;
  std::int32_t event_count = 0;

  Text intern(std::string_view text);
  Plan view() const;
};

static_assert(sizeof(Step) == 120 && std::has_unique_object_representations_v<Operand> &&
              std::has_unique_object_representations_v<LoopInfo> &&
              std::has_unique_object_representations_v<ModelPort> &&
              std::has_unique_object_representations_v<WeightBlock>);
static_assert(std::is_trivially_copyable_v<Operand> && std::is_trivially_copyable_v<Step> &&
              std::is_trivially_copyable_v<LoopInfo> && std::is_trivially_copyable_v<ModelPort>);

}  // namespace monza::plan
