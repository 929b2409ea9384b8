// monza compare: how far one model's numbers are from another's, and what makes them differ.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "engine/bisect.h"
#include "engine/explain.h"
#include "io/npy.h"
#include "io/npz.h"
#include "tensor/dtype.h"
#include "tools/command.h"
#include "tools/inputs.h"
#include "tools/model_args.h"
#include "tools/terminal.h"

namespace monza::tool {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  Options() { model.tune_by_default = false; }
  ModelArgs model;
  InputArgs inputs;
  std::string with;
  double tolerance = 0;
  bool no_bisect = false, tensors = false, json = false;
};

/// What the comparison found, for printing.
struct Findings {
  double tolerance = 0;
  std::vector<TensorError> errors;
  std::optional<Culprit> culprit;
  std::string remark;
  bool ok() const {
    return std::all_of(errors.begin(), errors.end(), [](const TensorError& e) { return e.error.ok; });
  }
};

enum class Kind { engine, onnx, tensors };
Kind kind_of(const std::string& path) {
  for (const char* ending : {".npz", ".npy", ".pb"})
    if (path.ends_with(ending)) return Kind::tensors;
  return Engine::is_engine_file(path) ? Kind::engine : Kind::onnx;
}

/// Rounding to 8 bits or to bfloat16 moves values by a step now and then.
double default_tolerance(const Engine& engine) {
  const auto steps = steps_of(engine);
  const bool coarse =
      engine.stats().precision != Precision::fp32 || std::any_of(steps.begin(), steps.end(), [](const StepText& s) {
        return s.op.find("Quant") != std::string::npos || s.op.starts_with("Q") ||
               s.op.find("Integer") != std::string::npos;
      });
  return coarse ? 3e-2 : 1e-3;
}

std::vector<NamedValue> run_engine(const Engine& engine, const std::vector<Tensor>& inputs,
                                   const ContextOptions& options) {
  Context context = engine.create_context(options);
  bind_inputs(engine, context, inputs);
  check(context, context.run());
  std::vector<NamedValue> outputs;
  for (std::size_t k = 0; k < engine.outputs().size(); ++k)
    outputs.push_back({engine.outputs()[k].name, Tensor::copy_of(context.output(k)), "", ""});
  return outputs;
}

/// The given tensors in the order of another engine's inputs.
std::vector<Tensor> inputs_for(const Engine& engine, const std::map<std::string, Tensor>& given,
                               const std::string& path) {
  std::vector<Tensor> inputs;
  for (const TensorInfo& info : engine.inputs()) {
    const auto it = given.find(info.name);
    if (it == given.end())
      throw Error(fmt::format("it has an input '{}', which the first model lacks", info.name),
                  "compare engines of one model; `monza inspect` lists the inputs")
          .at("'" + path + "'");
    inputs.push_back(it->second);
  }
  return inputs;
}

class Comparing {
 public:
  explicit Comparing(const Options& o) : o_(o), kind_(kind_of(o.with)), progress_(!o.json && !o.model.quiet()) {}

  Findings run() {
    InputArgs args = o_.inputs;
    if (kind_ == Kind::tensors) read_expected(args);
    const Prepared prepared = prepare(o_.model, args);
    const Engine& engine = prepared.opened.engine;
    for (std::size_t k = 0; k < engine.inputs().size(); ++k)
      inputs_.emplace(engine.inputs()[k].name, prepared.inputs[k]);
    found_.tolerance = o_.tolerance > 0 ? o_.tolerance : default_tolerance(engine);
    auto got = run_engine(engine, prepared.inputs, o_.model.context_options());
    if (kind_ == Kind::tensors) return with_tensors(engine, std::move(got));
    const std::vector<NamedValue> want = kind_ == Kind::engine ? other_engine() : reference_outputs(engine);
    found_.errors = compare_values(got, want, found_.tolerance);
    if (found_.errors.empty())
      throw Error("the two have no output of the same name",
                  "compare engines of one model; `monza inspect` lists the outputs");
    const std::string source = !o_.model.is_engine() ? o_.model.model : kind_ == Kind::onnx ? o_.with : "";
    if (o_.tensors) all_tensors(engine, source);
    if (!found_.ok() && !o_.no_bisect) bisect(engine, source);
    return std::move(found_);
  }

