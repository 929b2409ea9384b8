#include "monza/vision/image.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/output_file.h"
#include "base/printable.h"
#include "vision/codecs.h"

namespace monza::vision {
namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view magic, std::size_t at = 0) noexcept {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

std::string lower_extension(const std::filesystem::path& path) {
  std::string ext = path.extension().string();
  std::transform(ext.begin(), ext.end(), ext.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ext;
}

std::vector<std::byte> encode_ppm(const Image& image) {
  const std::string header = fmt::format("P6\n{} {}\n255\n", image.width, image.height);
  std::vector<std::byte> out(header.size() + image.pixels.size());
  std::memcpy(out.data(), header.data(), header.size());
  if (!image.pixels.empty()) std::memcpy(out.data() + header.size(), image.pixels.data(), image.pixels.size());
  return out;
}

}  // namespace

Image::Image(int w, int h) : width(w), height(h) {
  if (w < 0 || h < 0) fail("a picture cannot have the size {}x{}", w, h);
  pixels.resize(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 3);
}

ImageFormat sniff_format(std::span<const std::byte> bytes) noexcept {
  using namespace std::string_view_literals;
  if (starts_with(bytes, "\xFF\xD8\xFF"sv)) return ImageFormat::jpeg;
  if (starts_with(bytes, "\x89PNG\r\n\x1A\n"sv)) return ImageFormat::png;
  if (starts_with(bytes, "RIFF"sv) && starts_with(bytes, "WEBP"sv, 8)) return ImageFormat::webp;
  if (starts_with(bytes, "BM"sv)) return ImageFormat::bmp;
  if (starts_with(bytes, "P5"sv) || starts_with(bytes, "P6"sv)) return ImageFormat::ppm;
  if (starts_with(bytes, "II*\0"sv) || starts_with(bytes, "MM\0*"sv)) return ImageFormat::tiff;
  if (starts_with(bytes, "\0\0\0\x0CjP  \r\n\x87\n"sv) || starts_with(bytes, "\xFF\x4F\xFF\x51"sv))
    return ImageFormat::jpeg2000;
  return ImageFormat::unknown;
}

std::string_view format_name(ImageFormat format) noexcept {
  switch (format) {
    case ImageFormat::jpeg: return "JPEG";
    case ImageFormat::png: return "PNG";
    case ImageFormat::webp: return "WebP";
    case ImageFormat::bmp: return "BMP";
    case ImageFormat::ppm: return "PPM";
    case ImageFormat::tiff: return "TIFF";
    case ImageFormat::jpeg2000: return "JPEG 2000";
    case ImageFormat::unknown: break;
  }
  return "unknown";
}

bool has_image_extension(const std::filesystem::path& path) {
  static constexpr std::array<std::string_view, 11> known = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm",
                                                             ".pgm", ".tiff", ".tif", ".jp2",  ".j2k"};
  return std::find(known.begin(), known.end(), lower_extension(path)) != known.end();
}

Image decode_image(std::span<const std::byte> bytes, std::string_view name, const DecodeLimits& limits) {
  if (bytes.size() > limits.max_bytes)
    fail("{}: {} bytes is more than the limit of {} for a picture", name, bytes.size(), limits.max_bytes);
  switch (sniff_format(bytes)) {
    case ImageFormat::jpeg: return codec::decode_jpeg(bytes, name, limits);
    case ImageFormat::png: return codec::decode_png(bytes, name, limits);
    case ImageFormat::webp: return codec::decode_webp(bytes, name, limits);
    case ImageFormat::bmp: return codec::decode_bmp(bytes, name, limits);
    case ImageFormat::ppm: return codec::decode_ppm(bytes, name, limits);
    case ImageFormat::tiff: return codec::decode_tiff(bytes, name, limits);
    case ImageFormat::jpeg2000: return codec::decode_jpeg2000(bytes, name, limits);
    case ImageFormat::unknown: break;
  }
  if (bytes.empty()) fail("{}: the file is empty, not a picture", name);
  std::string first;
  for (std::size_t i = 0; i < std::min<std::size_t>(bytes.size(), 8); ++i)
    first += fmt::format("{}{:02x}", i ? " " : "", std::to_integer<unsigned>(bytes[i]));
  fail_hint("a JPEG, PNG, WebP, TIFF, JPEG 2000, BMP or binary PPM/PGM file", "{}: not a picture (first bytes: {})",
            name, first);
}

Image load_image(const std::filesystem::path& path, const DecodeLimits& limits) {
  const auto file = MappedFile::open(path, limits.max_bytes);
  return decode_image(file->bytes(), printable(path.string()), limits);
}

void save_image(const Image& image, const std::filesystem::path& path) {
  const std::string ext = lower_extension(path);
  std::vector<std::byte> bytes;
  if (ext == ".jpg" || ext == ".jpeg") bytes = encode_jpeg(image);
  else if (ext == ".png") bytes = encode_png(image);
  else if (ext == ".ppm") bytes = encode_ppm(image);
  else
    fail_hint("a name that ends in .jpg, .png or .ppm", "{}: cannot write a picture with the extension '{}'",
              path.string(), ext);
  const std::span<const std::byte> piece = bytes;
  write_file(path, {&piece, 1});
}

