// Inputs that the command line spells out: "sr=16000", "scale=0.5", "use_cache=true", "size=640,480".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "monza/engine.h"

namespace monza::tool {

/// Whether the text is numbers or truth values with commas between them.
bool is_numbers(const std::string& text);

/// A tensor of input `name` with those elements. One number fills the shape; several are all of its elements, in order.
/// A shape of rank 1 that is open (-1) takes as many as there are. Throws UsageError when they do not fit the type or
/// the shape, or when the shape is open otherwise.
Tensor tensor_of_numbers(const std::string& name, const std::string& text, DType dtype,
                         std::vector<std::int64_t> shape);

}  // namespace monza::tool
