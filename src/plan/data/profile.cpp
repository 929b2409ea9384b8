#include "plan/data/profile.h"

#include <fmt/core.h>

namespace monza::plan {

std::string to_string(const Profile& profile) {
  std::string text;
  for (const auto& [symbol, e] : profile) {
    text += (text.empty() ? "" : ", ") + symbol + " ";
    if (e.min == e.max) text += std::to_string(e.max);
    else text += fmt::format("{}..{} (best {})", e.min, e.max, e.opt);
  }
  return text.empty() ? "of fixed shapes" : text;
}

}  // namespace monza::plan