 private:
  void read_expected(InputArgs& args) {
    for (io::NamedTensor& t : read_tensor_file(o_.with)) expected_.push_back({t.name, std::move(t.tensor), "", ""});
    // Arrays that are named as inputs are inputs.
    std::set<std::string> names;
    if (o_.model.is_engine()) {
      const Engine engine = Engine::load(o_.model.model);
      for (const TensorInfo& i : engine.inputs()) names.insert(i.name);
    }
    for (const ModelInput& i : o_.model.declared_inputs()) names.insert(i.name);
    for (const NamedValue& v : expected_)
      if (names.contains(v.name)) args.tensors.emplace(v.name, v.value);
    std::erase_if(expected_, [&](const NamedValue& v) { return names.contains(v.name); });
  }

  BuildOptions suspect_options(const Engine& engine) const {
    if (!o_.model.is_engine()) {
      BuildOptions options = o_.model.build_options(o_.model.declared_inputs());
      options.shapes.clear();
      return options;
    }
    const Engine::Stats s = engine.stats();
    BuildOptions options;
    options.precision = s.precision;
    options.device = s.device;
    options.threads = s.threads;
    options.isa = s.isa;
    options.tune = false;
    return options;
  }
  VariantRunner runner(const std::string& source) {
    return VariantRunner(source, inputs_, [this](std::string_view what, double f) { progress_.update(what, f); });
  }

  std::vector<NamedValue> other_engine() {
    const Engine other = Engine::load(o_.with);
    return run_engine(other, inputs_for(other, inputs_, o_.with), {});
  }
  std::vector<NamedValue> reference_outputs(const Engine& engine) {
    progress_.update("running the reference", 0);
    auto outputs = runner(o_.with).run(reference_of({suspect_options(engine), nullptr})).outputs;
    progress_.clear();
    return outputs;
  }

  /// Outputs and inner tensors, where the ONNX file is at hand, against a file of tensors.
  Findings with_tensors(const Engine& engine, std::vector<NamedValue> got) {
    if (expected_.size() == 1 && expected_[0].name.empty() && got.size() == 1) expected_[0].name = got[0].name;
    if (!o_.model.is_engine()) {
      std::vector<std::string> names;
      for (const NamedValue& v : expected_) names.push_back(v.name);
      auto result = runner(o_.model.model).run({suspect_options(engine), nullptr}, names);
      got = std::move(result.values);
      for (NamedValue& v : result.outputs) got.push_back(std::move(v));
      progress_.clear();
    }
    for (NamedValue& e : expected_) {
      const auto it = std::find_if(got.begin(), got.end(), [&](const NamedValue& g) { return g.name == e.name; });
      if (it != got.end()) e.value = io::as_model_type(e.value, it->value.dtype());
    }
    found_.errors = compare_values(got, expected_, found_.tolerance);
    std::string missing;
    for (const NamedValue& e : expected_)
      if (std::none_of(got.begin(), got.end(), [&](const NamedValue& g) { return g.name == e.name; }))
        missing += (missing.empty() ? "'" : ", '") + e.name + "'";
    if (found_.errors.empty())
      throw Error(fmt::format("none of its arrays is a tensor of the model: {}", missing),
                  o_.model.is_engine() ? "an engine shows its outputs only; compare the ONNX file to see inner tensors"
                                       : "name the arrays as the model's tensors")
          .at("'" + o_.with + "'");
    if (!missing.empty()) found_.remark = "not in the built model (fused away, or of another name): " + missing;
    const auto first =
        std::find_if(found_.errors.begin(), found_.errors.end(), [](const TensorError& e) { return !e.error.ok; });
    if (first != found_.errors.end() && !first->node.empty()) {
      Culprit c;
      c.kind = Culprit::Kind::node;
      c.node = first->node;
      c.kernel = first->kernel;
      c.tensor = first->name;
      c.error = first->error;
      found_.culprit = c;
    }
    return std::move(found_);
  }

  void all_tensors(const Engine& engine, const std::string& source) {
    if (source.empty()) throw UsageError("--tensors needs the ONNX file as one of the two");
    VariantRunner run = runner(source);
    const Variant suspect{suspect_options(engine), nullptr};
    const auto names = value_names(*run.run(reference_of(suspect)).report.imported);
    const auto want = run.run(reference_of(suspect), names), got = run.run(suspect, names);
    auto inner = compare_values(got.values, want.values, found_.tolerance, false);
    found_.errors.insert(found_.errors.begin(), inner.begin(), inner.end());
    progress_.clear();
  }

  void bisect(const Engine& engine, const std::string& source) {
    if (source.empty()) {
      found_.remark = "two engines do not say which node it was: compare each with the ONNX file";
      return;
    }
    VariantRunner run = runner(source);
    const Variant suspect{suspect_options(engine), nullptr};
    found_.culprit = find_culprit(run, suspect, reference_of(suspect), found_.tolerance);
    progress_.clear();
    if (found_.culprit->kind == Culprit::Kind::none)
      found_.remark = fmt::format(
          "'{}' built now with the same options agrees: {}", source,
          o_.model.is_engine() ? "the engine is of another model or version, or timing chose other kernels for it"
                               : "timing chose other kernels (--tune, --timing-cache)");
  }

