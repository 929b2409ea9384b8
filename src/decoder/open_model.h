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

}  // namespace monza
