// The plan verifier: what passes here cannot make the runtime leave its memory.
#pragma once

#include <cstdint>
#include <span>

#include "kernel/kernel.h"
#include "plan/data/plan.h"

namespace monza::engine_file {

/// Checks every index, range, register, enum and byte range of a plan against its arrays, arenas, `weights_bytes`
/// bytes of weights, `code_bytes` of device code and the largest inputs and outputs; that regions form a tree, that
/// constants of static operands are never written, that operands lie on the device of their step, that events are
/// signalled before they are waited for, and that steps of several queues that touch the same bytes wait for each other
/// (plan/data/step_order.h). Throws Error that names the array, the entry and the broken rule. What depends on a run's
/// extents is left to the runtime's own checks.
void verify_plan(const plan::Plan& plan, std::int64_t weights_bytes, std::int64_t code_bytes = 0);

/// Checks that the plans of an engine take and give the same: number, names, types and ranks of inputs, outputs and
/// states, and the rows of states; and that they are of the same devices with the same weights. A context and a
/// sequence are made for all of them. Throws Error that says which differs. Each has been through verify_plan.
void verify_profiles(const plan::Plan& first, std::span<const plan::Plan> further);

/// Checks steps against the kernels they name (by index of Plan::kernels): the device and, where all shapes are fixed,
/// everything that kernel/check.h says of a step: operands and parameters that agree as the operator demands, strides,
/// packed sizes, scratch memory, outputs that lie over no input. The runtime asks the same where shapes vary.
void verify_kernels(const plan::Plan& plan, std::span<const Kernel* const> kernels);

}  // namespace monza::engine_file
