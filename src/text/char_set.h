// Sets of characters, as the brackets of a pattern write them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/unicode.h"

namespace monza::text {

class CharSet {
 public:
  /// Characters of these categories (kWhiteSpace counts as one), or all others.
  void add_mask(CategoryMask mask, bool others = false) { terms_.push_back({mask, 0, 0, others, {}}); }
  void add_range(char32_t first, char32_t last) { terms_.push_back({0, first, last, false, {}}); }
  void add_set(const CharSet& set) { terms_.push_back({0, 0, 0, false, {set}}); }
  void invert() { inverted_ = !inverted_; }
  /// To be called when all is added, before contains().
  void finish();

  bool contains(char32_t c) const { return c < 128 ? (ascii_[c >> 6] >> (c & 63) & 1) != 0 : finds(c); }

 private:
  struct Term {
    CategoryMask mask;
    char32_t first, last;
    bool others;
    std::vector<CharSet> set;  ///< one, or none
  };
  bool finds(char32_t c) const;

  std::vector<Term> terms_;
  bool inverted_ = false;
  std::uint64_t ascii_[2] = {};
};

}  // namespace monza::text
