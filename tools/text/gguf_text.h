// What a GGUF file says of itself: metadata, tensors, tokenizer, chat template.
#pragma once

#include <string>

#include "monza/limits.h"

namespace monza::tool {

/// Prints it; with `json` all of it, else long lists by their number. Throws Error for a damaged file.
void inspect_gguf(const std::string& path, const Limits& limits, bool json);

}  // namespace monza::tool
