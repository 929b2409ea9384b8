// All kernels of this binary, in the order of preference of their families' lists, and those of loaded plugins
// (kernel/register.h), which are found by their name and their operator's.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/kernel.h"

namespace monza {

/// The kernels of `op`, best first; the reference last. Empty for an unknown operator. Thread-safe.
std::span<const Kernel* const> kernels_of(std::string_view op);
/// The kernel of that name, or null.
const Kernel* find_kernel(std::string_view name);
/// The packed format of that name, or null: also one that only kernels of other processors pack.
const PackedFormat* find_packed_format(std::string_view name);
/// The operators of loaded plugins that have kernels, by name.
std::vector<std::string> plugin_operators();
/// Every kernel of this binary, family by family.
std::span<const Kernel* const> all_kernels();

/// The kernels of one folder of src/ops.
struct KernelFamily {
  const char* name;
  const Kernel* const* kernels;
  int count;
  const char* sources;  ///< a hash of what they are compiled from (cmake/KernelSources.cmake)
};
std::span<const KernelFamily> kernel_families();

/// Whether `op` has a kernel, for whatever instruction set, that does what is asked; an empty set asks nothing.
bool has_kernel(std::string_view op, const Constraint& asked);

struct Rejection {
  const Kernel* kernel;
  std::string reason;
};

/// Kernels of `op` on `device` that `isa` covers and that accept the query, best first; those refused go to `rejected`
/// if it is given.
std::vector<const Kernel*> candidates(std::string_view op, DeviceKind device, Isa isa, const KernelQuery& query,
                                      std::vector<Rejection>* rejected = nullptr);

}  // namespace monza
