// The engine of a model that is served.
#pragma once

#include <cstdint>

#include "monza/engine.h"
#include "tools/args/model_args.h"

namespace monza::tool {

/// Loads the engine file `args.model`, or builds the ONNX file for batches of `rows` (1: none; 0: nothing is said, and
/// the model decides). `tokens`, not 0: the second dimension counts at most so many. Throws Error.
Engine open_served(const ModelArgs& args, std::int64_t rows, std::int64_t tokens);

/// The same, of an ONNX file in a model repository: the engine is kept beside it, in a hidden file, for the next start.
/// Where that cannot be written, it is built each time.
Engine open_beside(const ModelArgs& args, std::int64_t rows);

}  // namespace monza::tool
