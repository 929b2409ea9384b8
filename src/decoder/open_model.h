// Language models in the formats there are.
#pragma once

#include <filesystem>
#include <memory>

#include "gguf/contents.h"
#include "monza/limits.h"

namespace monza {

/// True for a GGUF file, and for a folder in Hugging Face's layout.
bool is_language_model(const std::filesystem::path& path);

/// What it says, in GGUF's words. Throws Error that names it.
std::shared_ptr<const gguf::Contents> open_language_model(const std::filesystem::path& path, const Limits& limits = {});

/// The tokenizer of a folder as a GGUF file has it; null for a GGUF file. Throws Error where it cannot be said so.
std::shared_ptr<const gguf::Contents> folder_tokenizer_metadata(const std::filesystem::path& path);

}  // namespace monza
