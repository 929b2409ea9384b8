// The range of shapes that a plan is made for.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace monza::plan {

/// Range of one dimension that the model names.
struct Extent {
  std::int64_t min = 0, opt = 0, max = 0;
  friend bool operator==(const Extent&, const Extent&) = default;
};

/// Ranges by the dimensions' names.
using Profile = std::map<std::string, Extent>;
/// "batch 1..8 (best 4), sequence 128".
std::string to_string(const Profile& profile);

}  // namespace monza::plan
