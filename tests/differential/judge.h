// Where an output is not what it must be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "differential/case.h"

namespace monza::differential {

struct Element {
  std::int64_t index = 0;  ///< in memory order
  std::string got, want;
  double excess = 0;  ///< the error in tolerances; infinite where one of the two is NaN or infinite
};

struct Difference {
  std::string what;  ///< of types or shapes; "" where only elements differ
  std::int64_t count = 0;
  std::vector<Element> worst;  ///< at most `most`, the largest excess first
  bool any() const { return count > 0 || !what.empty(); }
};

Difference compare(const TensorRef& got, const Expected& want, std::size_t most);

/// The first element whose bits differ (any two NaN are equal), or "": of runs that must be equal to the last bit.
std::string first_unequal(const TensorRef& a, const TensorRef& b);

}  // namespace monza::differential
