// Pictures of every format, with limits as a careful user sets them. PNG chunks get sound checksums after a change.
#include <zlib.h>

#include "fuzz/fuzz.h"
#include "monza/vision/image.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace monza::fuzz {
namespace {

void run(Bytes input) {
  // Others' decoders, of which nothing is promised (docs/files-from-strangers.md).
  const vision::ImageFormat format = vision::sniff_format(input);
  if (format == vision::ImageFormat::tiff || format == vision::ImageFormat::jpeg2000) return;
  vision::DecodeLimits limits;
  limits.max_pixels = 1 << 22;
  const vision::Image image = vision::decode_image(input, "input", limits);
  if (image.pixels.size() != static_cast<std::size_t>(image.height) * image.stride() || image.empty() ||
      image.pixels.size() / 3 > limits.max_pixels)
    finding("a picture of another size than it says");
}

void repair_png(std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMagic = 8, kFrame = 12;
  for (std::size_t at = kMagic; at + kFrame <= size;) {
    const std::size_t bytes = static_cast<std::size_t>(data[at]) << 24 | static_cast<std::size_t>(data[at + 1]) << 16 |
                              static_cast<std::size_t>(data[at + 2]) << 8 | data[at + 3];
    if (bytes > size - at - kFrame) return;
    const auto crc = static_cast<std::uint32_t>(crc32_z(0, data + at + 4, bytes + 4));
    for (int i = 0; i < 4; ++i)
      data[at + 8 + bytes + static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
    at += kFrame + bytes;
  }
}

std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 != 0 && size > 8 && std::memcmp(data, "\x89PNG", 4) == 0) repair_png(data, size);
  return size;
}

}  // namespace

// A picture of max_pixels may be few bytes long: decoded, turned, and a decoder's own copies of it.
const Target image_target{"image", run, mutate, 64 << 20, 0};

}  // namespace monza::fuzz
