// config.json as GGUF's metadata.
#pragma once

#include "checkpoint/architecture.h"

namespace monza::checkpoint {

/// Says in `to` what all architectures have: sizes, windows, how heads turn. Throws Error that names a field.
void add_settings(const Json& config, const Architecture& architecture, gguf::Draft& to);

/// Says how heads turn with their positions (rope.cpp): a base, a scaling, and where they slow down differently
/// tensors of factors, as GGUF has them.
void add_rope(const Json& config, const Architecture& architecture, std::int64_t head_width, gguf::Draft& to);

}  // namespace monza::checkpoint
