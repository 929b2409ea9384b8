// A constant tensor: immutable dense bytes, owned or borrowed from a mapped file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "monza/dtype.h"
#include "tensor/shape.h"

namespace monza {
class MappedFile;
}

namespace monza::ir {

/// Immutable; safe to share between graphs and threads. Elements are dense and row-major; data is at least
/// aligned to its element. Weights in a mapped model file are borrowed and keep the file alive.
struct Constant {
  DType dtype = DType::invalid;
  Shape shape;
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;       ///< keeps `bytes` alive
  std::shared_ptr<const MappedFile> file;  ///< that `bytes` are part of; null: no file, or none that stays
  std::vector<std::string> strings;        ///< elements of a DType::string tensor (bytes is then empty)

  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(bytes.data());
  }
  std::int64_t numel() const { return shape.numel(); }
};

/// Copies `bytes` (storage_bytes(dtype, shape) of them) into an owned, 64-byte aligned constant.
std::shared_ptr<const Constant> make_constant(DType dtype, const Shape& shape, std::span<const std::byte> bytes);
/// Borrows `bytes`; `owner` keeps them alive. Copies when they are misaligned for the type.
std::shared_ptr<const Constant> borrow_constant(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                                                std::shared_ptr<const void> owner);
/// The same of a data file that stays where it is.
std::shared_ptr<const Constant> borrow_from_file(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                                                 const std::shared_ptr<const MappedFile>& file);
/// Uninitialised owned storage that the caller fills before sharing it: returns the constant and its bytes.
std::pair<std::shared_ptr<Constant>, std::span<std::byte>> allocate_constant(DType dtype, const Shape& shape);
std::shared_ptr<const Constant> constant_i64(std::vector<std::int64_t> values);  ///< 1-D
std::shared_ptr<const Constant> constant_i64_scalar(std::int64_t value);
std::shared_ptr<const Constant> constant_f32(std::vector<float> values, const Shape& shape);
std::shared_ptr<const Constant> constant_f32_scalar(float value);

/// A scalar of any plain type, rounded from `value` as element_access stores it; Error for types without elements.
std::shared_ptr<const Constant> constant_scalar(DType dtype, double value);

/// Elements of an integer (or boolean) constant as 64-bit integers; Error for other types.
std::vector<std::int64_t> to_ints(const Constant& constant);
/// Elements of any numeric constant as doubles; Error for strings and complex.
std::vector<double> to_doubles(const Constant& constant);

bool same_content(const Constant& a, const Constant& b);

}  // namespace monza::ir
