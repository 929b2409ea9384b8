#include "gguf/file.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/limits.h"
#include "gguf/type_numbers.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::gguf {
namespace {

constexpr std::uint64_t kMostTensors = 1 << 20, kMostKeys = 1 << 16;
constexpr std::uint64_t kMostArrayElements = 1 << 24;  ///< a vocabulary has some hundred thousand
constexpr std::size_t kMostNameBytes = 65535;

/// The types of metadata, as the file numbers them.
enum class MetaType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

/// Walks the head from its begin; every length is held against what is left.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  template <typename T>
  T take() {
    if (left() < sizeof(T)) fail("the file ends inside its head, at byte {}", at_);
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  std::string_view take_text() {
    const auto length = take<std::uint64_t>();
    if (length > left()) fail("a text of {} bytes at byte {} goes beyond the end of the file", length, at_);
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + at_, length);
    at_ += length;
    return text;
  }

  std::string_view take_name(const char* what) {
    const std::string_view name = take_text();
    if (name.empty() || name.size() > kMostNameBytes) fail("the name of a {} has {} bytes", what, name.size());
    return name;
  }

  Value take_value(MetaType type) {
    switch (type) {
      case MetaType::u8: return std::uint64_t{take<std::uint8_t>()};
      case MetaType::i8: return std::int64_t{take<std::int8_t>()};
      case MetaType::u16: return std::uint64_t{take<std::uint16_t>()};
      case MetaType::i16: return std::int64_t{take<std::int16_t>()};
      case MetaType::u32: return std::uint64_t{take<std::uint32_t>()};
      case MetaType::i32: return std::int64_t{take<std::int32_t>()};
      case MetaType::u64: return take<std::uint64_t>();
      case MetaType::i64: return take<std::int64_t>();
      case MetaType::f32: return double{take<float>()};
      case MetaType::f64: return take<double>();
      case MetaType::boolean: return take<std::uint8_t>() != 0;
      case MetaType::text: return take_text();
      case MetaType::array: return take_array();
    }
    fail("metadata of type {}, which is not known", static_cast<std::uint32_t>(type));
  }

