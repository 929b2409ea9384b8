// A picture as the tensor of an image-like input.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "monza/engine.h"

namespace monza::tool {

/// True for files that end as pictures do (.jpg, .png, ...).
bool is_picture(const std::filesystem::path& path);

/// The picture in RGB, stretched to the extents of an input [n, 3, height, width] or [n, height, width, 3]: floats in
/// [0, 1], bytes in [0, 255]. Open extents (-1) become 1 and the picture's own size; a batch repeats it.
/// Throws Error when the input is none of these, the file is no picture, or this build reads none.
Tensor picture_tensor(const std::filesystem::path& path, DType dtype, std::vector<std::int64_t> shape);

}  // namespace monza::tool
