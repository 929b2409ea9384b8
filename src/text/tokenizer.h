// Tokenizers: from text to the numbers that a model takes, and back.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/word_model.h"

namespace monza::text {

/// The tokens of one text or of a pair, with what a model of BERT's family takes beside them.
struct Encoding {
  std::vector<Token> tokens;
  std::vector<std::uint8_t> types;  ///< as many: 1 for what belongs to the second text
};

/// Where special tokens stand around one text, or two.
struct Template {
  struct Part {
    enum class What : std::uint8_t { special, first, second } what = What::special;
    std::vector<Token> tokens;  ///< of `special`
    std::uint8_t type = 0;
  };
  std::vector<Part> single{{Part::What::first, {}, 0}};
  std::vector<Part> pair{{Part::What::first, {}, 0}, {Part::What::second, {}, 1}};
};

/// What a tokenizer is made of.
struct TokenizerParts {
  std::unique_ptr<const WordModel> model;
  NormalizerPtr normalizer;  ///< null: none
  std::vector<PreTokenizerPtr> pre_tokenizers;
  std::vector<AddedToken> added;
  Template special;
  DecoderRules decoder;
};

/// Immutable: safe from any thread.
class Tokenizer {
 public:
  explicit Tokenizer(TokenizerParts parts);

  /// A `tokenizer.json`, a `vocab.txt` of WordPiece, or a folder that holds one of them (with what lies beside it:
  /// tokenizer_config.json says whether a vocab.txt is of lower case; without it, it is when none of its words has a
  /// capital). Throws Error for what is damaged or not supported.
  static Tokenizer open(const std::filesystem::path& path);
  /// Of a tokenizer.json's content. `name` is for messages.
  static Tokenizer from_json(std::string_view json, std::string_view name);
  /// Of a vocab.txt's content: a word a line.
  static Tokenizer from_vocab(std::string_view lines, bool lower_case, std::string_view name);
  /// Whether a folder holds a tokenizer.
  static bool in_folder(const std::filesystem::path& folder);

  /// The tokens of `text`, with the model's special ones around them. At most `max_tokens` (0: any number): the text's
  /// last ones are left out. Throws Error for a text that is not UTF-8 or has a part that the tokenizer cannot write.
  Encoding encode(std::string_view text, bool special = true, std::size_t max_tokens = 0) const;
  /// The same of two texts; what is too much is taken from the longer one, token by token.
  Encoding encode_pair(std::string_view first, std::string_view second, std::size_t max_tokens = 0) const;
  /// The text of tokens, without special ones if `skip_special`.
  std::string decode(std::span<const Token> tokens, bool skip_special = true) const;

  /// One more than the largest token.
  Token size() const;
  bool contains(Token token) const { return !token_text(token).empty() || model_->vocabulary().contains(token); }
  /// The text that stands for a token in the file; "" for none.
  std::string_view token_text(Token token) const;
  bool is_special(Token token) const;
  /// The token of a text, kNoToken for none.
  Token find(std::string_view text) const;
  const DecoderRules& decoder_rules() const { return decoder_; }

 private:
  void append_tokens(std::string_view text, std::vector<Token>& tokens) const;
  void append_stretch(std::string_view text, bool begins, std::vector<Token>& tokens) const;
  Encoding assemble(const std::vector<Template::Part>& parts, std::span<const Token> first,
                    std::span<const Token> second) const;

  std::unique_ptr<const WordModel> model_;
  NormalizerPtr normalizer_;
  std::vector<PreTokenizerPtr> pre_tokenizers_;
  std::vector<AddedToken> added_;  ///< sorted by token
  AddedTokens raw_, normalized_;   ///< found before and after the text is normalized
  Template special_;
  DecoderRules decoder_;
};

}  // namespace monza::text
