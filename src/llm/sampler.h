// From the logits of a position to the next token.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <span>
#include <vector>

namespace monza::llm {

using Token = std::int32_t;

/// How tokens are drawn. The defaults take the likeliest.
struct SamplingOptions {
  double temperature = 0;  ///< logits are divided by it; 0: the likeliest token is taken, whatever the rest says
  int top_k = 0;           ///< of so many likeliest tokens; 0: of all
  double top_p = 1;        ///< of the likeliest ones that have this share of all probability together
  double min_p = 0;        ///< of those that are at least this likely, measured by the likeliest
  double repetition_penalty =
      1;  ///< of tokens that are there: their positive logits are divided by it, others multiplied
  double presence_penalty = 0;   ///< taken off the logits of tokens that are there
  double frequency_penalty = 0;  ///< the same for each time that they are there
  std::map<Token, double> bias;  ///< added to logits
  std::uint64_t seed = 0;
};

/// Throws Error that names an option which is out of its range.
void check(const SamplingOptions& options);

/// Draws the tokens of one sequence: equal options, seeds and logits give equal tokens, on every machine. The
/// vocabulary is never sorted: what is needed of its upper end is selected. Not thread-safe.
class Sampler {
 public:
  explicit Sampler(SamplingOptions options);
  /// Notes a token that is part of the sequence: for penalties.
  void accept(Token token);
  /// One of the tokens [0, logits.size()). Logits that are NaN are never drawn; where all are, it is token 0.
  Token draw(std::span<const float> logits);

 private:
  struct Candidate {
    Token token;
    float logit;
  };
  float changed(Token token, float logit) const;
  void select(std::span<const float> logits);
  double uniform();

  SamplingOptions options_;
  std::mt19937_64 random_;
  std::map<Token, int> seen_;
  std::vector<Candidate> candidates_;  ///< the likeliest first, as far as they are sorted
  std::vector<double> weights_;
};

/// The natural logarithm of the probability of `token` by softmax over the logits.
double log_probability(std::span<const float> logits, Token token);
/// The largest logit's token; the first of equal ones.
Token likeliest(std::span<const float> logits);

}  // namespace monza::llm
