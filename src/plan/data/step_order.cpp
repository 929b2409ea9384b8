#include "plan/data/step_order.h"

#include <algorithm>

namespace monza::plan {
namespace {

std::uint64_t memory_of(Base base, std::uint32_t number) { return static_cast<std::uint64_t>(base) << 32 | number; }

}  // namespace

std::size_t queue_count(const Plan& plan) {
  std::size_t count = 0;
  for (std::size_t d = 1; d < plan.devices.size(); ++d) count += plan.devices[d].queues;
  return count;
}

StepOrder::StepOrder(const Plan& plan, std::int64_t most_visits) : plan_(plan), visits_(most_visits) {
  std::size_t next = 0;  // the host's one is number 0
  for (const DeviceRef& d : plan.devices) {
    first_queue_.push_back(next);
    next += d.queues;
  }
}

std::size_t StepOrder::queue_of(const Step& step) const { return first_queue_[step.device] + step.queue; }

/// What is handed out now comes after what the host knows to be done.
StepOrder::Clock StepOrder::known_to(std::size_t queue) const {
  Clock known = known_[queue];
  for (std::size_t q = 0; q < known.size(); ++q) known[q] = std::max(known[q], known_[0][q]);
  return known;
}

std::vector<std::uint32_t> StepOrder::unknown(const Clock& needed, std::size_t queue) const {
  const Clock known = known_to(queue);
  std::vector<std::uint32_t> list;
  for (std::size_t q = 1; q < needed.size(); ++q)
    if (q != queue && needed[q] > known[q]) list.push_back(steps_[q][needed[q] - 1]);
  return list;
}

std::vector<std::uint32_t> StepOrder::missing(std::uint32_t index) {
  const Step& step = plan_.steps[index];
  const std::size_t queue = queue_of(step);
  Clock needed{};
  each_access(step, [&](const Access& a) { find_conflicts(a, needed); });
  if (queue == 0) each_read(step.program, [&](const Access& a) { find_conflicts(a, needed); });
  return unknown(needed, queue);
}

bool StepOrder::reads_too_early(std::uint32_t index) {
  // The host's own steps wait before their programs run.
  return queue_of(plan_.steps[index]) != 0 && reads_too_early(plan_.steps[index].program);
}

bool StepOrder::reads_too_early(const Range& program) {
  Clock needed{};
  each_read(program, [&](const Access& a) { find_conflicts(a, needed); });
  return !unknown(needed, 0).empty();
}

void StepOrder::wait(std::uint32_t index, std::uint32_t other) {
  Clock& known = known_[queue_of(plan_.steps[index])];
  const auto done = done_.find(other);
  if (done == done_.end()) return;  // of the host: done already
  for (std::size_t q = 0; q < known.size(); ++q) known[q] = std::max(known[q], done->second[q]);
}

void StepOrder::issue(std::uint32_t index) {
  const Step& step = plan_.steps[index];
  const std::size_t queue = queue_of(step);
  std::uint32_t position = 0;
  if (queue != 0) {
    known_[queue] = known_to(queue);
    steps_[queue].push_back(index);
    position = static_cast<std::uint32_t>(steps_[queue].size());
    Clock done = known_[queue];
    done[queue] = position;
    done_.emplace(index, done);
  }
  each_access(step, [&](const Access& a) { add(a, queue, position); });
}

std::vector<std::uint32_t> StepOrder::under_way() const {
  std::vector<std::uint32_t> list;
  for (std::size_t q = 1; q < steps_.size(); ++q)
    if (steps_[q].size() > known_[0][q]) list.push_back(steps_[q].back());
  return list;
}

void StepOrder::find_conflicts(const Access& a, Clock& last) {
  const auto found = memories_.find(a.memory);
  if (found == memories_.end() || a.begin >= a.end) return;
  const Pieces& pieces = found->second;
  auto it = pieces.upper_bound(a.begin);
  if (it != pieces.begin() && std::prev(it)->second.end > a.begin) --it;
  for (; it != pieces.end() && it->first < a.end && visits_ >= 0; ++it, --visits_)
    for (std::size_t q = 1; q < last.size(); ++q)
      last[q] = std::max({last[q], it->second.written[q], a.write ? it->second.read[q] : 0});
}

/// The first piece that begins at or after `at`, where now none lies across it.
StepOrder::Pieces::iterator StepOrder::split(Pieces& pieces, std::int64_t at) {
  const auto after = pieces.lower_bound(at);
  if (after == pieces.begin()) return after;
  const auto before = std::prev(after);
  if (before->second.end <= at) return after;
  Piece rest = before->second;
  before->second.end = at;
  return pieces.emplace_hint(after, at, rest);
}

void StepOrder::add(const Access& a, std::size_t queue, std::uint32_t position) {
  if (a.begin >= a.end) return;
  const auto found = memories_.find(a.memory);
  // What the host reads is read, and what it writes is written, when it goes on.
  if (queue == 0 && (!a.write || found == memories_.end())) return;
  Pieces& pieces = found != memories_.end() ? found->second : memories_[a.memory];
  auto it = split(pieces, a.begin);
  split(pieces, a.end);
  it = pieces.lower_bound(a.begin);
  if (a.write) {
    // Whoever comes after this step comes after what this step has come after.
    while (it != pieces.end() && it->first < a.end) it = pieces.erase(it);
    if (queue != 0) pieces[a.begin].end = a.end, pieces[a.begin].written[queue] = position;
    return;
  }
  for (std::int64_t at = a.begin; at < a.end; --visits_) {
    if (it == pieces.end() || it->first > at) {
      const std::int64_t end = it == pieces.end() ? a.end : std::min(a.end, it->first);
      it = pieces.emplace_hint(it, at, Piece{end});
    }
    it->second.read[queue] = position;
    at = it->second.end;
    ++it;
  }
}

void StepOrder::operand_access(const Operand& o, bool write, const std::function<void(const Access&)>& f) const {
  // Inputs and weights are only read; states lie with the host, and what uses them does.
  if (o.base != Base::arena && o.base != Base::output) return;
  const auto number = static_cast<std::uint32_t>(o.base == Base::arena ? o.device : o.index);
  f({memory_of(o.base, number), o.byte_offset, o.byte_offset + o.byte_bound, write});
}

void StepOrder::each_read(const Range& program, const std::function<void(const Access&)>& f) const {
  for (std::uint32_t i = program.begin; i < program.begin + program.count; ++i)
    if (plan_.program[i].op == ScalarOp::load_element)
      operand_access(plan_.operands[static_cast<std::size_t>(plan_.program[i].a)], false, f);
}

void StepOrder::each_access(const Step& step, const std::function<void(const Access&)>& f) const {
  const auto all = [&](const Range& r, bool write) {
    for (std::uint32_t k = 0; k < r.count; ++k) operand_access(plan_.operands[r.begin + k], write, f);
  };
  all(step.inputs, false);
  all(step.outputs, true);
  if (step.scratch_bytes > 0)
    f({memory_of(Base::arena, step.device), step.scratch_offset, step.scratch_offset + step.scratch_bytes, true});
  if (step.kind == StepKind::branch)
    for (std::uint32_t k = 0; k < step.regions.count; ++k)
      each_access_of_region(plan_.region_refs[step.regions.begin + k], f);
  if (step.kind != StepKind::loop) return;
  const LoopInfo& loop = plan_.loops[static_cast<std::size_t>(step.loop)];
  for (const std::int32_t o :
       {loop.trip_count, loop.condition, loop.body_iteration, loop.body_condition_in, loop.body_condition_out})
    if (o >= 0) operand_access(plan_.operands[static_cast<std::size_t>(o)], true, f);
  for (const Range& r : {loop.carried_in, loop.scanned}) all(r, false);
  for (const Range& r : {loop.body_carried_in, loop.body_carried_out, loop.carried_out, loop.body_scanned,
                         loop.body_scan_out, loop.scan_out})
    all(r, true);
  each_access_of_region(loop.region, f);
}

void StepOrder::each_access_of_region(std::int32_t index, const std::function<void(const Access&)>& f) const {
  const Region& region = plan_.regions[static_cast<std::size_t>(index)];
  for (std::uint32_t i = region.steps.begin; i < region.steps.begin + region.steps.count; ++i) {
    each_read(plan_.steps[i].program, f);
    each_access(plan_.steps[i], f);
  }
  each_read(region.program, f);
}

}  // namespace monza::plan
