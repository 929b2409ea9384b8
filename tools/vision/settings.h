// The options that say how a picture becomes a classifier's input.
#pragma once

#include "eval/classifier.h"
#include "tools/args/options.h"

namespace monza::tool {

/// `group` is the heading in --help.
void add_settings(CommandOptions& app, eval::ClassifySettings& settings, const char* group = "Options");

}  // namespace monza::tool
