// The tokens of a tokenizer: from text to number and back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace monza::text {

/// A token's number; below 0 for none.
using Token = std::int32_t;
constexpr Token kNoToken = -1;

class Vocabulary {
 public:
  /// Tokens are numbered below this: a file that says more is refused before memory is taken for it.
  static constexpr Token kMaxTokens = 1 << 22;
  static constexpr std::size_t kMaxTokenBytes = 1 << 16;

  /// Adds a token that find() finds. Throws Error for a number out of range, or one that has a text already. Of two
  /// tokens with the same text the first is found.
  void add(std::string_view text, Token token);
  /// Adds a token that no text gives.
  void add_unfindable(std::string_view text, Token token);
  /// Reserves room for that many.
  void reserve(std::size_t tokens);

  Token find(std::string_view text) const;
  /// The text of a token, "" for a number that is none.
  std::string_view text(Token token) const {
    if (token < 0 || static_cast<std::size_t>(token) >= places_.size()) return {};
    const Place place = places_[static_cast<std::size_t>(token)];
    return std::string_view(bytes_).substr(place.at, place.size);
  }
  bool contains(Token token) const {
    return token >= 0 && static_cast<std::size_t>(token) < places_.size() &&
           places_[static_cast<std::size_t>(token)].used;
  }
  /// One more than the largest number.
  Token size() const { return static_cast<Token>(places_.size()); }
  /// Bytes of the longest text that find() finds.
  std::size_t longest() const { return longest_; }

 private:
  struct Place {
    std::uint32_t at = 0, size : 31 = 0, used : 1 = 0;
  };
  struct Slot {
    std::uint32_t hash = 0;
    Token token = kNoToken;
  };
  void grow(std::size_t slots);
  void insert(std::uint64_t hash, Token token);

  std::string bytes_;
  std::vector<Place> places_;
  std::vector<Slot> slots_;  ///< open addressing; a power of two
  std::size_t found_ = 0, longest_ = 0;
};

/// The tokens "<0x00>" to "<0xFF>" that stand for the bytes of characters that are in no token.
struct ByteTokens {
  Token tokens[256];
  explicit ByteTokens(const Vocabulary& vocabulary);
  /// Adds those of `bytes`; adds nothing and returns false when one of them is missing.
  bool append(std::string_view bytes, std::vector<Token>& out) const;
};

}  // namespace monza::text
