// Model folders in Hugging Face's layout: config.json beside safetensors files.
#pragma once

#include <filesystem>
#include <memory>

#include "gguf/contents.h"
#include "monza/limits.h"

namespace monza::checkpoint {

/// True for a folder with a config.json.
bool is_model_folder(const std::filesystem::path& path);

/// What the folder says, in GGUF's words: its metadata and the names of its tensors. Weights are views of the mapped
/// files; those that GGUF has otherwise (experts in one tensor, inputs last, normalisations with their offset) are
/// made. Heads turn by halves where GGUF has neighbours: `monza.rope_halves` says so. Throws Error that names the
/// folder.
std::shared_ptr<const gguf::Contents> open_folder(const std::filesystem::path& path, const Limits& limits = {});

}  // namespace monza::checkpoint
