// What one rendering may cost: a template comes from a stranger, and so may what it is given.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.h"

namespace monza::jinja {

/// Steps, bytes and depth of one rendering. Throws Error when there are no more.
class Budget {
 public:
  static constexpr std::int64_t kSteps = 4'000'000, kBytes = std::int64_t{256} << 20;
  static constexpr int kDepth = 200;

  void step() { spend(steps_, 1, "steps", kSteps); }
  /// Bytes that are looked at, copied or made.
  void bytes(std::int64_t count) { spend(bytes_, count, "bytes that it goes through", kBytes); }

  /// Holds a level of nesting while it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      if (budget_.depth_ >= kDepth) fail("the template nests more than {} deep", kDepth);
      ++budget_.depth_;
    }
    ~Level() { --budget_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Budget& budget_;
  };

 private:
  static void spend(std::int64_t& left, std::int64_t count, const char* what, std::int64_t limit) {
    if (count > left) fail("the template takes more than {} {}", limit, what);
    left -= count;
  }
  std::int64_t steps_ = kSteps, bytes_ = kBytes;
  int depth_ = 0;
};

}  // namespace monza::jinja
