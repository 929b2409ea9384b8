// The regular expressions by which tokenizers split text: a subset of Oniguruma's syntax, matched by backtracking.
//
// Characters, sets ([...], \p{...}, \s, \d, \w, .), groups ((...), (?:...), (?i:...)), look-ahead ((?=...), (?!...)),
// ^, $, alternatives, and the quantifiers ? * + {m,n}, greedy or possessive, of single characters and sets; of groups
// only ?. What else there is, a tokenizer's pattern may not have: it is an Error that names it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "text/char_set.h"

namespace monza::text {

/// Immutable: safe from any thread.
class Pattern {
 public:
  /// Throws Error, which names the place, for a pattern that is none or that this does not do.
  explicit Pattern(std::string_view pattern);

  struct Match {
    std::size_t begin, end;
  };
  /// Backtracking that all searches of one text may do. Reaching it throws Error: the pattern is not meant for this
  /// text.
  class Steps {
   public:
    explicit Steps(std::size_t bytes) : left_(1'000'000 + 500 * bytes) {}
    void take();

   private:
    std::size_t left_;
  };
  /// The first match in `text` (sound UTF-8) at `from` or behind; begin == text.size() when there is none. Matches of
  /// nothing are no matches.
  Match find(std::string_view text, std::size_t from, Steps& steps) const;

 private:
  friend class PatternParser;
  struct Node;
  using Sequence = std::vector<Node>;
  enum class Kind : std::uint8_t { set, group, ahead, not_ahead, line_begin, line_end };
  struct Node {
    Kind kind = Kind::set;
    bool possessive = false;
    std::uint32_t min = 1, max = 1;
    std::uint32_t set = 0;               ///< of sets_
    std::vector<Sequence> alternatives;  ///< of a group or a look-ahead
  };
  /// What is to match behind a sequence.
  struct Rest {
    const Sequence* sequence;
    std::size_t index;
    const Rest* next;
  };
  static constexpr std::size_t kNone = ~std::size_t{0};

  std::size_t match(std::string_view text, const Sequence& sequence, std::size_t index, std::size_t at,
                    const Rest* rest, Steps& steps) const;
  std::size_t match_repeated(std::string_view text, const Sequence& sequence, std::size_t index, std::size_t at,
                             const Rest* rest, Steps& steps) const;
  std::size_t match_any(std::string_view text, const std::vector<Sequence>& alternatives, std::size_t at,
                        const Rest* rest, Steps& steps) const;
  enum class Start : std::uint8_t { no, yes, may_be_empty };
  Start starts_with(const Sequence& sequence, char c) const;

  std::vector<CharSet> sets_;
  std::vector<Sequence> alternatives_;
  /// Of each ASCII character: which of the first 64 alternatives may begin with it.
  std::uint64_t starts_[128] = {};
};

}  // namespace monza::text
