// Deterministic automata over characters: what patterns, formats and names say of a text, before it is known how the
// text is written.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "grammar/code_set.h"
#include "grammar/dfa.h"

namespace monza::grammar {

struct CharDfa {
  struct Edge {
    CodeRange on;
    std::uint32_t to;
  };
  struct State {
    std::vector<Edge> edges;  ///< sorted, without overlap
    std::uint32_t label = 0;  ///< as Dfa::label
  };
  std::vector<State> states;  ///< the first is the start; none: no language

  /// Any text, label 1.
  static CharDfa all();
  /// One of `texts` (UTF-8), which has label i + 1. Texts must differ.
  static CharDfa of(const std::vector<std::string>& texts, Budget& budget);
  /// The label of a text (UTF-8); 0: in no language.
  std::uint32_t label_of(std::string_view text) const;
};

/// What both say of a text, as `label` combines it: of 0s it must make 0, or the text is one of Σ* that `a` must cover.
CharDfa combine(const CharDfa& a, const CharDfa& b, Budget& budget,
                const std::function<std::uint32_t(std::uint32_t, std::uint32_t)>& label);
CharDfa intersect(const CharDfa& a, const CharDfa& b, Budget& budget);
CharDfa complement(const CharDfa& a, Budget& budget);
/// Texts of at least so many characters.
CharDfa at_least(std::uint32_t characters, Budget& budget);
bool is_empty(const CharDfa& a);

/// The text between quotes, as JSON writes strings: every character as it is but for those that must be escaped; "/",
/// control characters, and what is not ASCII may be escaped. One way to write each: \u never stands for printable
/// ASCII.
DfaPtr json_string(const CharDfa& text, Budget& budget);
/// The text as it is, in UTF-8.
DfaPtr utf8(const CharDfa& text, Budget& budget);

}  // namespace monza::grammar
