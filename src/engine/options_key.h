// What a build's options say, as text.
#pragma once

#include <string>

#include "monza/engine.h"

namespace monza {

/// All that the options say but for `progress`: where two keys are equal, so are the engines of one model that one
/// build of Monza makes on one machine, up to what timing decides. For whoever keeps engines by what they were built
/// with.
std::string options_key(const BuildOptions& options);

}  // namespace monza
