// GGUF language models to graphs.
#pragma once

#include <filesystem>
#include <memory>

#include "ir/graph.h"
#include "monza/limits.h"

namespace monza {

/// The graph of a language model, whose inputs and outputs decoder/builder.h tells. Weights stay where the
/// file has them. `state_type` is what keys and values are kept in: f32, f16, bf16 or i8. Throws Error that names the
/// file.
std::unique_ptr<ir::Graph> import_decoder(const std::filesystem::path& path, DType state_type,
                                          const Limits& limits = {});

}  // namespace monza
