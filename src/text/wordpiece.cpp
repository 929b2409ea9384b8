#include <string>

#include "base/error.h"
#include "text/unicode.h"
#include "text/word_model.h"

namespace monza::text {
namespace {

class WordPiece final : public WordModel {
 public:
  WordPiece(Vocabulary vocabulary, WordPieceOptions options)
      : WordModel(std::move(vocabulary)), options_(std::move(options)) {
    if (!this->vocabulary().contains(options_.unknown)) fail("a WordPiece tokenizer needs a token for unknown words");
  }

 protected:
  void split(std::string_view word, std::vector<Token>& tokens) const override {
    std::size_t characters = 0;
    for (const char c : word) characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    const std::size_t before = tokens.size();
    if (characters > options_.max_characters || !split_all(word, tokens)) {
      tokens.resize(before);
      tokens.push_back(options_.unknown);
    }
  }

 private:
  bool split_all(std::string_view word, std::vector<Token>& tokens) const {
    std::string piece;
    for (std::size_t at = 0; at < word.size();) {
      piece.assign(at > 0 ? std::string_view(options_.continuing) : std::string_view());
      const std::size_t prefix = piece.size();
      piece += word.substr(at);
      Token found = kNoToken;
      std::size_t end = word.size();
      // Never more than the longest token: a long word is not looked up at its full length again and again.
      while (end > at && piece.size() > vocabulary().longest())
        end = text::before(word, end), piece.resize(prefix + end - at);
      while (end > at && (found = vocabulary().find(piece)) == kNoToken) {
        end = text::before(word, end);
        piece.resize(prefix + end - at);
      }
      if (end == at) return false;
      tokens.push_back(found);
      at = end;
    }
    return true;
  }

  const WordPieceOptions options_;
};

}  // namespace

std::unique_ptr<WordModel> make_wordpiece(Vocabulary vocabulary, WordPieceOptions options) {
  return std::make_unique<WordPiece>(std::move(vocabulary), std::move(options));
}

}  // namespace monza::text
