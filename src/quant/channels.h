// Channels of what products read, as repairs of a quantised model count them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"

namespace monza::quant {

/// Of a product with a constant weight of f32 that reads `v` as its activations: the channels of `v`, axis 1 of what a
/// convolution reads and the last axis of what a matrix product does. 0 for any other node.
std::int64_t channels_read(const ir::Graph& graph, const ir::Node& node, ir::ValueId v);
/// The channel of its input that element `at` of the product's weight is multiplied with.
std::int64_t channel_of_weight(const ir::Node& product, const Shape& weight, std::int64_t at);
/// The largest |w| for each channel of the input of a product with a constant weight.
std::vector<float> weight_reach(const ir::Graph& graph, const ir::Node& product);

/// The name of a value after it is divided where its producer cannot do that.
inline std::string divided_name(std::string_view value) { return std::string(value) + "/divided"; }

}  // namespace monza::quant
