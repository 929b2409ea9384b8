// Merging takes the pairs of a word from a heap, so that a word of n characters costs n log n, however long it is.
#include <algorithm>
#include <bit>

#include "text/unicode.h"
#include "text/word_model.h"

namespace monza::text {
namespace {

/// What a pair of tokens becomes, and how good its merge is: 0 is the best.
class MergeTable {
 public:
  struct Found {
    std::uint32_t rank;
    Token merged;
  };
  explicit MergeTable(const std::vector<Merge>& merges)
      : slots_(std::bit_ceil(std::max<std::size_t>(2, merges.size() * 2))) {
    std::uint32_t rank = 0;
    for (const Merge& merge : merges) {
      if (!merge.as_before) ++rank;
      slots_[place(key_of(merge.left, merge.right))] = {key_of(merge.left, merge.right), {rank, merge.merged}};
    }
  }
  /// Null when the two do not merge.
  const Found* find(Token left, Token right) const {
    const Slot& slot = slots_[place(key_of(left, right))];
    return slot.key == kFree ? nullptr : &slot.found;
  }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kFree;
    Found found{};
  };
  static std::uint64_t key_of(Token left, Token right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t place(std::uint64_t key) const {
    std::uint64_t hash = key * 0x9E3779B97F4A7C15;
    hash ^= hash >> 32;
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at].key != key && slots_[at].key != kFree) at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  std::vector<Slot> slots_;
};

class Bpe final : public WordModel {
 public:
  Bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options)
      : WordModel(std::move(vocabulary)), options_(options), merges_(merges), fallback_(this->vocabulary()) {
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      bytes_[byte] = this->vocabulary().find({&c, 1});
    }
  }

 protected:
  void split(std::string_view word, std::vector<Token>& tokens) const override {
    if (options_.ignore_merges)
      if (const Token whole = vocabulary().find(word); whole != kNoToken) {
        tokens.push_back(whole);
        return;
      }
    std::vector<Token> symbols;
    symbols.reserve(word.size());
    append_symbols(word, symbols);
    merge(symbols, tokens);
  }

 private:
  void append_symbols(std::string_view word, std::vector<Token>& symbols) const {
    bool pending = false;  // an unknown character waits for its neighbours
    const auto settle = [&] {
      if (pending) symbols.push_back(options_.unknown);
      pending = false;
    };
    for (std::size_t at = 0, bytes = 1; at < word.size(); at += bytes) {
      const auto first = static_cast<unsigned char>(word[at]);
      if (!options_.bytes) bytes = character_at(word, at).bytes;
      const Token token = bytes == 1 ? bytes_[first] : vocabulary().find(word.substr(at, bytes));
      if (token != kNoToken) {
        settle();
        symbols.push_back(token);
      } else if (options_.byte_fallback && fallback_.append(word.substr(at, bytes), symbols)) {
      } else if (options_.unknown != kNoToken) {
        if (!options_.fuse_unknown) settle();
        pending = true;
      }
    }
    settle();
  }

  struct Symbol {
    Token token;  ///< kNoToken once it is part of the one before
    std::int32_t before, next;
  };
  struct Candidate {
    std::uint32_t rank, at;
    Token merged;
    bool operator<(const Candidate& other) const {  // the top of the heap is the best, of equals the leftmost
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };

  void merge(const std::vector<Token>& tokens, std::vector<Token>& out) const {
    const auto count = static_cast<std::int32_t>(tokens.size());
    std::vector<Symbol> symbols(tokens.size());
    std::vector<Candidate> heap;
    heap.reserve(tokens.size());
    for (std::int32_t i = 0; i < count; ++i)
      symbols[static_cast<std::size_t>(i)] = {tokens[static_cast<std::size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1};
    const auto symbol = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
    const auto candidate = [&](std::int32_t i) {
      if (i < 0 || symbol(i).next < 0) return false;
      const MergeTable::Found* found = merges_.find(symbol(i).token, symbol(symbol(i).next).token);
      if (found != nullptr) heap.push_back({found->rank, static_cast<std::uint32_t>(i), found->merged});
      return found != nullptr;
    };
    for (std::int32_t i = 0; i + 1 < count; ++i) (void)candidate(i);
    std::make_heap(heap.begin(), heap.end());
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end());
      const Candidate best = heap.back();
      heap.pop_back();
      Symbol& left = symbol(static_cast<std::int32_t>(best.at));
      if (left.token == kNoToken || left.next < 0) continue;
      Symbol& right = symbol(left.next);
      const MergeTable::Found* found = merges_.find(left.token, right.token);
      if (found == nullptr || found->merged != best.merged) continue;  // one of the two is another by now
      left.token = best.merged;
      right.token = kNoToken;
      left.next = right.next;
      if (left.next >= 0) symbol(left.next).before = static_cast<std::int32_t>(best.at);
      for (const std::int32_t i : {left.before, static_cast<std::int32_t>(best.at)})
        if (candidate(i)) std::push_heap(heap.begin(), heap.end());
    }
    for (const Symbol& s : symbols)
      if (s.token != kNoToken) out.push_back(s.token);
  }

  const BpeOptions options_;
  const MergeTable merges_;
  const ByteTokens fallback_;
  Token bytes_[256];  ///< of each byte as a text of its own
};

}  // namespace

std::unique_ptr<WordModel> make_bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options) {
  return std::make_unique<Bpe>(std::move(vocabulary), merges, options);
}

}  // namespace monza::text
