// The simple formats: uncompressed BMP (8-bit palette, 24 and 32 bits) and binary PGM/PPM.
#include "vision/codecs.h"

#include <algorithm>
#include <array>
#include <optional>

namespace monza::vision {
namespace {

using codec::Bytes;

std::uint32_t little16(Bytes b, std::size_t at) {
  return std::to_integer<std::uint32_t>(b[at]) | std::to_integer<std::uint32_t>(b[at + 1]) << 8;
}
std::uint32_t little32(Bytes b, std::size_t at) { return little16(b, at) | little16(b, at + 2) << 16; }
std::uint8_t octet(Bytes b, std::size_t at) { return std::to_integer<std::uint8_t>(b[at]); }

// The next decimal number of a PNM header, past white space and comments; nothing when there is none.
std::optional<std::int64_t> header_number(Bytes bytes, std::size_t& at) {
  const auto peek = [&] { return at < bytes.size() ? std::to_integer<char>(bytes[at]) : '\0'; };
  while (true) {
    const char c = peek();
    if (c == '#') {
      while (at < bytes.size() && peek() != '\n') ++at;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++at;
    } else {
      break;
    }
  }
  std::int64_t value = 0;
  int digits = 0;
  for (; peek() >= '0' && peek() <= '9' && digits < 10; ++at, ++digits) value = value * 10 + (peek() - '0');
  return digits > 0 ? std::optional(value) : std::nullopt;
}

}  // namespace

Image codec::decode_bmp(Bytes bytes, std::string_view name, const DecodeLimits& limits) {
  constexpr std::size_t file_header = 14, info_header = 40;
  if (bytes.size() < file_header + info_header) fail_decode(name, "BMP", "the header is cut off");
  const std::size_t data_at = little32(bytes, 10);
  const std::size_t header_size = little32(bytes, 14);
  const auto width = static_cast<std::int32_t>(little32(bytes, 18));
  const std::int64_t signed_height = static_cast<std::int32_t>(little32(bytes, 22));
  const std::uint32_t bits = little16(bytes, 28);
  const std::uint32_t compression = little32(bytes, 30);
  if (header_size < info_header) fail_decode(name, "BMP", "its header is of a kind older than Windows 3");
  // Compression 3 only states the channel masks; with 32 bits every writer uses the order B, G, R, A.
  if (compression != 0 && !(compression == 3 && bits == 32))
    fail_decode(name, "BMP", "it is compressed; save it uncompressed or as PNG");
  if (bits != 8 && bits != 24 && bits != 32) fail_decode(name, "BMP", "only 8, 24 and 32 bits per pixel are read");
  const bool bottom_up = signed_height > 0;
  const std::int64_t height = bottom_up ? signed_height : -signed_height;
  check_extent(width, height, name, limits);

  std::array<std::array<std::uint8_t, 3>, 256> palette{};
  if (bits == 8) {
    std::size_t colours = little32(bytes, 46);
    if (colours == 0 || colours > palette.size()) colours = palette.size();
    const std::size_t at = file_header + header_size;
    if (at > bytes.size() || bytes.size() - at < colours * 4) fail_decode(name, "BMP", "the palette is cut off");
    for (std::size_t i = 0; i < colours; ++i)
      palette[i] = {octet(bytes, at + 4 * i + 2), octet(bytes, at + 4 * i + 1), octet(bytes, at + 4 * i)};
  }
  const std::size_t step = bits / 8;
  const std::size_t stride = (static_cast<std::size_t>(width) * step + 3) / 4 * 4;
  if (data_at > bytes.size() || (bytes.size() - data_at) / stride < static_cast<std::size_t>(height))
    fail_decode(name, "BMP", "the file ends too early");

  Image image(width, static_cast<int>(height));
  for (int y = 0; y < image.height; ++y) {
    const auto source_row = static_cast<std::size_t>(bottom_up ? image.height - 1 - y : y);
    std::size_t from = data_at + source_row * stride;
    std::uint8_t* to = image.row(y);
    for (int x = 0; x < width; ++x, to += 3, from += step) {
      if (bits == 8) {
        const auto& colour = palette[octet(bytes, from)];
        to[0] = colour[0], to[1] = colour[1], to[2] = colour[2];
      } else {
        to[0] = octet(bytes, from + 2), to[1] = octet(bytes, from + 1), to[2] = octet(bytes, from);
      }
    }
  }
  return image;
}

Image codec::decode_ppm(Bytes bytes, std::string_view name, const DecodeLimits& limits) {
  const bool grey = octet(bytes, 1) == '5';
  std::size_t at = 2;
  const auto width = header_number(bytes, at);
  const auto height = header_number(bytes, at);
  const auto peak = header_number(bytes, at);
  if (!width || !height || !peak || at >= bytes.size()) fail_decode(name, "PPM", "the header is cut off");
  if (*peak < 1 || *peak > 65535) fail_decode(name, "PPM", "the largest sample value is not within 1..65535");
  check_extent(*width, *height, name, limits);
  ++at;  // the single white space that ends the header

  const std::size_t sample = *peak > 255 ? 2 : 1;
  const std::size_t channels = grey ? 1 : 3;
  const auto pixels = static_cast<std::size_t>(*width * *height);
  if ((bytes.size() - at) / (sample * channels) < pixels) fail_decode(name, "PPM", "the file ends too early");
  const auto read = [&](std::size_t index) {
    const std::size_t p = at + index * sample;
    const std::int64_t value = sample == 1 ? octet(bytes, p) : octet(bytes, p) << 8 | octet(bytes, p + 1);
    return static_cast<std::uint8_t>(std::min<std::int64_t>((value * 255 + *peak / 2) / *peak, 255));
  };
  Image image(static_cast<int>(*width), static_cast<int>(*height));
  for (std::size_t i = 0; i < pixels; ++i)
    for (std::size_t c = 0; c < 3; ++c) image.pixels[3 * i + c] = read(i * channels + (grey ? 0 : c));
  return image;
}

}  // namespace monza::vision
