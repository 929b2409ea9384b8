// Kernels and rules that are not in this binary's lists: those of loaded plugins.
#pragma once

#include <vector>

#include "kernel/check.h"
#include "kernel/kernel.h"

namespace monza {

/// Adds all kernels of an operator that has none, best first. They and their strings live until the process ends, and
/// their names are new. Thread-safe.
void add_kernels(const char* op, std::vector<const Kernel*> kernels);
/// Adds the rule of an operator that has none. As add_kernels.
void add_check(const OperatorCheck& check);

}  // namespace monza
