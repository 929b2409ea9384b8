// Kernels and the rule of a plugin's operator.
#pragma once

#include "plugin/operator.h"

namespace monza::plugin {

/// How many operators plugins may bring to one process: kernels are plain functions, so each operator has its own, and
/// these are compiled ahead.
inline constexpr int kMaxOperators = 64;

/// Makes the operator's kernels and its rule and adds them to the registries. `index` is that of no other operator and
/// below kMaxOperators; `op` lives until the process ends.
void add_operator(int index, const Operator& op);

}  // namespace monza::plugin
