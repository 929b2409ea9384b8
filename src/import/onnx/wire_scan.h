// A look at an ONNX file's protobuf before it is parsed.
#pragma once

#include <cstddef>
#include <span>

#include "monza/limits.h"

namespace monza {

/// Counts what parsing would make objects of, without making any: two bytes of file can be an object of two hundred.
/// Error when the nodes and values that the file itself holds, or the nesting of its graphs, are over the limits. A
/// damaged file is left to the parser, which names it.
void scan_onnx(std::span<const std::byte> file, const Limits& limits);

}  // namespace monza
