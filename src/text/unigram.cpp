// Viterbi's algorithm over the positions of a word: the best way to each is the best way to where its last token
// begins.
#include <algorithm>
#include <bit>

#include "base/error.h"
#include "text/unicode.h"
#include "text/word_model.h"

namespace monza::text {
namespace {

/// What an unknown character costs more than the least likely token.
constexpr double kUnknownPenalty = 10;

/// The tokens as a tree of their bytes: edges in one table with open addressing.
class Trie {
 public:
  explicit Trie(const Vocabulary& vocabulary) : tokens_(1, kNoToken) {
    edges_.resize(std::bit_ceil(2 * count_nodes(vocabulary) + 2));
    for (Token t = 0; t < vocabulary.size(); ++t) {
      const std::string_view text = vocabulary.text(t);
      if (text.empty() || vocabulary.find(text) != t) continue;
      std::uint32_t node = 0;
      for (const char c : text) node = child_or_new(node, c);
      tokens_[node] = t;
    }
  }
  /// 0 where there is none.
  std::uint32_t child(std::uint32_t node, char c) const { return edges_[place(key_of(node, c))].child; }
  Token token(std::uint32_t node) const { return tokens_[node]; }

 private:
  struct Edge {
    std::uint64_t key = 0;
    std::uint32_t child = 0;  ///< 0: the place is free
  };
  static std::size_t count_nodes(const Vocabulary& vocabulary) {
    std::vector<std::string_view> texts;
    for (Token t = 0; t < vocabulary.size(); ++t) texts.push_back(vocabulary.text(t));
    std::sort(texts.begin(), texts.end());
    std::size_t nodes = 0;
    std::string_view last;
    for (const std::string_view text : texts) {
      const auto shared = std::mismatch(text.begin(), text.end(), last.begin(), last.end()).first;
      nodes += static_cast<std::size_t>(text.end() - shared);
      last = text;
    }
    return nodes;
  }
  static std::uint64_t key_of(std::uint32_t node, char c) {
    return std::uint64_t{node} << 8 | static_cast<unsigned char>(c);
  }
  std::size_t place(std::uint64_t key) const {
    std::uint64_t hash = key * 0x9E3779B97F4A7C15;
    hash ^= hash >> 32;
    std::size_t at = hash & (edges_.size() - 1);
    while (edges_[at].child != 0 && edges_[at].key != key) at = (at + 1) & (edges_.size() - 1);
    return at;
  }
  std::uint32_t child_or_new(std::uint32_t node, char c) {
    Edge& edge = edges_[place(key_of(node, c))];
    if (edge.child == 0) {
      edge = {key_of(node, c), static_cast<std::uint32_t>(tokens_.size())};
      tokens_.push_back(kNoToken);
    }
    return edge.child;
  }
  std::vector<Edge> edges_;
  std::vector<Token> tokens_;  ///< of each node: the token that ends there
};

class Unigram final : public WordModel {
 public:
  Unigram(Vocabulary vocabulary, std::vector<double> scores, UnigramOptions options)
      : WordModel(std::move(vocabulary)),
        options_(options),
        scores_(std::move(scores)),
        trie_(this->vocabulary()),
        fallback_(this->vocabulary()) {
    if (!scores_.empty()) least_ = *std::min_element(scores_.begin(), scores_.end());
  }

 protected:
  void split(std::string_view word, std::vector<Token>& tokens) const override {
    struct Way {
      double score = 0;
      std::size_t begin = kNowhere;  ///< of the last token
      Token token = kNoToken;
    };
    std::vector<Way> ways(word.size() + 1);
    const auto offer = [&](std::size_t begin, std::size_t end, Token token, double score) {
      if (ways[end].begin == kNowhere || score > ways[end].score) ways[end] = {score, begin, token};
    };
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t bytes = character_at(word, at).bytes;
      bool single = false;
      std::uint32_t node = 0;
      for (std::size_t end = at; end < word.size();) {
        if ((node = trie_.child(node, word[end++])) == 0) break;
        const Token token = trie_.token(node);
        if (token == kNoToken) continue;
        offer(at, end, token, ways[at].score + scores_[static_cast<std::size_t>(token)]);
        single = single || end == at + bytes;
      }
      if (!single) offer(at, at + bytes, kNoToken, ways[at].score + least_ - kUnknownPenalty);
      at += bytes;
    }
    // From the end to the beginning, neighbouring unknown characters as one.
    const std::size_t before = tokens.size();
    for (std::size_t end = word.size(); end > 0;) {
      std::size_t begin = ways[end].begin;
      if (ways[end].token != kNoToken) {
        tokens.push_back(ways[end].token);
      } else {
        while (begin > 0 && ways[begin].token == kNoToken) begin = ways[begin].begin;
        append_unknown(word.substr(begin, end - begin), tokens);
      }
      end = begin;
    }
    std::reverse(tokens.begin() + static_cast<std::ptrdiff_t>(before), tokens.end());
  }

 private:
  static constexpr std::size_t kNowhere = ~std::size_t{0};

  /// In reverse, as split() collects tokens.
  void append_unknown(std::string_view text, std::vector<Token>& tokens) const {
    const std::size_t before = tokens.size();
    if (options_.byte_fallback && fallback_.append(text, tokens)) {
      std::reverse(tokens.begin() + static_cast<std::ptrdiff_t>(before), tokens.end());
      return;
    }
    if (options_.unknown == kNoToken) fail("the tokenizer has no token for '{}', and none for what is unknown", text);
    tokens.push_back(options_.unknown);
  }

  const UnigramOptions options_;
  const std::vector<double> scores_;
  double least_ = 0;
  const Trie trie_;
  const ByteTokens fallback_;
};

}  // namespace

std::unique_ptr<WordModel> make_unigram(Vocabulary vocabulary, std::vector<double> scores, UnigramOptions options) {
  return std::make_unique<Unigram>(std::move(vocabulary), std::move(scores), options);
}

}  // namespace monza::text
