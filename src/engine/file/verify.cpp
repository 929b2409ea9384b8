#include "engine/file/verify.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "kernel/check.h"
#include "kernel/state.h"
#include "kernel/value_pool.h"
#include "monza/engine.h"
#include "plan/data/reach.h"
#include "plan/data/segments.h"
#include "plan/data/step_order.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::engine_file {
namespace {

using plan::Base;
using plan::LoopInfo;
using plan::Operand;
using plan::Plan;
using plan::Range;
using plan::Register;
using plan::ScalarOp;
using plan::Step;
using plan::StepKind;
using plan::Text;

constexpr int kMaxDepth = 201;  // of regions: the largest Limits::depth, and the main one
constexpr int kMaxThreads = 4096;
constexpr std::size_t kMaxDevices = 256;
constexpr int kMaxQueues = 16;                                  // of a device
constexpr std::int64_t kMaxArenaBytes = std::int64_t{1} << 47;  // all that a process can address

class Verifier {
 public:
  Verifier(const Plan& plan, std::int64_t weights_bytes, std::int64_t code_bytes)
      : p_(plan), weights_bytes_(weights_bytes), code_bytes_(code_bytes) {}

  void run() {
    check_tables();
    check_shares();
    find_written_registers();
    for (std::size_t i = 0; i < p_.program.size(); ++i) at("program", i, [&] { check_instruction(p_.program[i]); });
    for (std::size_t i = 0; i < p_.operands.size(); ++i) at("operands", i, [&] { check_operand(p_.operands[i]); });
    count_uses();
    for (std::size_t i = 0; i < p_.loops.size(); ++i) at("loops", i, [&] { check_loop(p_.loops[i]); });
    for (std::size_t i = 0; i < p_.steps.size(); ++i) at("steps", i, [&] { check_step(p_.steps[i]); });
    check_tree();
    for (std::size_t i = 0; i < p_.segments.size(); ++i) at("segments", i, [&] { check_segment(p_.segments[i]); });
    if (p_.devices.size() > 1)
      for (std::size_t i = 0; i < p_.regions.size(); ++i) check_order(i);
  }

 private:
  /// Runs f and adds the place to what it throws.
  template <typename F>
  void at(const char* array, std::size_t i, F&& f) {
    try {
      f();
    } catch (const Error& e) {
      fail("{}[{}]: {}", array, i, e.fact());
    }
  }
  template <typename... Args>
  static void require(bool ok, fmt::format_string<Shown<Args>...> format, const Args&... args) {
    if (!ok) fail(format, args...);
  }
  template <typename Array>
  static void in_range(const Range& r, const Array& array, const char* what) {
    require(r.begin <= array.size() && r.count <= array.size() - r.begin, "{} [{}, +{}) leave their array of {}", what,
            r.begin, r.count, array.size());
  }
  template <typename Array>
  static void in_array(std::int64_t index, const Array& array, const char* what) {
    require(index >= 0 && index < static_cast<std::int64_t>(array.size()), "{} {} is not below {}", what, index,
            array.size());
  }
  void in_text(const Text& t) const {
    require(t.begin <= p_.strings.size() && t.length <= p_.strings.size() - t.begin,
            "text [{}, +{}) leaves the strings", t.begin, t.length);
  }
  void in_registers(Register r) const { in_array(r, p_.registers, "register"); }

