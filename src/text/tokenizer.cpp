#include "text/tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace monza::text {
namespace {

std::size_t special_tokens(const std::vector<Template::Part>& parts) {
  std::size_t count = 0;
  for (const Template::Part& part : parts) count += part.tokens.size();
  return count;
}

void require_room(std::size_t max_tokens, std::size_t special) {
  if (max_tokens > 0 && max_tokens <= special)
    fail("{} tokens are too few: the special ones alone are {}", max_tokens, special);
}

}  // namespace

Tokenizer::Tokenizer(TokenizerParts parts)
    : model_(std::move(parts.model)),
      normalizer_(std::move(parts.normalizer)),
      pre_tokenizers_(std::move(parts.pre_tokenizers)),
      added_(std::move(parts.added)),
      special_(std::move(parts.special)),
      decoder_(std::move(parts.decoder)) {
  std::stable_sort(added_.begin(), added_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.token < b.token; });
  for (AddedToken token : added_) {
    if (token.normalized && normalizer_) {
      normalizer_->apply(token.text);
      normalized_.add(std::move(token));
    } else {
      (token.normalized ? normalized_ : raw_).add(std::move(token));
    }
  }
}

void Tokenizer::append_stretch(std::string_view text, bool begins, std::vector<Token>& tokens) const {
  Words words;
  words.begins = begins;
  words.words.push_back(text);
  for (const PreTokenizerPtr& step : pre_tokenizers_) step->apply(words);
  for (const std::string_view word : words.words) model_->encode(word, tokens);
}

void Tokenizer::append_tokens(std::string_view text, std::vector<Token>& tokens) const {
  if (const std::size_t fault = utf8_fault(text); fault != std::string_view::npos)
    fail("the text is not UTF-8: byte {} begins no character", fault);
  tokens.reserve(tokens.size() + text.size() / 4);
  std::vector<AddedTokens::Stretch> stretches, inner;
  raw_.cut(text, stretches);
  for (const AddedTokens::Stretch& stretch : stretches) {
    if (stretch.token != kNoToken) {
      tokens.push_back(stretch.token);
      continue;
    }
    std::string normalized;
    std::string_view part = stretch.text;
    if (normalizer_) {
      normalized = stretch.text;
      normalizer_->apply(normalized);
      part = normalized;
    }
    inner.clear();
    normalized_.cut(part, inner);
    for (const AddedTokens::Stretch& piece : inner) {
      if (piece.token != kNoToken) tokens.push_back(piece.token);
      else append_stretch(piece.text, stretch.text.data() == text.data() && piece.text.data() == part.data(), tokens);
    }
  }
}

Encoding Tokenizer::assemble(const std::vector<Template::Part>& parts, std::span<const Token> first,
                             std::span<const Token> second) const {
  Encoding encoding;
  encoding.tokens.reserve(first.size() + second.size() + special_tokens(parts));
  for (const Template::Part& part : parts) {
    const std::span<const Token> tokens = part.what == Template::Part::What::first ? first
                                          : part.what == Template::Part::What::second
                                              ? second
                                              : std::span<const Token>(part.tokens);
    encoding.tokens.insert(encoding.tokens.end(), tokens.begin(), tokens.end());
    encoding.types.resize(encoding.tokens.size(), part.type);
  }
  return encoding;
}

Encoding Tokenizer::encode(std::string_view text, bool special, std::size_t max_tokens) const {
  static const Template kNone;
  const auto& parts = special ? special_.single : kNone.single;
  const std::size_t around = special_tokens(parts);
  require_room(max_tokens, around);
  std::vector<Token> tokens;
  append_tokens(text, tokens);
  if (max_tokens > 0 && tokens.size() > max_tokens - around) tokens.resize(max_tokens - around);
  return assemble(parts, tokens, {});
}

Encoding Tokenizer::encode_pair(std::string_view first, std::string_view second, std::size_t max_tokens) const {
  const std::size_t around = special_tokens(special_.pair);
  require_room(max_tokens, around);
  std::vector<Token> a, b;
  append_tokens(first, a);
  append_tokens(second, b);
  const std::size_t room = max_tokens - around;
  if (max_tokens > 0 && a.size() + b.size() > room) {
    // The longer one gives up what is too much, until both are as long.
    auto& shorter = a.size() > b.size() ? b : a;
    auto& longer = a.size() > b.size() ? a : b;
    shorter.resize(std::min(shorter.size(), room / 2));
    longer.resize(room - shorter.size());
  }
  return assemble(special_.pair, a, b);
}

std::string Tokenizer::decode(std::span<const Token> tokens, bool skip_special) const {
  StreamDecoder decoder(*this, skip_special);
  std::string text;
  for (const Token token : tokens) text += decoder.add(token);
  return text + decoder.finish();
}

Token Tokenizer::size() const {
  return std::max(model_->vocabulary().size(), added_.empty() ? 0 : added_.back().token + 1);
}

std::string_view Tokenizer::token_text(Token token) const {
  const auto added = std::lower_bound(added_.begin(), added_.end(), token,
                                      [](const AddedToken& a, Token wanted) { return a.token < wanted; });
  return added != added_.end() && added->token == token ? std::string_view(added->text)
                                                        : model_->vocabulary().text(token);
}

bool Tokenizer::is_special(Token token) const {
  const auto added = std::lower_bound(added_.begin(), added_.end(), token,
                                      [](const AddedToken& a, Token wanted) { return a.token < wanted; });
  return added != added_.end() && added->token == token && added->special;
}

Token Tokenizer::find(std::string_view text) const {
  const auto added = std::find_if(added_.begin(), added_.end(), [&](const AddedToken& a) { return a.text == text; });
  return added != added_.end() ? added->token : model_->vocabulary().find(text);
}

}  // namespace monza::text
