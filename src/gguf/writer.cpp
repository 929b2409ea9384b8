#include "gguf/writer.h"

#include <cstring>
#include <string>

#include "base/file_kind.h"
#include "base/output_file.h"
#include "gguf/type_numbers.h"
#include "tensor/storage.h"

namespace monza::gguf {
namespace {

/// GGUF's numbers of the types that are written.
enum class Written : std::uint32_t { u32 = 4, i32 = 5, f32 = 6, boolean = 7, text = 8, array = 9, u64 = 10, i64 = 11 };

class Bytes {
 public:
  template <typename T>
  void put(const T& value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof value);
  }
  void put_raw(std::string_view text) {
    const auto* from = reinterpret_cast<const std::byte*>(text.data());
    bytes_.insert(bytes_.end(), from, from + text.size());
  }
  void put_text(std::string_view text) {
    put(std::uint64_t{text.size()});
    put_raw(text);
  }
  void put_value(const Value& value) {
    std::visit([&](const auto& v) { put_typed(v); }, value);
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  void put_typed(bool v) {
    put(Written::boolean);
    put(static_cast<std::uint8_t>(v));
  }
  void put_typed(std::int64_t v) {
    if (v >= 0) return put_typed(static_cast<std::uint64_t>(v));
    put(Written::i64);
    put(v);
  }
  void put_typed(std::uint64_t v) {
    const bool small = v <= UINT32_MAX;
    put(small ? Written::u32 : Written::u64);
    if (small) put(static_cast<std::uint32_t>(v));
    else put(v);
  }
  void put_typed(double v) {
    put(Written::f32);
    put(static_cast<float>(v));
  }
  void put_typed(std::string_view v) {
    put(Written::text);
    put_text(v);
  }
  void put_typed(const std::shared_ptr<const Array>& v) {
    put(Written::array);
    put(!v->texts.empty() ? Written::text : !v->numbers.empty() ? Written::f32 : Written::i32);
    put(std::uint64_t{v->size()});
    for (const std::string_view text : v->texts) put_text(text);
    for (const double number : v->numbers) put(static_cast<float>(number));
    for (const std::int64_t whole : v->integers) put(static_cast<std::int32_t>(whole));
  }
  std::vector<std::byte> bytes_;
};

}  // namespace

namespace {

constexpr std::uint64_t kAlignment = 32;

std::uint64_t aligned(std::uint64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

/// The head up to the tensors.
Bytes begin_file(const Contents& contents, std::uint64_t tensors) {
  constexpr std::uint32_t kVersion = 3;
  Bytes out;
  out.put_raw(kGgufMagic);
  out.put(kVersion);
  out.put(tensors);
  out.put(std::uint64_t{contents.metadata().size()});
  for (const auto& [key, value] : contents.metadata()) {
    out.put_text(key);
    out.put_value(value);
  }
  return out;
}

std::uint64_t size_of(const TensorPlan& t) { return static_cast<std::uint64_t>(storage_bytes(t.dtype, t.shape)); }

}  // namespace

std::vector<std::byte> metadata_file(const Contents& contents) { return begin_file(contents, 0).take(); }

void write_file(const std::filesystem::path& path, const Contents& metadata, const std::vector<TensorPlan>& tensors,
                const std::function<void(double)>& progress) {
  Bytes head = begin_file(metadata, tensors.size());
  std::uint64_t at = 0, total = 0;
  for (const TensorPlan& t : tensors) {
    head.put_text(t.name);
    head.put(static_cast<std::uint32_t>(t.shape.rank));
    for (int axis = t.shape.rank - 1; axis >= 0; --axis) head.put(t.shape[axis]);
    head.put(number_of_dtype(t.dtype));
    head.put(at);
    at += aligned(size_of(t));
    total += size_of(t);
  }
  OutputFile file(path);
  const std::vector<std::byte> begin = head.take(), padding(kAlignment);
  const auto pad = [&](std::uint64_t size) { file.write(std::span(padding).first(aligned(size) - size)); };
  file.write(begin);
  pad(begin.size());
  std::uint64_t written = 0;
  for (const TensorPlan& t : tensors) {
    t.bytes([&](std::span<const std::byte> piece) {
      file.write(piece);
      written += piece.size();
      if (progress) progress(static_cast<double>(written) / static_cast<double>(total));
    });
    pad(size_of(t));
  }
  file.commit();
}

}  // namespace monza::gguf
