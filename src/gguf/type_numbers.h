// The numbers that GGUF files have for types of tensors.
#pragma once

#include <cstdint>

#include "monza/dtype.h"

namespace monza::gguf {

/// DType::invalid for a number that is not known.
DType dtype_of_number(std::uint32_t number);
/// Throws Error for a type that no GGUF file holds.
std::uint32_t number_of_dtype(DType type);

}  // namespace monza::gguf
