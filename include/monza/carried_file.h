// Files that an engine carries beside its plans, for whoever runs the model.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "monza/engine.h"

namespace monza {

/// The bytes of a file that the build put into the engine: "gguf" is the metadata of the GGUF file that it was built
/// from, with tokenizer and chat template, as a GGUF file without tensors. nullopt where there is none of that name.
/// Valid as long as the engine, or a copy of it.
std::optional<std::span<const std::byte>> carried_file(const Engine& engine, std::string_view name);

}  // namespace monza
