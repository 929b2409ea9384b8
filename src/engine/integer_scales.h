// The scales of an integer product, in words.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace monza {

/// Of a QConv or QMatMul, a line for each operand whose scale is a constant: "reads u8: scale 0.0118, zero point 3,
/// which is -0.0353 to 2.96". None of another node.
std::vector<std::string> integer_scales(const ir::Graph& graph, const ir::Node& node);

}  // namespace monza
