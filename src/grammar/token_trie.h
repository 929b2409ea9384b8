// A vocabulary's tokens by their bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace monza::grammar {

using Token = std::int32_t;

/// Immutable: safe from any thread.
class TokenTrie {
 public:
  /// The bytes of each token; "" for those that write nothing, such as special ones: no grammar ever allows these.
  explicit TokenTrie(const std::vector<std::string>& tokens);

  /// A node for each beginning of a token, those below it right behind it. The first is the root.
  struct Node {
    std::uint32_t end;          ///< the node behind the last one below this one
    std::uint8_t byte;          ///< that leads here
    std::uint8_t depth;         ///< bytes from the root, at most 255
    std::uint32_t first, last;  ///< of tokens(): those whose bytes end here
  };
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Token>& tokens() const { return tokens_; }
  /// Tokens of the vocabulary, those without bytes included.
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  std::vector<Node> nodes_;
  std::vector<Token> tokens_;
};
using TokenTriePtr = std::shared_ptr<const TokenTrie>;

/// A set of tokens.
class TokenMask {
 public:
  TokenMask() = default;
  explicit TokenMask(std::size_t size) : words_((size + 63) / 64) {}
  bool contains(Token token) const {
    const auto t = static_cast<std::size_t>(token);
    return t / 64 < words_.size() && (words_[t / 64] >> (t % 64) & 1) != 0;
  }
  void add(Token token) {
    const auto t = static_cast<std::size_t>(token);
    if (t / 64 < words_.size()) words_[t / 64] |= std::uint64_t{1} << (t % 64);
  }
  void add(const TokenMask& other) {
    for (std::size_t w = 0; w < std::min(words_.size(), other.words_.size()); ++w) words_[w] |= other.words_[w];
  }
  void clear() { words_.assign(words_.size(), 0); }
  bool empty() const;
  std::size_t count() const;
  const std::vector<std::uint64_t>& words() const { return words_; }
  bool operator==(const TokenMask&) const = default;

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace monza::grammar
