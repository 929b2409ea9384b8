// Which products cost a quantised model most, and a plan that keeps the fewest of them in floats.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/plan_evaluator.h"
#include "monza/quantization.h"

namespace monza {

/// What a product costs that alone computes on integers (PlanEvaluator::error).
struct ProductCost {
  std::string node;
  double error = 0;
};

/// Every product that the plan has compute on integers, the costliest first: a build and a run of the samples each
/// (Wu et al. 2020, arXiv:2004.09602, 6: partial quantisation by sensitivity). `progress` is told the share that is
/// done. When `stop` becomes true, those that are ranked until then.
std::vector<ProductCost> rank_products(
    PlanEvaluator& evaluator, const QuantizationPlan& plan, const std::function<void(double)>& progress,
    const std::function<bool()>& stop = [] { return false; });

/// `plan` with the fewest of the first of `ranked` kept in floats for which `holds` is true, found by doubling and
/// halving, so with about 2 log2(n) questions; nullopt when it is true for none. Takes it that what holds with some
/// kept holds with more. When `stop` becomes true, the plan with the fewest that has been found to hold, or nullopt.
std::optional<QuantizationPlan> keep_costliest(
    const QuantizationPlan& plan, const std::vector<ProductCost>& ranked,
    const std::function<bool(const QuantizationPlan&)>& holds,
    const std::function<bool()>& stop = [] { return false; });

}  // namespace monza
