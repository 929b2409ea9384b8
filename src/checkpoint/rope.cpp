// How heads turn: config.json's rope_parameters (or rope_theta and rope_scaling, which older ones have).
#include <cmath>

#include "checkpoint/settings.h"

namespace monza::checkpoint {
namespace {

/// The parameters of all layers, or of those without a window where both have their own.
const Json& parameters(const Json& config) {
  const Json* rope = field(config, "rope_parameters");
  if (rope == nullptr) rope = field(config, "rope_scaling");
  if (rope == nullptr) return config;
  const Json* full = field(*rope, "full_attention");
  return full != nullptr ? *full : *rope;
}

/// The base of layers with a window, where it is their own.
std::optional<double> windowed_base(const Json& config) {
  if (const Json* rope = field(config, "rope_parameters"))
    if (const Json* windowed = field(*rope, "sliding_attention")) {
      if (value_or<std::string>(*windowed, "rope_type", "default") != "default")
        fail("positions of layers with a window are scaled, which is not supported");
      return value<double>(*windowed, "rope_theta");
    }
  return value<double>(config, "rope_local_base_freq");
}

/// Llama 3's: slow pairs turn slower still, fast ones as ever, those between in between.
std::vector<float> llama3_factors(const Json& rope, double base, std::int64_t rotated) {
  const double factor = need<double>(rope, "factor"), low = need<double>(rope, "low_freq_factor"),
               high = need<double>(rope, "high_freq_factor"),
               context = need<double>(rope, "original_max_position_embeddings");
  std::vector<float> factors;
  for (std::int64_t i = 0; i < rotated / 2; ++i) {
    const double length = 2 * M_PI * std::pow(base, 2.0 * static_cast<double>(i) / static_cast<double>(rotated));
    const double turns = context / length, share = (turns - low) / (high - low);
    factors.push_back(static_cast<float>(turns > high  ? 1.0
                                         : turns < low ? factor
                                                       : 1 / ((1 - share) / factor + share)));
  }
  return factors;
}

void add_factors(const Json& rope, const char* list, const char* tensor, std::int64_t pairs, gguf::Draft& to) {
  const std::vector<double> factors = numbers(rope, list);
  if (factors.size() != static_cast<std::size_t>(pairs))
    fail("'{}' has {} factors, and {} pairs turn", list, factors.size(), pairs);
  to.set_tensor(tensor, Shape{pairs}, {factors.begin(), factors.end()});
}

void add_longrope(const Json& config, const Json& rope, const Architecture& a, std::int64_t pairs, gguf::Draft& to) {
  const double context = need<double>(config, "max_position_embeddings");
  const auto own = value<double>(config, "original_max_position_embeddings");
  const double original = own ? *own : value_or(rope, "original_max_position_embeddings", context);
  if (!(original > 1 && original < 1e12) || !(context > 0))
    fail("contexts of {} and {} positions scale nothing", original, context);
  const double longer = value_or(rope, "factor", context / original);
  const double own_factor = longer <= 1 ? 1 : std::sqrt(1 + std::log(longer) / std::log(original));
  add_factors(rope, "long_factor", "rope_factors_long.weight", pairs, to);
  add_factors(rope, "short_factor", "rope_factors_short.weight", pairs, to);
  to.set(a.key("rope.scaling.type"), "longrope");
  to.set(a.key("rope.scaling.original_context_length"), static_cast<std::int64_t>(original));
  to.set(a.key("rope.scaling.attn_factor"), value_or(rope, "attention_factor", own_factor));
}

void add_yarn(const Json& config, const Json& rope, const Architecture& a, gguf::Draft& to) {
  if (field(rope, "mscale") != nullptr || field(rope, "mscale_all_dim") != nullptr)
    fail("'mscale' of positions is not supported");
  if (!value_or(rope, "truncate", true)) fail("'truncate' of positions as false is not supported");
  const double factor = need<double>(rope, "factor");
  to.set(a.key("rope.scaling.type"), "yarn");
  to.set(a.key("rope.scaling.factor"), factor);
  to.set(a.key("rope.scaling.original_context_length"),
         value_or(rope, "original_max_position_embeddings", need<std::int64_t>(config, "max_position_embeddings")));
  to.set(a.key("rope.scaling.yarn_beta_fast"), value_or(rope, "beta_fast", 32.0));
  to.set(a.key("rope.scaling.yarn_beta_slow"), value_or(rope, "beta_slow", 1.0));
  // GGUF's factor is beside what the scaling itself makes of it.
  if (const auto whole = value<double>(rope, "attention_factor"))
    to.set(a.key("rope.scaling.attn_factor"), *whole / (0.1 * std::log(factor) + 1));
}

}  // namespace

void add_rope(const Json& config, const Architecture& a, std::int64_t head_width, gguf::Draft& to) {
  const Json& rope = parameters(config);
  const double base = value_or(rope, "rope_theta", value_or(config, "rope_theta", 10000.0));
  const double part = value_or(rope, "partial_rotary_factor", value_or(config, "partial_rotary_factor", 1.0));
  const auto rotated = static_cast<std::int64_t>(static_cast<double>(head_width) * part);
  if (!(part > 0) || part > 1 || rotated < 2 || rotated % 2 != 0)
    fail("{} elements of a head of {} cannot turn in pairs", rotated, head_width);
  to.set(a.key("rope.dimension_count"), rotated);
  to.set(a.key("rope.freq_base"), base);
  if (const auto windowed = windowed_base(config)) to.set(a.key("rope.freq_base_swa"), *windowed);
  const auto type = value<std::string>(rope, "rope_type");
  const std::string scaling = type ? *type : value_or<std::string>(rope, "type", "default");
  if (scaling == "linear") {
    to.set(a.key("rope.scaling.type"), "linear");
    to.set(a.key("rope.scaling.factor"), need<double>(rope, "factor"));
  } else if (scaling == "llama3") {
    to.set_tensor("rope_freqs.weight", Shape{rotated / 2}, llama3_factors(rope, base, rotated));
  } else if (scaling == "yarn") {
    add_yarn(config, rope, a, to);
  } else if (scaling == "longrope" || scaling == "su") {
    add_longrope(config, rope, a, rotated / 2, to);
  } else if (scaling != "default") {
    fail("scaling of positions by '{}' is not supported; linear, llama3, yarn and longrope are", scaling);
  }
}

}  // namespace monza::checkpoint
