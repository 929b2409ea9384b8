// What is asked of a model that generates, and what comes of it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llm/sampler.h"

namespace monza::llm {

/// Which tokens may come next: a grammar, for example. Of one row of tokens, which fails with an Error of its mask.
class TokenMask {
 public:
  virtual ~TokenMask() = default;
  /// Makes the logits of tokens that may not come minus infinity.
  virtual void apply(std::span<float> logits) = 0;
  /// A token was drawn.
  virtual void accept(Token token) = 0;
  /// Whether nothing may follow: the row ends.
  virtual bool complete() const { return false; }
};

struct GenerateOptions {
  SamplingOptions sampling;
  int max_tokens = 256;
  std::vector<std::string> stop;                          ///< texts that end what is generated, and are left out of it
  bool to_the_end = false;                                ///< the model's own end ends nothing: for measuring
  std::function<std::unique_ptr<TokenMask>()> mask = {};  ///< makes one for each row; none: all tokens may come
};

enum class EndReason : std::uint8_t { length, end, stop, cancelled, failed };

/// A token, and the natural logarithm of its probability by the model alone.
struct TokenChance {
  Token token;
  float log_probability;
};
struct DrawnToken {
  TokenChance drawn;
  std::vector<TokenChance> likeliest;  ///< the most likely first
};

struct GenerationRequest {
  std::vector<Token> prompt;
  GenerateOptions options;
  int choices = 1;     ///< continuations; choice i draws with seed + i
  int likeliest = -1;  ///< so many of the likeliest tokens are told with each one; below 0: no probabilities at all
};

/// A part of a continuation.
struct Piece {
  int choice = 0;
  std::string text;                ///< whole characters; perhaps none
  std::vector<DrawnToken> tokens;  ///< drawn since the last piece, without the one that ends
  std::optional<EndReason> end;    ///< the choice's last piece
  std::int64_t cached_tokens = 0;  ///< in the last piece: of the prompt, those that were known before
  std::string error;               ///< of EndReason::failed
};
/// Given the pieces of all choices; false cancels the choice.
using OnPiece = std::function<bool(const Piece&)>;

}  // namespace monza::llm
