// Why a step is refused: the notation of the *.messages.txt files for what operators' rules and kernels say.
//
//   graph (%x: f32[2,3]) { %y = Relu(%x) return (y: %y) } check(f32[2,3]) -> (f32[3,2])
//   graph (%x: f64[2,3]) { %y = Relu(%x) return (y: %y) } kernel relu_avx2
//
// `check` asks the rule of the last node's operator (kernel/check.h), as for a step of a plan that may be damaged. The
// node gives the parameters, and the operands where the lists are left out: check() or check() -> (...); `_` is an
// absent one. Behind them `extents N` sets how many extents the step reports, and `params[8] = 99` the i32 at byte 8
// of the parameters (`99L`: the i64, `0.5`: the f32).
// `kernel` asks a kernel for the last node of its operator. Extents that are symbols count as 8, and as dynamic.
#pragma once

#include <optional>
#include <string>

namespace monza::test {

struct StepAnswer {
  bool here = true;     ///< false: this CPU lacks the kernel's instructions
  std::string refusal;  ///< empty: nothing is wrong
};

/// nullopt when the text asks for no step. Throws Error when it is not in the notation.
std::optional<StepAnswer> ask_step(const std::string& text);

}  // namespace monza::test
