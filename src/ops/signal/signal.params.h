// Spectra: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// DFT(x [..., n, ..., 1 or 2], length?, axis?): out [..., bins, ..., 2], or 1 for the real inverse.
struct DftParams {
  std::int64_t axis = 0;
  std::int64_t inverse = 0;
  std::int64_t onesided = 0;
  std::int64_t length = -1;  ///< of the transform; -1: that of the input's axis (2 * (bins - 1) for the real inverse)
};

/// STFT(signal [N, L, 1 or 2], step, window?, length?): out [N, frames, bins, 2].
struct StftParams {
  std::int64_t step = 0;    ///< 0: read from input 1 while running
  std::int64_t length = 0;  ///< of a frame
};

}  // namespace monza
