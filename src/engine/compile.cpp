#include "engine/compile.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/device.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/build_record.h"
#include "engine/carried_graph.h"
#include "ir/op.h"
#include "ops/control/control.def.h"
#include "plan/data/memory_map.h"
#include "plan/options.h"
#include "plan/planner.h"
#include "plan/tactics.h"
#include "plan/weights.h"

namespace monza {
namespace {

/// Puts numbers in the place of symbols where inference begins: in a graph's inputs and in what refusing branches say
/// of their outputs.
void substitute(ir::Graph& graph, const ops::Replacement& numbers) {
  for (const ir::ValueId id : graph.inputs()) {
    ir::Value& value = graph.value(id);
    for (ir::Expr& e : value.type.shape) e = ir::substitute(e, numbers);
    if (value.content)
      for (ir::Expr& e : *value.content) e = ir::substitute(e, numbers);
  }
  for (const ir::NodeId id : graph.order()) ops::substitute_refused(graph, id, numbers);
}

/// The same in the bodies of a node: their inputs keep the declared types of lists and the bounds of what grows.
void substitute_in_bodies(ir::Graph& graph, ir::NodeId id, const ops::Replacement& numbers) {
  for (std::size_t b = 0; b < std::as_const(graph).node(id).bodies.size(); ++b) {
    ir::Graph& body = graph.body(id, b);
    substitute(body, numbers);
    for (const ir::NodeId inner : body.order()) substitute_in_bodies(body, inner, numbers);
    body.infer_all();
  }
}

/// The graph with the dimensions that the profile fixes as numbers, or null when it fixes none (or a branch forbids
/// it): kernels refuse less of what cannot vary.
std::unique_ptr<ir::Graph> specialised(const ir::Graph& graph, const plan::Profile& profile) {
  bool any = false;
  for (const auto& [symbol, extent] : profile) any |= extent.min == extent.max;
  if (!any) return nullptr;
  std::unique_ptr<ir::Graph> copy = graph.clone();
  const ops::Replacement fixed = [&](const ir::Atom& atom) -> std::optional<ir::Expr> {
    const auto it = atom.kind == ir::AtomKind::symbol ? profile.find(atom.name) : profile.end();
    if (it == profile.end() || it->second.min != it->second.max) return std::nullopt;
    return ir::Expr(it->second.max);
  };
  substitute(*copy, fixed);
  for (const ir::NodeId id : copy->order()) {
    try {
      substitute_in_bodies(*copy, id, fixed);
      copy->infer(id);
    } catch (const Error& e) {
      // A branch that only other profiles take need not fit this one's numbers: they stay ranges of one number.
      if (std::string_view(std::as_const(*copy).node(id).op->name) != "If") throw;
      log(LogLevel::info, "a profile is planned as a range, because a branch does not fit it: {}", e.what());
      return nullptr;
    }
  }
  return copy;
}

/// Runs `work`; its error names the profile where there are several.
template <typename F>
void in_profile(const std::vector<plan::Profile>& profiles, std::size_t profile, F&& work) {
  try {
    work();
  } catch (const Error& e) {
    if (profiles.size() == 1) throw;
    throw e.at(fmt::format("profile {} ({})", profile, plan::to_string(profiles[profile])));
  }
}

/// Refuses a plan that needs more than the cap: how much, what for, and which way out there is.
void check_memory(const plan::PlanStorage& storage, std::int64_t weights, std::int64_t cap) {
  const plan::Plan plan = storage.view();
  std::int64_t arena = 0;
  for (const plan::DeviceRef& d : plan.devices) arena += d.arena_bytes;
  if (weights + arena <= cap) return;
  std::vector<std::pair<std::int64_t, std::string>> values;
  for (const plan::ArenaBlock& b : plan::arena_peak(plan))
    values.emplace_back(b.bytes, fmt::format("{} '{}'", b.scratch ? "scratch memory of" : "output of", b.step));
  for (const plan::WeightBlock& w : plan.weight_blocks)
    values.emplace_back(w.bytes, fmt::format("weight '{}'", plan.text(w.name)));
  std::stable_sort(values.begin(), values.end(), [](const auto& x, const auto& y) { return x.first > y.first; });
  std::string list;
  constexpr std::size_t kMost = 10;
  for (std::size_t i = 0; i < values.size() && i < kMost; ++i)
    list += message("\n  {:>12}  {}", values[i].first, values[i].second);
  if (values.size() > kMost) list += fmt::format("\n  and {} smaller ones", values.size() - kMost);
  std::string dynamic;
  for (const plan::ModelPort& port : plan.inputs)
    for (int a = 0; a < port.rank; ++a)
      if (port.min[a] != port.max[a])
        dynamic += fmt::format("{}'{}' (axis {} of input '{}', up to {})", dynamic.empty() ? "" : ", ",
                               plan.text(port.symbol[a]), a, plan.text(port.name), port.max[a]);
  fail_hint(fmt::format("{}--max-memory {}", dynamic.empty() ? "" : "a smaller --max-shape for " + dynamic + ", or ",
                        weights + arena),
            "at its largest shape the engine needs {} bytes (weights {}, activations {}), more than the {} bytes of "
            "the memory cap; where memory is fullest these are in it:{}",
            weights + arena, weights, arena, cap, Lines{list});
}

/// Those of the last build where they answer the same questions, with a budget of their own.
plan::Tactics& tactics_for(const BuildOptions& options, CompileShared& shared) {
  if (shared.tactics != nullptr && shared.tactics->serves(options)) shared.tactics->restart(options.max_build_seconds);
  else shared.tactics = std::make_unique<plan::Tactics>(options);
  return *shared.tactics;
}

std::int64_t bytes_of_constants(const ir::Graph& graph) {
  std::int64_t bytes = 0;
  for (const ir::ValueId v : graph.values())
    if (const auto& c = graph.value(v).constant; c != nullptr) bytes += plan::constant_bytes(*c);
  return bytes;
}

engine_file::Info info_of(const BuildOptions& options, const ir::Graph& graph,
                          const std::vector<plan::Profile>& profiles) {
  engine_file::Info info;
  info.profiles = profiles;
  info.precision = options.precision;
  info.device = options.device;
  if (info.device != Device::cpu) info.chip = backend::open_device(info.device)->chip();
  info.optimize = options.optimize;
  info.batch_invariant = options.batch_invariant;
  for (const auto& [key, value] : graph.model().metadata) info.metadata[key] = value;
  for (const auto& [key, value] : options.metadata) info.metadata[key] = value;
  return info;
}

}  // namespace

engine_file::Image compile(ir::Graph& graph, const BuildOptions& options, const std::vector<plan::Profile>& profiles,
                           BuildReport& report, CompileShared* shared) {
  CompileShared own;
  CompileShared& s = shared != nullptr ? *shared : own;
  const bool timed = (options.tune || options.tactic_seed) && !plan::is_reference_plan(options);
  plan::PlanScope scope;
  if (timed) {
    scope.tactics = &tactics_for(options, s);
    scope.tactics->set_constant_bytes(bytes_of_constants(graph));
  }

  // An engine of its own adopts what is packed already, in the order and at the places of a build that stands alone.
  const bool in_place =
      shared != nullptr && shared->in_place && options.device == Device::cpu && !options.external_weights;
  // What other builds adopt stays in memory.
  const auto spool = [&] {
    const bool streams = shared == nullptr && !options.spool_folder.empty();
    return streams ? std::make_shared<SpoolFile>(options.spool_folder) : nullptr;
  };
  plan::WeightStore alone(spool()), adopted(&s.weights);
  plan::WeightStore& weights = shared == nullptr ? alone : in_place ? s.weights : adopted;
  if (options.external_weights) weights.keep_external();
  engine_file::Parts parts;
  for (std::size_t k = 0; k < profiles.size(); ++k) {
    scope.profile = profiles[k];
    in_profile(profiles, k, [&] {
      const std::unique_ptr<ir::Graph> own = specialised(graph, profiles[k]);
      plan::PlannedModel planned = plan::make_plan(own ? *own : graph, options, scope, weights);
      if (k == 0) parts.plan = std::move(planned.plan);
      else parts.further.push_back(std::move(planned.plan));
      if (k == 0) report.choices = std::move(planned.choices);
    });
  }
  s.timed = timed ? s.tactics->measured() : 0;
  if (timed) log(LogLevel::info, "timings: {} measured, {} known", s.tactics->measured(), s.tactics->cached());
  if (timed && s.tactics->over_budget() > 0)
    log(LogLevel::warning,
        "timing kernels stopped after {:g} s: {} questions were answered by preference order; --max-build-seconds "
        "gives "
        "more time, and with --timing-cache the next build goes on from here",
        options.max_build_seconds, s.tactics->over_budget());
  weights.settle(parts.plan);
  for (plan::PlanStorage& plan : parts.further) weights.settle(plan);
  // Every plan's weights are in the engine, so the cap is known when all are planned.
  const auto on_host = [](const plan::PlanStorage& plan) { return plan.devices.size() == 1; };
  const bool shares_memory =
      in_place && on_host(parts.plan) && std::all_of(parts.further.begin(), parts.further.end(), on_host);
  for (std::size_t k = 0; options.max_memory > 0 && !shares_memory && k < profiles.size(); ++k)
    in_profile(profiles, k,
               [&] { check_memory(k == 0 ? parts.plan : parts.further[k - 1], weights.bytes(), options.max_memory); });
  parts.external = weights.external_files();
  parts.stored = shares_memory ? weights.gather() : weights.assemble();
  if (!options.strip) {
    CarriedGraph carried = carry_graph(graph, weights, spool());
    parts.graph = std::move(carried.text);
    parts.graph_data = std::move(carried.data);
    parts.record = write_record(graph, report);
  }
  parts.carried = report.carried;
  parts.info = info_of(options, graph, profiles);
  return engine_file::make_image(std::move(parts));
}

}  // namespace monza
