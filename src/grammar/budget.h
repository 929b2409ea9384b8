// What compiling a grammar may cost: grammars, schemas and patterns come from strangers.
#pragma once

#include <cstddef>

#include "base/error.h"

namespace monza::grammar {

struct Limits {
  std::size_t source_bytes = std::size_t{4} << 20;  ///< of a grammar's or schema's text
  std::size_t nodes = 200'000;                      ///< of the compiled grammar
  std::size_t depth = 200;                          ///< of groups in groups, schemas in schemas
  std::size_t work = 10'000'000;                    ///< steps of the automata's construction, about as many entries
};

/// Counts what has been spent of the limits. Reaching one throws Error. Not thread-safe.
class Budget {
 public:
  explicit Budget(const Limits& limits = {}) : limits_(limits) {}
  const Limits& limits() const { return limits_; }
  void work(std::size_t steps) {
    work_ += steps;
    if (work_ > limits_.work)
      fail_hint("shorter repetitions, fewer alternatives, simpler patterns",
                "automata of this grammar take more than {} steps", limits_.work);
  }
  void node() {
    if (++nodes_ > limits_.nodes) fail("this grammar has more than {} nodes", limits_.nodes);
  }

 private:
  Limits limits_;
  std::size_t work_ = 0, nodes_ = 0;
};

}  // namespace monza::grammar
