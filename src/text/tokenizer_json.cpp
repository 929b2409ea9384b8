// tokenizer.json, as Hugging Face's tokenizers write it.
#include <algorithm>
#include <limits>
#include <optional>

#include "base/utf8.h"
#include "text/byte_level.h"
#include "text/pipeline_json.h"

namespace monza::text {
namespace {

/// What a tokenizer's texts are in the file: characters, or bytes in ByteLevel's letters.
struct Spelling {
  bool bytes;
  void add(Vocabulary& vocabulary, std::string_view text, Token token) const {
    if (!bytes) return vocabulary.add(text, token);
    if (const auto spelt = bytes_of_letters(text)) vocabulary.add(*spelt, token);
    else vocabulary.add_unfindable(text, token);  // no text becomes such letters
  }
  Token find(const Vocabulary& vocabulary, std::string_view text) const {
    if (!bytes) return vocabulary.find(text);
    const auto spelt = bytes_of_letters(text);
    return spelt ? vocabulary.find(*spelt) : kNoToken;
  }
};

Token token_number(const Json& json) {
  const auto token = value_of<std::int64_t>(json, "vocab");
  if (token < 0 || token >= Vocabulary::kMaxTokens)
    fail("a token has the number {}, which is not from 0 to {}", token, Vocabulary::kMaxTokens - 1);
  return static_cast<Token>(token);
}

Vocabulary read_vocabulary(const Json& json, Spelling spelling) {
  const Json& vocab = need(json, "vocab");
  if (!vocab.is_object()) fail("a tokenizer's 'vocab' is no object");
  Vocabulary vocabulary;
  vocabulary.reserve(vocab.size());
  for (const auto& [text, token] : vocab.items()) spelling.add(vocabulary, text, token_number(token));
  return vocabulary;
}

/// The token named by a field such as unk_token; none where it is null.
Token unknown_of(const Json& json, const Vocabulary& vocabulary, Spelling spelling) {
  const Json* name = field(json, "unk_token");
  if (name == nullptr) return kNoToken;
  const auto text = value_of<std::string>(*name, "unk_token");
  const Token token = spelling.find(vocabulary, text);
  if (token == kNoToken && !text.empty())
    fail("the tokenizer's token for what is unknown, '{}', is not in its vocabulary", text);
  return token;
}

Merge read_merge(const Json& json, const Vocabulary& vocabulary, Spelling spelling) {
  std::string left, right;
  if (json.is_string()) {
    const auto text = json.get<std::string>();
    const std::size_t space = text.find(' ');
    if (space == std::string::npos) fail("the merge '{}' is not two texts with ' ' between them", text);
    left = text.substr(0, space);
    right = text.substr(space + 1);
  } else {
    if (!json.is_array() || json.size() != 2) fail("a tokenizer's merge is no pair of texts");
    left = value_of<std::string>(json[0], "merges");
    right = value_of<std::string>(json[1], "merges");
  }
  const Merge merge = {spelling.find(vocabulary, left), spelling.find(vocabulary, right),
                       spelling.find(vocabulary, left + right)};
  if (merge.left == kNoToken || merge.right == kNoToken || merge.merged == kNoToken)
    fail("the merge of '{}' and '{}' names what is not in the vocabulary", left, right);
  return merge;
}

std::unique_ptr<const WordModel> read_bpe(const Json& json, Spelling spelling) {
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!value_or<std::string>(json, affix, "").empty()) fail("the tokenizer's '{}' is not supported", affix);
  if (value_or(json, "dropout", 0.0) != 0) fail("the tokenizer's 'dropout' is not supported");
  Vocabulary vocabulary = read_vocabulary(json, spelling);
  std::vector<Merge> merges;
  const Json& list = need(json, "merges");
  merges.reserve(list.size());
  for (const Json& merge : list) merges.push_back(read_merge(merge, vocabulary, spelling));
  BpeOptions options;
  options.unknown = unknown_of(json, vocabulary, spelling);
  options.byte_fallback = value_or(json, "byte_fallback", false);
  options.fuse_unknown = value_or(json, "fuse_unk", false);
  options.ignore_merges = value_or(json, "ignore_merges", false);
  options.bytes = spelling.bytes;
  return make_bpe(std::move(vocabulary), merges, options);
}

std::unique_ptr<const WordModel> read_unigram(const Json& json) {
  const Json& vocab = need(json, "vocab");
  Vocabulary vocabulary;
  vocabulary.reserve(vocab.size());
  std::vector<double> scores;
  for (const Json& entry : vocab) {
    if (!entry.is_array() || entry.size() != 2)
      fail("a tokenizer's 'vocab' holds what is no pair of a text and a score");
    vocabulary.add(value_of<std::string>(entry[0], "vocab"),
                   static_cast<Token>(std::min<std::size_t>(scores.size(), Vocabulary::kMaxTokens)));
    scores.push_back(value_of<double>(entry[1], "vocab"));
  }
  UnigramOptions options;
  if (const Json* unknown = field(json, "unk_id")) {
    options.unknown = token_number(*unknown);
    if (!vocabulary.contains(options.unknown)) fail("the tokenizer's 'unk_id' {} is no token", options.unknown);
  }
  options.byte_fallback = value_or(json, "byte_fallback", false);
  return make_unigram(std::move(vocabulary), std::move(scores), options);
}

std::unique_ptr<const WordModel> read_wordpiece(const Json& json) {
  Vocabulary vocabulary = read_vocabulary(json, {false});
  WordPieceOptions options;
  options.unknown = unknown_of(json, vocabulary, {false});
  options.continuing = value_or<std::string>(json, "continuing_subword_prefix", "##");
  options.max_characters = value_or<std::size_t>(json, "max_input_chars_per_word", 100);
  return make_wordpiece(std::move(vocabulary), std::move(options));
}

std::unique_ptr<const WordModel> read_model(const Json& json, Spelling spelling) {
  // Old files do not name the kind.
  const auto type = value_or<std::string>(json, "type", field(json, "merges") != nullptr ? "BPE" : "");
  if (type == "BPE") return read_bpe(json, spelling);
  if (spelling.bytes) fail("the tokenizer has 'ByteLevel' beside a model that is not BPE, which is not supported");
  if (type == "Unigram") return read_unigram(json);
  if (type == "WordPiece") return read_wordpiece(json);
  fail("the tokenizer's model '{}' is not supported: BPE, Unigram and WordPiece are", type);
}

AddedToken read_added(const Json& json) {
  AddedToken added;
  added.text = need_value<std::string>(json, "content");
  added.token = token_number(need(json, "id"));
  added.single_word = value_or(json, "single_word", false);
  added.left_strip = value_or(json, "lstrip", false);
  added.right_strip = value_or(json, "rstrip", false);
  added.special = value_or(json, "special", false);
  added.normalized = value_or(json, "normalized", !added.special);
  if (added.text.size() > Vocabulary::kMaxTokenBytes)
    fail("token {} has {} bytes, more than {}", added.token, added.text.size(), Vocabulary::kMaxTokenBytes);
  return added;
}

Json parse(std::string_view text) {
  // Nesting deeper than the format's own cannot be meant well and would cost stack.
  const auto shallow = [](int depth, Json::parse_event_t, Json&) {
    if (depth > 32) fail("it is nested deeper than 32 levels");
    return true;
  };
  try {
    return Json::parse(text, shallow);
  } catch (const Json::exception& e) {
    fail("it is not JSON: {}", e.what());
  }
}

constexpr std::string_view kMark = "\xE2\x96\x81";  // U+2581: SentencePiece's ' '

/// Whether marks only begin tokens. Then no merge reaches over the beginning of a word, and a text can be merged word
/// by word: most words are tokens, which are found at once.
bool marks_begin_tokens(const Vocabulary& vocabulary) {
  if (vocabulary.find(kMark) == kNoToken) return false;
  for (Token token = 0; token < vocabulary.size(); ++token) {
    const std::string_view text = vocabulary.text(token);
    for (std::size_t at = 0; (at = text.find(kMark, at)) != std::string_view::npos; at += kMark.size())
      if (at > 0 && !text.substr(0, at).ends_with(kMark)) return false;
  }
  return true;
}

Tokenizer read(std::string_view text) {
  const Json json = parse(text);
  TokenizerParts parts;
  if (const Json* normalizer = field(json, "normalizer")) parts.normalizer = read_normalizer(*normalizer);
  PreTokenizers words;
  if (const Json* pre = field(json, "pre_tokenizer")) read_pre_tokenizer(*pre, words);
  parts.pre_tokenizers = std::move(words.steps);
  parts.model = read_model(need(json, "model"), {words.bytes});
  if (parts.pre_tokenizers.empty() && !words.bytes && marks_begin_tokens(parts.model->vocabulary()))
    parts.pre_tokenizers.push_back(
        make_split(Pattern("\xE2\x96\x81*[^\xE2\x96\x81]+|\xE2\x96\x81+"), SplitBehavior::isolated, false));
  if (const Json* post = field(json, "post_processor")) read_post_processor(*post, parts.special);
  parts.decoder = read_decoder(field(json, "decoder"));
  if (const Json* added = field(json, "added_tokens"))
    for (const Json& token : *added) parts.added.push_back(read_added(token));
  return Tokenizer(std::move(parts));
}

}  // namespace

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view name) {
  try {
    return read(json);
  } catch (const Error& e) {
    throw Error(message("{}: {}", name, e.fact()), "a tokenizer.json as Hugging Face's tokenizers write it");
  }
}

}  // namespace monza::text
