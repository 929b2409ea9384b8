// NumPy's array files: .npy.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monza/engine.h"

namespace monza::io {

/// Reads a .npy file into row-major host memory: versions 1 to 3, little and big endian, C and Fortran order.
/// Two-byte void elements, as which ml_dtypes saves bfloat16, become bf16; one-byte ones become u8.
/// Strings ('<U5') become UTF-8. Throws Error when the file is no .npy, is truncated, or holds objects, bytes or
/// records.
Tensor read_npy(const std::filesystem::path& path);
/// The same from memory; `where` names it in messages.
Tensor parse_npy(std::span<const std::byte> bytes, std::string_view where);

/// What the beginning of a .npy file says of the whole.
struct NpyInfo {
  DType dtype = DType::invalid;
  std::vector<std::int64_t> shape;
  std::uint64_t bytes = 0;  ///< of the file, header and elements
};
inline constexpr std::size_t kNpyHeadBytes = (64 << 10) + 12;  ///< the most that stands before the elements
/// `begin`: the file's first bytes, kNpyHeadBytes of them or all. Throws Error as parse_npy does.
NpyInfo npy_info(std::span<const std::byte> begin, std::string_view where);

/// How a tensor is written: the header, and its elements as NumPy knows them.
struct NpyImage {
  std::string header;
  std::span<const std::byte> data;  ///< the tensor's own bytes, or `widened`
  std::vector<std::byte> widened;   ///< 2- and 4-bit elements, one byte each; strings as UTF-32
};
/// bf16 becomes '<V2' and the 8- and 4-bit floats '|V1', as ml_dtypes saves them; 2- and 4-bit integers become
/// int8 and uint8, strings '<U' of the longest one. `tensor` must outlive the image. Throws Error for types NumPy has
/// no form of.
NpyImage npy_image(const TensorRef& tensor);

/// Writes the file beside `path` and renames it.
void write_npy(const std::filesystem::path& path, const TensorRef& tensor);

/// `tensor` as an element of type `wanted`, where a file cannot say that type itself: int8 and uint8 become the
/// 2- and 4-bit integers (values are checked), uint8 the 8- and 4-bit floats with those bits. Otherwise unchanged.
Tensor as_model_type(const Tensor& tensor, DType wanted);

}  // namespace monza::io
