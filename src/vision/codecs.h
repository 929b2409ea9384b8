// One function per picture format; image.cpp picks among them. Each may assume that the magic bytes match.
// A codec whose library was missing at build time throws an Error that names the package to install.
#pragma once

#include "vision/image.h"

#include <string>

namespace monza::vision::codec {

using Bytes = std::span<const std::byte>;

Image decode_jpeg(Bytes bytes, std::string_view name, const DecodeLimits& limits);
Image decode_png(Bytes bytes, std::string_view name, const DecodeLimits& limits);
Image decode_webp(Bytes bytes, std::string_view name, const DecodeLimits& limits);
Image decode_bmp(Bytes bytes, std::string_view name, const DecodeLimits& limits);
Image decode_ppm(Bytes bytes, std::string_view name, const DecodeLimits& limits);

/// Throws unless 0 < width, height and width * height <= limits.max_pixels. Every codec calls it on the header.
void check_extent(std::int64_t width, std::int64_t height, std::string_view name, const DecodeLimits& limits);

[[noreturn]] void fail_decode(std::string_view name, std::string_view format, std::string_view reason);
[[noreturn]] void fail_missing(std::string_view format, std::string_view library, std::string_view package);

/// The EXIF orientation (1..8) in a JPEG's APP1 payload; 1 when there is none or it makes no sense.
int exif_orientation(Bytes app1) noexcept;

/// Applies an EXIF orientation (1..8): mirrors and turns so that the picture stands upright.
Image oriented(Image image, int orientation);

}  // namespace monza::vision::codec
