#include "llm/text_model.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "llm/model_file.h"
#include "text/decoder.h"

namespace monza::llm {
namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// Text that is given out as soon as it cannot become a stop text any more.
class Output {
 public:
  Output(const std::vector<std::string>& stops, const std::function<bool(std::string_view)>& on_text)
      : stops_(stops), on_text_(on_text) {}

  /// Adds text; false when there is enough.
  bool add(std::string_view text, Generated& to) {
    held_ += text;
    for (const std::string& stop : stops_)
      if (const std::size_t at = stop.empty() ? held_.npos : held_.find(stop); at != held_.npos) {
        held_.resize(at);
        to.reason = Generated::Reason::stop;
        give(held_.size(), to);
        return false;
      }
    return give(held_.size() - beginning_of_stop(), to);
  }
  void finish(Generated& to) { give(held_.size(), to); }

 private:
  /// Bytes at the end that a stop text may begin with.
  std::size_t beginning_of_stop() const {
    std::size_t most = 0;
    for (const std::string& stop : stops_)
      for (std::size_t n = std::min(held_.size(), stop.size()); n > most; --n)
        if (held_.ends_with(std::string_view(stop).substr(0, n))) {
          most = n;
          break;
        }
    return most;
  }
  bool give(std::size_t bytes, Generated& to) {
    if (bytes == 0) return true;
    const std::string text = held_.substr(0, bytes);
    held_.erase(0, bytes);
    to.text += text;
    if (!on_text_ || on_text_(text)) return true;
    to.reason = Generated::Reason::cancelled;
    return false;
  }

  const std::vector<std::string>& stops_;
  const std::function<bool(std::string_view)>& on_text_;
  std::string held_;
};

}  // namespace

double Score::perplexity() const { return tokens > 0 ? std::exp(nll / static_cast<double>(tokens)) : 0; }

TextModel::TextModel(const std::string& path, const TokenModelOptions& options)
    : tokens_(path, options), tokenizer_(carried_tokenizer(tokens_.engine(), path)) {}

Generated TextModel::generate(std::string_view prompt, const GenerateOptions& options,
                              const std::function<bool(std::string_view)>& on_text) {
  Sampler sampler(options.sampling);
  Generated made;
  const auto begin = Clock::now();
  const std::vector<Token> given = tokenizer_.tokenizer.encode(prompt).tokens;
  made.prompt_tokens = given.size();
  if (given.empty()) fail_hint("a prompt of a character at least", "the prompt has no tokens");
  for (const Token t : given) sampler.accept(t);
  Sequence sequence = tokens_.create();
  std::span<const float> logits = tokens_.append(sequence, given);
  text::StreamDecoder decoder(tokenizer_.tokenizer, true);
  Output output(options.stop, on_text);
  auto first = Clock::now();
  for (int i = 0; i < options.max_tokens; ++i) {
    const Token token = sampler.draw(logits);
    if (i == 0) made.prompt_ms = ms_since(begin), first = Clock::now();
    const auto& ends = tokenizer_.ends;
    if (!options.to_the_end && std::find(ends.begin(), ends.end(), token) != ends.end()) {
      made.reason = Generated::Reason::end;
      break;
    }
    sampler.accept(token);
    made.tokens.push_back(token);
    if (!output.add(decoder.add(token), made)) break;
    if (i + 1 < options.max_tokens) logits = tokens_.append(sequence, {&token, 1});
  }
  made.generate_ms = ms_since(first);
  if (made.reason == Generated::Reason::length || made.reason == Generated::Reason::end) {
    if (const auto reason = made.reason; output.add(decoder.finish(), made)) {
      output.finish(made);
      made.reason = reason;
    }
  }
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