  void check_tables() {
    require(p_.threads >= 1 && p_.threads <= kMaxThreads, "it is for {} threads", p_.threads);
    // Their number is no array's: two billion would be a quarter of a gigabyte of marks.
    require(p_.event_count >= 0 && static_cast<std::size_t>(p_.event_count) <= p_.steps.size(),
            "it has {} events for {} steps", p_.event_count, p_.steps.size());
    require(p_.weights_bytes >= 0 && p_.weights_bytes <= weights_bytes_, "it has {} bytes of weights and needs {}",
            weights_bytes_, p_.weights_bytes);
    for (std::size_t i = 0; i < p_.regions.size(); ++i)
      at("regions", i, [&] {
        in_range(p_.regions[i].steps, p_.steps, "steps");
        in_range(p_.regions[i].program, p_.program, "instructions");
      });
    for (std::size_t i = 0; i < p_.checks.size(); ++i) at("checks", i, [&] { in_text(p_.checks[i].what); });
    for (std::size_t i = 0; i < p_.region_refs.size(); ++i)
      at("region_refs", i, [&] { in_array(p_.region_refs[i], p_.regions, "region"); });
    for (std::size_t i = 0; i < p_.events.size(); ++i)
      at("events", i,
         [&] { require(p_.events[i] >= 0 && p_.events[i] < p_.event_count, "event {} does not exist", p_.events[i]); });
    for (std::size_t i = 0; i < p_.kernels.size(); ++i) at("kernels", i, [&] { in_text(p_.kernels[i].name); });
    require(!p_.devices.empty() && p_.devices.size() <= kMaxDevices, "it has {} devices", p_.devices.size());
    for (std::size_t i = 0; i < p_.devices.size(); ++i)
      at("devices", i, [&] {
        const plan::DeviceRef& d = p_.devices[i];
        require(d.kind <= static_cast<std::uint8_t>(DeviceKind::cuda), "device kind {} is unknown", d.kind);
        require(d.arena_bytes >= 0 && d.arena_bytes <= kMaxArenaBytes, "the arena has {} bytes", d.arena_bytes);
        require(d.arena_lower_bound >= 0 && d.arena_lower_bound <= d.arena_bytes,
                "the arena's lower bound is {} of {} bytes", d.arena_lower_bound, d.arena_bytes);
        require((d.kind == static_cast<std::uint8_t>(DeviceKind::cpu)) == (i == 0),
                "the first device, and no other, is the host");
        require(d.queues == 1 || (i > 0 && d.queues >= 1 && d.queues <= kMaxQueues), "it has {} queues", d.queues);
        require(d.weights_offset >= 0 && d.weights_offset % 64 == 0 && d.weights_bytes >= 0 &&
                    d.weights_offset <= p_.weights_bytes && d.weights_bytes <= p_.weights_bytes - d.weights_offset,
                "its part [{}, +{}) leaves the {} bytes of weights or is not aligned", d.weights_offset,
                d.weights_bytes, p_.weights_bytes);
        require(d.code_offset >= 0 && d.code_bytes >= 0 && d.code_offset <= code_bytes_ &&
                    d.code_bytes <= code_bytes_ - d.code_offset,
                "its code [{}, +{}) leaves the {} bytes of device code", d.code_offset, d.code_bytes, code_bytes_);
      });
    require(plan::queue_count(p_) <= plan::kMostQueues, "its devices have {} queues", plan::queue_count(p_));
    for (std::size_t i = 0; i < p_.segments.size(); ++i)
      at("segments", i, [&] {
        in_range(p_.segments[i].steps, p_.steps, "steps");
        in_array(p_.segments[i].device, p_.devices, "device");
      });
    for (std::size_t i = 0; i < p_.nodes.size(); ++i) at("nodes", i, [&] { in_text(p_.nodes[i]); });
    for (std::size_t i = 0; i < p_.node_refs.size(); ++i)
      at("node_refs", i, [&] { in_array(p_.node_refs[i], p_.nodes, "node"); });
    for (std::size_t i = 0; i < p_.weight_blocks.size(); ++i)
      at("weight_blocks", i, [&] {
        const plan::WeightBlock& b = p_.weight_blocks[i];
        in_text(b.name);
        in_array(b.device, p_.devices, "device");
        const plan::DeviceRef& d = p_.devices[b.device];
        require(b.offset >= d.weights_offset && b.bytes >= 0 && b.offset <= d.weights_offset + d.weights_bytes &&
                    b.bytes <= d.weights_offset + d.weights_bytes - b.offset,
                "bytes [{}, +{}) leave the {} bytes of weights", b.offset, b.bytes, d.weights_bytes);
        if (b.kernel != -1) in_array(b.kernel, p_.kernels, "kernel");
      });
    check_ports("inputs", p_.inputs, Base::input);
    check_ports("outputs", p_.outputs, Base::output);
    check_ports("states", p_.states, Base::state);
    for (std::size_t i = 0; i < p_.states.size(); ++i)
      at("states", i, [&] {
        require(is_state_encoding(p_.states[i].dtype), "the state of a sequence holds no {}",
                dtype_name(p_.states[i].dtype));
      });
  }

  void check_ports(const char* array, std::span<const plan::ModelPort> ports, Base base) {
    for (std::size_t i = 0; i < ports.size(); ++i)
      at(array, i, [&] {
        const plan::ModelPort& port = ports[i];
        in_text(port.name);
        require(port.rank <= kMaxRank, "rank {} is above {}", port.rank, kMaxRank);
        require(port.kind <= static_cast<std::uint8_t>(ValueKind::optional_sequence) && port.kind != 3,
                "kind {} is unknown", port.kind);
        require(port.device == 0, "it is bound on device {}, and callers have memory of the host", port.device);
        Shape largest;
        largest.rank = port.rank;
        for (int a = 0; a < port.rank; ++a) {
          in_text(port.symbol[a]);
          require(port.min[a] >= 0 && port.min[a] <= port.opt[a] && port.opt[a] <= port.max[a],
                  "bounds {} <= {} <= {} of axis {} are not in order", port.min[a], port.opt[a], port.max[a], a);
          largest[a] = port.max[a];
        }
        storage_bytes(port.dtype, largest);
        if (port.operand == -1 && base != Base::output) return;
        in_array(port.operand, p_.operands, "operand");
        const Operand& o = p_.operands[static_cast<std::size_t>(port.operand)];
        require(o.base == base && o.index == static_cast<std::int32_t>(i), "its operand is not this port");
        const bool list = port.kind != 0;
        require((o.dtype == DType::handle && o.rank == 0) == list && o.dtype != DType::invalid,
                "its operand does not stand for a sequence or optional");
        if (base == Base::output)
          require(o.rank == (list ? 0 : port.rank) && (list || o.dtype == port.dtype) && o.layout == Layout::strided &&
                      o.byte_offset == 0,
                  "its operand is not the whole dense output");
      });
  }

