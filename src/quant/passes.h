// Passes of builds in 8 bits.
#pragma once

#include <vector>

#include "passes/pass.h"

namespace monza::quant {

/// Puts QuantizeLinear and DequantizeLinear where BuildOptions::quantization says; without it changes nothing.
extern const Pass place_pass;
/// Makes every value whose range a plan needs an output of the graph, under its name, so that no later pass changes it.
extern const Pass observe_pass;

/// The pipeline with place_pass where products have all that belongs to them and Q/DQ are not yet fused.
const std::vector<const Pass*>& quantising_pipeline();
/// The same with observe_pass in its place: a float model that shows what would be quantised.
const std::vector<const Pass*>& observing_pipeline();

}  // namespace monza::quant
