// What may come next when a terminal has ended: one closure over the grammar's nodes.
#pragma once

#include <unordered_set>

#include "grammar/matcher.h"

namespace monza::grammar {

/// Collects the threads of one place. It goes round by a list of things to do, so that no grammar or text is too deep.
class Expansion {
 public:
  explicit Expansion(Places& places) : places_(places) {}

  /// Adds the threads that `node` begins with. What takes no byte is the caller's: the node may be nullable.
  void expand(NodeId node, std::uint32_t frame);
  /// Adds what comes when a thread's terminal ends, in the language `label`.
  void end(const Thread& thread, std::uint32_t label);
  /// Adds a thread as it is.
  void keep(const Thread& thread) { threads_.push_back(thread); }

  std::vector<Thread> take_threads() { return std::move(threads_); }
  bool can_end() const { return can_end_; }

 private:
  static constexpr std::size_t kMostSteps = 200'000;
  struct Task {
    NodeId node;  ///< that begins; kEnds: what `frame` waited for has ended
    std::uint32_t frame, label;
  };
  static constexpr NodeId kEnds = ~NodeId{0};

  void run();
  void begin(NodeId id, std::uint32_t frame);
  void ended(std::uint32_t frame, std::uint32_t label);
  void member_ended(NodeId id, const Places::Frame& f, std::uint32_t label);
  void begin_name(NodeId id, std::uint32_t parent, Places::Set set);
  void add(NodeId node, std::uint32_t frame, std::uint32_t label = 0) { tasks_.push_back({node, frame, label}); }

  Places& places_;
  std::vector<Thread> threads_;
  bool can_end_ = false;
  std::size_t steps_ = 0;
  std::vector<Task> tasks_;
  std::unordered_set<std::uint64_t> begun_, ended_;
};

}  // namespace monza::grammar