 private:
  std::shared_ptr<const Array> take_array() {
    const auto type = static_cast<MetaType>(take<std::uint32_t>());
    const auto count = take<std::uint64_t>();
    if (type == MetaType::array) fail("metadata with arrays of arrays, which are not supported");
    // An element takes a byte at least.
    if (count > left()) fail("an array of {} elements at byte {} goes beyond the end of the file", count, at_);
    if (count > kMostArrayElements)
      fail("an array in the metadata has {} elements, more than the limit of {}", count, kMostArrayElements);
    auto array = std::make_shared<Array>();
    for (std::uint64_t i = 0; i < count; ++i) {
      const Value value = take_value(type);
      if (const auto* text = std::get_if<std::string_view>(&value)) array->texts.push_back(*text);
      else if (const auto* number = std::get_if<double>(&value)) array->numbers.push_back(*number);
      else if (const auto* whole = std::get_if<std::int64_t>(&value)) array->integers.push_back(*whole);
      else if (const auto* natural = std::get_if<std::uint64_t>(&value))
        array->integers.push_back(static_cast<std::int64_t>(*natural));
      else array->integers.push_back(std::get<bool>(value) ? 1 : 0);
    }
    return array;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

/// A tensor's name, type and place, of which only the begin is told.
TensorInfo take_tensor(Reader& in, std::uint64_t& offset) {
  TensorInfo tensor;
  tensor.name = in.take_name("tensor");
  const auto rank = in.take<std::uint32_t>();
  if (rank > static_cast<std::uint32_t>(kMaxRank))
    fail("tensor '{}' has {} dimensions; at most {} are supported", tensor.name, rank, kMaxRank);
  tensor.shape.rank = static_cast<std::int32_t>(rank);
  for (std::uint32_t i = 0; i < rank; ++i) {  // the file begins with the last axis
    const auto extent = in.take<std::uint64_t>();
    if (extent > INT64_MAX) fail("tensor '{}' has an extent of {}", tensor.name, extent);
    tensor.shape[static_cast<int>(rank - 1 - i)] = static_cast<std::int64_t>(extent);
  }
  const auto number = in.take<std::uint32_t>();
  tensor.dtype = dtype_of_number(number);
  if (tensor.dtype == DType::invalid)
    fail("tensor '{}' is stored in GGUF's type {}, which is not supported", tensor.name, number);
  if (is_block_encoding(tensor.dtype)) {
    const int elements = block_encoding(tensor.dtype).elements;
    if (rank == 0 || tensor.shape[tensor.shape.rank - 1] % elements != 0)
      fail("tensor '{}' has rows of {} elements, which are no blocks of {}", tensor.name,
           rank == 0 ? 0 : tensor.shape[tensor.shape.rank - 1], elements);
  }
  offset = in.take<std::uint64_t>();
  return tensor;
}

}  // namespace

bool File::is_gguf(const std::filesystem::path& path) { return file_kind(path) == FileKind::gguf; }

std::shared_ptr<const File> File::open(const std::filesystem::path& path, const Limits& limits) {
  std::shared_ptr<File> file(new File);
  file->path_ = path;
  file->file_ = MappedFile::open(path);
  file->bytes_ = file->file_->bytes();
  return read(std::move(file), limits);
}

std::shared_ptr<const File> File::of_bytes(std::vector<std::byte> bytes, const std::filesystem::path& path) {
  std::shared_ptr<File> file(new File);
  file->path_ = path;
  file->owned_ = std::move(bytes);
  file->bytes_ = file->owned_;
  return read(std::move(file), {});
}

std::shared_ptr<const File> File::read(std::shared_ptr<File> file, const Limits& limits) {
  try {
    file->read_head(limits);
  } catch (const Error& e) {
    throw(e.hint().empty() ? Error(e.fact(), "fetch or convert it again") : e)
        .at(message("GGUF file '{}'", file->path_.string()));
  }
  return file;
}

std::vector<std::byte> File::head() const {
  std::vector<std::byte> head(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(metadata_end_));
  constexpr std::size_t kTensorCount = kGgufMagic.size() + sizeof(std::uint32_t);  // behind magic and version
  std::memset(head.data() + kTensorCount, 0, sizeof(std::uint64_t));
  return head;
}

void File::read_head(const Limits& limits) {
  Reader in(bytes_);
  (void)in.take<std::array<char, kGgufMagic.size()>>();
  if (std::memcmp(bytes_.data(), kGgufMagic.data(), kGgufMagic.size()) != 0)
    fail("it does not begin as a GGUF file does");
  const auto version = in.take<std::uint32_t>();
  if (version == 2u << 24 || version == 3u << 24) fail("it is in big-endian byte order, which is not supported");
  if (version < 2 || version > 3) fail("it has version {}; 2 and 3 are supported", version);
  version_ = static_cast<int>(version);
  const auto tensors = in.take<std::uint64_t>(), keys = in.take<std::uint64_t>();
  if (tensors > kMostTensors || keys > kMostKeys)
    fail("it has {} tensors and {} entries of metadata; the limits are {} and {}", tensors, keys, kMostTensors,
         kMostKeys);
  for (std::uint64_t i = 0; i < keys; ++i) {
    const std::string_view key = in.take_name("metadata entry");
    const auto type = static_cast<MetaType>(in.take<std::uint32_t>());
    add(key, in.take_value(type));
  }
  metadata_end_ = in.at();
  std::vector<std::uint64_t> offsets;
  for (std::uint64_t i = 0; i < tensors; ++i) add(take_tensor(in, offsets.emplace_back()));
  const std::int64_t alignment = integer("general.alignment").value_or(32);
  if (alignment < 1 || alignment > 1 << 20 || (alignment & (alignment - 1)) != 0)
    fail("its data is aligned to {} bytes, which is no power of two up to 1048576", alignment);
  const auto unit = static_cast<std::uint64_t>(alignment);
  const std::uint64_t begin = (in.at() + unit - 1) / unit * unit;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    TensorInfo& tensor = tensors_[i];
    tensor.file = file_;
    const std::int64_t size = storage_bytes(tensor.dtype, tensor.shape);
    if (offsets[i] % unit != 0)
      fail("tensor '{}' lies at {}, which is no multiple of {}", tensor.name, offsets[i], unit);
    if (offsets[i] > bytes_.size() - std::min<std::uint64_t>(begin, bytes_.size()))
      fail("tensor '{}' lies beyond the end of the file", tensor.name);
    const std::uint64_t at = begin + offsets[i];
    if (at > bytes_.size() || static_cast<std::uint64_t>(size) > bytes_.size() - at)
      fail("tensor '{}' of {} bytes at {} goes beyond the end of the file", tensor.name, size, at);
    tensor.bytes = bytes_.subspan(at, static_cast<std::size_t>(size));
    total += size;  // tensors may lie over each other: the limit keeps the sum small
    check_limit(limits, &Limits::weight_bytes, total, "bytes of tensors");
  }
}

}  // namespace monza::gguf
