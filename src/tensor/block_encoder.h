// Floats into block encodings.
#pragma once

#include <cstddef>

#include "monza/dtype.h"

namespace monza {

/// Writes a block of `type`, block_encoding(type).bytes, from its elements. Elements that are not finite give blocks
/// that decode to anything. `importance`, as many numbers, says what the error of each element counts; null: its
/// square. q8_0 and q4_0 have no use for it: they are, bit for bit, what the `gguf` package makes.
using BlockEncoderFn = void (*)(const float* elements, const float* importance, std::byte* block);

/// Null for encodings that are only read: all but q8_0, q4_0 and q4_k.
BlockEncoderFn block_encoder(DType type);

}  // namespace monza
