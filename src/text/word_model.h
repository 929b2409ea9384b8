// From a word to tokens: the part of a tokenizer that was trained. One file each: bpe, unigram, wordpiece.
#pragma once

#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace monza::text {

/// Safe from any thread once it is made.
class WordModel {
 public:
  explicit WordModel(Vocabulary vocabulary)
      : vocabulary_(std::move(vocabulary)),
        alone_(std::make_unique<std::atomic<Alone>[]>(static_cast<std::size_t>(vocabulary_.size()))) {}
  virtual ~WordModel() = default;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  /// Adds the tokens of a word that is not empty. Throws Error where the word has none (no token for what is unknown).
  void encode(std::string_view word, std::vector<Token>& tokens) const {
    // Most words of a text are tokens themselves; whether the model gives just that one for them is found out once.
    const Token whole = word.size() <= vocabulary_.longest() ? vocabulary_.find(word) : kNoToken;
    if (whole == kNoToken) return split(word, tokens);
    std::atomic<Alone>& alone = alone_[static_cast<std::size_t>(whole)];
    switch (alone.load(std::memory_order_relaxed)) {
      case Alone::yes: tokens.push_back(whole); return;
      case Alone::no: return split(word, tokens);
      case Alone::unknown: break;
    }
    const std::size_t before = tokens.size();
    split(word, tokens);
    const bool only = tokens.size() == before + 1 && tokens.back() == whole;
    alone.store(only ? Alone::yes : Alone::no, std::memory_order_relaxed);
  }

 protected:
  /// The same, without the memory of whole words.
  virtual void split(std::string_view word, std::vector<Token>& tokens) const = 0;

 private:
  enum class Alone : std::uint8_t { unknown, yes, no };
  Vocabulary vocabulary_;
  std::unique_ptr<std::atomic<Alone>[]> alone_;
};

/// Longest match first; `##` marks what continues a word. A word with a part that is no token is `unknown`.
struct WordPieceOptions {
  Token unknown = kNoToken;
  std::string continuing = "##";
  std::size_t max_characters = 100;  ///< of a word: longer ones are unknown
};
std::unique_ptr<WordModel> make_wordpiece(Vocabulary vocabulary, WordPieceOptions options);

/// Byte pair encoding: neighbours are merged, those of the best merge first.
struct Merge {
  Token left, right, merged;
  bool as_before = false;  ///< as good as the merge before it in the list: of equals the leftmost is made
};
struct BpeOptions {
  Token unknown = kNoToken;    ///< for characters that are no tokens; none: they are left out
  bool byte_fallback = false;  ///< for them, their bytes' tokens before that
  bool fuse_unknown = false;   ///< neighbouring unknown characters are one token
  bool ignore_merges = false;  ///< a word that is a token is that token
  bool bytes = false;          ///< words are bytes, not characters
};
std::unique_ptr<WordModel> make_bpe(Vocabulary vocabulary, const std::vector<Merge>& merges, BpeOptions options);

/// The tokens whose scores have the greatest sum (SentencePiece's unigram).
struct UnigramOptions {
  Token unknown = kNoToken;
  bool byte_fallback = false;
};
std::unique_ptr<WordModel> make_unigram(Vocabulary vocabulary, std::vector<double> scores, UnigramOptions options);

}  // namespace monza::text