  /// What entries name in other arrays is theirs alone, so that each array is walked once, and each text copied once,
  /// whatever a file says of its counts.
  void check_shares() const {
    Share operands{"operands of steps", p_.operands.size()}, program{"instructions", p_.program.size()},
        extents{"reported extents", p_.registers.size()}, regions{"regions of steps", p_.region_refs.size()},
        waits{"waits", p_.events.size()}, loops{"operands of loops", p_.operands.size()},
        axes{"axes of loops", p_.ints.size()}, segments{"steps of segments", p_.steps.size()},
        nodes{"nodes of steps", p_.node_refs.size()}, text{"texts", p_.strings.size()};
    for (const Step& s : p_.steps) {
      operands.take(s.inputs);
      operands.take(s.outputs);
      program.take(s.program);
      extents.take(s.extents);
      regions.take(s.regions);
      waits.take(s.waits);
      nodes.take(s.nodes);
      text.take({s.name.begin, s.name.length});
    }
    for (const plan::Region& r : p_.regions) program.take(r.program);
    for (const LoopInfo& l : p_.loops) {
      for (const Range& r : lists(l)) loops.take(r);
      axes.take(l.scan_axes);
    }
    for (const plan::Segment& s : p_.segments) segments.take(s.steps);
    for (const auto& ports : {p_.inputs, p_.outputs, p_.states})
      for (const plan::ModelPort& port : ports) {
        text.take({port.name.begin, port.name.length});
        for (const Text& symbol : port.symbol) text.take({symbol.begin, symbol.length});
      }
    for (const plan::KernelRef& k : p_.kernels) text.take({k.name.begin, k.name.length});
    for (const plan::WeightBlock& b : p_.weight_blocks) text.take({b.name.begin, b.name.length});
    for (const plan::Check& c : p_.checks) text.take({c.what.begin, c.what.length});
    for (const Text& node : p_.nodes) text.take({node.begin, node.length});
  }
  /// Entries of an array that ranges name: more than it has only where two lie over each other.
  struct Share {
    const char* what;
    std::size_t size;
    std::uint64_t taken = 0;
    void take(const Range& r) {
      if (r.begin > size || r.count > size - r.begin) return;  // reported where it belongs
      taken += r.count;
      require(taken <= size, "{} lie over each other", what);
    }
  };
  static std::array<Range, 8> lists(const LoopInfo& l) {
    return {l.carried_in, l.body_carried_in, l.body_carried_out, l.carried_out,
            l.scanned,    l.body_scanned,    l.body_scan_out,    l.scan_out};
  }

  /// Registers that some step, instruction or loop writes: static operands must not use them.
  void find_written_registers() {
    written_.assign(p_.registers.size(), false);
    const auto mark = [&](std::int64_t r) {
      if (r >= 0 && r < static_cast<std::int64_t>(written_.size())) written_[static_cast<std::size_t>(r)] = true;
    };
    for (const plan::ScalarInstruction& in : p_.program)
      if (in.op != ScalarOp::check_range && in.op != ScalarOp::check_equal) mark(in.dst);
    for (const Step& s : p_.steps) {
      if (s.extents.begin > p_.registers.size() || s.extents.count > p_.registers.size() - s.extents.begin)
        continue;  // reported later
      for (std::uint32_t i = 0; i < s.extents.count; ++i) mark(std::int64_t{s.extents.begin} + i);
    }
    for (const LoopInfo& l : p_.loops) mark(l.trips);
    for (const Operand& o : p_.operands)
      for (int a = 0; a < o.rank && a < kMaxRank; ++a)
        if ((o.bound_axes >> a & 1) != 0) mark(o.extent[a]);
  }

  /// How often each operand is named: one that a loop gives another shape must be named by that loop alone, or what
  /// was checked of it is not what is used.
  void count_uses() {
    uses_.assign(p_.operands.size(), 0);
    const auto use = [&](std::int64_t o) {
      if (o >= 0 && o < static_cast<std::int64_t>(uses_.size())) ++uses_[static_cast<std::size_t>(o)];
    };
    const auto use_all = [&](const Range& r) {
      if (r.begin > p_.operands.size() || r.count > p_.operands.size() - r.begin) return;  // reported later
      for (std::uint32_t i = 0; i < r.count; ++i) use(std::int64_t{r.begin} + i);
    };
    for (const Step& s : p_.steps)
      for (const Range& r : {s.inputs, s.outputs}) use_all(r);
    for (const plan::ScalarInstruction& in : p_.program)
      if (in.op == ScalarOp::load_element) use(in.a);
    for (const LoopInfo& l : p_.loops) {
      for (const std::int32_t o :
           {l.trip_count, l.condition, l.body_iteration, l.body_condition_in, l.body_condition_out})
        use(o);
      for (const Range& r : lists(l)) use_all(r);
    }
  }

  void check_instruction(const plan::ScalarInstruction& in) {
    require(in.op <= ScalarOp::check_equal, "operation {} is unknown", static_cast<int>(in.op));
    switch (in.op) {
      case ScalarOp::input_extent:
        in_registers(in.dst);
        in_array(in.a, p_.inputs, "input");
        require(in.b >= 0 && in.b < p_.inputs[static_cast<std::size_t>(in.a)].rank, "input {} has no axis {}", in.a,
                in.b);
        break;
      case ScalarOp::load_element: {
        in_registers(in.dst);
        in_array(in.a, p_.operands, "operand");
        require(in.b >= 0, "element {} is negative", in.b);
        check_host_integers(p_.operands[static_cast<std::size_t>(in.a)]);
        break;
      }
      case ScalarOp::check_range:
        in_registers(in.a);
        in_array(in.b, p_.checks, "check");
        break;
      case ScalarOp::check_equal:
        in_registers(in.a);
        in_registers(in.b);
        in_array(in.dst, p_.checks, "check");
        break;
      default:
        in_registers(in.dst);
        in_registers(in.a);
        in_registers(in.b);
    }
  }

