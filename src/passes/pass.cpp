#include "passes/pass.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"

namespace monza {

bool PassContext::allow(std::string_view what, const ir::Graph& graph, const ir::Node& node) {
  if (!open()) return false;
  const std::string& pass = run().name;
  std::vector<Rewrite>& rewrites = progress_.report.rewrites;
  rewrites.push_back({pass, std::string(what), ir::describe(graph, node), node.origins});
  log(LogLevel::debug, "rewrite {}: {}: {} at {}", ++progress_.rewrites, pass, what, rewrites.back().node);
  return true;
}

void PassContext::near_miss(std::string_view pattern, const ir::Graph& graph, const ir::Node& node,
                            std::string reason) {
  constexpr std::size_t kMostNoted = 20'000;
  std::vector<NearMiss>& noted = progress_.report.near_misses;
  if (noted.size() >= kMostNoted) return;
  NearMiss miss{run().name, std::string(pattern), ir::describe(graph, node), std::move(reason), node.origins};
  if (!progress_.seen.insert(fmt::format("{} {} {} {}", miss.pass, pattern, node.id, miss.reason)).second) return;
  log(LogLevel::debug, "{}: {} almost matched at {}: refused because {}", miss.pass, miss.pattern, miss.node,
      miss.reason);
  noted.push_back(std::move(miss));
}

/// While it lives, passes see bodies of what they saw before.
struct BodyScope {
  explicit BodyScope(PassContext& context) : context(context) { ++context.bodies_; }
  ~BodyScope() { --context.bodies_; }
  BodyScope(const BodyScope&) = delete;
  BodyScope& operator=(const BodyScope&) = delete;
  PassContext& context;
};

namespace {
std::size_t count_nodes(const ir::Graph& graph) {
  std::size_t n = graph.order().size();
  for (ir::NodeId id : graph.order())
    for (const auto& body : graph.node(id).bodies) n += count_nodes(*body);
  return n;
}

/// Bodies first: what they become may let their node be rewritten.
void run_on_all(ir::Graph& graph, const Pass& pass, PassContext& context) {
  const std::vector<ir::NodeId> order = graph.order();
  for (ir::NodeId id : order) {
    for (std::size_t b = 0; b < std::as_const(graph).node(id).bodies.size(); ++b) {
      ir::Graph& body = graph.body(id, b);
      const BodyScope scope(context);
      run_on_all(body, pass, context);
      body.sort();
      body.remove_unused_values();
    }
  }
  pass.run(graph, context);
}
}  // namespace

FoldBudget FoldBudget::of(const ir::Graph& graph) {
  const Limits& limits = graph.model().limits;
  std::int64_t weights = 0;
  for (ir::ValueId v : graph.values())
    if (const auto& c = graph.value(v).constant) weights += static_cast<std::int64_t>(c->bytes.size());
  return {limits.fold_bytes, 2 * limits.fold_bytes + 8 * weights, limits.fold_operations,
          static_cast<double>(limits.fold_seconds)};
}

namespace {
bool is_enabled(std::string_view pass, const BuildOptions& options) {
  const auto& disabled = options.disabled_passes;
  return std::find(disabled.begin(), disabled.end(), pass) == disabled.end();
}
}  // namespace

void check_disabled_passes(const std::vector<const Pass*>& passes, const BuildOptions& options) {
  for (const std::string& name : options.disabled_passes) {
    bool known = false;
    for (const Pass* p : passes) known = known || name == p->name;
    for (const Pass* p : pipeline()) known = known || name == p->name;
    if (known) continue;
    std::vector<std::string> names;
    for (const Pass* p : pipeline()) names.emplace_back(p->name);
    const std::string near = one_of(nearest_names(name, names, 2));
    fail_hint(near.empty() ? "`monza inspect MODEL --fusions` lists the passes" : near,
              "there is no pass '{}' to switch off", name);
  }
}

void run_next_pass(ir::Graph& graph, const std::vector<const Pass*>& passes, const BuildOptions& options,
                   PassProgress& progress) {
  const Pass& pass = *passes[progress.next];
  if (progress.next == 0) progress.fold = FoldBudget::of(graph);
  PassContext context(options, progress);
  const std::size_t nodes = count_nodes(graph);
  progress.report.passes.push_back(
      {.name = pass.name, .enabled = is_enabled(pass.name, options), .nodes_before = nodes, .nodes_after = nodes});
  PassRun& run = progress.report.passes.back();
  if (run.enabled && context.open()) {
    const auto start = std::chrono::steady_clock::now();
    const std::int64_t before = progress.rewrites;
    try {
      run_on_all(graph, pass, context);
      run.rewrites = progress.rewrites - before;
      if (run.rewrites > 0) {
        graph.sort();
        graph.remove_unused_values();
        graph.infer_all();
        ir::verify(graph);
      }
    } catch (const Error& e) {
      throw e.at(fmt::format("pass '{}'", pass.name));
    }
    run.nodes_after = count_nodes(graph);
    run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  ++progress.next;
}

void run_passes(ir::Graph& graph, const std::vector<const Pass*>& passes, const BuildOptions& options,
                PassReport& report) {
  check_disabled_passes(passes, options);
  PassProgress progress;
  progress.report = std::move(report);
  while (progress.next < passes.size()) run_next_pass(graph, passes, options, progress);
  report = std::move(progress.report);
}

bool comes_to(const PassProgress& progress, const BuildOptions& made_for, const BuildOptions& options) {
  if (made_for.device != options.device || made_for.strict_rewrites != options.strict_rewrites) return false;
  // A limit above what was made has not been met: no pass has seen it.
  const auto unmet = [&](std::int64_t limit) { return limit < 0 || progress.rewrites < limit; };
  if (made_for.max_rewrites != options.max_rewrites && !(unmet(made_for.max_rewrites) && unmet(options.max_rewrites)))
    return false;
  const QuantizationPlan *made = made_for.quantization.get(), *wanted = options.quantization.get();
  const bool same_plan = made == wanted || (made != nullptr && wanted != nullptr && *made == *wanted);
  if (progress.quantised && !same_plan) return false;
  const std::vector<PassRun>& runs = progress.report.passes;
  return std::all_of(runs.begin(), runs.end(),
                     [&](const PassRun& run) { return run.enabled == is_enabled(run.name, options); });
}

PassReport optimize(ir::Graph& graph, const BuildOptions& options) {
  PassReport report;
  run_passes(graph, pipeline(), options, report);
  return report;
}

std::string to_string(const PassReport& report, bool details) {
  std::string text = fmt::format("{:<28} {:>9} {:>9} {:>8} {:>8}\n", "pass", "ms", "rewrites", "nodes", "after");
  for (const PassRun& r : report.passes) {
    if (!r.enabled) text += fmt::format("{:<28} {:>9}\n", r.name, "off");
    else
      text += fmt::format("{:<28} {:>9} {:>9} {:>8} {:>8}\n", r.name,
                          r.seconds > 0 ? fmt::format("{:.2f}", r.seconds * 1e3) : "", r.rewrites, r.nodes_before,
                          r.nodes_after);
  }
  if (!details) return text;
  // The numbers are those that --max-rewrites counts.
  for (std::size_t i = 0; i < report.rewrites.size(); ++i) {
    const Rewrite& r = report.rewrites[i];
    text += fmt::format("{:4} {}: {} at {}\n", i + 1, r.pass, r.what, r.node);
  }
  for (const NearMiss& m : report.near_misses)
    text += fmt::format("{}: {} almost matched at {}: refused because {}\n", m.pass, m.pattern, m.node, m.reason);
  return text;
}

}  // namespace monza
