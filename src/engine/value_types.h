// Types of a model's values, by name, as shape inference tells them.
#pragma once

#include <map>
#include <string>

#include "import/onnx/onnx_import.h"
#include "ir/graph.h"

namespace monza {

/// Of the tensors that have a name. Open extents are -1, with the symbol's name where they are one.
std::map<std::string, OnnxInput> value_types(const ir::Graph& graph);

}  // namespace monza
