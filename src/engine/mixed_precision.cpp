#include "engine/mixed_precision.h"

#include <fmt/core.h>

#include <algorithm>

namespace monza {
namespace {

QuantizationPlan with_kept(const QuantizationPlan& plan, const std::vector<ProductCost>& ranked, std::size_t count) {
  QuantizationPlan changed = plan;
  for (std::size_t i = 0; i < count; ++i)
    changed.kept.emplace(ranked[i].node,
                         fmt::format("in INT8 it alone moves the outputs by {:.2g} of their squares", ranked[i].error));
  return changed;
}

}  // namespace

std::vector<ProductCost> rank_products(PlanEvaluator& evaluator, const QuantizationPlan& plan,
                                       const std::function<void(double)>& progress, const std::function<bool()>& stop) {
  const std::vector<std::string> products = evaluator.integer_products(plan);
  std::vector<ProductCost> costs;
  for (const std::string& one : products) {
    if (stop()) break;
    QuantizationPlan alone = plan;
    for (const std::string& other : products)
      if (other != one) alone.kept.emplace(other, "");
    costs.push_back({one, evaluator.error(alone)});
    progress(static_cast<double>(costs.size()) / static_cast<double>(products.size()));
  }
  std::stable_sort(costs.begin(), costs.end(),
                   [](const ProductCost& a, const ProductCost& b) { return a.error > b.error; });
  return costs;
}

std::optional<QuantizationPlan> keep_costliest(const QuantizationPlan& plan, const std::vector<ProductCost>& ranked,
                                               const std::function<bool(const QuantizationPlan&)>& holds,
                                               const std::function<bool()>& stop) {
  if (holds(plan)) return plan;
  // `too_few` fails; `enough` holds.
  std::size_t too_few = 0, enough = std::min<std::size_t>(1, ranked.size());
  while (enough > too_few && !holds(with_kept(plan, ranked, enough))) {
    if (stop()) return std::nullopt;
    too_few = enough;
    enough = std::min(2 * enough, ranked.size());
  }
  if (enough == too_few) return std::nullopt;
  while (enough - too_few > 1 && !stop()) {
    const std::size_t middle = (too_few + enough) / 2;
    (holds(with_kept(plan, ranked, middle)) ? enough : too_few) = middle;
  }
  return with_kept(plan, ranked, enough);
}

}  // namespace monza
