#include "text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/hash.h"

namespace monza::text {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Most words have no more than 16 bytes: two loads and a product.
std::uint64_t hash_of(std::string_view text) {
  constexpr std::uint64_t k0 = 0x9E3779B97F4A7C15, k1 = 0xD6E8FEB86659FD93;
  if (text.size() > 16) return hash64(text);
  std::uint64_t a = 0, b = 0;
  if (text.size() >= 8) {
    std::memcpy(&a, text.data(), 8);
    std::memcpy(&b, text.data() + text.size() - 8, 8);
  } else if (text.size() >= 4) {
    std::uint32_t low = 0, high = 0;
    std::memcpy(&low, text.data(), 4);
    std::memcpy(&high, text.data() + text.size() - 4, 4);
    a = std::uint64_t{high} << 32 | low;
  } else if (!text.empty()) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])); };
    a = byte(0) | byte(text.size() / 2) << 8 | byte(text.size() - 1) << 16;
  }
  return mix(a ^ k0, b ^ k1 ^ text.size());
}

}  // namespace

void Vocabulary::add_unfindable(std::string_view text, Token token) {
  if (token < 0 || token >= kMaxTokens)
    fail("token '{}' has the number {}, which is not from 0 to {}", text, token, kMaxTokens - 1);
  if (text.size() > kMaxTokenBytes) fail("token {} has {} bytes, more than {}", token, text.size(), kMaxTokenBytes);
  if (bytes_.size() + text.size() > 0x7FFFFFFF) fail("the texts of all tokens have more than 2 GiB");
  const auto index = static_cast<std::size_t>(token);
  if (index >= places_.size()) places_.resize(index + 1);
  if (places_[index].used) fail("token {} is both '{}' and '{}'", token, this->text(token), text);
  places_[index] = {static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(text.size()), 1};
  bytes_ += text;
}

void Vocabulary::add(std::string_view text, Token token) {
  add_unfindable(text, token);
  if (find(text) != kNoToken) return;
  if ((found_ + 1) * 2 > slots_.size()) grow(std::max<std::size_t>(64, slots_.size() * 2));
  insert(hash_of(text), token);
  ++found_;
  longest_ = std::max(longest_, text.size());
}

void Vocabulary::reserve(std::size_t tokens) {
  tokens = std::min<std::size_t>(tokens, kMaxTokens);
  places_.reserve(tokens);
  if (tokens * 2 > slots_.size()) grow(std::bit_ceil(tokens * 2));
}

void Vocabulary::grow(std::size_t slots) {
  std::vector<Slot> old(slots);
  old.swap(slots_);
  for (const Slot& slot : old)
    if (slot.token != kNoToken) insert(hash_of(text(slot.token)), slot.token);
}

void Vocabulary::insert(std::uint64_t hash, Token token) {
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].token != kNoToken) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {static_cast<std::uint32_t>(hash >> 32), token};
}

Token Vocabulary::find(std::string_view text) const {
  if (slots_.empty()) return kNoToken;
  const std::uint64_t hash = hash_of(text);
  for (std::size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.token == kNoToken) return kNoToken;
    if (slot.hash == static_cast<std::uint32_t>(hash >> 32) && this->text(slot.token) == text) return slot.token;
  }
}

ByteTokens::ByteTokens(const Vocabulary& vocabulary) {
  for (int byte = 0; byte < 256; ++byte) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const char name[] = {
        '<', '0', 'x', kDigits[static_cast<std::size_t>(byte >> 4)], kDigits[static_cast<std::size_t>(byte & 15)], '>'};
    tokens[byte] = vocabulary.find({name, sizeof name});
  }
}

bool ByteTokens::append(std::string_view bytes, std::vector<Token>& out) const {
  const std::size_t before = out.size();
  for (const char c : bytes) {
    const Token token = tokens[static_cast<unsigned char>(c)];
    if (token == kNoToken) {
      out.resize(before);
      return false;
    }
    out.push_back(token);
  }
  return true;
}

}  // namespace monza::text
