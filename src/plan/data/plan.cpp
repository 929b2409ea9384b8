#include "plan/data/plan.h"

namespace monza::plan {

std::vector<std::string> Plan::nodes_of(const Step& step) const {
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < step.nodes.count; ++i)
    names.emplace_back(text(nodes[static_cast<std::size_t>(node_refs[step.nodes.begin + i])]));
  return names;
}

Text PlanStorage::intern(std::string_view text) {
  const Text t{static_cast<std::uint32_t>(strings.size()), static_cast<std::uint32_t>(text.size())};
  strings.insert(strings.end(), text.begin(), text.end());
  return t;
}

std::string_view work_of(const Plan& plan, const Step& step) {
  switch (step.kind) {
    case StepKind::kernel: return plan.text(plan.kernels[static_cast<std::size_t>(step.kernel)].name);
    case StepKind::branch: return "If";
    case StepKind::loop: return plan.loops[static_cast<std::size_t>(step.loop)].is_scan != 0 ? "Scan" : "Loop";
    case StepKind::copy: return plan.operands[step.outputs.begin].device == 0 ? "Fetch" : "Send";
    case StepKind::wait: return "Wait";
  }
  return {};
}

Plan PlanStorage::view() const {
  return {regions,       steps, operands,  program, registers, checks,        loops,   region_refs,
          events,        ints,  segments,  kernels, devices,   inputs,        outputs, states,
          weight_blocks, nodes, node_refs, params,  strings,   weights_bytes, threads, event_count};
}

}  // namespace monza::plan
