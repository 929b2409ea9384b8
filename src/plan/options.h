// What the options of a build mean to the planner. They are passed on as they are; what they leave open is decided
// here.
#pragma once

#include "base/cpu.h"
#include "monza/engine.h"

namespace monza::plan {

/// The threads that runs are planned for: as many as this process may use where nothing is said.
int threads_of(const BuildOptions& options);
/// The instruction sets that kernels may need. Throws Error when this CPU lacks them.
Isa isa_of(const BuildOptions& options);
/// Whether reference kernels compute everything: the unoptimised plan that others are compared with.
inline bool is_reference_plan(const BuildOptions& options) {
  return !options.optimize || options.device == Device::reference;
}

}  // namespace monza::plan
