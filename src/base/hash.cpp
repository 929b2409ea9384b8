#include "base/hash.h"

#include <algorithm>
#include <cstring>

namespace monza {
namespace {

constexpr std::uint64_t P1 = 0x9E3779B185EBCA87ull, P2 = 0xC2B2AE3D27D4EB4Full, P3 = 0x165667B19E3779F9ull,
                        P4 = 0x85EBCA77C2B2AE63ull, P5 = 0x27D4EB2F165667C5ull;

std::uint64_t rotl(std::uint64_t x, int r) { return (x << r) | (x >> (64 - r)); }
template <typename T>
T read(const std::byte* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
std::uint64_t round(std::uint64_t acc, std::uint64_t lane) { return rotl(acc + lane * P2, 31) * P1; }
std::uint64_t merge(std::uint64_t acc, std::uint64_t lane) { return (acc ^ round(0, lane)) * P1 + P4; }

}  // namespace

Hash64::Hash64(std::uint64_t seed) : seed_(seed), lanes_{seed + P1 + P2, seed + P2, seed, seed - P1} {}

void Hash64::take_stripes(const std::byte*& p, const std::byte* end) {
  auto [a, b, c, d] = lanes_;
  for (; end - p >= 32; p += 32) {
    a = round(a, read<std::uint64_t>(p));
    b = round(b, read<std::uint64_t>(p + 8));
    c = round(c, read<std::uint64_t>(p + 16));
    d = round(d, read<std::uint64_t>(p + 24));
  }
  lanes_[0] = a, lanes_[1] = b, lanes_[2] = c, lanes_[3] = d;
}

void Hash64::add(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const std::size_t open = bytes_ % 32;
  bytes_ += bytes.size();
  if (open > 0) {
    const std::size_t n = std::min(bytes.size(), 32 - open);
    std::memcpy(open_ + open, bytes.data(), n);
    bytes = bytes.subspan(n);
    if (open + n < 32) return;
    const std::byte* stripe = open_;
    take_stripes(stripe, open_ + 32);
  }
  const std::byte* p = bytes.data();
  take_stripes(p, p + bytes.size());
  std::memcpy(open_, p, bytes_ % 32);
}

std::uint64_t Hash64::value() const {
  std::uint64_t h = seed_ + P5;
  if (bytes_ >= 32) {
    h = rotl(lanes_[0], 1) + rotl(lanes_[1], 7) + rotl(lanes_[2], 12) + rotl(lanes_[3], 18);
    for (const std::uint64_t lane : lanes_) h = merge(h, lane);
  }
  h += bytes_;
  const std::byte *p = open_, *const end = open_ + bytes_ % 32;
  for (; end - p >= 8; p += 8) h = rotl(h ^ round(0, read<std::uint64_t>(p)), 27) * P1 + P4;
  if (end - p >= 4) {
    h = rotl(h ^ (read<std::uint32_t>(p) * P1), 23) * P2 + P3;
    p += 4;
  }
  for (; p < end; ++p) h = rotl(h ^ (std::uint64_t(*p) * P5), 11) * P1;
  h = (h ^ (h >> 33)) * P2;
  h = (h ^ (h >> 29)) * P3;
  return h ^ (h >> 32);
}

std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed) {
  Hash64 hash(seed);
  hash.add(bytes);
  return hash.value();
}

}  // namespace monza
