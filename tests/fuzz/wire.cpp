#include "fuzz/wire.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace monza::fuzz {
namespace {

constexpr int kMaxDepth = 12;
enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  std::uint64_t number = 0;
  int type = kVarint;
  std::uint64_t value = 0;     ///< varints and fixed
  std::string bytes;           ///< kBytes that are no message
  std::vector<Field> message;  ///< kBytes that are one
};
using Message = std::vector<Field>;

std::optional<std::uint64_t> take_varint(std::string_view& text) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !text.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(text.front());
    text.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<Message> parse(std::string_view text, int depth = 0) {
  if (depth > kMaxDepth) return std::nullopt;
  Message message;
  while (!text.empty()) {
    Field f;
    const auto tag = take_varint(text);
    if (!tag || *tag >> 3 == 0 || *tag >> 3 > 1000) return std::nullopt;
    f.number = *tag >> 3;
    f.type = static_cast<int>(*tag & 7);
    if (f.type == kVarint || f.type == kBytes) {
      const auto value = take_varint(text);
      if (!value) return std::nullopt;
      f.value = *value;
    }
    const std::size_t bytes = f.type == kBytes ? f.value : f.type == kFixed64 ? 8 : f.type == kFixed32 ? 4 : 0;
    if (f.type == 3 || f.type == 4 || f.type > kFixed32 || bytes > text.size()) return std::nullopt;
    if (f.type == kBytes) {
      const std::string_view inside = text.substr(0, bytes);
      std::optional<Message> message_inside = inside.size() < 2 ? std::nullopt : parse(inside, depth + 1);
      if (message_inside) f.message = std::move(*message_inside);
      else f.bytes = inside;
    } else {
      std::memcpy(&f.value, text.data(), bytes);
    }
    text.remove_prefix(bytes);
    message.push_back(std::move(f));
  }
  return message;
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::string serialize(const Message& message) {
  std::string out;
  for (const Field& f : message) {
    put_varint(out, f.number << 3 | static_cast<unsigned>(f.type));
    if (f.type == kVarint) put_varint(out, f.value);
    if (f.type == kFixed64) out.append(reinterpret_cast<const char*>(&f.value), 8);
    if (f.type == kFixed32) out.append(reinterpret_cast<const char*>(&f.value), 4);
    if (f.type == kBytes) {
      const std::string inside = f.message.empty() ? f.bytes : serialize(f.message);
      put_varint(out, inside.size());
      out += inside;
    }
  }
  return out;
}

/// A field and where it stands: changing a message's list of fields makes pointers into it stale.
struct Place {
  Message* parent;
  std::size_t index;
  std::string path;  ///< numbers from the root: fields of equal paths are of one kind
  Field& field() const { return (*parent)[index]; }
};

void list_places(Message& message, const std::string& path, std::vector<Place>& out) {
  for (std::size_t i = 0; i < message.size(); ++i) {
    const std::string own = path + '.' + static_cast<char>(message[i].number & 0x7f);
    out.push_back({&message, i, own});
    list_places(message[i].message, own, out);
  }
}

std::uint64_t other_number(std::uint64_t value, std::mt19937& random) {
  switch (random() % 6) {
    case 0: return value + 1;
    case 1: return value - 1;
    case 2: return random() % 32;
    case 3: return ~(random() % 8ull);  // -1 and its neighbours
    case 4: return std::uint64_t{1} << random() % 64;
    default: return value * 2;
  }
}

void change(Message& root, std::mt19937& random) {
  std::vector<Place> places;
  list_places(root, "", places);
  if (places.empty()) return;
  const Place& at = places[random() % places.size()];
  // Another field of the same kind, where there is one.
  std::vector<const Place*> kin;
  for (const Place& p : places)
    if (p.path == at.path && &p != &at) kin.push_back(&p);
  const Field other = kin.empty() ? at.field() : kin[random() % kin.size()]->field();
  const auto begin = at.parent->begin(), here = begin + static_cast<std::ptrdiff_t>(at.index);
  switch (random() % 8) {
    case 0: at.parent->erase(here); return;
    case 1: at.parent->insert(here, other); return;
    case 2: std::swap((*at.parent)[random() % at.parent->size()], at.field()); return;
    case 3:
    case 4: at.field() = other; return;
    default: break;
  }
  Field& f = at.field();
  if (f.type != kBytes) {
    f.value = other_number(f.value, random);
  } else if (!f.message.empty()) {
    change(f.message, random);
  } else if (random() % 2 == 0) {
    // A name from elsewhere in the message: most mistakes are names of the wrong thing.
    const Field& from = places[random() % places.size()].field();
    if (from.type == kBytes && from.message.empty()) f.bytes = from.bytes;
  } else {
    std::string bytes = f.bytes;
    bytes.resize(bytes.size() + 16);
    bytes.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(bytes.data()), f.bytes.size(), bytes.size()));
    f.bytes = std::move(bytes);
  }
}

}  // namespace

std::size_t mutate_message(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed) {
  std::mt19937 random(seed);
  auto message = parse({reinterpret_cast<const char*>(data), size});
  if (!message || random() % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);
  for (unsigned i = 0; i <= random() % 3; ++i) change(*message, random);
  const std::string out = serialize(*message);
  if (out.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, out.data(), out.size());
  return out.size();
}

}  // namespace monza::fuzz
