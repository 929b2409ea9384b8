// Still WebP through libwebp.
#include "vision/codecs.h"

#if MONZA_WITH_WEBP

#include <webp/decode.h>
#include <utility>

namespace monza::vision {

Image codec::decode_webp(Bytes bytes, std::string_view name, const DecodeLimits& limits) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK)
    fail_decode(name, "WebP", "the header is damaged or cut off");
  check_extent(features.width, features.height, name, limits);
  if (features.has_animation) fail_decode(name, "WebP", "it is an animation; save one frame as a picture");
  Image image(features.width, features.height);
  if (!WebPDecodeRGBInto(data, bytes.size(), image.pixels.data(), image.pixels.size(),
                         static_cast<int>(image.stride())))
    fail_decode(name, "WebP", "the data is damaged or cut off");
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