  static void check_host_integers(const Operand& o) {
    const bool kind = o.dtype == DType::boolean || (is_integer(o.dtype) && dtype_bits(o.dtype) >= 8);
    require(kind && o.layout == Layout::strided && o.base != Base::none && o.base != Base::state && on_host(o),
            "integers are read from an operand that holds none in host memory");
  }

  static bool on_host(const Operand& o) { return o.device == 0; }

  void check_operand(const Operand& o) {
    require(o.base <= Base::state, "base {} is unknown", static_cast<int>(o.base));
    if (o.base == Base::none) return;
    require(dtype_name(o.dtype) != dtype_name(DType::invalid), "type {} is unknown", static_cast<int>(o.dtype));
    require(o.layout <= Layout::packed, "layout {} is unknown", static_cast<int>(o.layout));
    require(o.rank <= kMaxRank, "rank {} is above {}", o.rank, kMaxRank);
    in_array(o.device, p_.devices, "device");
    require(o.device == 0 || (o.dtype != DType::string && o.dtype != DType::handle),
            "strings and lists lie on the host alone");
    for (int a = 0; a < o.rank; ++a) {
      in_registers(o.extent[a]);
      in_registers(o.stride[a]);
    }
    if (o.element_offset != plan::kNoRegister) in_registers(o.element_offset);
    require(o.byte_offset >= 0 && o.byte_bound >= 0, "bytes [{}, +{}) are no range", o.byte_offset, o.byte_bound);
    const std::int64_t end = checked_add(o.byte_offset, o.byte_bound, "the operand's end");
    const std::int64_t room = room_of(o);  // of what the operand's base is on its device
    require(o.base == Base::state || end <= room, "bytes [{}, +{}) leave the {} bytes there are", o.byte_offset,
            o.byte_bound, room);
    const std::int64_t unit = o.layout == Layout::packed ? 64 : std::max(1, std::min(dtype_bits(o.dtype), 64) / 8);
    require(o.byte_offset % unit == 0, "offset {} is not aligned to {} bytes", o.byte_offset, unit);
    require(o.layout != Layout::packed || o.base == Base::weights, "only weights can be packed");
    if (o.is_static != 0 && o.base != Base::state) check_static(o);
  }

  std::int64_t room_of(const Operand& o) const {
    switch (o.base) {
      case Base::arena: return p_.devices[o.device].arena_bytes;
      case Base::weights: return p_.devices[o.device].weights_bytes;
      case Base::input:
        on_port_of(o, p_.inputs, "input");
        return largest_bytes(p_.inputs[static_cast<std::size_t>(o.index)]);
      case Base::output:
        on_port_of(o, p_.outputs, "output");
        return largest_bytes(p_.outputs[static_cast<std::size_t>(o.index)]);
      case Base::state: on_port_of(o, p_.states, "state"); return 0;
      case Base::none: break;
    }
    return 0;
  }
  static void on_port_of(const Operand& o, std::span<const plan::ModelPort> ports, const char* what) {
    in_array(o.index, ports, what);
    require(o.device == ports[static_cast<std::size_t>(o.index)].device, "{} {} is not bound on device {}", what,
            o.index, o.device);
  }
  static std::int64_t largest_bytes(const plan::ModelPort& port) {
    if (port.kind != 0) return sizeof(Handle);
    Shape largest;
    largest.rank = port.rank;
    for (int a = 0; a < port.rank; ++a) largest[a] = port.max[a];
    return storage_bytes(port.dtype, largest);
  }

  void check_static(const Operand& o) const {
    Shape shape;
    shape.rank = o.rank;
    std::int64_t stride[kMaxRank] = {};
    const auto constant = [&](Register r) {
      require(!written_[static_cast<std::size_t>(r)], "a static operand uses register {}, which is written at run time",
              r);
      return p_.registers[static_cast<std::size_t>(r)];
    };
    for (int a = 0; a < o.rank; ++a) {
      shape[a] = constant(o.extent[a]);
      stride[a] = constant(o.stride[a]);
    }
    const std::int64_t offset = o.element_offset == plan::kNoRegister ? 0 : constant(o.element_offset);
    const std::int64_t end = plan::reach(o.dtype, o.layout, shape, stride, offset);
    require(end >= 0 && end <= o.byte_bound, "shape {} reaches {} bytes, its bound is {}", to_string(shape), end,
            o.byte_bound);
    require(dtype_bits(o.dtype) >= 8 || offset * dtype_bits(o.dtype) % 8 == 0, "element {} begins inside a byte",
            offset);
  }

