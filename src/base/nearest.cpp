#include "base/nearest.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace monza {
namespace {

/// Edits that make b of a, letters of either case being the same.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (std::tolower(a[i - 1]) == std::tolower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

/// The least distance to a word of `b`, which may be many: "gelo" is near "fuse_gelu". `none` where no word is near.
std::size_t distance_to_word(const std::string& a, const std::string& b, std::size_t none) {
  constexpr const char* kBetween = "_/.:-";
  if (a.size() < 4 || a.find_first_of(kBetween) != std::string::npos) return none;
  std::size_t least = none;
  for (std::size_t at = 0; at < b.size();) {
    const std::size_t end = std::min(b.find_first_of(kBetween, at), b.size());
    if (const std::size_t d = distance(a, b.substr(at, end - at)); d <= a.size() / 4) least = std::min(least, d);
    at = end + 1;
  }
  return least;
}

}  // namespace

std::vector<std::string> nearest_names(const std::string& name, const std::vector<std::string>& names,
                                       std::size_t count) {
  constexpr std::size_t kLongest = 200;  // names come from strangers; the distance is quadratic
  std::vector<std::pair<std::size_t, std::string>> rated;
  for (const std::string& candidate : names) {
    if (candidate.size() > kLongest || name.size() > kLongest || candidate.empty()) continue;
    // A part of the name, or the name as a part, is near however long the rest is.
    const bool part = candidate.find(name) != std::string::npos || name.find(candidate) != std::string::npos;
    const std::size_t d = distance(name, candidate);
    if (part) rated.emplace_back(std::min<std::size_t>(d, 2), candidate);
    else if (d <= std::max<std::size_t>(2, name.size() / 3)) rated.emplace_back(d, candidate);
    else if (const std::size_t w = distance_to_word(name, candidate, d); w < d) rated.emplace_back(w + 2, candidate);
  }
  std::stable_sort(rated.begin(), rated.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> list;
  for (const auto& [d, candidate] : rated)
    if (list.size() < count && std::find(list.begin(), list.end(), candidate) == list.end()) list.push_back(candidate);
  return list;
}

std::string one_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "one of '" : ", '") + name + "'";
  return text;
}

}  // namespace monza
