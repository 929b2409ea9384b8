// The way from an operator to the readers of pictures, which are a library of their own (src/vision).
#pragma once

#include <cstddef>
#include <cstdint>

namespace monza {

/// What a decoded picture's bytes are, and its size.
struct PictureRequest {
  enum class Pixels : std::int32_t { rgb = 0, bgr = 1, grey = 2 };
  const void* bytes = nullptr;  ///< of the file
  std::size_t size = 0;
  Pixels pixels = Pixels::rgb;
  std::int64_t most_height = 0, most_width = 0;
  std::uint8_t* out = nullptr;  ///< [height, width, channels], with room for the greatest
};

}  // namespace monza

/// Decodes as libjpeg, libpng, libwebp and the others do by default, without turning the picture as its EXIF data says.
/// Returns null and the size, or why it is not read: static text. Null itself where the readers are not linked.
extern "C" [[gnu::weak]] const char* monza_decode_picture(const monza::PictureRequest& request, std::int64_t& height,
                                                          std::int64_t& width) noexcept;
