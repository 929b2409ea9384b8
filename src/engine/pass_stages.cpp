#include "engine/pass_stages.h"

#include <algorithm>
#include <utility>

#include "engine/constraints.h"

namespace monza {
namespace {

/// How many of the passes run before constraints are put on the graph.
std::size_t count_leading(const std::vector<const Pass*>& passes) {
  const auto end = std::find_if(passes.begin(), passes.end(), [](const Pass* p) { return !p->before_constraints; });
  return static_cast<std::size_t>(end - passes.begin());
}

/// Goes on from `progress`, whose graph has the constraints already or not, and tells `after_pass` of each pass.
template <typename F>
void finish_passes(ir::Graph& graph, const std::vector<NamedTensor>& tensors, const std::vector<const Pass*>& passes,
                   const BuildOptions& options, PassProgress& progress, bool constrained, F&& after_pass) {
  const std::size_t leading = count_leading(passes);
  for (;;) {
    if (!constrained && progress.next >= leading) {
      constrain_nodes(graph, tensors, options);
      constrained = true;
    }
    if (progress.next == passes.size()) return;
    run_next_pass(graph, passes, options, progress);
    after_pass(constrained);
  }
}

}  // namespace

PassReport run_passes_constrained(ir::Graph& graph, const std::vector<NamedTensor>& tensors,
                                  const std::vector<const Pass*>& passes, const BuildOptions& options) {
  PassProgress progress;
  if (options.optimize) {
    check_disabled_passes(passes, options);
    finish_passes(graph, tensors, passes, options, progress, false, [](bool) {});
  } else {
    constrain_nodes(graph, tensors, options);
  }
  return std::move(progress.report);
}

PassStages::Result PassStages::run(const ImportedModel& model, const std::vector<const Pass*>& passes,
                                   const BuildOptions& options) {
  Result result;
  if (!options.optimize) {
    result.graph = model.graph->clone();
    result.report = run_passes_constrained(*result.graph, model.tensors, passes, options);
    return result;
  }
  check_disabled_passes(passes, options);
  const Stage* from = furthest(passes, options);
  result.graph = from != nullptr ? from->graph->clone() : model.graph->clone();
  PassProgress progress = from != nullptr ? from->progress : PassProgress{};
  const bool constrained = from != nullptr && !from->constraints.empty();
  const std::size_t leading = count_leading(passes), begun = progress.next;
  const auto keep_copy = [&](bool with_constraints) {
    BuildOptions seen;
    seen.disabled_passes = options.disabled_passes;
    seen.max_rewrites = options.max_rewrites;
    seen.strict_rewrites = options.strict_rewrites;
    seen.device = options.device;
    seen.quantization = options.quantization;
    keep({passes, std::move(seen), with_constraints ? constraints_key(options) : "", progress, result.graph->clone()});
  };
  // A copy costs what a pass or two over the graph cost: it is worth it each time that the graph has become smaller by
  // a tenth, and where constraints come in. So many passes rewrite nothing that a copy for each would cost as much as
  // running them.
  std::size_t nodes_kept = 0;
  finish_passes(*result.graph, model.tensors, passes, options, progress, constrained, [&](bool with_constraints) {
    const PassRun& run = progress.report.passes.back();
    if (nodes_kept == 0) nodes_kept = run.nodes_before;
    const bool smaller = run.nodes_after * 10 <= nodes_kept * 9;
    if (progress.next == passes.size() || (progress.next != leading && !smaller)) return;
    keep_copy(with_constraints);
    nodes_kept = run.nodes_after;
  });
  result.passes_run = static_cast<int>(progress.next - begun);
  if (result.passes_run > 0) {
    // What two runs fold alike is one constant, which is packed once.
    constants_.share(*result.graph);
    keep_copy(true);
  }
  result.report = std::move(progress.report);
  return result;
}

const PassStages::Stage* PassStages::furthest(const std::vector<const Pass*>& passes, const BuildOptions& options) {
  const std::string constraints = constraints_key(options);
  const auto serves = [&](const Stage& stage) {
    const std::size_t next = stage.progress.next;
    return next <= passes.size() &&
           std::equal(passes.begin(), passes.begin() + static_cast<std::ptrdiff_t>(next), stage.passes.begin()) &&
           (stage.constraints.empty() || stage.constraints == constraints) &&
           comes_to(stage.progress, stage.options, options);
  };
  const auto served = std::stable_partition(kept_.begin(), kept_.end(), [&](const Stage& s) { return !serves(s); });
  const auto best = std::max_element(served, kept_.end(),
                                     [](const Stage& a, const Stage& b) { return a.progress.next < b.progress.next; });
  return best == kept_.end() ? nullptr : &*best;
}

void PassStages::keep(Stage stage) {
  constexpr std::size_t kKept = 24;  // about eight of one way through the passes, and the last results
  if (kept_.size() == kKept) kept_.pop_front();
  kept_.push_back(std::move(stage));
}

}  // namespace monza