  void check_loop(const LoopInfo& l) {
    in_array(l.region, p_.regions, "region");
    for (std::int32_t operand : {l.trip_count, l.condition, l.body_condition_out})
      if (operand != -1) {
        in_array(operand, p_.operands, "operand");
        check_host_integers(p_.operands[static_cast<std::size_t>(operand)]);
      }
    for (std::int32_t operand : {l.body_iteration, l.body_condition_in})
      if (operand != -1) {
        in_array(operand, p_.operands, "operand");
        check_host_integers(p_.operands[static_cast<std::size_t>(operand)]);
        check_target(p_.operands[static_cast<std::size_t>(operand)]);
      }
    for (const Range& r : lists(l)) in_range(r, p_.operands, "operands");
    require(l.carried_in.count == l.body_carried_in.count && l.carried_in.count == l.body_carried_out.count &&
                l.carried_in.count == l.carried_out.count && l.scanned.count == l.body_scanned.count &&
                l.body_scan_out.count == l.scan_out.count,
            "lists that belong together differ in length");
    for (std::uint32_t j = 0; j < l.carried_in.count; ++j) {
      const DType t = source(l.carried_in, j).dtype;
      require(target(l.body_carried_in, j).dtype == t && source(l.body_carried_out, j).dtype == t &&
                  target(l.carried_out, j).dtype == t,
              "carried value {} changes its type", j);
    }
    in_range(l.scan_axes, p_.ints, "axes");
    require(l.scan_axes.count == 2 * (l.scanned.count + l.scan_out.count) ||
                (l.scan_axes.count == 0 && l.is_scan == 0 && l.scanned.count == 0),
            "{} axes for {} inputs and {} outputs", l.scan_axes.count, l.scanned.count, l.scan_out.count);
    require(l.is_scan == 0 || l.scanned.count > 0, "a Scan that scans nothing");
    require(l.is_scan != 0 || l.scanned.count == 0, "a Loop that scans");
    // A Scan makes as many iterations as its sequences have elements.
    require(l.is_scan == 0 || l.trip_count == -1, "a Scan with a trip count");
    for (const Range& r : {l.body_carried_in, l.carried_out, l.body_scanned, l.scan_out})
      for (std::uint32_t j = 0; j < r.count; ++j)
        require(uses_[r.begin + j] == 1, "a loop reshapes operand {}, which is used elsewhere too", r.begin + j);
    for (std::uint32_t j = 0; j < l.scanned.count; ++j) {
      const Operand &from = source(l.scanned, j), &to = target(l.body_scanned, j);
      const std::int64_t axis = p_.ints[l.scan_axes.begin + j];
      require(from.dtype == to.dtype && from.rank == to.rank + 1 && axis >= 0 && axis < from.rank,
              "scanned value {} does not fit its slices along axis {}", j, axis);
    }
    for (std::uint32_t j = 0; j < l.scan_out.count; ++j) {
      const Operand &from = source(l.body_scan_out, j), &to = target(l.scan_out, j);
      const std::int64_t axis = l.scan_axes.count == 0 ? 0 : p_.ints[l.scan_axes.begin + 2 * l.scanned.count + j];
      const bool reverse =
          l.scan_axes.count != 0 && p_.ints[l.scan_axes.begin + 2 * l.scanned.count + l.scan_out.count + j] != 0;
      require(from.dtype == to.dtype && to.rank == from.rank + 1 && axis >= 0 && axis < to.rank,
              "stacked value {} does not fit its slices along axis {}", j, axis);
      require(l.is_scan != 0 || (axis == 0 && !reverse), "a Loop stacks along axis 0, forwards");
    }
    if (l.trips != plan::kNoRegister) in_registers(l.trips);
    require(l.max_trips >= 0, "at most {} iterations", l.max_trips);
  }
  const Operand& source(const Range& r, std::uint32_t j) const {
    const Operand& o = p_.operands[r.begin + j];
    require(o.base != Base::none && o.base != Base::state && o.layout == Layout::strided &&
                !is_block_encoding(o.dtype) && on_host(o),
            "a loop moves an operand that is not plain host memory");
    return o;
  }
  const Operand& target(const Range& r, std::uint32_t j) const {
    check_target(source(r, j));
    return p_.operands[r.begin + j];
  }
  static void check_target(const Operand& o) {
    require((o.base == Base::arena || o.base == Base::output) && o.element_offset == plan::kNoRegister,
            "a loop writes to an operand that is not memory of its own");
  }

  void check_step(const Step& s) {
    require(s.kind <= StepKind::wait, "kind {} is unknown", static_cast<int>(s.kind));
    in_array(s.device, p_.devices, "device");
    require(s.queue < p_.devices[s.device].queues, "its device has no queue {}", s.queue);
    in_range(s.inputs, p_.operands, "inputs");
    in_range(s.outputs, p_.operands, "outputs");
    in_range(s.params, p_.params, "parameters");
    require(s.params.begin % 16 == 0, "parameters at {} are not aligned", s.params.begin);
    in_range(s.program, p_.program, "instructions");
    in_range(s.extents, p_.registers, "reported extents");
    in_range(s.regions, p_.region_refs, "regions");
    in_range(s.waits, p_.events, "waits");
    in_range(s.nodes, p_.node_refs, "nodes");
    require(s.signals >= -1 && s.signals < p_.event_count, "event {} does not exist", s.signals);
    in_text(s.name);
    const std::int64_t arena = p_.devices[s.device].arena_bytes;
    require(s.scratch_offset >= 0 && s.scratch_bytes >= 0 && s.scratch_offset <= arena &&
                s.scratch_bytes <= arena - s.scratch_offset && s.scratch_offset % 64 == 0,
            "scratch [{}, +{}) leaves the arena of {} bytes or is not aligned", s.scratch_offset, s.scratch_bytes,
            arena);
    for (std::uint32_t k = 0; k < s.outputs.count; ++k) {
      const Base base = p_.operands[s.outputs.begin + k].base;
      require(base != Base::weights && base != Base::input, "output {} would be written to {}", k,
              base == Base::weights ? "the weights" : "an input");
    }
    switch (s.kind) {
      case StepKind::kernel:
        in_array(s.kernel, p_.kernels, "kernel");
        check_operands_on(s, s.device);
        check_scratch(s);
        require(p_.params.size() - s.params.begin >= plan::kParamsRoom,
                "less than {} bytes follow the begin of its parameters", plan::kParamsRoom);
        break;
      case StepKind::branch:
        require(s.regions.count == 2 && s.inputs.count >= 1, "a branch has {} regions and {} inputs", s.regions.count,
                s.inputs.count);
        check_host_integers(p_.operands[s.inputs.begin]);
        break;
      case StepKind::loop: in_array(s.loop, p_.loops, "loop"); break;
      case StepKind::copy: check_copy(s); break;
      case StepKind::wait: require(s.outputs.count == 0, "a wait has outputs"); break;
    }
    if (s.kind == StepKind::kernel || s.kind == StepKind::copy) return;
    require(s.device == 0, "the host runs it, and it is on device {}", s.device);
    check_operands_on(s, 0);
  }

