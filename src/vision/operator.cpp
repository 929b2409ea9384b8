// What the operator ImageDecoder calls (tensor/picture_decoder.h).
#include <algorithm>
#include <exception>

#include "monza/vision/image.h"
#include "tensor/picture_decoder.h"

namespace monza::vision {
namespace {

/// ITU-R 601 in 16 bits, rounded as Pillow does.
std::uint8_t grey_of(const std::uint8_t* rgb) {
  return static_cast<std::uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

void write_pixels(const Image& image, PictureRequest::Pixels pixels, std::uint8_t* out) {
  if (pixels == PictureRequest::Pixels::rgb) {
    std::copy(image.pixels.begin(), image.pixels.end(), out);
    return;
  }
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    const std::uint8_t* rgb = image.pixels.data() + i;
    if (pixels == PictureRequest::Pixels::grey) *out++ = grey_of(rgb);
    else
      for (int c = 2; c >= 0; --c) *out++ = rgb[c];
  }
}

}  // namespace
}  // namespace monza::vision

const char* monza_decode_picture(const monza::PictureRequest& request, std::int64_t& height,
                                 std::int64_t& width) noexcept {
  using namespace monza::vision;
  try {
    DecodeLimits limits;
    limits.max_pixels = static_cast<std::size_t>(request.most_height) * static_cast<std::size_t>(request.most_width);
    limits.apply_orientation = false;
    const Image image = decode_image({static_cast<const std::byte*>(request.bytes), request.size}, "input", limits);
    if (image.height > request.most_height || image.width > request.most_width)
      return "ImageDecoder: the picture is larger than planned for";
    write_pixels(image, request.pixels, request.out);
    height = image.height, width = image.width;
    return nullptr;
  } catch (const std::exception&) {
    return "ImageDecoder: the bytes are no picture that can be decoded";
  }
}
