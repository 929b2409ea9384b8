// A language model's file as the first stage of a build.
#pragma once

#include <string>

#include "engine/import_model.h"

namespace monza {

/// Imports what decoder/open_model.h takes. Where `options` give no shapes there are two profiles: some new positions,
/// and a prompt's chunk. The name "state" in BuildOptions::io_types says what keys and values are kept in (f16 where it
/// is missing). Throws Error: what import refuses, and shapes of inputs that it does not have.
ImportedModel import_language_model(const std::string& path, const BuildOptions& options);

}  // namespace monza