  void check_operands_on(const Step& s, std::uint8_t device) const {
    for (const Range& r : {s.inputs, s.outputs})
      for (std::uint32_t k = 0; k < r.count; ++k) {
        const Operand& o = p_.operands[r.begin + k];
        require(o.base == Base::none || o.device == device, "{} {} lies on device {}, and the step runs on device {}",
                r.begin == s.inputs.begin && k < s.inputs.count ? "input" : "output", k, o.device, device);
      }
  }

  /// What both sides lie in is theirs alone, so that a copy of bytes is all there is to it.
  void check_copy(const Step& s) const {
    require(s.inputs.count == 1 && s.outputs.count == 1 && s.extents.count == 0 && s.scratch_bytes == 0,
            "a copy has {} inputs and {} outputs", s.inputs.count, s.outputs.count);
    const Operand &from = p_.operands[s.inputs.begin], &to = p_.operands[s.outputs.begin];
    for (const Operand* o : {&from, &to})
      require(o->base != Base::none && o->base != Base::state && o->layout == Layout::strided,
              "a copy moves dense tensors alone");
    require(s.device != 0 && from.device != to.device && (from.device == 0 || to.device == 0) &&
                (from.device == s.device || to.device == s.device),
            "a copy from device {} to device {} is no step of device {}", from.device, to.device, s.device);
    require(from.dtype == to.dtype && from.rank == to.rank, "a copy changes the type or the rank");
    for (int a = 0; a < from.rank; ++a)
      require(from.is_static == 0 || to.is_static == 0 || extent(from, a) == extent(to, a),
              "a copy changes the extent of axis {}", a);
    for (const Operand* o : {&from, &to}) require(o->is_static == 0 || dense(*o), "a copy moves dense tensors alone");
  }
  std::int64_t extent(const Operand& o, int axis) const {
    return p_.registers[static_cast<std::size_t>(o.extent[axis])];
  }
  bool dense(const Operand& o) const {
    TensorView v;
    v.shape.rank = o.rank;
    for (int a = 0; a < o.rank; ++a) {
      v.shape[a] = extent(o, a);
      v.stride[a] = p_.registers[static_cast<std::size_t>(o.stride[a])];
    }
    return v.dense();
  }

  /// Kernels keep there what they trust: nothing else lies in it. States come as views made for the first 32 operands.
  void check_scratch(const Step& s) const {
    for (const Range& r : {s.inputs, s.outputs})
      for (std::uint32_t k = 0; k < r.count; ++k) {
        const Operand& o = p_.operands[r.begin + k];
        require(o.base != Base::state || k < 32, "operand {} is a state, and only the first 32 can be", k);
        if (o.base != Base::arena || o.device != s.device || s.scratch_bytes == 0) continue;
        require(o.byte_offset >= s.scratch_offset + s.scratch_bytes || o.byte_offset + o.byte_bound <= s.scratch_offset,
                "operand {} lies in the scratch memory", k);
      }
  }

  /// Every region is reached exactly once, from region 0; no step is in two regions; waits follow their signals.
  void check_tree() {
    require(!p_.regions.empty(), "it has no region");
    region_seen_.assign(p_.regions.size(), false);
    step_seen_.assign(p_.steps.size(), false);
    signalled_.assign(static_cast<std::size_t>(p_.event_count), false);
    visit(0, 0);
    for (std::size_t i = 0; i < region_seen_.size(); ++i)
      at("regions", i, [&] { require(region_seen_[i], "no branch or loop leads to it"); });
  }
  void visit(std::int32_t region, int depth) {
    const auto index = static_cast<std::size_t>(region);
    at("regions", index, [&] {
      require(!region_seen_[index], "two branches or loops lead to it");
      require(depth < kMaxDepth, "nested deeper than {}", kMaxDepth);
    });
    region_seen_[index] = true;
    const Range steps = p_.regions[index].steps;
    for (std::uint32_t i = steps.begin; i < steps.begin + steps.count; ++i) {
      const Step& s = p_.steps[i];
      at("steps", i, [&] {
        require(!step_seen_[i], "it is in two regions");
        for (std::uint32_t w = 0; w < s.waits.count; ++w) {
          const std::int32_t event = p_.events[s.waits.begin + w];
          require(signalled_[static_cast<std::size_t>(event)], "it waits for event {}, which nothing before it signals",
                  event);
        }
      });
      step_seen_[i] = true;
      if (s.kind == StepKind::branch)
        for (std::uint32_t k = 0; k < 2; ++k) visit(p_.region_refs[s.regions.begin + k], depth + 1);
      if (s.kind == StepKind::loop) visit(p_.loops[static_cast<std::size_t>(s.loop)].region, depth + 1);
      if (s.signals >= 0) signalled_[static_cast<std::size_t>(s.signals)] = true;
    }
  }

