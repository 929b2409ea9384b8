// Which steps must be done before another begins: the one rule by which the planner writes waits and the verifier
// checks them.
//
// The host runs steps in the order of the plan. What it hands to another queue is done at some time later, after what
// is before it in the queue, after the host's own steps before it, and after the events that it waits for. Two steps
// that touch the same bytes, one of which writes, must be in order; so must elements that the extent program reads. Who
// knows that a step is done knows all that it knew (vector clocks: Mattern, "Virtual time and global states", 1989).
//
// A branch or a loop counts as a step of the host that touches what its regions touch, and a region ends with nothing
// on its way: then each region can be looked at alone.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "plan/data/plan.h"

namespace monza::plan {

/// Queues of all devices but the host, in all.
inline constexpr std::size_t kMostQueues = 16;
std::size_t queue_count(const Plan& plan);

/// Walks the steps of one region of a plan whose ranges and tree are sound, in order.
class StepOrder {
 public:
  /// `most_visits` bounds the pieces of memory that are looked at, for plans of strangers: see exhausted().
  StepOrder(const Plan& plan, std::int64_t most_visits);

  /// Steps of the region that `step` may not begin before, and of which it does not know that they are done: at most
  /// one for each queue, the last.
  std::vector<std::uint32_t> missing(std::uint32_t step);
  /// The same of what the step's program reads, if it begins when the host has it before it, without the step's waits.
  bool reads_too_early(std::uint32_t step);
  bool reads_too_early(const Range& program);
  /// `step` waits for `other`, of the same region, before it.
  void wait(std::uint32_t step, std::uint32_t other);
  /// The step is handed out: the next one follows.
  void issue(std::uint32_t step);
  /// The last steps of queues of which the host does not know that they are done.
  std::vector<std::uint32_t> under_way() const;
  bool exhausted() const { return visits_ < 0; }

 private:
  using Clock = std::array<std::uint32_t, kMostQueues + 1>;  ///< how many of each queue's steps are done; 0: the host
  struct Access {
    std::uint64_t memory;
    std::int64_t begin, end;
    bool write;
  };
  struct Piece {
    std::int64_t end;
    Clock read{}, written{};  ///< the last steps that did; 0: none
  };
  using Pieces = std::map<std::int64_t, Piece>;

  std::size_t queue_of(const Step& step) const;
  Clock known_to(std::size_t queue) const;
  void find_conflicts(const Access& access, Clock& last);
  std::vector<std::uint32_t> unknown(const Clock& needed, std::size_t queue) const;
  void add(const Access& access, std::size_t queue, std::uint32_t position);
  Pieces::iterator split(Pieces& pieces, std::int64_t at);

  void each_access(const Step& step, const std::function<void(const Access&)>& f) const;
  void each_access_of_region(std::int32_t region, const std::function<void(const Access&)>& f) const;
  void each_read(const Range& program, const std::function<void(const Access&)>& f) const;
  void operand_access(const Operand& o, bool write, const std::function<void(const Access&)>& f) const;

  const Plan& plan_;
  std::int64_t visits_;
  std::vector<std::size_t> first_queue_;                           ///< by device
  std::array<Clock, kMostQueues + 1> known_{};                     ///< by queue
  std::array<std::vector<std::uint32_t>, kMostQueues + 1> steps_;  ///< issued, by queue
  std::map<std::uint32_t, Clock> done_;                            ///< what whoever waits for a step knows then
  std::map<std::uint64_t, Pieces> memories_;
};

}  // namespace monza::plan
