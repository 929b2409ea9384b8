// Tokens that are found in a text before it is split: special ones, and those that were added to a trained vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace monza::text {

struct AddedToken {
  std::string text;
  Token token = kNoToken;
  bool single_word = false;  ///< not inside a word
  bool left_strip = false;   ///< takes the white space before it
  bool right_strip = false;  ///< and behind it
  bool normalized = false;   ///< found in the normalized text
  bool special = false;      ///< left out of what is decoded, on request
};

/// Finds added tokens: of several at a place the longest. Safe from any thread once it is made.
class AddedTokens {
 public:
  void add(AddedToken token);
  bool empty() const { return tokens_.empty(); }

  struct Stretch {
    std::string_view text;
    Token token;  ///< kNoToken: text between added tokens
  };
  /// Cuts `text` at the tokens in it; none of the stretches is empty.
  void cut(std::string_view text, std::vector<Stretch>& stretches) const;

 private:
  const AddedToken* at(std::string_view rest) const;
  std::vector<AddedToken> tokens_;                                      ///< by first byte, then the longest first
  std::vector<std::uint32_t> first_ = std::vector<std::uint32_t>(257);  ///< of each first byte: where its tokens begin
};

}  // namespace monza::text
