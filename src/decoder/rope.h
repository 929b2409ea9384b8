// How fast the pairs of a head turn.
#pragma once

#include <vector>

#include "decoder/config.h"

namespace monza::decoder {

struct TurningSpeeds {
  std::vector<float> speeds;  ///< radians a position, of each pair
  double magnitude = 1;       ///< that turned heads are multiplied by
};

/// The speeds of `rotated` / 2 pairs. Where the file has tensors of factors, they divide them: rope_freqs, or
/// rope_factors_short. Throws Error for tensors of another size.
TurningSpeeds turning_speeds(const RopeForm& form, std::int64_t rotated, const gguf::Contents& file);

/// Positions that these speeds hold for: fewer than the model's where rope_factors_long is for later ones.
std::int64_t positions_of(const DecoderConfig& config, const gguf::Contents& file);

}  // namespace monza::decoder
