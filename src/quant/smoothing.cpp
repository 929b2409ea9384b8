#include "quant/smoothing.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "ir/op.h"
#include "quant/channels.h"

namespace monza::quant {
namespace {

bool normalises(const ir::Node& n) {
  const std::string_view op = n.op->name;
  return op == "LayerNormalization" || op == "RMSNormalization";
}

}  // namespace

std::map<std::string, std::vector<float>> smoothing_factors(const ir::Graph& graph,
                                                            const std::map<std::string, std::vector<float>>& reach) {
  std::map<std::string, std::vector<float>> factors;
  for (const ir::NodeId id : graph.order()) {
    if (!normalises(graph.node(id))) continue;
    const ir::ValueId v = graph.node(id).outputs[0];
    const auto known = reach.find(graph.value(v).name);
    if (known == reach.end()) continue;
    const std::vector<float>& x = known->second;
    std::vector<float> w(x.size(), 0);
    bool read = false;
    for (const ir::NodeId user : graph.users(v)) {
      if (channels_read(graph, graph.node(user), v) != static_cast<std::int64_t>(x.size())) continue;
      read = true;
      const std::vector<float> of_user = weight_reach(graph, graph.node(user));
      for (std::size_t j = 0; j < w.size(); ++j) w[j] = std::max(w[j], of_user[j]);
    }
    if (!read) continue;
    std::vector<float>& s = factors[known->first];
    for (std::size_t j = 0; j < x.size(); ++j) {
      // A channel that is always 0, or that no weight reads, stays as it is.
      const float factor = std::sqrt(x[j]) / std::sqrt(w[j]);
      s.push_back(std::isnormal(factor) ? factor : 1);
    }
  }
  return factors;
}

}  // namespace monza::quant
