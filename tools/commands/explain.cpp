// monza explain: what became of one node of the model, and why it runs the kernel it runs.
#include "engine/explain.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "base/constraint.h"
#include "base/error.h"
#include "base/nearest.h"
#include "engine/build_record.h"
#include "engine/run/engine_impl.h"
#include "tools/args/command.h"
#include "tools/args/inputs.h"
#include "tools/args/model_args.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct ExplainArgs {
  ExplainArgs() { model.takes_language_models = true; }
  ModelArgs model;
  std::string node;
  bool json = false;
};

std::string list(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& i : items) text += (text.empty() ? "" : ", ") + i;
  return text;
}

void print_step(const StepText& s) {
  print("  step {}: {}{}{}\n", s.index, s.kernel,
        s.computes_in.empty() ? "" : fmt::format(", computes in {}, sums in {}", s.computes_in, s.accumulates_in),
        s.scratch_bytes > 0 ? ", scratch " + bytes_text(static_cast<double>(s.scratch_bytes)) : "");
  const auto operands = [](const char* what, const std::vector<OperandText>& all) {
    for (std::size_t i = 0; i < all.size(); ++i)
      if (!all[i].layout.empty()) print("    {} {}  {}  {}\n", what, i, all[i].type, all[i].layout);
  };
  operands("in ", s.inputs);
  operands("out", s.outputs);
}

