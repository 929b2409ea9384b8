// Grammars in GBNF, the notation of llama.cpp.
#pragma once

#include <string_view>

#include "grammar/grammar.h"

namespace monza::grammar {

/// Of a text such as
///   root ::= "yes" | "no" reason?      # alternatives; what may be left out
///   reason ::= ", " [a-z]{1,20} "."    # sets of characters, repetitions {m}, {m,}, {,n}, {m,n}, * and +
/// Strings and sets know the escapes \n \r \t \\ \" \[ \] \xHH \uHHHH \UHHHHHHHH; `.` is any character; `(...)` groups.
/// A rule ends with its line, but not within a group or behind `|`. Throws Error with line and column for what is none,
/// for rules that begin with themselves, and where limits are reached.
GrammarPtr parse_gbnf(std::string_view text, const Limits& limits = {});

}  // namespace monza::grammar
