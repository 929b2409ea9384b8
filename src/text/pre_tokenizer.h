// How a text is split into words before the model sees it.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/pattern.h"

namespace monza::text {

/// The words of one stretch of text between added tokens.
struct Words {
  std::vector<std::string_view> words;
  bool begins = true;             ///< the stretch is the beginning of the whole text
  std::deque<std::string> owned;  ///< texts that steps made, which words look at
};

/// Safe from any thread.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Words& words) const = 0;
};
using PreTokenizerPtr = std::unique_ptr<const PreTokenizer>;

/// What becomes of a separator.
enum class SplitBehavior : std::uint8_t { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// `invert`: what matches is a word, what does not is a separator.
PreTokenizerPtr make_split(Pattern pattern, SplitBehavior behavior, bool invert);
/// A separator is this text, not a pattern.
PreTokenizerPtr make_split(const std::string& text, SplitBehavior behavior, bool invert);
/// As BERT has it: without white space, each punctuation mark alone.
PreTokenizerPtr make_bert_words();
PreTokenizerPtr make_whitespace_split();
/// `\w+|[^\w\s]+`
PreTokenizerPtr make_whitespace();
PreTokenizerPtr make_punctuation(SplitBehavior behavior);
PreTokenizerPtr make_digits(bool individual);
/// Puts ' ' before words that do not begin with one.
PreTokenizerPtr make_prefix_space();
/// GPT-2's words.
PreTokenizerPtr make_gpt2_words();

enum class PrependScheme : std::uint8_t { always, first, never };
/// SentencePiece's words: ' ' is written as `mark`, put before a text that has none, and begins a word.
PreTokenizerPtr make_metaspace(std::string mark, PrependScheme scheme, bool split);

}  // namespace monza::text
