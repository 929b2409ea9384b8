// tokenizer.json as GGUF's metadata.
#pragma once

#include <filesystem>
#include <memory>

#include "gguf/contents.h"

namespace monza::checkpoint {

/// tokenizer.ggml.*, as GGUF has byte-level BPE (gpt2) and SentencePiece's BPE (llama), of the folder's tokenizer.json.
/// Throws Error for a folder without one, and for a tokenizer that GGUF has no words for.
std::shared_ptr<const gguf::Contents> tokenizer_metadata(const std::filesystem::path& folder);

}  // namespace monza::checkpoint
