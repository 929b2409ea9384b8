// One function per picture format; image.cpp picks among them. Each may assume that the magic bytes match.
// A codec whose library was missing at build time throws an Error that names the package to install.
#pragma once

#include "monza/vision/image.h"

#include <string>

namespace monza::vision::codec {

using Bytes = std::span<const std::byte>;

Image decode_jpeg(Bytes bytes, std::string_view name, const DecodeLimits& limits);
Image decode_png(Bytes bytes, std::string_view name, const DecodeLimits& limits);
Image decode_webp(Bytes bytes, std::string_view name, const DecodeLimits& limits);
Image decode_tiff(Bytes bytes, std::string_view name, const DecodeLimits& limits);
Image decode_jpeg2000(Bytes bytes, std::string_view name, const DecodeLimits& limits);
Image decode_bmp(Bytes bytes, std::string_view name, const DecodeLimits& limits);
Image decode_ppm(Bytes bytes, std::string_view name, const DecodeLimits& limits);

/// Throws unless 0 < width, height and width * height <= limits.max_pixels. Every codec calls it on the header.
void check_extent(std::int64_t width, std::int64_t height, std::string_view name, const DecodeLimits& limits);

[[noreturn]] void fail_decode(std::string_view name, std::string_view format, std::string_view reason);
[[noreturn]] void fail_missing(std::string_view format, std::string_view library, std::string_view package);

/// The EXIF orientation (1..8) in a block of EXIF data; 1 when there is none or it makes no sense. A JPEG's APP1
/// payload begins with "Exif", and may hold something else without it; PNG and WebP name the block themselves, so that
/// there the word may be missing.
int exif_orientation(Bytes block, bool named_by_container = false) noexcept;

/// The EXIF block of a PNG (chunk eXIf) or a WebP (chunk EXIF), empty when there is none. Bytes that are damaged or cut
/// off end the search.
Bytes png_exif(Bytes file) noexcept;
Bytes webp_exif(Bytes file) noexcept;

/// Applies an EXIF orientation (1..8): mirrors and turns so that the picture stands upright.
Image oriented(Image image, int orientation);

}  // namespace monza::vision::codec
