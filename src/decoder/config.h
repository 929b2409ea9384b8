// The sizes and constants of a decoder: what its file says beside the weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gguf/contents.h"

namespace monza::decoder {

/// Which elements of a head turn together.
enum class Pairs : std::uint8_t { neighbours, halves };

/// How fast pairs turn: `base` to the power of -2 i / rotated, and how that is scaled for longer contexts.
struct RopeForm {
  enum class Scaling : std::uint8_t { none, linear, yarn } scaling = Scaling::none;
  double base = 10000;
  double factor = 1;            ///< positions are divided by it
  double original_context = 0;  ///< positions that the model was trained with before it was scaled
  double beta_fast = 32,
         beta_slow = 1;  ///< of yarn: turns within that context between which it changes from none to all
  double magnitude = 1;  ///< of the turned heads
};

/// Every number was held against limits when it was read. Widths are in elements.
struct DecoderConfig {
  std::string family;  ///< "llama", "qwen2", ...
  std::int64_t layers = 0;
  std::int64_t width = 0;  ///< of the residual stream
  std::int64_t heads = 0, key_heads = 0;
  std::int64_t head_width = 0;
  std::int64_t rotated = 0;  ///< of a head's elements, the first so many turn with the position
  std::int64_t vocabulary = 0;
  std::int64_t context = 0;  ///< positions that it was trained with
  bool layer_norm = false;   ///< normalisations take off the mean, and add a bias
  float epsilon = 1e-5f;     ///< of the normalisations
  Pairs pairs = Pairs::halves;
  RopeForm rope;
  RopeForm windowed_rope;      ///< of layers with a window, where a family has another for them
  std::int64_t window = 0;     ///< positions that layers with a window see; 0: there are none
  std::vector<bool> windowed;  ///< which layers have one, where the file says so; empty: as the family has it
  double attention_scale = 0;  ///< of scores; 0: 1 / sqrt(head width)
  double attention_cap = 0, logit_cap = 0;  ///< x becomes cap tanh(x / cap); 0: it stays
  double embedding_scale = 1, residual_scale = 1, logit_divisor = 1;
  std::int64_t experts = 0, experts_used = 0;  ///< of each layer that has experts; 0: none has
  bool experts_normalised = true;              ///< the weights of those that are used sum to 1

  /// Whether a layer has the window: as the file says, or as `usual`.
  bool has_window(std::int64_t layer, bool usual) const {
    return window > 0 && (windowed.empty() ? usual : windowed[static_cast<std::size_t>(layer)]);
  }
};

/// Throws Error where the file lacks something, or has what cannot be.
DecoderConfig decoder_config(const gguf::Contents& file);

}  // namespace monza::decoder
