// 8-bit camera frames to the input of a network, for a batch: what the host's and the GPU's code share.
//
//   y = monza.vision.Letterbox(x) {height, width, top_left, order, pad, scale, mean, std}
//
//   x   u8[batch, rows, columns, 3]       R, G, B of each pixel
//   y   f32[batch, 3, height, width]      resized to fit (bilinear over half-pixel centres, without antialiasing,
//   rounded
//                                         to 8 bits), grey around it; (v * scale - mean[c]) / std[c] of each sample v
//
// The frame's extents may differ from run to run. `order` "bgr" turns the channels around; mean and std are in the
// order of y.
#pragma once

#include <cmath>
#include <cstdint>

#include "monza/plugin.h"

#if defined(__CUDACC__)
#define LETTERBOX_FN __host__ __device__ inline
#else
#define LETTERBOX_FN inline
#endif

namespace letterbox {

struct Params {
  float scale, mean[3], std[3];
  std::int32_t pad;  ///< 0..255, around the picture
  std::int32_t top_left, bgr;
};

/// Where the picture lies in the network's input.
struct Placement {
  std::int32_t rows, columns;  ///< of the frame
  std::int32_t height, width;  ///< of the input
  std::int32_t inner_height, inner_width;
  std::int32_t top, left;
};

/// Where between two samples of the frame a pixel's centre lies.
struct Tap {
  std::int32_t first, second;  ///< the same at the border
  float weight;                ///< of the second
};

LETTERBOX_FN std::int32_t clamped(double value, std::int32_t most) {
  return value < 0 ? 0 : value > most ? most : static_cast<std::int32_t>(value);
}

/// For sample i of `out` over `in`.
LETTERBOX_FN Tap tap_of(std::int32_t i, std::int32_t in, std::int32_t out) {
  const double centre = (i + 0.5) * (static_cast<double>(in) / out) - 0.5;
  const double below = floor(centre);
  return {clamped(below, in - 1), clamped(below + 1, in - 1), static_cast<float>(centre - below)};
}

LETTERBOX_FN float blend(float a, float b, float weight) { return a + (b - a) * weight; }
/// To 8 bits.
LETTERBOX_FN std::int32_t rounded(float sample) { return static_cast<std::int32_t>(sample + 0.5f); }

/// The sample between four of the frame: first between rows, then between columns.
LETTERBOX_FN std::int32_t between(const std::uint8_t* upper, const std::uint8_t* lower, const Tap& across,
                                  std::int32_t channel, float weight) {
  const std::int32_t a = 3 * across.first + channel, b = 3 * across.second + channel;
  return rounded(blend(blend(upper[a], lower[a], weight), blend(upper[b], lower[b], weight), across.weight));
}

LETTERBOX_FN float normalised(std::int32_t sample, const Params& p, std::int32_t channel) {
  return (static_cast<float>(sample) * p.scale - p.mean[channel]) / p.std[channel];
}

/// Of frames and inputs whose shapes `verify` took.
inline Placement placement_of(const monza_plugin_call& call) {
  const Params& p = *static_cast<const Params*>(call.params);
  const monza_tensor &x = call.inputs[0], &y = call.outputs[0];
  Placement f{};
  f.rows = static_cast<std::int32_t>(x.shape[1]), f.columns = static_cast<std::int32_t>(x.shape[2]);
  f.height = static_cast<std::int32_t>(y.shape[2]), f.width = static_cast<std::int32_t>(y.shape[3]);
  const double across = static_cast<double>(f.width) / f.columns, down = static_cast<double>(f.height) / f.rows;
  const double scale = across < down ? across : down;
  // Halves go to the even neighbour where the picture is centred, and an odd rest to the right and below, as these
  // networks were trained.
  if (p.top_left == 0) {
    f.inner_width = static_cast<std::int32_t>(std::nearbyint(f.columns * scale));
    f.inner_height = static_cast<std::int32_t>(std::nearbyint(f.rows * scale));
    f.left = static_cast<std::int32_t>(std::nearbyint((f.width - f.inner_width) / 2.0 - 0.1));
    f.top = static_cast<std::int32_t>(std::nearbyint((f.height - f.inner_height) / 2.0 - 0.1));
  } else {
    f.inner_width = static_cast<std::int32_t>(f.columns * scale);
    f.inner_height = static_cast<std::int32_t>(f.rows * scale);
  }
  return f;
}

// letterbox.cu
const char* run_cuda(const monza_plugin_call* call);

}  // namespace letterbox
