// What fusions need to know of the rows that a normalisation works on.
#pragma once

#include <string>

#include "passes/pattern.h"

namespace monza {

/// "" if a constant has one element per element of a row of `norm` (LayerNormalization, RMSNormalization), and the same
/// ones for every row; else why not. Extents that it lacks in front count as 1, as in broadcasting.
std::string fits_row(const ir::Graph& graph, const ir::Node& norm, ir::ValueId operand);

/// That constant under the row's own shape.
ir::ValueId as_row(const Match& m, const ir::Node& norm, ir::ValueId operand);

}  // namespace monza
