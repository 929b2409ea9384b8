// Strings of NumPy's files, '<U5': rows of UTF-32, filled up with zeros, beside the UTF-8 that tensors hold.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "monza/engine.h"

namespace monza::io {

/// Elements of four bytes of the longest string's characters each; `width` says how many characters. Throws Error for
/// a string that is no UTF-8.
std::vector<std::byte> utf32_of(const TensorRef& strings, std::size_t& width);

/// The strings of `count` elements of `width` characters in the byte order of this machine, or the other one. Throws
/// Error for a number that is no character.
std::vector<std::string> from_utf32(std::span<const std::byte> elements, std::size_t count, std::size_t width,
                                    bool swapped);

}  // namespace monza::io