  /// What a context captures is what each run would hand out, and lies within a region.
  void check_segment(const plan::Segment& segment) const {
    require(segment.capturable <= plan::Capturable::by_shape, "it is captured in no way that there is");
    if (segment.device == 0 || segment.capturable == plan::Capturable::never) return;
    const std::uint32_t begin = segment.steps.begin, end = begin + segment.steps.count;
    require(std::any_of(p_.regions.begin(), p_.regions.end(),
                        [&](const plan::Region& r) {
                          return begin >= r.steps.begin && end <= r.steps.begin + r.steps.count && begin < end;
                        }),
            "its steps are not those of a region");
    for (std::uint32_t i = begin; i < end; ++i) {
      const plan::Capturable same = plan::capturable(p_, p_.steps[i]);
      require(p_.steps[i].device == segment.device && same != plan::Capturable::never && same <= segment.capturable &&
                  (i == begin || plan::may_follow(p_.steps[i - 1], p_.steps[i])),
              "step {} of it is not the same in every run{}", i,
              segment.capturable == plan::Capturable::by_shape ? " of one shape" : "");
    }
  }

  /// What a step must come after it comes after, by what it and its queue wait for.
  void check_order(std::size_t index) {
    // Of pieces of memory: sound plans look at a few for each operand.
    const std::int64_t most_visits = 4096 + 256 * static_cast<std::int64_t>(p_.operands.size());
    plan::StepOrder order(p_, most_visits);
    std::map<std::int32_t, std::uint32_t> signalled;
    const Range steps = p_.regions[index].steps;
    for (std::uint32_t i = steps.begin; i < steps.begin + steps.count; ++i)
      at("steps", i, [&] {
        const Step& s = p_.steps[i];
        require(!order.reads_too_early(i), "its extents read what a device may not have brought yet");
        for (std::uint32_t w = 0; w < s.waits.count; ++w) {
          const auto by = signalled.find(p_.events[s.waits.begin + w]);
          require(by != signalled.end(), "it waits for event {}, which no step before it in its region signals",
                  p_.events[s.waits.begin + w]);
          order.wait(i, by->second);
        }
        if (const auto missing = order.missing(i); !missing.empty())
          fail("it does not wait for step {}, which touches the same memory", missing[0]);
        order.issue(i);
        require(!order.exhausted(), "the memory of steps before it is cut into too many pieces");
        if (s.signals >= 0)
          require(signalled.emplace(s.signals, i).second, "another step signals event {} too", s.signals);
      });
    at("regions", index, [&] {
      require(!order.reads_too_early(p_.regions[index].program),
              "its extents read what a device may not have brought yet");
      const auto open = order.under_way();
      if (index != 0 && !open.empty()) fail("it ends while step {} may be under way", open[0]);
    });
  }

  const Plan& p_;
  const std::int64_t weights_bytes_, code_bytes_;
  std::vector<bool> written_, region_seen_, step_seen_, signalled_;
  std::vector<std::uint32_t> uses_;
};

/// A step of fixed shapes as its kernel gets it, without data: addresses count from the begin of each memory.
class StaticStep {
 public:
  StaticStep(const Plan& p, const Step& s, const Kernel& kernel) : plan_(p), step_(s) {
    for (std::uint32_t k = 0; k < s.inputs.count; ++k) add(operand(s.inputs, k), kernel.in[static_cast<int>(k)]);
    for (std::uint32_t k = 0; k < s.outputs.count; ++k) add(operand(s.outputs, k), kernel.out[static_cast<int>(k)]);
    for (std::uint32_t k = 0; k < std::min(s.inputs.count, 32u); ++k)
      if (operand(s.inputs, k).base == Base::state) query_.operands.state_inputs |= 1u << k;
    for (std::uint32_t k = 0; k < std::min(s.outputs.count, 32u); ++k)
      if (operand(s.outputs, k).base == Base::state) query_.operands.state_outputs |= 1u << k;
    const std::size_t inputs = s.inputs.count;
    query_.operands.params = p.params.data() + s.params.begin;
    query_.operands.in = views_.data();
    query_.operands.in_count = static_cast<int>(inputs);
    query_.operands.out = views_.data() + inputs;
    query_.operands.out_count = static_cast<int>(s.outputs.count);
    query_.operands.extents = static_cast<int>(s.extents.count);
    query_.in = descs_.data();
    query_.out = descs_.data() + inputs;
    query_.in_bytes = bytes_.data();
    query_.scratch_bytes = s.scratch_bytes;
    query_.threads = p.threads;
  }

  bool all_static() const { return all_static_; }

