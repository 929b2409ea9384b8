// From tokens back to text, one token at a time, so that what a model generates can be shown as it comes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace monza::text {

/// How the texts of tokens become text.
struct DecoderRules {
  enum class Kind : std::uint8_t {
    plain,     ///< the texts in a row
    spaced,    ///< the texts with ' ' between them: what has no decoder
    bytes,     ///< the texts are bytes
    wordpiece  ///< ' ' between words; what begins with `prefix` continues one
  };
  Kind kind = Kind::plain;
  std::string prefix;          ///< of WordPiece: "##"
  bool cleanup = false;        ///< of WordPiece: no ' ' before punctuation, and in contractions
  std::string mark;            ///< written as ' '; "": none
  bool byte_fallback = false;  ///< texts such as "<0x0A>" are bytes
  std::size_t strip_left = 0;  ///< so many ' ' at the very beginning are left out
};

class Tokenizer;

/// The bytes that a token adds to a text in the middle, where tokens' bytes stand in a row; "" for special tokens and
/// for what is no token. Not of WordPiece's and spaced decoders, where the text depends on what stands before.
std::string token_bytes(const Tokenizer& tokenizer, Token token);

/// The text of one row of tokens. Not for several threads at a time; the tokenizer must outlive it.
class StreamDecoder {
 public:
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special);
  /// What is known of the text after one more token: whole characters of UTF-8, perhaps none. Bytes that are no
  /// character become U+FFFD. A number that is no token adds nothing.
  std::string add(Token token);
  /// What is left: characters that lack bytes become U+FFFD.
  std::string finish();

 private:
  void append_text(std::string_view text);
  std::string whole_characters(bool all);

  const Tokenizer* const tokenizer_;
  const bool skip_special_;
  bool first_ = true;       ///< no token has been added
  std::size_t strip_left_;  ///< ' ' that are still to be left out
  std::string pending_;     ///< bytes that are not given out
  bool pending_bytes_ =
      false;  ///< they are single bytes of byte_fallback, each of which is U+FFFD of its own when unsound
};

}  // namespace monza::text
