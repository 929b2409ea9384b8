#include "llm/gguf_tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "gguf/word_patterns.h"
#include "text/byte_level.h"

namespace monza::llm {
namespace {

using text::Merge;
using text::Vocabulary;

/// What tokenizer.ggml.token_type says of a token.
enum class TokenType : std::int64_t { normal = 1, unknown, control, user_defined, unused, byte };

constexpr char kMark[] = "\xe2\x96\x81";  // SentencePiece's mark of a space

class Reader {
 public:
  explicit Reader(const gguf::File& file) : file_(file), tokens_(list("tokens").texts) {
    if (tokens_.empty() || tokens_.size() > static_cast<std::size_t>(Vocabulary::kMaxTokens))
      fail("its tokenizer has {} tokens", tokens_.size());
    if (const gguf::Array* types = file.array("tokenizer.ggml.token_type")) {
      if (types->integers.size() != tokens_.size())
        fail("its tokenizer has {} tokens and the types of {}", tokens_.size(), types->integers.size());
      types_ = types->integers;
    }
  }

  ModelTokenizer read() {
    const std::string_view model = file_.text(key("model")).value_or("");
    text::TokenizerParts parts;
    if (model == "llama") sentencepiece(parts);
    else if (model == "gpt2") byte_level(parts);
    else
      fail_hint("a model with SentencePiece's tokenizer (llama) or byte-level BPE (gpt2)",
                "its tokenizer is '{}', which is not supported", model);
    add_special(parts);
    const bool begins = file_.boolean(key("add_bos_token")).value_or(model == "llama");
    const auto begin = begins ? number("bos_token_id") : std::nullopt;
    if (begin)
      parts.special.single.insert(parts.special.single.begin(), {text::Template::Part::What::special, {*begin}, 0});
    ModelTokenizer made{text::Tokenizer(std::move(parts)), begin, {}};
    for (const char* name : {"eos_token_id", "eot_token_id"})
      if (const auto end = number(name)) made.ends.push_back(*end);
    return made;
  }

 private:
  static std::string key(const char* name) { return std::string("tokenizer.ggml.") + name; }
  const gguf::Array& list(const char* name) const {
    const gguf::Array* found = file_.array(key(name));
    if (found == nullptr) fail("its tokenizer lacks '{}'", key(name));
    return *found;
  }
  std::optional<Token> number(const char* name) const {
    const auto value = file_.integer(key(name));
    if (!value) return std::nullopt;
    if (*value < 0 || static_cast<std::size_t>(*value) >= tokens_.size())
      fail("'{}' is {}, and there are {} tokens", key(name), *value, tokens_.size());
    return static_cast<Token>(*value);
  }
  TokenType type(std::size_t token) const {
    return types_.empty() ? TokenType::normal : static_cast<TokenType>(types_[token]);
  }

  void byte_level(text::TokenizerParts& parts) {
    const gguf::WordPattern& words = gguf::word_pattern(file_.text(key("pre")).value_or("gpt-2"));
    parts.pre_tokenizers.push_back(words.pattern == nullptr ? text::make_gpt2_words()
                                                            : text::make_split(text::Pattern(words.pattern),
                                                                               text::SplitBehavior::isolated, false));
    Vocabulary vocabulary;
    vocabulary.reserve(tokens_.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const auto bytes = text::bytes_of_letters(tokens_[i]);
      if (bytes && type(i) == TokenType::normal) vocabulary.add(*bytes, static_cast<Token>(i));
      else vocabulary.add_unfindable(tokens_[i], static_cast<Token>(i));
    }
    std::vector<Merge> merges;
    for (const std::string_view line : list("merges").texts) {
      const std::size_t space = line.find(' ', 1);
      const auto left = text::bytes_of_letters(line.substr(0, space)),
                 right = space == line.npos ? std::nullopt : text::bytes_of_letters(line.substr(space + 1));
      if (!left || !right) fail("its tokenizer has the merge '{}', which is no pair of tokens", line);
      const Merge merge{vocabulary.find(*left), vocabulary.find(*right), vocabulary.find(*left + *right)};
      if (merge.left == text::kNoToken || merge.right == text::kNoToken || merge.merged == text::kNoToken)
        fail("its tokenizer has the merge '{}', which names what is no token", line);
      merges.push_back(merge);
    }
    parts.model = text::make_bpe(std::move(vocabulary), merges, {.ignore_merges = words.whole_words, .bytes = true});
    parts.decoder.kind = text::DecoderRules::Kind::bytes;
  }

