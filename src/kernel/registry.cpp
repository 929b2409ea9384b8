#include "kernel/registry.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

#include "base/log.h"
#include "kernel/packed_format.h"
#include "kernel/register.h"

namespace monza {
namespace ops {
extern const Kernel* const kernel_table[];  // generated from the lists in src/ops
extern const int kernel_table_count;
extern const PackedFormatList* const format_table[];  // generated from their names
extern const int format_table_count;
extern const KernelFamily kernel_family_table[];
extern const int kernel_family_count;
}  // namespace ops

namespace {

struct Index {
  std::map<std::string_view, std::vector<const Kernel*>> by_op;
  std::map<std::string_view, const Kernel*> by_name;
};

const Index& kernel_index() {
  static const Index built = [] {
    Index index;
    for (const Kernel* k : all_kernels()) {
      index.by_op[k->op].push_back(k);
      index.by_name[k->name] = k;
    }
    for (auto& [op, list] : index.by_op)
      std::stable_partition(list.begin(), list.end(), [](const Kernel* k) { return !k->reference; });
    return index;
  }();
  return built;
}

/// Kernels of loaded plugins. A list is never changed, so that what was handed out stays valid.
struct Added {
  std::mutex mutex;
  std::map<std::string_view, std::vector<const Kernel*>> by_op;
  std::map<std::string_view, const Kernel*> by_name;
};

Added& added() {
  static Added* const kernels = new Added;  // threads may ask until the process ends
  return *kernels;
}

}  // namespace

void add_kernels(const char* op, std::vector<const Kernel*> kernels) {
  Added& a = added();
  const std::lock_guard lock(a.mutex);
  for (const Kernel* k : kernels) a.by_name.emplace(k->name, k);
  a.by_op.emplace(op, std::move(kernels));
}

std::vector<std::string> plugin_operators() {
  Added& a = added();
  const std::lock_guard lock(a.mutex);
  std::vector<std::string> names;
  for (const auto& [op, kernels] : a.by_op) names.emplace_back(op);
  return names;
}

std::span<const Kernel* const> all_kernels() {
  return {ops::kernel_table, static_cast<std::size_t>(ops::kernel_table_count)};
}

std::span<const KernelFamily> kernel_families() {
  return {ops::kernel_family_table, static_cast<std::size_t>(ops::kernel_family_count)};
}

std::span<const Kernel* const> kernels_of(std::string_view op) {
  if (const auto it = kernel_index().by_op.find(op); it != kernel_index().by_op.end()) return it->second;
  Added& a = added();
  const std::lock_guard lock(a.mutex);
  const auto it = a.by_op.find(op);
  return it == a.by_op.end() ? std::span<const Kernel* const>{} : it->second;
}

const Kernel* find_kernel(std::string_view name) {
  if (const auto it = kernel_index().by_name.find(name); it != kernel_index().by_name.end()) return it->second;
  Added& a = added();
  const std::lock_guard lock(a.mutex);
  const auto it = a.by_name.find(name);
  return it == a.by_name.end() ? nullptr : it->second;
}

bool has_kernel(std::string_view op, const Constraint& asked) {
  const auto kernels = kernels_of(op);
  return std::any_of(kernels.begin(), kernels.end(), [&](const Kernel* k) {
    const bool there = asked.devices.empty() || asked.devices.contains(k->device) ||
                       (k->reference && asked.devices.contains(DeviceKind::reference));
    return there && (asked.precisions.empty() || asked.precisions.contains(k->arithmetic.computes_in));
  });
}

const PackedFormat* find_packed_format(std::string_view name) {
  for (int i = 0; i < ops::format_table_count; ++i)
    for (const PackedFormat* format : ops::format_table[i]->formats)
      if (name == format->name) return format;
  return nullptr;
}

std::vector<const Kernel*> candidates(std::string_view op, DeviceKind device, Isa isa, const KernelQuery& query,
                                      std::vector<Rejection>* rejected) {
  std::vector<const Kernel*> found;
  const auto refuse = [&](const Kernel* k, std::string reason) {
    log(LogLevel::debug, "{} refused: {}", k->name, reason);
    if (rejected) rejected->push_back({k, std::move(reason)});
  };
  for (const Kernel* k : kernels_of(op)) {
    // Reference kernels are plain host code: they serve the CPU and are all the reference device has.
    const bool on_device = k->device == device || (k->reference && device == DeviceKind::reference);
    if (!on_device) continue;
    if (!covers(isa, k->needs)) {
      refuse(k, "needs " + isa_name(k->needs));
    } else if (Refusal reason = k->accepts ? k->accepts(query) : nullptr) {
      refuse(k, reason);
    } else {
      found.push_back(k);
    }
  }
  return found;
}

}  // namespace monza