/// Candidates in the order of time, then those not timed, then those that refused.
void print_candidates(const plan::Choice& c) {
  print("  kernel: {}\n", c.kernel);
  auto timed = c.timed;
  std::stable_sort(timed.begin(), timed.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  print("  candidates for {}:\n", c.op);
  const auto mark = [&](const std::string& kernel) { return kernel == c.kernel ? "-> " : "   "; };
  for (const auto& [kernel, us] : timed) print("    {}{:32} {:10.1f} us\n", mark(kernel), kernel, us);
  if (timed.empty())
    print("    {}{:32} taken: {}\n", mark(c.kernel), c.kernel,
          c.accepted.size() > 1 ? "first in order of preference, nothing was timed" : "the only one that fits");
  for (const std::string& kernel : c.accepted)
    if (kernel != c.kernel &&
        std::none_of(timed.begin(), timed.end(), [&](const auto& t) { return t.first == kernel; }))
      print("       {:32} fits; not timed\n", kernel);
  for (const auto& [kernel, reason] : c.refused) print("       {:32} refused: {}\n", kernel, reason);
  if (timed.size() > 1)
    print("    layouts are chosen for the whole graph, conversions counted: the fastest alone need not be taken\n");
}

Json step_json(const StepText& s) {
  const auto operands = [](const std::vector<OperandText>& all) {
    auto out = Json::array();
    for (const OperandText& o : all) out.push_back({{"type", o.type}, {"layout", o.layout}});
    return out;
  };
  return {{"index", s.index},
          {"name", s.name},
          {"nodes", s.nodes},
          {"op", s.op},
          {"kernel", s.kernel},
          {"computes_in", s.computes_in},
          {"accumulates_in", s.accumulates_in},
          {"measured_us", s.measured_us},
          {"scratch_bytes", s.scratch_bytes},
          {"inputs", operands(s.inputs)},
          {"outputs", operands(s.outputs)}};
}

Json steps_json(const std::vector<StepText>& steps) {
  auto out = Json::array();
  for (const StepText& s : steps) out.push_back(step_json(s));
  return out;
}

Json explanation_json(const Explanation& e) {
  Json out = {{"node", e.name}, {"op_type", e.op_type}, {"computed_by", Json::array()}};
  for (const Realisation& r : e.realisations) {
    Json entry = {{"op", r.op},
                  {"onnx_nodes", r.onnx_nodes},
                  {"allowed",
                   {{"precisions", to_string(allowed_precisions(r.constraint))},
                    {"devices", to_string(r.constraint.devices)},
                    {"asked", !r.constraint.empty()}}},
                  {"rewrites", r.rewrites},
                  {"scales", r.scales},
                  {"steps", steps_json(r.steps)}};
    if (r.choice != nullptr) {
      entry["kernel"] = r.choice->kernel;
      auto& candidates = entry["candidates"] = Json::array();
      for (const std::string& kernel : r.choice->accepted) {
        Json candidate = {{"kernel", kernel}, {"fits", true}};
        for (const auto& [name, us] : r.choice->timed)
          if (name == kernel) candidate["us"] = us;
        candidates.push_back(std::move(candidate));
      }
      for (const auto& [kernel, reason] : r.choice->refused)
        candidates.push_back({{"kernel", kernel}, {"fits", false}, {"reason", reason}});
    }
    out["computed_by"].push_back(std::move(entry));
  }
  out["constants"] = e.constants;
  out["rewrites"] = e.rewrites;
  out["conversions"] = steps_json(e.conversions);
  auto& misses = out["near_misses"] = Json::array();
  for (const NearMiss* m : e.near_misses)
    misses.push_back({{"pass", m->pass}, {"pattern", m->pattern}, {"node", m->node}, {"reason", m->reason}});
  return out;
}

void print_explanation(const Explanation& e) {
  print("{} '{}'\n", e.op_type, e.name);
  for (const Realisation& r : e.realisations) {
    print("\ncomputed by {}{}\n", r.op, r.onnx_nodes.size() > 1 ? ", which computes " + list(r.onnx_nodes) : "");
    print("  may compute in {}{}{}\n", to_string(allowed_precisions(r.constraint)),
          r.constraint.precisions.empty() ? " (nothing else is asked of it)" : " (asked of it)",
          r.constraint.devices.empty() ? "" : ", on " + to_string(r.constraint.devices));
    for (const std::string& w : r.rewrites) print("  rewrite {}\n", w);
    for (const std::string& s : r.scales) print("  {}\n", s);
    if (r.choice != nullptr) print_candidates(*r.choice);
    for (const StepText& s : r.steps) print_step(s);
    if (r.steps.empty())
      print("  no step: its result is a view of memory that another step writes, or is written there\n");
  }
  if (e.realisations.empty()) {
    if (!e.constants.empty()) print("computed at build; its result is in {}\n", list(e.constants));
    else print("nothing is left of it: its result is not needed, or is its input\n");
    for (const std::string& w : e.rewrites) print("  rewrite {}\n", w);
  }
  if (!e.conversions.empty()) print("\nits result is rearranged for what reads it:\n");
  for (const StepText& s : e.conversions) print_step(s);
  if (!e.near_misses.empty()) print("\nalmost:\n");
  for (const NearMiss* m : e.near_misses) print("  {}: {} did not match, because {}\n", m->pass, m->pattern, m->reason);
}

/// What an engine without its graph and the record of its build still knows: the steps.
int explain_stripped(const ExplainArgs& o, const Engine& engine) {
  const std::vector<StepText> steps = steps_of(engine, o.node);
  if (steps.empty()) {
    std::vector<std::string> names;
    for (const StepText& s : steps_of(engine)) names.insert(names.end(), s.nodes.begin(), s.nodes.end());
    const std::string near = one_of(nearest_names(o.node, names));
    fail_hint(near.empty() ? "`monza inspect ENGINE --plan` lists the steps" : near,
              "no step of the engine computes a node '{}'", o.node);
  }
  if (o.json) {
    const Json report = {{"node", o.node}, {"steps", steps_json(steps)}};
    print_json(report);
    return kExitOk;
  }
  for (const StepText& s : steps) {
    print("{}{}\n", s.name, s.measured_us > 0 ? fmt::format(", {:.1f} us when it was chosen", s.measured_us) : "");
    print_step(s);
  }
  print("the engine was built with --strip, so fusions and candidates are not in it: explain the ONNX file\n");
  return kExitOk;
}

int run(const ExplainArgs& o) {
  InputArgs inputs;
  inputs.random = true;
  BuildReport report;
  BuildHooks hooks;
  hooks.report = &report;
  const Prepared prepared = prepare(o.model, inputs, &hooks);
  if (o.model.is_engine()) {
    const engine_file::Image& image = prepared.opened.engine.impl().image;
    if (image.graph.empty()) return explain_stripped(o, prepared.opened.engine);
    report = read_record(image, o.model.limits());
  }
  const Explanation e = explain(report, prepared.opened.engine, o.node);
  if (o.json) print_json(explanation_json(e));
  else print_explanation(e);
  return kExitOk;
}

}  // namespace

void add_explain(Commands& commands) {
  const auto o = std::make_shared<ExplainArgs>();
  CommandOptions app = commands.add(
      "explain", "Says what became of one node: fusions, kernel, layout, precision, and every candidate.",
      "  monza explain yolov8n.onnx /model.0/conv/Conv     times of all kernels that take it, reasons of those that "
      "do not\n"
      "  monza explain bert.onnx /embeddings/Add --shape batch=1 --shape sequence=128\n"
      "  monza explain yolov8n.onnx output0                the node that makes a tensor\n"
      "  monza explain yolov8n.engine /model.0/conv/Conv   the same, as the engine's build chose and timed\n"
      "NODE is an ONNX node's name or that of a tensor. An ONNX file is built for it, kernels timed (--no-tune: not);\n"
      "--timing-cache spares the second time. An engine keeps all of it, unless it was built with --strip.",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::run);
  app.add_option("NODE", o->node, "an ONNX node, or a tensor that a node makes").required().type_name("NAME");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
