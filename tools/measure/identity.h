// What a report was made of: model, build, machine, options. Two reports can then be told apart.
#pragma once

#include "monza/engine.h"
#include "tools/args/model_args.h"
#include "tools/text/json_text.h"

namespace monza::tool {

/// {"monza", "model": {"file", "bytes", "hash"}, "engine": {...}, "machine": {...}, "arguments": [...]}. Reads the
/// whole model file for its hash (XXH64); "hash" is empty when it cannot be read.
Json identity_of(const ModelArgs& model, const Engine::Stats& engine);

}  // namespace monza::tool
