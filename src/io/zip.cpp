#include "io/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace monza::io {
namespace {

constexpr std::uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                        kLocator64 = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr std::uint64_t kMaxEntries = 1 << 20;
constexpr std::uint32_t kNone32 = 0xffffffffu;
// Deflate gives at most 1032 bytes for one: an entry that claims more is a trap.
constexpr std::uint64_t kMaxRatio = 1032;

/// Little-endian numbers at checked positions.
class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t number(std::uint64_t at, int width) const {
    need(at, static_cast<std::uint64_t>(width));
    std::uint64_t value = 0;
    for (int i = 0; i < width; ++i)
      value |= std::to_integer<std::uint64_t>(bytes_[at + static_cast<std::uint64_t>(i)]) << (8 * i);
    return value;
  }
  std::uint16_t u16(std::uint64_t at) const { return static_cast<std::uint16_t>(number(at, 2)); }
  std::uint32_t u32(std::uint64_t at) const { return static_cast<std::uint32_t>(number(at, 4)); }
  std::span<const std::byte> part(std::uint64_t at, std::uint64_t length) const {
    need(at, length);
    return bytes_.subspan(at, length);
  }
  std::uint64_t size() const { return bytes_.size(); }

 private:
  void need(std::uint64_t at, std::uint64_t length) const {
    if (at > bytes_.size() || length > bytes_.size() - at)
      fail("the archive is damaged: it points to bytes [{}, +{}) of {}", at, length, bytes_.size());
  }
  std::span<const std::byte> bytes_;
};

struct Directory {
  std::uint64_t at = 0, entries = 0;
};

Directory find_directory(const Bytes& in) {
  if (in.size() < kEndBytes) fail("this is no zip archive: it has {} bytes", in.size());
  // The end record is followed by a comment of at most 65535 bytes.
  const std::uint64_t first = in.size() - std::min<std::uint64_t>(in.size(), kEndBytes + 0xffff);
  for (std::uint64_t at = in.size() - kEndBytes + 1; at-- > first;) {
    if (in.u32(at) != kEnd || at + kEndBytes + in.u16(at + 20) != in.size()) continue;
    Directory found{in.u32(at + 16), in.u16(at + 10)};
    if (in.u16(at + 4) != 0 || in.u16(at + 6) != 0) {
      if (in.u16(at + 4) != 0xffff) fail("archives split over several files are not supported");
    }
    if (found.at == kNone32 || found.entries == 0xffff) {
      if (at < kLocatorBytes || in.u32(at - kLocatorBytes) != kLocator64) return found;
      const std::uint64_t end64 = in.number(at - kLocatorBytes + 8, 8);
      if (in.u32(end64) != kEnd64) fail("the archive's zip64 record is damaged");
      found = {in.number(end64 + 48, 8), in.number(end64 + 32, 8)};
    }
    return found;
  }
  fail("this is no zip archive, or it is truncated: its directory is missing");
}

/// Replaces the sizes and the position that the zip64 extra field carries, in the fixed order of the format.
void apply_zip64(const Bytes& extra, ZipEntry& entry) {
  for (std::uint64_t at = 0; at + 4 <= extra.size();) {
    const std::uint16_t id = extra.u16(at), length = extra.u16(at + 2);
    const Bytes field(extra.part(at + 4, length));
    at += 4u + length;
    if (id != 1) continue;
    std::uint64_t pos = 0;
    for (std::uint64_t* value : {&entry.size, &entry.compressed, &entry.header}) {
      if (*value != kNone32) continue;
      *value = field.number(pos, 8);
      pos += 8;
    }
    return;
  }
}

