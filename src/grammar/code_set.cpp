#include "grammar/code_set.h"

#include <algorithm>

namespace monza::grammar {
namespace {

constexpr char32_t kSurrogates = 0xD800, kBehindSurrogates = 0xE000, kEnd = 0x110000;

}  // namespace

void CodeSet::add(char32_t first, char32_t last) {
  if (first < kSurrogates) add_range(first, std::min<char32_t>(last, kSurrogates - 1));
  if (last >= kBehindSurrogates) add_range(std::max(first, kBehindSurrogates), std::min<char32_t>(last, kEnd - 1));
}

void CodeSet::add_range(char32_t first, char32_t last) {
  if (first > last) return;
  // The ranges that touch the new one become part of it.
  const auto begin = std::lower_bound(ranges_.begin(), ranges_.end(), first,
                                      [](const CodeRange& r, char32_t at) { return r.last + 1 < at; });
  auto end = begin;
  for (; end != ranges_.end() && end->first <= last + 1; ++end) {
    first = std::min(first, end->first);
    last = std::max(last, end->last);
  }
  ranges_.insert(ranges_.erase(begin, end), {first, last});
}

void CodeSet::add(const CodeSet& other) {
  for (const CodeRange& r : other.ranges_) add(r.first, r.last);
}

CodeSet CodeSet::inverted() const {
  CodeSet others;
  char32_t next = 0;
  for (const CodeRange& r : ranges_) {
    if (r.first > next) others.add(next, r.first - 1);
    next = r.last + 1;
  }
  if (next < kEnd) others.add(next, kEnd - 1);
  return others;
}

bool CodeSet::contains(char32_t code) const {
  const auto at =
      std::lower_bound(ranges_.begin(), ranges_.end(), code, [](const CodeRange& r, char32_t c) { return r.last < c; });
  return at != ranges_.end() && at->first <= code;
}

}  // namespace monza::grammar
