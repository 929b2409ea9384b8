// Whether a step may run: what a kernel relies on, said once for each operator, so that neither a damaged plan nor an
// unforeseen shape makes it leave its operands. Load asks for steps of fixed shapes, the runtime when a shape changes.
#pragma once

#include <cstdint>
#include <span>

#include "kernel/kernel.h"

namespace monza {

/// A step without its data: parameters, and operands with type, layout, shape and strides. Nothing in it is trusted,
/// except that the elements of each operand lie within its memory and that their count does not overflow.
struct CheckContext {
  const void* params = nullptr;  ///< at least plan::kParamsRoom bytes
  const TensorView* in = nullptr;
  int in_count = 0;
  const TensorView* out = nullptr;
  int out_count = 0;
  int extents = 0;                                    ///< how many extents the step has room to report
  std::uint32_t state_inputs = 0, state_outputs = 0;  ///< bit i: operand i is sequence state, without elements here
  MONZA_INLINE bool has_input(int i) const { return i < in_count && in[i].present(); }
  MONZA_INLINE bool has_output(int i) const { return i < out_count && out[i].present(); }
  template <typename P>
  MONZA_INLINE const P& params_as() const {
    return *static_cast<const P*>(params);
  }
};

/// Why a step is refused that has room for another number of extents than its operator reports.
inline constexpr Refusal kOtherExtents = "another number of reported extents than the operator has";

/// The rule of one operator: null when its kernels may run on this, else a short static reason. It checks everything
/// that the reference kernel takes for granted: how many operands there are, their types, ranks and extents, that
/// parameters divide, index and count within bounds. What depends on the operands' elements (indices, lengths) the
/// kernels check themselves. No allocation, no exception, cheap enough for every change of shape.
struct OperatorCheck {
  const char* op = nullptr;
  Refusal (*check)(const CheckContext&) noexcept = nullptr;
  std::uint32_t state_inputs = 0, state_outputs = 0;  ///< operands that must be sequence state; all others are memory
  /// From which byte of the parameters on they say only what is done to the result (its activation, where a residual is
  /// added): no kernel's packing of an input looks at them. 0: all of them may be looked at.
  std::uint32_t epilogue_at = 0;
};

/// The rules of src/ops/<family>/<name>.check.cpp, which ends with `extern const CheckList <name>_checks{...};`.
struct CheckList {
  std::span<const OperatorCheck> checks;
};

/// The rule of an operator, or null. Thread-safe.
const OperatorCheck* find_check(const char* op);

/// Null when the operator's rule takes the operands, however many extents the step reports; also where it has no rule,
/// or keeps state, which only a plan has. For those who run kernels outside of plans.
Refusal refuse_operands(const char* op, CheckContext operands) noexcept;

/// The layout that a kernel is told of an operand when it is asked (KernelQuery): that of packed constants is its own
/// affair, and for uniform operands no layout is like another.
inline Layout asked_layout(Port port, Layout layout) {
  return layout == Layout::packed || port == Port::uniform ? Layout::strided : layout;
}

/// One step as its kernel would get it.
struct StepQuery {
  CheckContext operands;
  const OperandDesc* in = nullptr;  ///< the same operands as their kernel was asked about them
  const OperandDesc* out = nullptr;
  const std::int64_t* in_bytes = nullptr;  ///< memory each input may reach, for packed ones
  std::int64_t scratch_bytes = 0;          ///< what the step has
  int threads = 1;
};

/// Null when `kernel` may run the step: its operator's rule (`check` may be null in tests of the runtime alone), then
/// what the kernel itself says of strides, types, packed sizes and scratch memory.
Refusal refuse_step(const Kernel& kernel, const OperatorCheck* check, const StepQuery& query) noexcept;

/// Whether two views may share a byte. Exact for views of one pattern (parts of one tensor), else careful: true.
bool may_overlap(const TensorView& a, const TensorView& b) noexcept;

/// Null unless an output lies over an input otherwise than `kernel` allows: a kernel may read an input twice, and must
/// find what it found before.
Refusal refuse_overlap(const Kernel& kernel, const TensorView& in, int in_index, const TensorView& out,
                       int out_index) noexcept;

}  // namespace monza
