#include "plan/data/memory_map.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

namespace monza::plan {

std::vector<ArenaBlock> arena_blocks(const Plan& plan) {
  using Place = std::tuple<int, std::int64_t, std::int64_t>;
  std::map<std::pair<Place, std::uint32_t>, ArenaBlock> blocks;
  std::map<Place, std::uint32_t> current;  // place -> the step that wrote it last
  for (std::uint32_t i = 0; i < plan.steps.size(); ++i) {
    const Step& step = plan.steps[i];
    const auto use = [&](const Range& range, bool writes) {
      for (std::uint32_t k = range.begin; k < range.begin + range.count; ++k) {
        const Operand& o = plan.operands[k];
        if (o.base != Base::arena) continue;
        const Place place(o.device, o.byte_offset, o.byte_bound);
        if (writes) current[place] = i;
        const auto it = current.find(place);
        if (it == current.end()) continue;  // a view of what another operand wrote
        ArenaBlock& b = blocks[{place, it->second}];
        if (writes)
          b = {o.device, o.byte_offset, o.byte_bound, i, i, false, plan.text(step.name), static_cast<std::int32_t>(k)};
        b.last = i;
      }
    };
    use(step.inputs, false);
    use(step.outputs, true);
    if (step.scratch_bytes > 0)
      blocks[{Place(step.device, step.scratch_offset, step.scratch_bytes), i}] = {
          step.device, step.scratch_offset, step.scratch_bytes, i, i, true, plan.text(step.name), -1};
  }
  std::vector<ArenaBlock> list;
  for (auto& [key, block] : blocks) list.push_back(block);
  std::stable_sort(list.begin(), list.end(), [](const ArenaBlock& a, const ArenaBlock& b) {
    return std::tie(a.device, a.offset, a.first) < std::tie(b.device, b.offset, b.first);
  });
  return list;
}

std::vector<ArenaBlock> arena_peak(const Plan& plan) {
  const std::vector<ArenaBlock> all = arena_blocks(plan);
  std::vector<ArenaBlock> peak;
  std::int64_t most = -1;
  std::vector<std::vector<std::size_t>> begins(plan.steps.size()), ends(plan.steps.size());
  for (std::size_t k = 0; k < all.size(); ++k) {
    begins[all[k].first].push_back(k);
    ends[all[k].last].push_back(k);
  }
  std::set<std::size_t> living;
  for (std::uint32_t i = 0; i < plan.steps.size(); ++i) {
    living.insert(begins[i].begin(), begins[i].end());
    std::vector<ArenaBlock> alive;
    // Where nothing begins no more is alive than before.
    if (!begins[i].empty())
      for (const std::size_t k : living) alive.push_back(all[k]);
    for (const std::size_t k : ends[i]) living.erase(k);
    if (alive.empty()) continue;
    std::stable_sort(alive.begin(), alive.end(),
                     [](const ArenaBlock& a, const ArenaBlock& b) { return a.bytes > b.bytes; });
    std::vector<ArenaBlock> outer;
    std::int64_t bytes = 0;
    for (const ArenaBlock& b : alive) {
      const bool inside = std::any_of(outer.begin(), outer.end(), [&](const ArenaBlock& o) {
        return o.device == b.device && o.offset <= b.offset && b.offset + b.bytes <= o.offset + o.bytes;
      });
      if (inside) continue;
      outer.push_back(b);
      bytes += b.bytes;
    }
    if (bytes <= most) continue;
    most = bytes;
    peak = std::move(outer);
  }
  return peak;
}

}  // namespace monza::plan
