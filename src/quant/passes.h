// Passes of builds in 8 bits.
#pragma once

#include <string_view>
#include <vector>

#include "passes/pass.h"

namespace monza::quant {

/// Divides channels of what matrix products read by the factors of BuildOptions::quantization.
extern const Pass divide_channels_pass;
/// Puts QuantizeLinear and DequantizeLinear where BuildOptions::quantization says; without it changes nothing.
extern const Pass place_pass;
/// Makes every value whose range a plan needs an output of the graph, under its name, so that no later pass changes it.
extern const Pass observe_pass;
/// What observe_pass adds of the inputs of products, channels of which are counted: outputs with these words before the
/// value's name. A convolution's channels are axis 1, those of a matrix product the last axis.
inline constexpr std::string_view kConvInput = "input of convolutions: ", kMatrixInput = "input of matrix products: ";

/// The pipeline with divide_channels_pass and place_pass where products have all that belongs to them and Q/DQ are not
/// yet fused.
const std::vector<const Pass*>& quantising_pipeline();
/// The same with observe_pass in the latter's place: a float model that shows what would be quantised.
const std::vector<const Pass*>& observing_pipeline();

}  // namespace monza::quant
