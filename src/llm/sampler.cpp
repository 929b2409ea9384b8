#include "llm/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace monza::llm {
namespace {

constexpr std::size_t kFirstSelection = 64;  ///< candidates that are sorted at once; more where they do not do

}  // namespace

void check(const SamplingOptions& o) {
  const auto require = [](bool holds, const char* name, double value, const char* range) {
    if (!holds) fail("{} is {}, not {}", name, value, range);
  };
  require(o.temperature >= 0 && o.temperature <= 100, "temperature", o.temperature, "0 to 100");
  require(o.top_k >= 0, "top_k", o.top_k, "0 or more");
  require(o.top_p > 0 && o.top_p <= 1, "top_p", o.top_p, "above 0 and at most 1");
  require(o.min_p >= 0 && o.min_p <= 1, "min_p", o.min_p, "0 to 1");
  require(o.repetition_penalty > 0 && o.repetition_penalty <= 100, "repetition_penalty", o.repetition_penalty,
          "above 0 and at most 100");
  require(std::fabs(o.presence_penalty) <= 100, "presence_penalty", o.presence_penalty, "-100 to 100");
  require(std::fabs(o.frequency_penalty) <= 100, "frequency_penalty", o.frequency_penalty, "-100 to 100");
}

Sampler::Sampler(SamplingOptions options) : options_(std::move(options)), random_(options_.seed) { check(options_); }

void Sampler::accept(Token token) { ++seen_[token]; }

float Sampler::changed(Token token, float logit) const {
  double x = logit;
  if (const auto it = seen_.find(token); it != seen_.end()) {
    x = x > 0 ? x / options_.repetition_penalty : x * options_.repetition_penalty;
    x -= options_.presence_penalty + options_.frequency_penalty * it->second;
  }
  if (const auto it = options_.bias.find(token); it != options_.bias.end()) x += it->second;
  return static_cast<float>(x);
}

double Sampler::uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

/// Sorts the upper end of the candidates: top_k of them, and as far as top_p and min_p ask.
void Sampler::select(std::span<const float> logits) {
  candidates_.clear();
  float top = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) continue;
    candidates_.push_back({static_cast<Token>(i), logits[i]});
  }
  const auto adjust = [&](Token token) {
    for (Candidate& c : candidates_)
      if (c.token == token) c.logit = changed(token, c.logit);
  };
  if (candidates_.size() == logits.size()) {  // a token is its own index
    for (const auto& [token, count] : seen_)
      if (static_cast<std::size_t>(token) < logits.size())
        candidates_[static_cast<std::size_t>(token)].logit = changed(token, logits[static_cast<std::size_t>(token)]);
    for (const auto& [token, bias] : options_.bias)
      if (!seen_.contains(token) && token >= 0 && static_cast<std::size_t>(token) < logits.size())
        candidates_[static_cast<std::size_t>(token)].logit = changed(token, logits[static_cast<std::size_t>(token)]);
  } else {
    for (const auto& [token, count] : seen_) adjust(token);
    for (const auto& [token, bias] : options_.bias)
      if (!seen_.contains(token)) adjust(token);
  }
  for (const Candidate& c : candidates_) top = std::max(top, c.logit);
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
  };
  const double scale = 1 / options_.temperature;
  const auto weight = [&](const Candidate& c) { return std::exp((static_cast<double>(c.logit) - top) * scale); };
  double all = 0;
  if (options_.top_p < 1)
    for (const Candidate& c : candidates_) all += weight(c);
  std::size_t most = candidates_.size();
  if (options_.top_k > 0) most = std::min(most, static_cast<std::size_t>(options_.top_k));
  weights_.clear();
  double sum = 0;
  for (std::size_t sorted = 0; sorted < most;) {
    const std::size_t next = std::min(most, std::max(kFirstSelection, 4 * sorted));
    const auto begin = candidates_.begin() + static_cast<std::ptrdiff_t>(sorted);
    const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(next);
    if (next < candidates_.size()) std::nth_element(begin, end, candidates_.end(), likelier);
    std::sort(begin, end, likelier);
    for (; sorted < next; ++sorted) {
      const double w = weight(candidates_[sorted]);
      // What has no weight, such as a token that a grammar forbids, is not drawn by rounding either.
      if (sorted > 0 && (w == 0 || w < options_.min_p || (options_.top_p < 1 && sum >= options_.top_p * all))) return;
      weights_.push_back(w);
      sum += w;
    }
  }
}

Token Sampler::draw(std::span<const float> logits) {
  if (options_.temperature == 0) {
    Token best = 0;
    float top = -std::numeric_limits<float>::infinity();
    const bool plain = seen_.empty() && options_.bias.empty();
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const auto token = static_cast<Token>(i);
      const float logit = plain ? logits[i] : changed(token, logits[i]);
      if (logit > top) top = logit, best = token;
    }
    return best;
  }
  select(logits);
  if (weights_.empty()) return 0;
  double sum = 0;
  for (const double w : weights_) sum += w;
  double left = uniform() * sum;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    left -= weights_[i];
    if (left < 0) return candidates_[i].token;
  }
  return candidates_[weights_.size() - 1].token;
}

double log_probability(std::span<const float> logits, Token token) {
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
  for (const float x : logits) top = std::max(top, static_cast<double>(x));
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - top);
  return static_cast<double>(logits[static_cast<std::size_t>(token)]) - top - std::log(sum);
}

Token likeliest(std::span<const float> logits) {
  return static_cast<Token>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace monza::llm
