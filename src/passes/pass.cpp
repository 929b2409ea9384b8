#include "passes/pass.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace monza {

bool PassContext::allow(std::string_view what, const ir::Graph& graph, const ir::Node& node) {
  if (!open()) return false;
  ++count_;
  report_.rewrites.push_back({pass_, std::string(what), ir::describe(graph, node), node.origins});
  log(LogLevel::debug, "rewrite {}: {}: {} at {}", count_, pass_, what, report_.rewrites.back().node);
  return true;
}

void PassContext::near_miss(std::string_view pattern, const ir::Graph& graph, const ir::Node& node,
                            std::string reason) {
  constexpr std::size_t kMostNoted = 20'000;
  if (report_.near_misses.size() >= kMostNoted) return;
  NearMiss miss{pass_, std::string(pattern), ir::describe(graph, node), std::move(reason), node.origins};
  if (!seen_.insert(fmt::format("{} {} {} {}", pass_, pattern, node.id, miss.reason)).second) return;
  log(LogLevel::debug, "{}: {} almost matched at {}: refused because {}", miss.pass, miss.pattern, miss.node,
      miss.reason);
  report_.near_misses.push_back(std::move(miss));
}

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

void run_passes(ir::Graph& graph, const std::vector<const Pass*>& passes, const BuildOptions& options,
                PassReport& report) {
  for (const std::string& name : options.disabled_passes) {
    bool known = false;
    for (const Pass* p : passes) known = known || name == p->name;
    for (const Pass* p : pipeline()) known = known || name == p->name;
    if (!known)
      fail_hint("give the name of a pass as the pass report prints it", "there is no pass '{}' to switch off", name);
  }
  PassContext context(options, report);
  context.fold_ = FoldBudget::of(graph);
  for (const Pass* pass : passes) {
    const auto& disabled = options.disabled_passes;
    PassRun run{.name = pass->name,
                .enabled = std::find(disabled.begin(), disabled.end(), pass->name) == disabled.end()};
    run.nodes_before = run.nodes_after = count_nodes(graph);
    if (run.enabled && context.open()) {
      const auto start = std::chrono::steady_clock::now();
      const std::int64_t before = context.count();
      context.pass_ = pass->name;
      try {
        run_on_all(graph, *pass, context);
        run.rewrites = context.count() - before;
        if (run.rewrites > 0) {
          graph.sort();
          graph.remove_unused_values();
          graph.infer_all();
          ir::verify(graph);
        }
      } catch (const Error& e) {
        throw e.at(fmt::format("pass '{}'", pass->name));
      }
      run.nodes_after = count_nodes(graph);
      run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    report.passes.push_back(std::move(run));
  }
}

std::string passes_key(const BuildOptions& options) {
  const std::set<std::string> disabled(options.disabled_passes.begin(), options.disabled_passes.end());
  return fmt::format("{} {} {}", fmt::join(disabled, ","), options.max_rewrites, options.strict_rewrites);
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
