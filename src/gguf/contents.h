// What a model's file says beside its graph: metadata and tensors by name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file.h"
#include "monza/dtype.h"
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

/// A tensor where its file has it: row-major, its last axis the one along which blocks lie.
struct TensorInfo {
  std::string_view name;
  DType dtype = DType::invalid;
  Shape shape;
  std::span<const std::byte> bytes;
  std::shared_ptr<const MappedFile> file;  ///< that `bytes` are part of; null: none
  std::shared_ptr<const void> owner;       ///< of bytes that are of no file
};

/// Metadata and tensors of a model, by the names that GGUF has for them, wherever they come from. What they are views
/// of lives as long as the object. Immutable; safe to share between threads.
class Contents {
 public:
  virtual ~Contents() = default;
  Contents(const Contents&) = delete;
  Contents& operator=(const Contents&) = delete;

  /// In the order of the names.
  const std::map<std::string_view, Value>& metadata() const { return metadata_; }
  /// In the file's order.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  const TensorInfo* find_tensor(std::string_view name) const;

  // Metadata by name: nullopt or null where there is none. Throws Error where it is of another type.
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<std::string_view> text(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  const Array* array(std::string_view key) const;

 protected:
  Contents() = default;
  /// Throws Error where there is one of the name.
  void add(std::string_view key, Value value);
  void add(TensorInfo tensor);

  std::map<std::string_view, Value> metadata_;
  std::vector<TensorInfo> tensors_;

 private:
  const Value* find(std::string_view key) const;
  std::map<std::string_view, std::size_t> by_name_;
};

}  // namespace monza::gguf
