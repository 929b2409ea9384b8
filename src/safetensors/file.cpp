#include "safetensors/file.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::safetensors {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kMostHeadBytes = 64 << 20;
constexpr std::size_t kMostTensors = 1 << 18, kMostNameBytes = 4096;

struct TypeName {
  std::string_view name;
  DType dtype;
};
constexpr TypeName kTypes[] = {
    {"F64", DType::f64},          {"F32", DType::f32},        {"F16", DType::f16},      {"BF16", DType::bf16},
    {"I64", DType::i64},          {"I32", DType::i32},        {"I16", DType::i16},      {"I8", DType::i8},
    {"U64", DType::u64},          {"U32", DType::u32},        {"U16", DType::u16},      {"U8", DType::u8},
    {"F8_E4M3", DType::f8e4m3fn}, {"F8_E5M2", DType::f8e5m2}, {"BOOL", DType::boolean},
};

/// The head as JSON. A name that is there twice, which a parser would pass over in silence, is an Error.
Json parse_head(std::string_view text) {
  std::set<std::string> names;
  std::string twice;
  int depth = 0;
  const auto look = [&](int at, Json::parse_event_t event, Json& parsed) {
    depth = std::max(depth, at);
    if (event == Json::parse_event_t::key && at == 1 && !names.insert(parsed.get<std::string>()).second)
      twice = parsed.get<std::string>();
    return depth < 8;  // what lies deeper is dropped, so that a head cannot nest without end
  };
  Json head = Json::parse(text, look, false);
  if (head.is_discarded() || !head.is_object()) fail("its head is no JSON object");
  if (!twice.empty()) fail("tensor '{}' is there twice", twice);
  if (head.size() > kMostTensors) fail("it has {} tensors; the limit is {}", head.size(), kMostTensors);
  return head;
}

std::uint64_t natural(const Json& json, const std::string& name) {
  if (!json.is_number_unsigned()) fail("tensor '{}' has an extent or place that is no whole number", name);
  const auto value = json.get<std::uint64_t>();
  if (value > INT64_MAX) fail("tensor '{}' has an extent or place of {}", name, value);
  return value;
}

const Json& list(const Json& tensor, const char* key, const std::string& name) {
  const auto found = tensor.is_object() ? tensor.find(key) : tensor.end();
  if (!tensor.is_object() || found == tensor.end() || !found->is_array()) fail("tensor '{}' has no '{}'", name, key);
  return *found;
}

DType type_of(const Json& tensor, const std::string& name) {
  const auto found = tensor.find("dtype");
  if (found == tensor.end() || !found->is_string()) fail("tensor '{}' has no 'dtype'", name);
  const auto type = found->get<std::string>();
  for (const TypeName& t : kTypes)
    if (t.name == type) return t.dtype;
  fail("tensor '{}' is stored as {}, which is not supported", name, type);
}

/// Where a tensor's bytes lie in the data.
struct Place {
  std::uint64_t begin, end;
  const std::string* name;
};

/// Tensors follow each other from the data's begin to its end.
void check_places(std::vector<Place> places, std::uint64_t size) {
  std::sort(places.begin(), places.end(),
            [](const Place& a, const Place& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t at = 0;
  for (const Place& p : places) {
    if (p.begin < at) fail("tensor '{}' overlaps the one before it", *p.name);
    if (p.begin > at) fail("{} bytes before tensor '{}' belong to none", p.begin - at, *p.name);
    at = p.end;
  }
  if (at != size) fail("its data has {} bytes, and its tensors {}", size, at);
}

}  // namespace

std::shared_ptr<const File> File::open(const std::filesystem::path& path, const Limits& limits) {
  std::shared_ptr<File> file(new File);
  file->file_ = MappedFile::open(path);
  try {
    file->read_head(limits);
  } catch (const Error& e) {
    throw(e.hint().empty() ? Error(e.fact(), "fetch it again") : e).at(message("safetensors file '{}'", path.string()));
  }
  return file;
}

void File::read_head(const Limits& limits) {
  const std::span<const std::byte> all = file_->bytes();
  std::uint64_t length = 0;
  if (all.size() < sizeof length) fail("it has {} bytes, too few for a head", all.size());
  std::memcpy(&length, all.data(), sizeof length);
  if (length > kMostHeadBytes) fail("its head has {} bytes; the limit is {}", length, kMostHeadBytes);
  if (length > all.size() - sizeof length) fail("its head of {} bytes goes beyond the end of the file", length);
  const std::span<const std::byte> head = all.subspan(sizeof length, length),
                                   data = all.subspan(sizeof length + length);
  std::vector<Place> places;
  std::int64_t total = 0;
  const Json json = parse_head({reinterpret_cast<const char*>(head.data()), head.size()});
  for (const auto& [name, entry] : json.items()) {
    if (name == "__metadata__") continue;
    if (name.empty() || name.size() > kMostNameBytes) fail("the name of a tensor has {} bytes", name.size());
    Tensor tensor;
    const Json &shape = list(entry, "shape", name), &offsets = list(entry, "data_offsets", name);
    tensor.dtype = type_of(entry, name);
    if (shape.size() > static_cast<std::size_t>(kMaxRank))
      fail("tensor '{}' has {} dimensions; at most {} are supported", name, shape.size(), kMaxRank);
    tensor.shape.rank = static_cast<std::int32_t>(shape.size());
    for (int i = 0; i < tensor.shape.rank; ++i)
      tensor.shape[i] = static_cast<std::int64_t>(natural(shape[static_cast<std::size_t>(i)], name));
    if (offsets.size() != 2) fail("tensor '{}' has {} places, not a begin and an end", name, offsets.size());
    const std::uint64_t begin = natural(offsets[0], name), end = natural(offsets[1], name);
    if (begin > end || end > data.size()) fail("tensor '{}' lies beyond the end of the file", name);
    const std::int64_t size = storage_bytes(tensor.dtype, tensor.shape);
    if (end - begin != static_cast<std::uint64_t>(size))
      fail("tensor '{}' of {} {} takes {} bytes, and {} are there", name, dtype_name(tensor.dtype),
           to_string(tensor.shape), size, end - begin);
    total += size;
    check_limit(limits, &Limits::weight_bytes, total, "bytes of tensors");
    tensor.bytes = data.subspan(begin, end - begin);
    const auto it = tensors_.emplace(name, tensor).first;
    places.push_back({begin, end, &it->first});
  }
  check_places(std::move(places), data.size());
}

}  // namespace monza::safetensors
