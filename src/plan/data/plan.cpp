#include "plan/data/plan.h"

namespace monza::plan {

Text PlanStorage::intern(std::string_view text) {
  const Text t{static_cast<std::uint32_t>(strings.size()), static_cast<std::uint32_t>(text.size())};
  strings.insert(strings.end(), text.begin(), text.end());
  return t;
}

Plan PlanStorage::view() const {
  return {regions,       steps,  operands, program,       registers, checks,     loops,   region_refs,
          events,        ints,   segments, kernels,       devices,   inputs,     outputs, states,
          weight_blocks, params, strings,  weights_bytes, threads,   event_count};
}

}  // namespace monza::plan
