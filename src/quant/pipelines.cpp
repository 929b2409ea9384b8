#include <algorithm>

#include "passes/fusions/fusions.h"
#include "quant/passes.h"

namespace monza::quant {
namespace {

/// Weights are folded, bias and activation are in products, and what follows takes Q/DQ apart again.
std::vector<const Pass*> with(const Pass& pass) {
  std::vector<const Pass*> passes = pipeline();
  const auto at = std::find(passes.begin(), passes.end(), &quantized_moves_pass);
  passes.insert(at, {&divide_channels_pass, &pass});
  return passes;
}

}  // namespace

const std::vector<const Pass*>& quantising_pipeline() {
  static const std::vector<const Pass*> list = with(place_pass);
  return list;
}

const std::vector<const Pass*>& observing_pipeline() {
  static const std::vector<const Pass*> list = with(observe_pass);
  return list;
}

}  // namespace monza::quant
