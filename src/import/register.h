// Importers that are not in this binary's tables: those of loaded plugins.
#pragma once

#include "import/api.h"

namespace monza {

/// Adds the importer of an ONNX operator that has none. It lives until the process ends. Thread-safe.
void add_onnx_importer(const OnnxImporter& importer);

}  // namespace monza