  void sentencepiece(text::TokenizerParts& parts) {
    const std::vector<double>& scores = list("scores").numbers;
    if (scores.size() != tokens_.size())
      fail("its tokenizer has {} tokens and the scores of {}", tokens_.size(), scores.size());
    Vocabulary vocabulary;
    vocabulary.reserve(tokens_.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i) vocabulary.add(tokens_[i], static_cast<Token>(i));
    const std::vector<Merge> merges = merges_of(vocabulary, scores);
    text::BpeOptions options;
    options.unknown = number("unknown_token_id").value_or(text::kNoToken);
    options.byte_fallback = options.fuse_unknown = true;
    parts.model = text::make_bpe(std::move(vocabulary), merges, options);
    const bool prefix = file_.boolean(key("add_space_prefix")).value_or(true);
    std::vector<text::NormalizerPtr> steps;
    if (prefix) steps.push_back(text::make_prepend(kMark));
    steps.push_back(text::make_replace(std::string(" "), kMark));
    parts.normalizer = text::make_sequence(std::move(steps));
    parts.decoder.mark = kMark;
    parts.decoder.byte_fallback = true;
    parts.decoder.strip_left = prefix ? 1 : 0;
  }

  /// Two tokens whose texts are a third's may become it; the third of the highest score first.
  std::vector<Merge> merges_of(const Vocabulary& vocabulary, const std::vector<double>& scores) const {
    std::vector<Merge> merges;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (type(i) != TokenType::normal && type(i) != TokenType::user_defined && type(i) != TokenType::unused) continue;
      const std::string_view whole = tokens_[i];
      for (std::size_t at = 1; at < whole.size(); ++at) {
        if ((static_cast<unsigned char>(whole[at]) & 0xc0) == 0x80) continue;  // inside a character
        const Token left = vocabulary.find(whole.substr(0, at));
        if (left == text::kNoToken) continue;
        const Token right = vocabulary.find(whole.substr(at));
        if (right != text::kNoToken) merges.push_back({left, right, static_cast<Token>(i)});
      }
    }
    const auto score = [&](const Merge& m) { return scores[static_cast<std::size_t>(m.merged)]; };
    std::stable_sort(merges.begin(), merges.end(), [&](const Merge& a, const Merge& b) { return score(a) > score(b); });
    for (std::size_t i = 1; i < merges.size(); ++i) merges[i].as_before = score(merges[i]) == score(merges[i - 1]);
    return merges;
  }

  /// Tokens that stand for themselves wherever their text is.
  void add_special(text::TokenizerParts& parts) {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (type(i) != TokenType::control && type(i) != TokenType::user_defined) continue;
      if (tokens_[i].empty()) continue;
      text::AddedToken added;
      added.text = std::string(tokens_[i]);
      added.token = static_cast<Token>(i);
      added.special = type(i) == TokenType::control;
      parts.added.push_back(std::move(added));
    }
  }

  const gguf::File& file_;
  const std::vector<std::string_view>& tokens_;
  std::vector<std::int64_t> types_;
};

}  // namespace

ModelTokenizer gguf_tokenizer(const gguf::File& file) {
  try {
    return Reader(file).read();
  } catch (const Error& e) {
    throw e.at(message("GGUF file '{}'", file.path().string()));
  }
}

}  // namespace monza::llm
