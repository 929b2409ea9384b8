// Inputs and outputs of other types than the model's: a Cast at the border.
#pragma once

#include <map>
#include <string>

#include "ir/graph.h"

namespace monza {

/// Gives the inputs and outputs named in `types` those types; the key "" stands for every one that holds floats.
/// Throws Error for a name that is neither, and for types that a Cast cannot take.
void set_io_types(ir::Graph& graph, const std::map<std::string, DType>& types);

}  // namespace monza
