// Fast bias correction: what rounding weights moves a convolution's results on average is taken off its bias.
#pragma once

#include <memory>
#include <vector>

#include "ir/graph.h"
#include "quant/quantizer.h"

namespace monza::quant {

/// b[m] - sum over c, k of (w'[m, c, k] - w[m, c, k]) mean[c], where w' is what the integers stand for and `mean` that
/// of each channel that the convolution reads (Nagel et al. 2019, arXiv:1906.04721, 4.2, with means that calibration
/// has seen). Pixels outside of the image are taken for such as are inside. Null where it is no convolution, or `mean`
/// is not of its channels.
std::shared_ptr<const ir::Constant> corrected_bias(const ir::Graph& graph, const ir::Node& product,
                                                   const QuantizedWeight& weight, const std::vector<float>& mean);

}  // namespace monza::quant