namespace codec {

void check_extent(std::int64_t width, std::int64_t height, std::string_view name, const DecodeLimits& limits) {
  if (width <= 0 || height <= 0) fail("{}: the header gives the size {}x{}; the file is damaged", name, width, height);
  constexpr std::int64_t side = 1 << 20;  // keeps every later product of sides and channels within 64 bits
  if (width > side || height > side || static_cast<std::size_t>(width * height) > limits.max_pixels)
    fail_hint("--max-megapixels N of detect and classify", "{}: {}x{} pixels is more than the limit of {} pixels", name,
              width, height, limits.max_pixels);
}

void fail_decode(std::string_view name, std::string_view format, std::string_view reason) {
  fail_hint("save the picture again, as PNG or JPEG", "{}: the {} file cannot be decoded: {}", name, format, reason);
}

void fail_missing(std::string_view format, std::string_view library, std::string_view package) {
  fail_hint(fmt::format("install {} and configure and build again", package),
            "this build of monza cannot read or write {}: {} was not found when it was built", format, library);
}

namespace {

/// Walks `chunks` of a tag, a size and the data; `tag_first` and `big` say how their heads are written, `after` how
/// many bytes follow the data, and whether it is padded to an even size. Returns the data of the first chunk of that
/// tag.
struct ChunkForm {
  bool tag_first, big, padded;
  std::size_t after;
};
Bytes find_chunk(Bytes chunks, std::string_view tag, const ChunkForm& form) noexcept {
  while (chunks.size() >= 8) {
    const Bytes number = chunks.subspan(form.tag_first ? 4 : 0, 4);
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) size = size << 8 | std::to_integer<std::size_t>(number[form.big ? i : 3 - i]);
    if (size > chunks.size() - 8) return {};
    if (starts_with(chunks, tag, form.tag_first ? 0 : 4)) return chunks.subspan(8, size);
    const std::size_t step = 8 + size + form.after + (form.padded ? size % 2 : 0);
    if (step > chunks.size()) return {};
    chunks = chunks.subspan(step);
  }
  return {};
}

}  // namespace

Bytes png_exif(Bytes file) noexcept {
  constexpr std::size_t signature = 8, checksum = 4;
  if (file.size() < signature) return {};
  return find_chunk(file.subspan(signature), "eXIf",
                    {.tag_first = false, .big = true, .padded = false, .after = checksum});
}

Bytes webp_exif(Bytes file) noexcept {
  constexpr std::size_t header = 12;  // RIFF, size, WEBP
  if (file.size() < header) return {};
  return find_chunk(file.subspan(header), "EXIF", {.tag_first = true, .big = false, .padded = true, .after = 0});
}

int exif_orientation(Bytes block, bool named_by_container) noexcept {
  using namespace std::string_view_literals;
  constexpr auto header = "Exif\0\0"sv;
  const bool named = starts_with(block, header);
  if (!named && !named_by_container) return 1;
  const Bytes tiff = named ? block.subspan(header.size()) : block;
  if (tiff.size() < 8) return 1;
  const bool big = starts_with(tiff, "MM"sv);
  if (!big && !starts_with(tiff, "II"sv)) return 1;
  const auto byte = [&](std::size_t at) { return std::to_integer<std::uint32_t>(tiff[at]); };
  const auto u16 = [&](std::size_t at) { return big ? byte(at) << 8 | byte(at + 1) : byte(at + 1) << 8 | byte(at); };
  const auto u32 = [&](std::size_t at) { return big ? u16(at) << 16 | u16(at + 2) : u16(at + 2) << 16 | u16(at); };
  const std::size_t directory = u32(4);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t entries = u16(directory);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + i * 12;
    if (at + 12 > tiff.size()) return 1;
    constexpr std::uint32_t orientation_tag = 0x0112, type_short = 3;
    if (u16(at) != orientation_tag) continue;
    const std::uint32_t value = u16(at + 8);
    return u16(at + 2) == type_short && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image oriented(Image image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  // Each orientation is a transpose or not, then a mirror in x, in y, or both.
  const bool transposed = orientation >= 5;
  const int out_w = transposed ? image.height : image.width;
  const int out_h = transposed ? image.width : image.height;
  const bool mirror_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool mirror_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Image out(out_w, out_h);
  for (int y = 0; y < out_h; ++y) {
    std::uint8_t* to = out.row(y);
    const int v = mirror_y ? out_h - 1 - y : y;
    for (int x = 0; x < out_w; ++x, to += 3) {
      const int u = mirror_x ? out_w - 1 - x : x;
      const std::uint8_t* from = transposed ? image.row(u) + 3 * v : image.row(v) + 3 * u;
      to[0] = from[0], to[1] = from[1], to[2] = from[2];
    }
  }
  return out;
}

}  // namespace codec
}  // namespace monza::vision
