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