  Refusal refuse(const Kernel& kernel) const {
    if (const Refusal r = refuse_step(kernel, find_check(kernel.op), query_)) return r;
    for (std::uint32_t i = 0; i < step_.inputs.count; ++i)
      for (std::uint32_t o = 0; o < step_.outputs.count; ++o)
        if (plan::same_memory(operand(step_.inputs, i), operand(step_.outputs, o)))
          if (const Refusal r = refuse_overlap(kernel, query_.operands.in[i], static_cast<int>(i),
                                               query_.operands.out[o], static_cast<int>(o)))
            return r;
    return nullptr;
  }

 private:
  const Operand& operand(const Range& range, std::uint32_t k) const { return plan_.operands[range.begin + k]; }
  std::int64_t constant(Register r) const { return plan_.registers[static_cast<std::size_t>(r)]; }

  void add(const Operand& o, Port port) {
    TensorView& v = views_.emplace_back();
    OperandDesc& d = descs_.emplace_back();
    bytes_.push_back(o.byte_bound);
    if (o.base == Base::none) return;
    d.dtype = v.dtype = o.dtype;
    v.layout = o.layout;
    d.layout = asked_layout(port, o.layout);
    d.constant = o.base == Base::weights;
    d.shape.rank = v.shape.rank = o.rank;
    if (o.base == Base::state) return;
    all_static_ &= o.is_static != 0;
    for (int a = 0; a < o.rank; ++a) {
      d.shape[a] = v.shape[a] = constant(o.extent[a]);
      v.stride[a] = constant(o.stride[a]);
    }
    const std::int64_t offset = o.element_offset == plan::kNoRegister ? 0 : constant(o.element_offset);
    // Past the first page, so that no operand's address is null.
    if (o.is_static != 0)
      v.data =
          reinterpret_cast<void*>(static_cast<std::uintptr_t>(4096 + o.byte_offset + offset * dtype_bits(o.dtype) / 8));
  }

  const Plan& plan_;
  const Step& step_;
  std::vector<TensorView> views_;
  std::vector<OperandDesc> descs_;
  std::vector<std::int64_t> bytes_;
  StepQuery query_;
  bool all_static_ = true;
};

void verify_step(const Plan& p, const Step& s, const Kernel& kernel) {
  const auto device = static_cast<DeviceKind>(p.devices[s.device].kind);
  if (kernel.device != device && !(kernel.reference && device == DeviceKind::reference))
    fail("kernel '{}' does not run on device {}", kernel.name, s.device);
  const StaticStep step(p, s, kernel);
  if (!step.all_static()) return;  // the runtime asks whenever a shape changes
  if (const Refusal r = step.refuse(kernel)) fail("kernel '{}' cannot run it: {}", kernel.name, r);
}

}  // namespace

void verify_plan(const Plan& plan, std::int64_t weights_bytes, std::int64_t code_bytes) {
  try {
    Verifier(plan, weights_bytes, code_bytes).run();
  } catch (const Error& e) {
    fail_hint("rebuild the engine", "the engine's plan is damaged: {}", e.fact());
  }
}

namespace {

void verify_same(const char* array, const Plan& first, const Plan& other, std::span<const plan::ModelPort> a,
                 std::span<const plan::ModelPort> b) {
  if (a.size() != b.size()) fail("it has {} {}, and the first has {}", b.size(), array, a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (first.text(a[i].name) != other.text(b[i].name) || a[i].dtype != b[i].dtype || a[i].rank != b[i].rank ||
        a[i].kind != b[i].kind)
      fail("{}[{}] has another name, type or rank than the first's", array, i);
    // Blocks of a sequence are laid out once, for rows as the first plan has them.
    for (int axis = 1; a.data() == first.states.data() && axis < a[i].rank; ++axis)
      if (a[i].max[axis] != b[i].max[axis]) fail("{}[{}] has other rows than the first's", array, i);
  }
}

}  // namespace

void verify_profiles(const Plan& first, std::span<const Plan> further) {
  for (std::size_t k = 0; k < further.size(); ++k) try {
      // A context has memory of each device for all of them, and an engine opens each device once.
      for (std::size_t d = 0; d < std::max(first.devices.size(), further[k].devices.size()); ++d)
        if (d >= first.devices.size() || d >= further[k].devices.size() ||
            first.devices[d].kind != further[k].devices[d].kind ||
            first.devices[d].weights_offset != further[k].devices[d].weights_offset ||
            first.devices[d].weights_bytes != further[k].devices[d].weights_bytes ||
            first.devices[d].code_offset != further[k].devices[d].code_offset ||
            first.devices[d].code_bytes != further[k].devices[d].code_bytes)
          fail("devices[{}] is another than the first's, or has other weights or code", d);
      verify_same("inputs", first, further[k], first.inputs, further[k].inputs);
      verify_same("outputs", first, further[k], first.outputs, further[k].outputs);
      verify_same("states", first, further[k], first.states, further[k].states);
    } catch (const Error& e) {
      fail_hint("rebuild the engine", "the engine's plan {} does not belong to the others: {}", k + 1, e.fact());
    }
}

void verify_kernels(const Plan& plan, std::span<const Kernel* const> kernels) {
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const Step& s = plan.steps[i];
    if (s.kind != StepKind::kernel) continue;
    try {
      verify_step(plan, s, *kernels[static_cast<std::size_t>(s.kernel)]);
    } catch (const Error& e) {
      fail_hint("rebuild the engine", "the engine's plan is damaged: step {} ({}): {}", i, plan.text(s.name), e.fact());
    }
  }
}

}  // namespace monza::engine_file
