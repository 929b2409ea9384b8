// Metadata and tensors that are put together, where no GGUF file has them.
#pragma once

#include <deque>
#include <string>

#include "gguf/contents.h"

namespace monza::gguf {

/// Owns the texts that its names and values are. Not thread-safe until it is done.
class Draft : public Contents {
 public:
  // Throws Error where there is metadata or a tensor of the name.
  void set(std::string_view key, std::int64_t value) { add(keep(key), Value(value)); }
  void set(std::string_view key, double value) { add(keep(key), Value(value)); }
  void set(std::string_view key, bool value) { add(keep(key), Value(value)); }
  void set(std::string_view key, std::string_view value) { add(keep(key), Value(keep(value))); }
  void set(std::string_view key, const char* value) { set(key, std::string_view(value)); }
  void set(std::string_view key, const std::vector<std::string>& values);
  void set(std::string_view key, std::vector<std::int64_t> values);
  void set(std::string_view key, std::vector<double> values);
  /// A value of other contents, which live longer.
  void set_shared(std::string_view key, const Value& value) { add(keep(key), value); }
  void set_tensor(std::string_view name, TensorInfo tensor);
  /// A tensor that lies in memory.
  void set_tensor(std::string_view name, const Shape& shape, std::vector<float> values);

 private:
  std::string_view keep(std::string_view text) { return texts_.emplace_back(text); }
  std::deque<std::string> texts_;
};

}  // namespace monza::gguf
