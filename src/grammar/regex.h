// The regular expressions of JSON Schema (ECMA 262's) as automata over characters.
#pragma once

#include <string_view>

#include "grammar/char_dfa.h"

namespace monza::grammar {

/// All texts in which the pattern is found, as JSON Schema means it; ^ and $ bind it to the ends. Characters, sets,
/// \d \w \s \p{...}, groups, alternatives, quantifiers (greedy or lazy: it makes no difference to what is found), and
/// look-ahead at the beginning of a pattern that begins with ^. Throws Error, which says where, for back-references,
/// look-behind, \b, and other look-ahead.
CharDfa regex(std::string_view pattern, Budget& budget);

}  // namespace monza::grammar
