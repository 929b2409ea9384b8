// GGUF files, written.
#pragma once

#include <cstddef>
#include <vector>

#include "gguf/contents.h"

namespace monza::gguf {

/// The metadata as a GGUF file without tensors: whole numbers as u32 where they fit, others as f32, lists of whole
/// numbers as i32, as llama.cpp reads them.
std::vector<std::byte> metadata_file(const Contents& contents);

}  // namespace monza::gguf
