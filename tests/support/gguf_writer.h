// Writes GGUF files for tests, well-formed ones and others.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace monza::test {

/// Metadata and tensors in the order in which they are added.
class GgufWriter {
 public:
  GgufWriter& set(std::string_view key, std::uint32_t value);
  GgufWriter& set(std::string_view key, float value);
  GgufWriter& set(std::string_view key, bool value);
  GgufWriter& set(std::string_view key, std::string_view value);
  GgufWriter& set(std::string_view key, const char* value) { return set(key, std::string_view(value)); }
  GgufWriter& set(std::string_view key, const std::vector<std::string>& values);
  GgufWriter& set(std::string_view key, const std::vector<float>& values);
  GgufWriter& set(std::string_view key, const std::vector<std::int32_t>& values);
  /// A value of a type by its number, and its bytes.
  GgufWriter& set_raw(std::string_view key, std::uint32_t type, std::string_view bytes);

  /// A tensor of floats, outermost extent first.
  GgufWriter& tensor(std::string_view name, const std::vector<std::uint64_t>& shape, const std::vector<float>& values);
  /// A tensor of a type by GGUF's number. `offset` other than its place is written where it is not negative.
  GgufWriter& tensor_raw(std::string_view name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                         std::string_view bytes, std::int64_t offset = -1);

  std::string bytes(std::uint32_t version = 3) const;

 private:
  GgufWriter& value(std::string_view key, std::uint32_t type, std::string bytes);
  struct Piece {
    std::string head;     ///< name, shape and type
    std::int64_t offset;  ///< of its own, or -1
    std::string data;
  };
  std::string metadata_;
  std::uint64_t keys_ = 0;
  std::vector<Piece> tensors_;
};

/// What a tiny decoder leaves out or has otherwise, for models that are refused.
struct TinyChanges {
  std::set<std::string> without;              ///< metadata and tensors of these names are not there
  std::string other_shape;                    ///< the tensor of this name has an element more
  std::function<void(GgufWriter&)> metadata;  ///< adds to the metadata
};
/// A model of `family` with its true structure and random weights: 6 layers, 4 heads that share 2, 40 tokens; a window
/// of 8 positions where the family has one.
GgufWriter tiny_decoder(std::string_view family, const TinyChanges& changes = {}, unsigned seed = 1);

}  // namespace monza::test