void put(std::string& out, std::uint64_t value, int width) {
  for (int i = 0; i < width; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

std::uint32_t crc_of(std::uint32_t crc, std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace

std::vector<ZipEntry> zip_entries(std::span<const std::byte> archive) {
  const Bytes in(archive);
  const Directory directory = find_directory(in);
  if (directory.entries > kMaxEntries)
    fail("the archive has {} entries, more than the limit of {}", directory.entries, kMaxEntries);
  if (directory.entries > in.size() / kCentralBytes)
    fail("the archive is damaged: it claims {} entries", directory.entries);
  std::vector<ZipEntry> entries;
  std::uint64_t at = directory.at, packed = 0;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (in.u32(at) != kCentral) fail("the archive is damaged: entry {} of its directory is none", i);
    ZipEntry entry;
    const std::uint16_t flags = in.u16(at + 8);
    entry.method = in.u16(at + 10);
    entry.crc = in.u32(at + 16);
    entry.compressed = in.u32(at + 20);
    entry.size = in.u32(at + 24);
    const std::uint16_t name = in.u16(at + 28), extra = in.u16(at + 30), comment = in.u16(at + 32);
    entry.header = in.u32(at + 42);
    const auto text = in.part(at + kCentralBytes, name);
    entry.name.assign(reinterpret_cast<const char*>(text.data()), text.size());
    apply_zip64(Bytes(in.part(at + kCentralBytes + name, extra)), entry);
    if (flags & 1) fail("'{}' is encrypted, which is not supported", entry.name);
    // Entries that share their bytes could make gigabytes of a small file, each within what it may claim.
    if (entry.compressed > in.size() - packed)
      fail("the archive is damaged: its entries take more bytes than its {} (at '{}')", in.size(), entry.name);
    packed += entry.compressed;
    entries.push_back(std::move(entry));
    at += kCentralBytes + name + extra + comment;
  }
  return entries;
}

ZipContent zip_content(std::span<const std::byte> archive, const ZipEntry& entry, std::uint64_t most) {
  const Bytes in(archive);
  if (in.u32(entry.header) != kLocal) fail("'{}' has no header where the directory says", entry.name);
  const std::uint64_t begin = entry.header + kLocalBytes + in.u16(entry.header + 26) + in.u16(entry.header + 28);
  const std::span<const std::byte> packed = in.part(begin, entry.compressed);
  const std::uint64_t wanted = std::min(most, entry.size);
  ZipContent content;
  if (entry.method == 0) {
    if (entry.size != entry.compressed)
      fail("'{}' is stored, but has {} bytes of {}", entry.name, entry.compressed, entry.size);
    content.bytes = packed.first(wanted);
  } else if (entry.method == 8) {
    if (entry.size > packed.size() * kMaxRatio)
      fail("'{}' claims {} bytes, more than its {} can give", entry.name, entry.size, packed.size());
    // malloc, not a vector: gigabytes need not be zeroed first.
    std::shared_ptr<std::byte> out(static_cast<std::byte*>(std::malloc(std::max<std::size_t>(wanted, 1))), std::free);
    if (!out) throw std::bad_alloc();
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) fail("zlib cannot start");
    std::uint64_t read = 0, written = 0;
    int result = Z_OK;
    constexpr std::uint64_t kStep = std::numeric_limits<uInt>::max();
    while (result == Z_OK) {
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data() + read));
      stream.avail_in = static_cast<uInt>(std::min(kStep, packed.size() - read));
      stream.next_out = reinterpret_cast<Bytef*>(out.get() + written);
      stream.avail_out = static_cast<uInt>(std::min(kStep, wanted - written));
      const uInt in_before = stream.avail_in, out_before = stream.avail_out;
      result = inflate(&stream, Z_NO_FLUSH);
      read += in_before - stream.avail_in;
      written += out_before - stream.avail_out;
      if (result == Z_BUF_ERROR || (in_before == stream.avail_in && out_before == stream.avail_out)) break;
    }
    inflateEnd(&stream);
    if ((result != Z_STREAM_END && wanted == entry.size) || written != wanted)
      fail("'{}' is damaged: it does not unpack to the {} bytes that the directory says", entry.name, entry.size);
    content.bytes = {out.get(), wanted};
    content.owner = out;
  } else {
    fail_hint("write it with numpy.savez or numpy.savez_compressed",
              "'{}' is packed by method {}, which is not supported", entry.name, entry.method);
  }
  if (wanted == entry.size && crc_of(0, content.bytes) != entry.crc)
    fail("'{}' is damaged: its checksum is wrong", entry.name);
  return content;
}

