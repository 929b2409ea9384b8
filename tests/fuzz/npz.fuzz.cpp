// .npz archives. Changed inputs get sound checksums again, so that what lies behind them is reached.
#include <zlib.h>

#include <vector>

#include "fuzz/fuzz.h"
#include "io/npz.h"
#include "io/zip.h"
#include "monza/error.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace monza::fuzz {
namespace {

void run(Bytes input) {
  const InputFile file(input);
  (void)io::read_npz(file.path());
}

/// The CRC-32 of what an entry's bytes inflate to, as far as they do.
std::uint32_t inflated_crc(Bytes packed) {
  constexpr std::size_t kMost = 1 << 20;
  std::uint32_t crc = 0;
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return crc;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::vector<Bytef> out(1 << 14);
  int state = Z_OK;
  while (state == Z_OK && stream.total_out < kMost) {
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    state = inflate(&stream, Z_NO_FLUSH);
    crc = static_cast<std::uint32_t>(crc32_z(crc, out.data(), out.size() - stream.avail_out));
  }
  inflateEnd(&stream);
  return crc;
}

/// Sets the checksum of every entry of the central directory that can be found without trusting anything.
void repair(std::uint8_t* data, std::size_t size) {
  const auto u16 = [&](std::size_t at) { return static_cast<std::size_t>(data[at] | data[at + 1] << 8); };
  const auto u32 = [&](std::size_t at) { return u16(at) | u16(at + 2) << 16; };
  constexpr std::size_t kCentral = 46, kLocal = 30;
  for (std::size_t at = 0; at + kCentral <= size; ++at) {
    if (std::memcmp(data + at, "PK\1\2", 4) != 0) continue;
    const std::size_t local = u32(at + 42), packed = u32(at + 20);
    if (local > size || size - local < kLocal) continue;
    const std::size_t begin = local + kLocal + u16(local + 26) + u16(local + 28);
    if (begin > size || size - begin < packed) continue;
    const Bytes bytes(reinterpret_cast<const std::byte*>(data) + begin, packed);
    const std::uint32_t crc =
        u16(at + 10) == 8 ? inflated_crc(bytes) : static_cast<std::uint32_t>(crc32_z(0, data + begin, packed));
    std::memcpy(data + at + 16, &crc, sizeof crc);
  }
}

std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 != 0) repair(data, size);
  return size;
}

}  // namespace

// Deflate makes 1032 bytes of one; an array is unpacked and copied.
const Target npz_target{"npz", run, mutate, 1 << 20, 3000};

}  // namespace monza::fuzz
