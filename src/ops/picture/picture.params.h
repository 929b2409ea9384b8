// Pictures: parameters.
#pragma once

#include <cstdint>

#include "tensor/picture_decoder.h"

namespace monza {

/// ImageDecoder(file: u8[n]): u8 [height, width, channels].
struct PictureParams {
  PictureRequest::Pixels pixels = PictureRequest::Pixels::rgb;
  std::int32_t reserved = 0;
};

/// The largest side of a picture in a model: memory for its pixels is planned, and touched as far as there are any.
constexpr std::int64_t kMostPictureSide = 8192;

}  // namespace monza
