// What a kernel is: plain data that says what it takes, and functions that run it. Knows no graph.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "base/cpu.h"
#include "base/macros.h"
#include "kernel/parallel.h"
#include "monza/constraint.h"
#include "monza/status.h"
#include "tensor/view.h"

namespace monza {

using DeviceKind = Device;  ///< where `Device` would be read as backend::Device

/// What a kernel computes in: what it rounds the factors of products to, and what it sums them in. A kernel that
/// computes in less than 32-bit floats, or in integers, says so; the others compute as this says.
struct Arithmetic {
  Precision computes_in = Precision::fp32;
  DType accumulates_in = DType::f32;
};

/// What a kernel wants of an operand's strides. The planner arranges it, inserting conversions where needed.
enum class Port : std::uint8_t {
  dense,          ///< row-major, no gaps
  strided,        ///< any strides (views are fine), not blocked
  rows,           ///< innermost axis contiguous; outer axes any strides
  channels_last,  ///< stride[1] == 1; pixels (axes 0, 2, 3, ...) are evenly spaced: each outer pixel axis strides
                  ///< over all inner ones, and the pixel pitch may exceed the channel count (a view into a wider
                  ///< tensor)
  blocked8,
  blocked16,
  packed,   ///< a constant laid out by Kernel::packings
  uniform,  ///< any gap-free layout, the same for every uniform operand of the node (pointwise work)
};

/// Ports of a kernel's inputs or outputs in order; the last one repeats for the operands after it.
struct Ports {
  Port port[12] = {};
  std::uint8_t count = 0;
  constexpr Ports(std::initializer_list<Port> list) {
    for (Port p : list) port[count++] = p;
  }
  constexpr Port operator[](int i) const { return port[i < count ? i : count - 1]; }
};

/// What is known of an operand before it exists: used to choose a kernel and to size its scratch memory.
struct OperandDesc {
  DType dtype = DType::invalid;  ///< invalid: an absent optional operand
  Layout layout = Layout::strided;
  bool constant = false;  ///< known at build; `data` then points to its dense elements
  bool dynamic = false;   ///< some extent varies at run time; `shape` is the largest one
  Shape shape;
  const void* data = nullptr;
  MONZA_INLINE bool present() const { return dtype != DType::invalid; }
};

/// One question to a kernel: would you take this?
struct KernelQuery {
  const void* params = nullptr;
  const OperandDesc* in = nullptr;
  int in_count = 0;
  const OperandDesc* out = nullptr;
  int out_count = 0;
  int threads = 1;
  std::uint64_t params_hash = 0;  ///< of the params struct's bytes: part of timing keys
  /// in[i], or an absent operand beyond the last.
  MONZA_INLINE const OperandDesc& input(int i) const {
    static constexpr OperandDesc absent{};
    return i < in_count ? in[i] : absent;
  }
  MONZA_INLINE bool has_input(int i) const { return i < in_count && in[i].present(); }
};

/// Null when the kernel takes it; else a short static reason, shown in the dispatch log
/// ("needs a constant weight", "dilation is not 1").
using Refusal = const char*;

struct StateView;  // kernel/state.h
class ValuePool;   // kernel/value_pool.h

/// Everything a kernel may touch while it runs.
struct KernelContext {
  const void* params = nullptr;  ///< the operator's <op>.params.h struct
  const TensorView* in = nullptr;
  int in_count = 0;
  const TensorView* out = nullptr;
  int out_count = 0;
  std::byte* scratch = nullptr;  ///< 64-byte aligned, as many bytes as Kernel::scratch_bytes said
  Parallel* parallel = nullptr;
  /// Extents that depend on data, in the order the operator's shape inference made them (else null). The shape
  /// of an output that has one holds bounds on entry; the kernel reports the extents, and writes the output
  /// densely for them: its strides are those of the reported shape, not of the bounds.
  std::int64_t* extents = nullptr;
  StateView* state = nullptr;  ///< of the run's sequences: one for each of this step's state operands, in order
  int state_count = 0;
  ValuePool* pool = nullptr;     ///< strings, sequences and optionals of this run; null where a plan has none
  const void* launch = nullptr;  ///< what kernels of another device launch into; theirs alone (backend/cuda/launch.h)
  MONZA_INLINE bool has_input(int i) const { return i < in_count && in[i].present(); }
  template <typename P>
  MONZA_INLINE const P& params_as() const {
    return *static_cast<const P*>(params);
  }
};

/// A layout of packed constants that has an inverse, under a name that engine files carry: an engine holds the
/// constants of its graph only packed, and is planned anew from them on other CPUs. So both functions are compiled for
/// any CPU (kernel/packed_format.h), look at nothing but the parameters and the types and shapes of the inputs, and a
/// layout that changes gets another name.
struct PackedFormat {
  const char* name = nullptr;  ///< "conv_panels_16"
  /// Bytes of the packed form of query.in[input]: what Packing::bytes says. More than any block has where type, shape
  /// and parameters do not fit each other: they may come from a damaged file.
  std::size_t (*bytes)(const KernelQuery&, int input) noexcept = nullptr;
  /// Writes the dense elements.
  void (*unpack)(const KernelQuery&, int input, const std::byte* packed, void* dense) noexcept = nullptr;
};

/// How one constant input is laid out for a kernel, once, at build.
struct Packing {
  int input = 0;
  /// Bytes of the packed form. 64-byte aligned storage is guaranteed.
  std::size_t (*bytes)(const KernelQuery&) noexcept = nullptr;
  /// Packs the dense constant query.in[input].data into `packed`.
  void (*pack)(const KernelQuery&, std::byte* packed) noexcept = nullptr;
  /// What `pack` makes, with its inverse; null where packing loses bits (the original is then kept).
  const PackedFormat* format = nullptr;
};

/// One kernel. Instances are constant objects, a line each in their folder's <family>.kernels.txt.
struct Kernel {
  const char* name = nullptr;  ///< unique; part of the engine file and of the timing cache key
  const char* op = nullptr;    ///< the operator it computes, as in OpDef::name
  DeviceKind device = DeviceKind::cpu;
  Isa needs = Isa::none;
  Arithmetic arithmetic;
  bool reference = false;       ///< the plain one that every other is held against
  bool batch_invariant = true;  ///< a row's result does not depend on the other rows' presence
  int version = 1;  ///< raised when the code or packing changes: engines and timings of old ones are refused
  Ports in{Port::dense};
  Ports out{Port::dense};
  const Packing* packings = nullptr;
  int packing_count = 0;
  Refusal (*accepts)(const KernelQuery&) noexcept = nullptr;  ///< null: takes everything its ports and op allow
  std::size_t (*scratch_bytes)(const KernelQuery&) noexcept = nullptr;  ///< null: none; grows with every extent
  Status (*run)(const KernelContext&) noexcept = nullptr;
  /// Bit i: output 0 may lie exactly over input i (same address, strides and extents).
  std::uint32_t in_place_inputs = 0;
};

}  // namespace monza
