// The sizes and constants of a decoder: what its file says beside the weights.
#pragma once

#include <cstdint>
#include <string>

#include "gguf/file.h"

namespace monza::decoder {

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
  float epsilon = 1e-5f;     ///< of the normalisations
  double rope_base = 10000;
  double rope_factor = 1;   ///< positions are divided by it
  std::int64_t window = 0;  ///< positions that layers with a window see; 0: there are none
};

/// Throws Error where the file lacks something, or has what cannot be.
DecoderConfig decoder_config(const gguf::File& file);

}  // namespace monza::decoder
