// WebP through libwebp; of an animation the first frame, which a picture of the same bytes is made of.
#include "vision/codecs.h"

#if MONZA_WITH_WEBP

#include <webp/decode.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace monza::vision {
namespace {

std::uint32_t little(codec::Bytes bytes, std::size_t at, int count) {
  std::uint32_t value = 0;
  for (int i = count - 1; i >= 0; --i)
    value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + static_cast<std::size_t>(i)]);
  return value;
}

/// The content of the first chunk of that name behind `begin`; empty when there is none.
codec::Bytes chunk(codec::Bytes bytes, std::size_t begin, std::string_view name) {
  for (std::size_t at = begin; bytes.size() >= at + 8;) {
    const std::size_t size = little(bytes, at + 4, 4);
    if (size > bytes.size() - at - 8) return {};
    if (std::memcmp(bytes.data() + at, name.data(), 4) == 0) return bytes.subspan(at + 8, size);
    at += 8 + size + size % 2;
  }
  return {};
}

bool decode_into(codec::Bytes bytes, Image& image) {
  return WebPDecodeRGBInto(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), image.pixels.data(),
                           image.pixels.size(), static_cast<int>(image.stride())) != nullptr;
}

/// The first frame on a black canvas. Its pixels are a chunk that is a file but for the file's head.
Image first_frame(codec::Bytes bytes, int width, int height, std::string_view name) {
  constexpr std::size_t file_head = 12, frame_head = 16;
  const codec::Bytes frame = chunk(bytes, file_head, "ANMF");
  if (frame.size() < frame_head) codec::fail_decode(name, "WebP", "the animation has no frame");
  const auto left = static_cast<int>(little(frame, 0, 3)) * 2, top = static_cast<int>(little(frame, 3, 3)) * 2;
  const auto across = static_cast<int>(little(frame, 6, 3)) + 1, down = static_cast<int>(little(frame, 9, 3)) + 1;
  if (left + across > width || top + down > height)
    codec::fail_decode(name, "WebP", "the first frame lies outside of the picture");
  Image part(across, down);
  const char* kind = "VP8 ";
  codec::Bytes data = chunk(frame, frame_head, kind);
  if (data.empty()) data = chunk(frame, frame_head, kind = "VP8L");
  std::vector<std::byte> file(file_head + 8 + data.size() + data.size() % 2);
  const auto put = [&](std::size_t at, const char* four, std::size_t value) {
    std::memcpy(file.data() + at, four, 4);
    for (std::size_t i = 0; i < 4; ++i) file[at + 4 + i] = static_cast<std::byte>(value >> (8 * i) & 0xFF);
  };
  put(0, "RIFF", file.size() - 8);
  std::memcpy(file.data() + 8, "WEBP", 4);
  put(file_head, kind, data.size());
  if (!data.empty()) std::memcpy(file.data() + file_head + 8, data.data(), data.size());
  WebPBitstreamFeatures features;
  const auto* start = reinterpret_cast<const std::uint8_t*>(file.data());
  const bool sized = WebPGetFeatures(start, file.size(), &features) == VP8_STATUS_OK && features.width == part.width &&
                     features.height == part.height;
  if (!sized || !decode_into(file, part)) codec::fail_decode(name, "WebP", "the first frame is damaged or cut off");
  Image image(width, height);
  for (int y = 0; y < part.height; ++y) std::copy_n(part.row(y), part.stride(), image.row(top + y) + 3 * left);
  return image;
}

}  // namespace

Image codec::decode_webp(Bytes bytes, std::string_view name, const DecodeLimits& limits) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK)
    fail_decode(name, "WebP", "the header is damaged or cut off");
  check_extent(features.width, features.height, name, limits);
  if (features.has_animation) return first_frame(bytes, features.width, features.height, name);
  Image image(features.width, features.height);
  if (!decode_into(bytes, image)) fail_decode(name, "WebP", "the data is damaged or cut off");
  return limits.apply_orientation ? oriented(std::move(image), exif_orientation(webp_exif(bytes), true)) : image;
}

}  // namespace monza::vision

#else

namespace monza::vision {

Image codec::decode_webp(Bytes, std::string_view, const DecodeLimits&) {
  fail_missing("WebP", "libwebp", "libwebp-dev");
}

}  // namespace monza::vision

#endif
