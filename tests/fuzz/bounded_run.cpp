#include "fuzz/bounded_run.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "engine/run/engine_impl.h"
#include "kernel/registry.h"
#include "support/engine_from_text.h"
#include "support/hostile.h"

namespace monza::fuzz {
namespace {

constexpr double kBudget = 1 << 26;  // about a second with sanitizers
constexpr std::int64_t kMaxInputElements = 1 << 14;
constexpr int kMaxKernels = 1024;

double budget_left = 0;

/// More than the steps that any kernel takes: a contraction of two operands takes less than the product of the two
/// largest.
double work_of(const KernelContext& c) {
  double largest = 1, second = 1;
  const auto count = [&](const TensorView& v) {
    double elements = 1;
    for (int a = 0; a < v.shape.rank; ++a) elements *= static_cast<double>(std::max<std::int64_t>(v.shape[a], 1));
    if (elements > largest) second = std::exchange(largest, elements);
    else second = std::max(second, elements);
  };
  for (int i = 0; i < c.in_count; ++i) count(c.in[i]);
  for (int i = 0; i < c.out_count; ++i) count(c.out[i]);
  return 1000 + largest * second;
}

using Run = Status (*)(const KernelContext&) noexcept;

template <int I>
Status run_limited(const KernelContext& context) noexcept {
  budget_left -= work_of(context);
  if (budget_left < 0) return {StatusCode::resource_exhausted, "the budget of a fuzzed run is used up"};
  return all_kernels()[I]->run(context);
}

template <int... I>
constexpr std::array<Run, sizeof...(I)> limited_runs(std::integer_sequence<int, I...>) {
  return {&run_limited<I>...};
}

const Kernel* limited(const Kernel* kernel) {
  static const std::map<const Kernel*, std::unique_ptr<const Kernel>> all = [] {
    static constexpr auto kRuns = limited_runs(std::make_integer_sequence<int, kMaxKernels>{});
    std::map<const Kernel*, std::unique_ptr<const Kernel>> kernels;
    const auto known = all_kernels();
    if (known.size() > kRuns.size()) fail("raise kMaxKernels");
    for (std::size_t i = 0; i < known.size(); ++i) {
      auto copy = std::make_unique<Kernel>(*known[i]);
      copy->run = kRuns[i];
      kernels.emplace(known[i], std::move(copy));
    }
    return kernels;
  }();
  return all.at(kernel).get();
}

}  // namespace

Limits small_limits() {
  Limits limits;
  limits.nodes = 1000;
  limits.values = 10'000;
  limits.depth = 8;
  limits.weight_bytes = limits.attribute_bytes = limits.expression_bytes = 1 << 22;
  limits.value_bytes = 1 << 24;
  limits.trips = 16;
  limits.fold_bytes = 1 << 20;
  limits.fold_operations = 1 << 22;
  return limits;
}

void run_bounded(const Engine& engine, unsigned seed) {
  // Nobody else has seen the engine yet.
  for (const Engine::Impl::Profile& profile : engine.impl().profiles)
    for (const Kernel*& kernel : const_cast<runtime::Program&>(*profile.program).kernels) kernel = limited(kernel);
  budget_left = kBudget;
  test::run_hostile(engine, seed, kMaxInputElements);
}

void plan_and_run(ir::Graph& graph, unsigned seed) {
  constexpr std::size_t kMaxNodes = 200;
  if (graph.order().size() > kMaxNodes) fail("{} nodes are more than are planned here", graph.order().size());
  plan::PlanScope scope;
  for (const ir::ValueId id : graph.inputs())
    for (const ir::Expr& e : graph.value(id).type.shape)
      ir::substitute(e, [&](const ir::Atom& atom) -> std::optional<ir::Expr> {
        if (atom.kind == ir::AtomKind::symbol) scope.profile[atom.name] = {1, 2, 5};
        return std::nullopt;
      });
  const Engine engine = test::engine_from_graph(graph, scope, {.optimize = seed % 4 != 0});
  constexpr std::int64_t kMaxArena = 1 << 24;
  if (engine.stats().arena_bytes > kMaxArena) fail("the arena is larger than is tried here");
  run_bounded(engine, seed);
}

}  // namespace monza::fuzz
