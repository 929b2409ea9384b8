#include "grammar/token_trie.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace monza::grammar {
namespace {

constexpr std::size_t kMaxBytes = 255;  ///< of a token; longer ones are never allowed

}  // namespace

TokenTrie::TokenTrie(const std::vector<std::string>& tokens) : size_(tokens.size()) {
  if (tokens.size() > (std::size_t{1} << 24)) fail("a vocabulary of {} tokens is too large", tokens.size());
  for (std::size_t t = 0; t < tokens.size(); ++t)
    if (!tokens[t].empty() && tokens[t].size() <= kMaxBytes) tokens_.push_back(static_cast<Token>(t));
  const auto text = [&](Token t) -> const std::string& { return tokens[static_cast<std::size_t>(t)]; };
  std::sort(tokens_.begin(), tokens_.end(), [&](Token a, Token b) {
    const int order = text(a).compare(text(b));
    return order < 0 || (order == 0 && a < b);
  });
  nodes_.push_back({0, 0, 0, 0, 0});
  std::vector<std::uint32_t> path{0};  // the nodes of the last token's beginnings
  std::string_view last;
  for (std::uint32_t i = 0; i < tokens_.size(); ++i) {
    const std::string_view bytes = text(tokens_[i]);
    const auto same = static_cast<std::size_t>(
        std::mismatch(bytes.begin(), bytes.end(), last.begin(), last.end()).first - bytes.begin());
    for (; path.size() > same + 1; path.pop_back()) nodes_[path.back()].end = static_cast<std::uint32_t>(nodes_.size());
    for (std::size_t b = same; b < bytes.size(); ++b) {
      path.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back({0, static_cast<std::uint8_t>(bytes[b]), static_cast<std::uint8_t>(b + 1), i, i});
    }
    nodes_[path.back()].last = i + 1;
    last = bytes;
  }
  for (const std::uint32_t node : path) nodes_[node].end = static_cast<std::uint32_t>(nodes_.size());
}

bool TokenMask::empty() const {
  return std::all_of(words_.begin(), words_.end(), [](std::uint64_t word) { return word == 0; });
}

std::size_t TokenMask::count() const {
  std::size_t n = 0;
  for (const std::uint64_t word : words_) n += static_cast<std::size_t>(std::popcount(word));
  return n;
}

}  // namespace monza::grammar