  const Options& o_;
  Kind kind_;
  Progress progress_;
  std::map<std::string, Tensor> inputs_;
  std::vector<NamedValue> expected_;
  Findings found_;
};

Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

const char* kind_name(Culprit::Kind kind) {
  switch (kind) {
    case Culprit::Kind::none: return "none";
    case Culprit::Kind::rewrite: return "rewrite";
    case Culprit::Kind::kernel: return "kernel";
    case Culprit::Kind::node: return "node";
    case Culprit::Kind::plan: return "plan";
  }
  return "";
}

Json to_json(const Findings& f) {
  Json report = {{"ok", f.ok()}, {"tolerance", f.tolerance}, {"tensors", Json::array()}};
  for (const TensorError& e : f.errors)
    report["tensors"].push_back({{"name", e.name},
                                 {"node", e.node},
                                 {"kernel", e.kernel},
                                 {"ok", e.error.ok},
                                 {"max_abs_error", number(e.error.max_abs_error)},
                                 {"largest", e.error.largest},
                                 {"cosine", number(e.error.cosine)},
                                 {"reason", e.error.reason}});
  if (f.culprit) {
    const Culprit& c = *f.culprit;
    report["culprit"] = {{"kind", kind_name(c.kind)},
                         {"pass", c.pass},
                         {"rewrite", c.rewrite},
                         {"rewrite_number", c.rewrite_number},
                         {"node", c.node},
                         {"kernel", c.kernel},
                         {"tensor", c.tensor},
                         {"builds", c.builds}};
  }
  if (!f.remark.empty()) report["remark"] = f.remark;
  return report;
}

int run(const Options& o) {
  const Findings f = Comparing(o).run();
  if (o.json) {
    fmt::print("{}\n", to_json(f).dump(1, ' ', false, Json::error_handler_t::replace));
    return f.ok() ? kExitOk : kExitMismatch;
  }
  fmt::print("{:4} {:>12} {:>12} {:>11}  {}\n", "", "max error", "of largest", "cosine", "tensor");
  for (const TensorError& e : f.errors)
    fmt::print("{:4} {:12.3g} {:12.3g} {:11.7f}  {}{}\n", e.error.ok ? "ok" : "FAIL", e.error.max_abs_error,
               e.error.largest > 0 ? e.error.max_abs_error / e.error.largest : 0, e.error.cosine, e.name,
               e.error.ok ? "" : "\n     " + e.error.reason);
  fmt::print("tolerance {:g} of each tensor's largest magnitude: {}\n", f.tolerance,
             f.ok() ? "all agree" : "they differ");
  if (f.culprit && f.culprit->kind != Culprit::Kind::none)
    fmt::print("\n{}\n{}", to_string(*f.culprit),
               f.culprit->builds > 0 ? fmt::format("found with {} builds\n", f.culprit->builds) : "");
  if (!f.remark.empty()) fmt::print("{}\n", f.remark);
  return f.ok() ? kExitOk : kExitMismatch;
}

}  // namespace

void add_compare(Commands& commands) {
  const auto o = std::make_shared<Options>();
  CommandOptions app = commands.add(
      "compare", "Compares a model's numbers with another's, and names the pass, kernel or node that differs first.",
      "  monza compare yolov8n.engine yolov8n.onnx           with the ONNX file unoptimised: no passes, plain loops\n"
      "  monza compare model.onnx model.onnx --precision bf16 --tensors\n"
      "  monza compare old.engine new.engine                 outputs on the same random inputs\n"
      "  monza compare model.onnx reference.npz --input x=x.npy    arrays are outputs or inner tensors; those named\n"
      "                                                      as inputs are inputs\n"
      "A tensor passes when every element is within --tolerance times the largest magnitude of WITH's tensor. When "
      "one\n"
      "does not, rewrites are bisected and tensors are read in order, unless --no-bisect. Exit 1 when they differ.",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::run);
  app.add_option("WITH", o->with, "an engine, an ONNX file, or tensors (.npz, .npy, .pb)").required().type_name("FILE");
  o->inputs.add_to(app, true);
  app.add_option("--tolerance", o->tolerance,
                 "share of a tensor's largest magnitude (default 1e-3; 3e-2 for quantised models and bf16)")
      .positive()
      .type_name("T");
  app.add_flag("--no-bisect", o->no_bisect, "do not look for what makes them differ");
  app.add_flag("--tensors", o->tensors, "list the tensors inside, too");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