ZipLayout zip_layout(std::span<const ZipSource> sources) {
  ZipLayout layout;
  layout.text.reserve(sources.size() + 1);
  std::string directory;
  std::uint64_t at = 0;
  for (const ZipSource& source : sources) {
    if (source.name.size() > 0xffff)
      fail("an array's name has {} bytes, which a zip archive cannot hold", source.name.size());
    std::uint64_t size = 0;
    std::uint32_t crc = 0;
    for (const auto piece : source.pieces) {
      crc = crc_of(crc, piece);
      size += piece.size();
    }
    const bool large = size >= kNone32, far = at >= kNone32;
    // Version, UTF-8 names, stored, and a date that is always the same, so that equal content gives equal files.
    std::string common;
    put(common, large || far ? 45 : 20, 2);
    put(common, 0x0800, 2);
    put(common, 0, 2);
    put(common, 0, 2);
    put(common, 0x0021, 2);
    put(common, crc, 4);
    put(common, large ? kNone32 : size, 4);
    put(common, large ? kNone32 : size, 4);
    put(common, source.name.size(), 2);

    std::string local, extra;
    if (large) {
      put(extra, 1, 2);
      put(extra, 16, 2);
      put(extra, size, 8);
      put(extra, size, 8);
    }
    put(local, kLocal, 4);
    local += common;
    put(local, extra.size(), 2);
    local += source.name + extra;

    extra.clear();
    if (large || far) {
      put(extra, 1, 2);
      put(extra, (large ? 16u : 0u) + (far ? 8u : 0u), 2);
      if (large) {
        put(extra, size, 8);
        put(extra, size, 8);
      }
      if (far) put(extra, at, 8);
    }
    put(directory, kCentral, 4);
    put(directory, 45, 2);
    directory += common;
    put(directory, extra.size(), 2);
    put(directory, 0, 2);  // comment
    put(directory, 0, 2);  // disk
    put(directory, 0, 2);  // internal attributes
    put(directory, 0, 4);  // external attributes
    put(directory, far ? kNone32 : at, 4);
    directory += source.name + extra;

    at += local.size() + size;
    layout.text.push_back(std::move(local));
    layout.pieces.push_back(std::as_bytes(std::span(layout.text.back())));
    layout.pieces.insert(layout.pieces.end(), source.pieces.begin(), source.pieces.end());
  }
  const std::uint64_t directory_bytes = directory.size(), count = sources.size();
  if (at >= kNone32 || count >= 0xffff) {
    const std::uint64_t end64 = at + directory_bytes;
    put(directory, kEnd64, 4);
    put(directory, kEnd64Bytes - 12, 8);
    put(directory, 45, 2);
    put(directory, 45, 2);
    put(directory, 0, 4);
    put(directory, 0, 4);
    put(directory, count, 8);
    put(directory, count, 8);
    put(directory, directory_bytes, 8);
    put(directory, at, 8);
    put(directory, kLocator64, 4);
    put(directory, 0, 4);
    put(directory, end64, 8);
    put(directory, 1, 4);
  }
  put(directory, kEnd, 4);
  put(directory, 0, 2);
  put(directory, 0, 2);
  put(directory, std::min<std::uint64_t>(count, 0xffff), 2);
  put(directory, std::min<std::uint64_t>(count, 0xffff), 2);
  put(directory, std::min<std::uint64_t>(directory_bytes, kNone32), 4);
  put(directory, std::min<std::uint64_t>(at, kNone32), 4);
  put(directory, 0, 2);
  layout.text.push_back(std::move(directory));
  layout.pieces.push_back(std::as_bytes(std::span(layout.text.back())));
  return layout;
}

}  // namespace monza::io
