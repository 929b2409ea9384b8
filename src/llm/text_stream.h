// From tokens to the text that may be given out: whole characters that cannot become a stop text any more.
#pragma once

#include <string>
#include <vector>

#include "llm/sampler.h"
#include "text/decoder.h"
#include "text/tokenizer.h"

namespace monza::llm {

/// Of one row of tokens. Not for several threads at a time; the tokenizer must outlive it.
class TextStream {
 public:
  /// `before`: the token that stands before the first one, so that a space between them is one. `stops`: texts that
  /// end it, and are left out.
  TextStream(const text::Tokenizer& tokenizer, Token before, std::vector<std::string> stops);

  /// The text that is certain after one more token; perhaps none.
  std::string add(Token token);
  /// What is left, when no more tokens come.
  std::string finish();
  /// A stop text has come: what was given out ends before it.
  bool stopped() const { return stopped_; }

 private:
  std::string take(bool all);
  std::size_t beginning_of_stop() const;

  text::StreamDecoder decoder_;
  std::vector<std::string> stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace monza::llm
