// The scales of an integer product, in words.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "quant/calibrators.h"

namespace monza {

/// Of a QConv or QMatMul, a line for each operand whose scale is a constant: "reads u8: scale 0.0118, zero point 3,
/// which is -0.0353 to 2.96", with what `seen` (BuildReport) says of activations: "of the samples' values 0.02 % are
/// cut off, signal to noise 41.3 dB". None of another node.
std::vector<std::string> integer_scales(const ir::Graph& graph, const ir::Node& node,
                                        const std::map<std::string, quant::RangeQuality>& seen);

}  // namespace monza
