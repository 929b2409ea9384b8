// SmoothQuant: what is hard to quantise in activations is moved into weights, which have scales of their own.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"

namespace monza::quant {

/// Factors (QuantizationPlan::factors) for what matrix products read of a LayerNormalization or RMSNormalization, whose
/// channels differ most: s[j] = max |x[j]|^a / max |w[j]|^(1 - a) with a = 0.5, over all products that read the value
/// (Xiao et al. 2022, arXiv:2211.10438, 4). `reach` has max |x[j]| of calibration, by the value's name.
std::map<std::string, std::vector<float>> smoothing_factors(const ir::Graph& graph,
                                                            const std::map<std::string, std::vector<float>>& reach);

}  // namespace monza::quant
