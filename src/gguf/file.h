// GGUF files (versions 2 and 3, little-endian): metadata and tensors, read in place.
//
// The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "monza/dtype.h"
#include "monza/limits.h"
#include "tensor/shape.h"

namespace monza::gguf {

/// A list in the metadata. Of its three lists the one of its type has the elements.
struct Array {
  std::vector<std::string_view> texts;
  std::vector<std::int64_t> integers;  ///< of every width; booleans as 0 and 1
  std::vector<double> numbers;
  std::size_t size() const { return texts.size() + integers.size() + numbers.size(); }
};

using Value = std::variant<bool, std::int64_t, std::uint64_t, double, std::string_view, std::shared_ptr<const Array>>;

/// A tensor where the file has it: row-major, its last axis the one along which blocks lie.
struct TensorInfo {
  std::string_view name;
  DType dtype = DType::invalid;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// A GGUF file, mapped. Views into it live as long as it does. Immutable; safe to share between threads.
class File {
 public:
  /// Reads the head. Throws Error that names the file: where it is damaged, of another version or byte order, has types
  /// that are not known, names something twice, or is more than `limits` allow.
  static std::shared_ptr<const File> open(const std::filesystem::path& path, const Limits& limits = {});
  /// A file in memory: what head() gave. `path` is its name in messages.
  static std::shared_ptr<const File> of_bytes(std::vector<std::byte> bytes, const std::filesystem::path& path);
  /// True if the file begins as a GGUF file does.
  static bool is_gguf(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  /// Where tensors lie; null for a file in memory.
  const std::shared_ptr<const MappedFile>& mapped() const { return file_; }
  /// A GGUF file of the metadata alone, without tensors.
  std::vector<std::byte> head() const;
  int version() const { return version_; }
  /// In the order of the names.
  const std::map<std::string_view, Value>& metadata() const { return metadata_; }
  /// In the file's order.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const TensorInfo* find_tensor(std::string_view name) const;

  // Metadata by name: nullopt or null where the file has none. Throws Error where it is of another type.
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<std::string_view> text(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  const Array* array(std::string_view key) const;

 private:
  File() = default;
  static std::shared_ptr<const File> read(std::shared_ptr<File> file, const Limits& limits);
  void read_head(const Limits& limits);
  const Value* find(std::string_view key) const;
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> file_;  ///< or, of a file in memory,
  std::vector<std::byte> owned_;
  std::span<const std::byte> bytes_;  ///< of either
  std::size_t metadata_end_ = 0;
  int version_ = 0;
  std::map<std::string_view, Value> metadata_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string_view, std::size_t> by_name_;
};

}  // namespace monza::gguf
