// A look at an ONNX file's protobuf before it is parsed.
#pragma once

#include <cstddef>
#include <span>

#include "monza/limits.h"

namespace monza {

/// The message that a file holds.
enum class OnnxRoot { model, tensor, sequence, optional };

/// Counts what parsing would make objects of, without making any: two bytes of file can be an object of two hundred.
/// Error when the nodes and values that the file itself holds, the nesting of its graphs, or the memory of its objects
/// (beyond a megabyte, 128 bytes count as one value) are over the limits. False: the file is damaged, behind a part
/// that is within the limits. Such a file must not be parsed: protobuf makes room for a string of 50 MB that nine bytes
/// announce.
[[nodiscard]] bool scan_onnx(std::span<const std::byte> file, const Limits& limits, OnnxRoot root = OnnxRoot::model);

}  // namespace monza
