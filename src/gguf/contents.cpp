#include "gguf/contents.h"

#include "base/error.h"

namespace monza::gguf {

void Contents::add(std::string_view key, Value value) {
  if (!metadata_.emplace(key, std::move(value)).second) fail("metadata '{}' is there twice", key);
}

void Contents::add(TensorInfo tensor) {
  if (!by_name_.emplace(tensor.name, tensors_.size()).second) fail("tensor '{}' is there twice", tensor.name);
  tensors_.push_back(std::move(tensor));
}

const TensorInfo* Contents::find_tensor(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

const Value* Contents::find(std::string_view key) const {
  const auto it = metadata_.find(key);
  return it == metadata_.end() ? nullptr : &it->second;
}

std::optional<std::int64_t> Contents::integer(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* i = std::get_if<std::int64_t>(value)) return *i;
  if (const auto* u = std::get_if<std::uint64_t>(value); u != nullptr && *u <= INT64_MAX)
    return static_cast<std::int64_t>(*u);
  fail("metadata '{}' is no whole number", key);
}

std::optional<double> Contents::number(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* d = std::get_if<double>(value)) return *d;
  return static_cast<double>(*integer(key));
}

std::optional<std::string_view> Contents::text(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* t = std::get_if<std::string_view>(value)) return *t;
  fail("metadata '{}' is no text", key);
}

std::optional<bool> Contents::boolean(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* b = std::get_if<bool>(value)) return *b;
  fail("metadata '{}' is neither true nor false", key);
}

const Array* Contents::array(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return nullptr;
  if (const auto* a = std::get_if<std::shared_ptr<const Array>>(value)) return a->get();
  fail("metadata '{}' is no list", key);
}

}  // namespace monza::gguf
