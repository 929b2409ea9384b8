#include "tools/measure/references.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "kernel/registry.h"
#include "tools/measure/profile.h"

namespace monza::tool {
namespace {

bool is_reference(std::string_view kernel_name) {
  const Kernel* kernel = find_kernel(kernel_name);
  return kernel != nullptr && kernel->reference;
}

std::vector<std::string> listed(const std::set<std::string>& names) { return {names.begin(), names.end()}; }

}  // namespace

std::string to_string(const ReferenceShare& share) {
  if (share.kernels.empty() || share.share < kReferenceNotice) return {};
  std::string text;
  for (const std::string& name : share.kernels) text += (text.empty() ? "" : ", ") + name;
  return fmt::format("{}: {:.1f} % of the time", text, 100 * share.share);
}

bool has_reference_kernels(const plan::Plan& plan) {
  return std::any_of(plan.steps.begin(), plan.steps.end(),
                     [&](const plan::Step& step) { return is_reference(work_of(plan, step)); });
}

ReferenceShare measure_references(const Engine& engine, const std::vector<Tensor>& inputs,
                                  const ContextOptions& context) {
  ProfileOptions options;
  options.duration = 0.1;
  options.warmup = options.least_runs = 1;  // one of them may be slow
  options.ceilings = false;
  options.context = context;
  ReferenceShare found;
  std::set<std::string> names;
  for (const LayerTime& layer : measure_profile(engine, inputs, options).layers) {
    if (!is_reference(layer.step.kernel)) continue;
    found.share += layer.share;
    if (layer.share >= kReferenceNotice / 10) names.insert(layer.step.kernel);
  }
  found.kernels = listed(names);
  return found;
}

ReferenceShare references_when_chosen(const plan::Plan& plan) {
  std::set<std::string> names;
  double total = 0, part = 0;
  for (const plan::Step& step : plan.steps) {
    total += static_cast<double>(step.measured_us);
    const std::string_view work = work_of(plan, step);
    if (step.measured_us <= 0 || !is_reference(work)) continue;
    part += static_cast<double>(step.measured_us);
    names.emplace(work);
  }
  return {listed(names), total > 0 ? part / total : 0};
}

std::vector<std::string> untimed_references(const plan::Plan& plan) {
  double total = 0;
  for (const plan::Step& step : plan.steps) total += static_cast<double>(step.bytes);
  std::set<std::string> names;
  for (const plan::Step& step : plan.steps) {
    const std::string_view work = work_of(plan, step);
    if (step.measured_us <= 0 && static_cast<double>(step.bytes) >= kReferenceNotice * total && is_reference(work))
      names.emplace(work);
  }
  return listed(names);
}

}  // namespace monza::tool
