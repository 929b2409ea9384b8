// Language models to graphs.
#pragma once

#include <filesystem>
#include <memory>

#include "gguf/contents.h"
#include "ir/graph.h"
#include "monza/limits.h"

namespace monza {

/// The graph of what open_language_model gave; `path` is for messages.
std::unique_ptr<ir::Graph> import_decoder(std::shared_ptr<const gguf::Contents> model,
                                          const std::filesystem::path& path, DType state_type,
                                          const Limits& limits = {});

/// The graph of a language model, whose inputs and outputs decoder/builder.h tells. Weights stay where the
/// file has them. `state_type` is what keys and values are kept in: f32, f16, bf16 or i8. Throws Error that names the
/// file.
std::unique_ptr<ir::Graph> import_decoder(const std::filesystem::path& path, DType state_type,
                                          const Limits& limits = {});

}  // namespace monza
