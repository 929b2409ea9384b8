// How tokenizers of byte-level BPE split texts into words: by patterns that GGUF has names for.
#pragma once

#include <string_view>

namespace monza::gguf {

struct WordPattern {
  std::string_view name;
  const char* pattern;  ///< null: GPT-2's
  bool whole_words;     ///< a word that is a token is that token
};

/// Throws Error that lists those there are.
const WordPattern& word_pattern(std::string_view name);
/// By the pattern itself, "" being GPT-2's. Null where none has it.
const WordPattern* word_pattern_of(std::string_view pattern);

}  // namespace monza::gguf
