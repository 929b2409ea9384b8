// The tokenizer of a model folder.
#pragma once

#include <string_view>

#include "llm/gguf_tokenizer.h"

namespace monza::llm {

/// Of a tokenizer.json's content; `metadata` says which tokens end (monza.end_tokens). `name` is for messages. Throws
/// Error for what is damaged, or of a kind that is not supported.
ModelTokenizer json_tokenizer(std::string_view json, const gguf::Contents& metadata, std::string_view name);

}  // namespace monza::llm
