#include "llm/text_model.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "llm/model_file.h"

namespace monza::llm {
namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

}  // namespace

double Score::perplexity() const { return tokens > 0 ? std::exp(nll / static_cast<double>(tokens)) : 0; }

TextModel::TextModel(const std::string& path, const TokenModelOptions& options)
    : tokens_(path, options),
      tokenizer_(carried_tokenizer(tokens_.engine(), path)),
      generator_(tokens_, tokenizer_),
      path_(path) {}

void TextModel::set_chat(std::string source) {
  chat_ = ChatTemplate(std::move(source), *carried_gguf(tokens_.engine(), path_), tokenizer_);
}

const ChatTemplate& TextModel::chat() {
  if (!chat_) chat_ = ChatTemplate::of(*carried_gguf(tokens_.engine(), path_), tokenizer_);
  if (!chat_)
    fail_hint("--chat-template FILE with one in Jinja, or a model that was trained for conversations",
              "'{}' has no chat template", path_);
  return *chat_;
}

Generated TextModel::generate(std::string_view prompt, const GenerateOptions& options,
                              const std::function<bool(std::string_view)>& on_text) {
  return generate(tokenizer_.tokenizer.encode(prompt).tokens, options, on_text);
}

Generated TextModel::generate(std::vector<Token> prompt, const GenerateOptions& options,
                              const std::function<bool(std::string_view)>& on_text) {
  Generated made;
  std::string error;
  made.prompt_tokens = prompt.size();
  const std::int64_t cached = generator_.counts().cached_tokens;
  const auto begin = Clock::now();
  auto first = begin;
  (void)generator_.add({std::move(prompt), options}, [&](const Piece& piece) {
    if (first == begin) made.prompt_ms = ms_since(begin), first = Clock::now();
    for (const DrawnToken& token : piece.tokens) made.tokens.push_back(token.drawn.token);
    made.text += piece.text;
    made.reason = piece.end.value_or(made.reason);
    error = piece.error;
    return piece.text.empty() || !on_text || on_text(piece.text);
  });
  while (generator_.step()) {
  }
  if (made.reason == EndReason::failed) fail("{}", error);
  made.cached_tokens = static_cast<std::size_t>(generator_.counts().cached_tokens - cached);
  made.generate_ms = ms_since(first);
  return made;
}

Score TextModel::score(std::string_view text, std::size_t context, std::size_t max_tokens,
                       const std::function<void(double)>& progress) {
  std::vector<Token> all = tokenizer_.tokenizer.encode(text, true).tokens;
  if (max_tokens > 0 && all.size() > max_tokens) all.resize(max_tokens);
  if (all.size() < 2)
    fail_hint("a longer text", "the text has {} tokens, and the first one counts for nothing", all.size());
  if (context < 2 || context > static_cast<std::size_t>(tokens_.positions()))
    fail("pieces of {} tokens are not 2 to {}, which a sequence may have", context, tokens_.positions());
  const bool whole = all.size() < context;
  const std::size_t length = whole ? all.size() : context, pieces = all.size() / length;
  const auto vocabulary = static_cast<std::size_t>(tokens_.vocabulary());
  generator_.clear_cache();
  Score score;
  for (std::size_t p = 0; p < pieces; ++p) {
    std::vector<Token> piece(all.begin() + static_cast<std::ptrdiff_t>(p * length),
                             all.begin() + static_cast<std::ptrdiff_t>((p + 1) * length));
    if (tokenizer_.begin) piece[0] = *tokenizer_.begin;
    const std::size_t from = whole ? 0 : length / 2;  // position whose successor is the first to count
    Sequence sequence = tokens_.create();
    const auto chunk = static_cast<std::size_t>(tokens_.chunk());
    for (std::size_t at = 0; at + 1 < length; at += chunk) {
      const std::size_t n = std::min(chunk, length - 1 - at), wanted = at + n > from ? std::min(n, at + n - from) : 0;
      const TokenRun run{&sequence, std::span(piece).subspan(at, n), static_cast<int>(wanted)};
      const std::span<const float> logits = tokens_.run({&run, 1});
      for (std::size_t i = 0; i < wanted; ++i) {
        score.nll -= log_probability(logits.subspan(i * vocabulary, vocabulary), piece[at + n - wanted + i + 1]);
        ++score.tokens;
      }
    }
    if (progress) progress(static_cast<double>(p + 1) / static_cast<double>(pieces));
  }
  return score;
}

}  // namespace monza::llm
