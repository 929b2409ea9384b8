// How much faster one engine is than another.
#pragma once

#include "monza/engine.h"

namespace monza::tool {

struct Speeds {
  double first_ms = 0, second_ms = 0;  ///< medians
  double ratio() const { return second_ms > 0 ? first_ms / second_ms : 0; }
};

/// Runs both in turn on the same random inputs, so that what else the machine does is shared, for about `seconds`.
Speeds measure_speeds(const Engine& first, const Engine& second, const ContextOptions& options, double seconds);

}  // namespace monza::tool
