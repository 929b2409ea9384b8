// Pictures in memory, and the one place where picture files are read and written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace monza::vision {

/// An 8-bit RGB picture, rows from the top, channels interleaved, no padding between rows.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;  // [height, width, 3]

  Image() = default;
  /// A black picture. Throws Error when a side is negative or the size overflows.
  Image(int width, int height);

  bool empty() const noexcept { return width == 0 || height == 0; }
  std::size_t stride() const noexcept { return static_cast<std::size_t>(width) * 3; }
  std::uint8_t* row(int y) noexcept { return pixels.data() + static_cast<std::size_t>(y) * stride(); }
  const std::uint8_t* row(int y) const noexcept { return pixels.data() + static_cast<std::size_t>(y) * stride(); }
};

enum class ImageFormat { unknown, jpeg, png, webp, bmp, ppm, tiff, jpeg2000 };

/// What a picture file may cost us. The header is checked against `max_pixels` before any pixel is decoded,
/// so that a small file cannot ask for a large buffer.
struct DecodeLimits {
  std::size_t max_bytes = std::size_t{256} << 20;
  std::size_t max_pixels = 100'000'000;  // 286 MiB of RGB
  bool apply_orientation = true;         // turn a JPEG, PNG or still WebP upright as its EXIF data says
};

/// The format by the first bytes; `unknown` when it is none of these.
ImageFormat sniff_format(std::span<const std::byte> bytes) noexcept;
std::string_view format_name(ImageFormat format) noexcept;

/// True for the extensions of the formats above, in either case. Used to pick files from a folder.
bool has_image_extension(const std::filesystem::path& path);

/// Decodes JPEG, PNG, WebP (of an animation the first frame), BMP, binary PPM/PGM, TIFF and JPEG 2000 to RGB. Alpha is
/// dropped, 16-bit samples keep their upper byte.
/// `name` is used in errors only. Throws Error when the bytes are no picture, are truncated or exceed `limits`.
Image decode_image(std::span<const std::byte> bytes, std::string_view name, const DecodeLimits& limits = {});

/// Reads a file and decodes it. Throws Error as decode_image does, and when the file cannot be read.
Image load_image(const std::filesystem::path& path, const DecodeLimits& limits = {});

/// Encodes as baseline JPEG with 4:2:0 chroma. `quality` is 1..100.
std::vector<std::byte> encode_jpeg(const Image& image, int quality = 92);
std::vector<std::byte> encode_png(const Image& image);

/// Writes a JPEG, PNG or PPM, chosen by the extension. The file is written beside its final name and renamed.
void save_image(const Image& image, const std::filesystem::path& path);

}  // namespace monza::vision
