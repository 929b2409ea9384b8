// Sets of code points as sorted ranges.
#pragma once

#include <vector>

namespace monza::grammar {

struct CodeRange {
  char32_t first, last;
  bool operator==(const CodeRange&) const = default;
};

/// Of the code points that UTF-8 can write: surrogates are in none.
class CodeSet {
 public:
  CodeSet() = default;
  CodeSet(char32_t first, char32_t last) { add(first, last); }
  static CodeSet all() { return CodeSet(0, 0x10FFFF); }

  void add(char32_t first, char32_t last);
  void add(const CodeSet& other);
  CodeSet inverted() const;
  bool contains(char32_t code) const;
  bool empty() const { return ranges_.empty(); }
  /// Sorted, with a gap between each two but where surrogates lie there.
  const std::vector<CodeRange>& ranges() const { return ranges_; }

 private:
  void add_range(char32_t first, char32_t last);
  std::vector<CodeRange> ranges_;
};

}  // namespace monza::grammar
