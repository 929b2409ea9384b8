// A regular expression as a tree.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "grammar/budget.h"
#include "grammar/code_set.h"

namespace monza::grammar {

struct RegexNode {
  enum class Kind : std::uint8_t { set, sequence, choice, repeat, begin, end, ahead, not_ahead } kind = Kind::sequence;
  CodeSet set;
  std::uint32_t min = 1, max = 1;  ///< of a repeat; max may be RegexParser::kMany
  std::vector<RegexNode> children;
};

class RegexParser {
 public:
  static constexpr std::uint32_t kMany = ~std::uint32_t{0};
  RegexParser(std::string_view pattern, Budget& budget) : pattern_(pattern), budget_(budget) {}
  /// Throws Error that names the place.
  RegexNode parse();

 private:
  [[noreturn]] void refuse(std::string_view what) const;
  bool done() const { return at_ == pattern_.size(); }
  bool accept(std::string_view text);
  char32_t take();
  RegexNode alternatives();
  RegexNode atom();
  RegexNode group();
  void quantifier(RegexNode& node);
  std::uint32_t number();
  CodeSet bracket();
  bool escape(CodeSet& set, char32_t& one);
  char32_t hex(std::size_t digits);
  char32_t unicode_escape();
  void property(CodeSet& set, bool others);

  std::string_view pattern_;
  Budget& budget_;
  std::size_t at_ = 0, depth_ = 0;
};

}  // namespace monza::grammar
