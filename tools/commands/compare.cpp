// monza compare: how far one model's numbers are from another's, and what makes them differ.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/hash.h"
#include "engine/bisect.h"
#include "engine/engine_values.h"
#include "engine/explain.h"
#include "import/onnx/onnx_import.h"
#include "io/npy.h"
#include "io/npz.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tools/args/command.h"
#include "tools/args/inputs.h"
#include "tools/args/model_args.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct CompareArgs {
  CompareArgs() { model.tune_by_default = false; }
  ModelArgs model;
  InputArgs inputs;
  std::string with;
  double tolerance = 0;
  bool no_bisect = false, tensors = false, json = false;
};

/// What the comparison found, for printing.
struct Findings {
  Criterion criterion;
  std::vector<TensorError> errors;
  std::optional<Culprit> culprit;
  /// Set when MODEL without optimisation was held against WITH: whether they agree, and where they first differ.
  std::optional<bool> unoptimised_agrees;
  std::optional<TensorError> first_shared;
  std::vector<std::string> remarks;
  bool ok() const {
    return std::all_of(errors.begin(), errors.end(), [](const TensorError& e) { return e.error.ok; });
  }
};

bool agree(const std::vector<TensorError>& errors) {
  return std::all_of(errors.begin(), errors.end(), [](const TensorError& e) { return e.error.ok; });
}
/// The least cosine and the largest error of outputs that differ, in words.
std::string distance(const std::vector<TensorError>& errors) {
  double cosine = 1, share = 0;
  for (const TensorError& e : errors) {
    cosine = std::min(cosine, std::isnan(e.error.cosine) ? -1 : e.error.cosine);
    if (e.error.largest > 0) share = std::max(share, e.error.max_abs_error / e.error.largest);
  }
  return fmt::format("least cosine {:.6f}, largest error {:.3g} of the largest value", cosine, share);
}

enum class Kind { engine, onnx, tensors };
Kind kind_of(const std::string& path) {
  for (const char* ending : {".npz", ".npy", ".pb"})
    if (path.ends_with(ending)) return Kind::tensors;
  return Engine::is_engine_file(path) ? Kind::engine : Kind::onnx;
}

bool engine_quantises(const Engine& engine) {
  const auto steps = steps_of(engine);
  return std::any_of(steps.begin(), steps.end(), [](const StepText& s) { return is_quantised_op(s.op); });
}

bool engine_rounds(const Engine& engine) {
  const auto steps = steps_of(engine);
  return std::any_of(steps.begin(), steps.end(), [](const StepText& s) { return is_rounded(s.computes_in); });
}

/// How often the inputs are nudged to learn a network's noise, and what an output may be further away than that.
constexpr std::uint64_t kNudges = 4;
constexpr double kSlack = 0.002;

/// What holds where the command line gives no tolerance.
Criterion criterion_for(const Engine& engine, double tolerance) {
  if (tolerance > 0) return {tolerance};
  Criterion criterion(1e-3);
  // Rounding to bfloat16 moves values by a step now and then, be it asked of all nodes or of some.
  if (engine.stats().precision != Precision::fp32 || engine_rounds(engine)) criterion.tolerance = 3e-2;
  // A model of 16 bits rounds after each node, and an engine of it where it stores values alone.
  for (const TensorInfo& out : engine.outputs())
    if (out.dtype == DType::f16 || out.dtype == DType::bf16)
      criterion.tolerance = std::max(criterion.tolerance, out.dtype == DType::f16 ? 1e-2 : 3e-2);
  if (engine_quantises(engine)) criterion.tolerance = 3e-2, criterion.by_cosine = true;
  return criterion;
}

/// Floats changed by 1e-6 of themselves, up or down as `seed` says: what tells how noisy a network is by itself.
Tensor nudged(const Tensor& tensor, std::uint64_t seed) {
  const ElementAccess& access = element_access(tensor.dtype());
  if (!is_float(tensor.dtype()) || access.load == nullptr) return tensor;
  Tensor changed = Tensor::copy_of(tensor);
  for (std::int64_t i = 0; i < changed.numel(); ++i) {
    const bool up = (hash64(std::as_bytes(std::span(&i, 1)), seed) & 1) != 0;
    access.store(changed.ref().data, i, access.load(tensor.ref().data, i) * (1 + (up ? 1e-6 : -1e-6)));
  }
  return changed;
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

const Tensor& require_input(const std::map<std::string, Tensor>& given, const std::string& name,
                            const std::string& path) {
  const auto it = given.find(name);
  if (it == given.end())
    throw Error(message("it has an input '{}', which the first model lacks", name),
                "compare engines of one model; `monza inspect` lists the inputs")
        .at("'" + path + "'");
  return it->second;
}

/// The given tensors in the order of another engine's inputs.
std::vector<Tensor> inputs_for(const Engine& engine, const std::map<std::string, Tensor>& given,
                               const std::string& path) {
  std::vector<Tensor> inputs;
  for (const TensorInfo& info : engine.inputs()) inputs.push_back(require_input(given, info.name, path));
  return inputs;
}

class Comparing {
 public:
  explicit Comparing(const CompareArgs& o) : o_(o), kind_(kind_of(o.with)), progress_(!o.json && !o.model.quiet()) {}

  Findings run() {
    InputArgs args = o_.inputs;
    if (kind_ == Kind::tensors) read_expected(args);
    BuildHooks hooks;
    if (!o_.model.is_engine()) hooks.session = session(o_.model.model);
    const Prepared prepared = prepare(o_.model, args, &hooks);
    const Engine& engine = prepared.opened.engine;
    for (std::size_t k = 0; k < engine.inputs().size(); ++k)
      inputs_.emplace(engine.inputs()[k].name, prepared.inputs[k]);
    found_.criterion = criterion_for(engine, o_.tolerance);
    std::vector<NamedValue> got;
    try {
      got = run_engine(engine, prepared.inputs, o_.model.context_options());
    } catch (const RunError& e) {
      throw RunError(with_random_inputs(e.what(), prepared));
    }
    if (kind_ == Kind::tensors) return with_tensors(engine, std::move(got));
    want_ = kind_ == Kind::engine ? other_engine(inputs_, true) : reference_outputs(engine, inputs_, true);
    judge_outputs(engine, got);
    if (found_.errors.empty())
      throw Error("the two have no output of the same name",
                  "compare engines of one model; `monza inspect` lists the outputs");
    const std::string source = !o_.model.is_engine() ? o_.model.model : kind_ == Kind::onnx ? o_.with : "";
    if (o_.tensors) all_tensors(engine, source);
    if (!found_.ok() && !o_.no_bisect) explain_difference(engine, got, source);
    return std::move(found_);
  }

 private:
  void read_expected(InputArgs& args) {
    auto arrays = read_tensor_file(o_.with);
    // Without the inputs that gave them, outputs say nothing.
    take_inputs(arrays, o_.with, o_.model, args);
    args.random = false;
    for (io::NamedTensor& t : arrays) expected_.push_back({t.name, std::move(t.tensor), "", ""});
  }

  void judge_outputs(const Engine& engine, const std::vector<NamedValue>& got) {
    found_.errors = compare_values(got, want_, found_.criterion);
    if (!found_.criterion.by_cosine) return;
    for (std::uint64_t seed = 1; seed <= kNudges && !found_.ok(); ++seed) {
      const auto inputs = nudged_inputs(seed);
      allow_noise(kind_ == Kind::onnx     ? reference_outputs(engine, inputs, false)
                  : kind_ == Kind::engine ? other_engine(inputs, false)
                                          : run_engine(engine, inputs_for(engine, inputs, o_.with), {}),
                  kind_ == Kind::tensors ? got : want_);
      found_.errors = compare_values(got, want_, found_.criterion);
    }
  }
  /// Outputs that move by more than the least cosine when the inputs change by 1e-6 are held to what they move by.
  void allow_noise(const std::vector<NamedValue>& moved, const std::vector<NamedValue>& still) {
    for (const TensorError& e : compare_values(moved, still, found_.criterion)) {
      if (std::isnan(e.error.cosine) || e.error.cosine >= found_.criterion.least_cosine) continue;
      const auto [it, added] = found_.criterion.least_of.try_emplace(e.name, e.error.cosine - kSlack);
      it->second = std::min(it->second, e.error.cosine - kSlack);
    }
  }
  std::map<std::string, Tensor> nudged_inputs(std::uint64_t seed) const {
    std::map<std::string, Tensor> changed;
    for (const auto& [name, tensor] : inputs_) changed.emplace(name, nudged(tensor, seed));
    return changed;
  }

  /// From floats, by ranges that no build of the ONNX file knows.
  static bool was_quantised(const Engine& engine) { return engine.stats().precision == Precision::int8; }
  BuildOptions suspect_options(const Engine& engine) const {
    if (!o_.model.is_engine()) {
      BuildOptions options = o_.model.build_options(o_.model.declared_inputs());
      options.shapes.clear();
      return options;
    }
    const Engine::Stats s = engine.stats();
    BuildOptions options;
    options.precision = was_quantised(engine) ? Precision::fp32 : s.precision;
    options.device = s.device;
    options.threads = s.threads;
    options.isa = s.isa;
    options.tune = false;
    return options;
  }
  VariantRunner runner(const std::string& source, const std::map<std::string, Tensor>& inputs) {
    return VariantRunner(session(source), inputs,
                         [this](std::string_view what, double f) { progress_.update(what, f); });
  }
  VariantRunner runner(const std::string& source) { return runner(source, inputs_); }
  std::shared_ptr<BuildSession> session(const std::string& source) {
    auto& session = sessions_[source];
    if (session == nullptr) session = std::make_shared<BuildSession>(source);
    return session;
  }

  /// WITH's outputs. `first`: its operators decide what is asked for, too.
  std::vector<NamedValue> other_engine(const std::map<std::string, Tensor>& inputs, bool first) {
    const Engine other = Engine::load(o_.with);
    if (first && engine_quantises(other)) by_cosine();
    return run_engine(other, inputs_for(other, inputs, o_.with), {});
  }
  std::vector<NamedValue> reference_outputs(const Engine& engine, const std::map<std::string, Tensor>& inputs,
                                            bool first) {
    if (first)
      for (const OnnxInput& i : onnx_inputs(o_.with, o_.model.limits())) require_input(inputs, i.name, o_.with);
    progress_.update("running the reference", 0);
    auto result = runner(o_.with, inputs).run(reference_of({suspect_options(engine), nullptr}));
    progress_.clear();
    if (first && quantises(*result.report.planned)) by_cosine();
    return std::move(result.outputs);
  }
  void by_cosine() {
    if (o_.tolerance > 0 || found_.criterion.by_cosine) return;
    found_.criterion.tolerance = 3e-2;
    found_.criterion.by_cosine = true;
  }

  /// Outputs and inner tensors, where the ONNX file is at hand, against a file of tensors.
  Findings with_tensors(const Engine& engine, std::vector<NamedValue> got) {
    if (expected_.size() == 1 && expected_[0].name.empty() && got.size() == 1) expected_[0].name = got[0].name;
    if (!o_.model.is_engine()) {
      auto result = runner(o_.model.model).run({suspect_options(engine), nullptr}, inner_names(engine, expected_));
      got = std::move(result.values);
      for (NamedValue& v : result.outputs) got.push_back(std::move(v));
      progress_.clear();
    }
    for (NamedValue& e : expected_) {
      const auto it = std::find_if(got.begin(), got.end(), [&](const NamedValue& g) { return g.name == e.name; });
      if (it != got.end()) e.value = io::as_model_type(e.value, it->value.dtype());
    }
    want_ = expected_;
    judge_outputs(engine, got);
    std::string missing;
    for (const NamedValue& e : expected_)
      if (std::none_of(got.begin(), got.end(), [&](const NamedValue& g) { return g.name == e.name; }))
        missing += (missing.empty() ? "'" : ", '") + e.name + "'";
    if (found_.errors.empty())
      throw Error(message("none of its arrays is a tensor of the model: {}", missing),
                  o_.model.is_engine() ? "an engine shows its outputs only; compare the ONNX file to see inner tensors"
                                       : "name the arrays as the model's tensors")
          .at("'" + o_.with + "'");
    if (!missing.empty())
      found_.remarks.push_back("not in the built model (fused away, or of another name): " + missing);
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
    if (!found_.ok() && !o_.no_bisect && !o_.model.is_engine()) hold_unoptimised(engine);
    return std::move(found_);
  }

  /// Whether MODEL without optimisation agrees with what it is compared with: if it does not, no pass is to blame.
  bool hold_unoptimised(const Engine& engine) {
    if (kind_ == Kind::onnx && o_.with == o_.model.model) return *(found_.unoptimised_agrees = true);
    auto result =
        runner(o_.model.model).run(reference_of({suspect_options(engine), nullptr}), inner_names(engine, want_));
    progress_.clear();
    std::vector<NamedValue> values = std::move(result.values);
    for (NamedValue& v : result.outputs) values.push_back(std::move(v));
    const auto errors = compare_values(values, want_, found_.criterion);
    found_.unoptimised_agrees = agree(errors);
    if (!*found_.unoptimised_agrees) {
      found_.remarks.push_back(fmt::format(
          "the two differ by themselves: '{}' without optimisation does not agree with '{}' either ({}), so no pass or "
          "kernel is to blame",
          o_.model.model, o_.with, distance(errors)));
    }
    return *found_.unoptimised_agrees;
  }

  /// Those that are no outputs, which a run gives anyway.
  static std::vector<std::string> inner_names(const Engine& engine, const std::vector<NamedValue>& values) {
    std::vector<std::string> names;
    const auto& outputs = engine.outputs();
    for (const NamedValue& v : values)
      if (std::none_of(outputs.begin(), outputs.end(), [&](const TensorInfo& o) { return o.name == v.name; }))
        names.push_back(v.name);
    return names;
  }

  void all_tensors(const Engine& engine, const std::string& source) {
    if (source.empty()) throw UsageError("--tensors needs the ONNX file as one of the two");
    VariantRunner run = runner(source);
    const Variant suspect{suspect_options(engine), nullptr};
    const auto names = value_names(*run.run(reference_of(suspect)).report.imported);
    const auto want = run.run(reference_of(suspect), names).values;
    // What an engine was quantised with is in its graph alone.
    const auto got = o_.model.is_engine() ? values_of_engine(engine, inputs_, names, o_.model.limits())
                                          : run.run(suspect, names).values;
    auto inner = compare_values(got, want, found_.criterion, false);
    found_.errors.insert(found_.errors.begin(), inner.begin(), inner.end());
    progress_.clear();
  }

  void explain_difference(const Engine& engine, const std::vector<NamedValue>& got, const std::string& source) {
    if (source.empty()) {
      found_.remarks.emplace_back(
          "two engines do not say which node it was: compare each with the ONNX file, which tells a wrong pass from "
          "another model");
      return;
    }
    if (o_.model.is_engine()) return explain_engine(engine, got, source);
    if (!hold_unoptimised(engine)) {
      if (kind_ == Kind::onnx) first_shared(engine);
      return;
    }
    if (bisect(engine, source)) return;
    found_.remarks.push_back(
        fmt::format("'{}' built once more with the same options agrees{}", source, other_kernels(engine, source)));
  }

  /// The engine's own build is not at hand: what its model gives now says whether it is another.
  void explain_engine(const Engine& engine, const std::vector<NamedValue>& got, const std::string& source) {
    if (was_quantised(engine)) {
      found_.remarks.emplace_back(
          "the engine was quantised from floats: --tensors shows, in the order of the nodes, where much becomes noise "
          "and "
          "what is cut off");
      return;
    }
    const auto now = runner(source).run({suspect_options(engine), nullptr});
    progress_.clear();
    const bool same = agree(compare_values(got, now.outputs, found_.criterion));
    if (agree(compare_values(now.outputs, want_, found_.criterion))) {
      found_.remarks.push_back(
          fmt::format("'{}' built now with the same options agrees with itself unoptimised, the "
                      "engine does not{}",
                      source, other_kernels(engine, now.kernels)));
      return;
    }
    bisect(engine, source);
    if (!same)
      found_.remarks.push_back(fmt::format("that is of '{}' built now; the engine differs from it, too{}", source,
                                           other_kernels(engine, now.kernels)));
  }

  /// What is other in the engine than in a build now, as far as it shows.
  using Kernels = std::vector<StepKernel>;
  std::string other_kernels(const Engine& engine, const std::string& source) {
    const auto now = runner(source).run({suspect_options(engine), nullptr});
    progress_.clear();
    return other_kernels(engine, now.kernels);
  }
  static std::string other_kernels(const Engine& engine, const Kernels& now) {
    const Kernels then = kernels_of(engine);
    for (std::size_t i = 0; i < std::max(then.size(), now.size()); ++i) {
      if (i >= then.size() || i >= now.size() || then[i].name != now[i].name || then[i].nodes != now[i].nodes)
        return fmt::format(
            ": its steps are others ('{}', where the build now has '{}'), so it is of another model, "
            "other options or another version",
            i < then.size() ? then[i].name : "none", i < now.size() ? now[i].name : "none");
      if (then[i].kernel != now[i].kernel)
        return fmt::format(": timing chose other kernels for it ('{}' at '{}', where the build now has '{}')",
                           then[i].kernel, then[i].name, now[i].kernel);
    }
    return ", with the same steps and kernels: its weights are others, or the result is not the same at each run";
  }

  /// The first tensor that both models name and that differs when neither is optimised.
  void first_shared(const Engine& engine) {
    const Variant plain = reference_of({suspect_options(engine), nullptr});
    VariantRunner ours = runner(o_.model.model), theirs = runner(o_.with);
    const auto names = value_names(*ours.run(plain).report.imported);
    const auto got = ours.run(plain, names), want = theirs.run(plain, names);
    progress_.clear();
    for (const TensorError& e : compare_values(got.values, want.values, found_.criterion, false)) {
      if (e.error.ok) continue;
      found_.first_shared = e;
      return;
    }
  }

  /// True when something in the build of `source` is to blame.
  bool bisect(const Engine& engine, const std::string& source) {
    VariantRunner run = runner(source);
    const Variant suspect{suspect_options(engine), nullptr};
    found_.culprit = find_culprit(run, suspect, reference_of(suspect), found_.criterion);
    progress_.clear();
    return found_.culprit->kind != Culprit::Kind::none;
  }

  const CompareArgs& o_;
  Kind kind_;
  Progress progress_;
  std::map<std::string, std::shared_ptr<BuildSession>> sessions_;  ///< by model file
  std::map<std::string, Tensor> inputs_;
  std::vector<NamedValue> expected_, want_;
  Findings found_;
};

Json number_or_null(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

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
  Json report = {{"ok", f.ok()}, {"tolerance", f.criterion.tolerance}, {"criterion", {}}, {"tensors", Json::array()}};
  report["criterion"] = {{"judged_by", f.criterion.by_cosine ? "cosine" : "largest magnitude"}};
  if (f.criterion.by_cosine) {
    report["criterion"]["least_cosine"] = f.criterion.least_cosine;
    report["criterion"]["least_of"] = f.criterion.least_of;
  }
  for (const TensorError& e : f.errors)
    report["tensors"].push_back({{"name", e.name},
                                 {"node", e.node},
                                 {"kernel", e.kernel},
                                 {"ok", e.error.ok},
                                 {"max_abs_error", number_or_null(e.error.max_abs_error)},
                                 {"largest", e.error.largest},
                                 {"cosine", number_or_null(e.error.cosine)},
                                 {"signal_to_noise_db", number_or_null(e.error.signal_to_noise)},
                                 {"clipped", e.clipped ? Json(*e.clipped) : Json(nullptr)},
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
  if (f.unoptimised_agrees) report["unoptimised_agrees"] = *f.unoptimised_agrees;
  if (f.first_shared)
    report["first_shared_tensor"] = {
        {"name", f.first_shared->name}, {"node", f.first_shared->node}, {"reason", f.first_shared->error.reason}};
  if (!f.remarks.empty()) report["remarks"] = f.remarks;
  return report;
}

std::string criterion_text(const Criterion& c) {
  if (!c.by_cosine) return fmt::format("tolerance {:g} of each tensor's largest magnitude", c.tolerance);
  std::string text = fmt::format("quantised, so judged by the cosine, at least {:g}", c.least_cosine);
  for (const auto& [name, least] : c.least_of)
    text += fmt::format(" ({} {:.6f}: inputs changed by 1e-6 move it to {:.6f})", name, least, least + kSlack);
  return text;
}

int run(const CompareArgs& o) {
  const Findings f = Comparing(o).run();
  if (o.json) {
    print_json(to_json(f));
    return f.ok() ? kExitOk : kExitMismatch;
  }
  // How much of a tensor is noise tells of integers what the largest error does not.
  const bool noisy = f.criterion.by_cosine;
  const bool clips = std::any_of(f.errors.begin(), f.errors.end(), [](const auto& e) { return e.clipped.has_value(); });
  print("{:4} {:>12} {:>12} {:>11}{}{}  {}\n", "", "max error", "of largest", "cosine", noisy ? "  signal/noise" : "",
        clips ? "    cut off" : "", "tensor");
  for (const TensorError& e : f.errors) {
    const std::string clipped = !clips ? "" : e.clipped ? fmt::format("  {:7.3f} %", *e.clipped * 100) : "           ";
    print("{:4} {:12.3g} {:12.3g} {:11.7f}{}{}  {}\n", e.error.ok ? "ok" : "FAIL", e.error.max_abs_error,
          e.error.largest > 0 ? e.error.max_abs_error / e.error.largest : 0, e.error.cosine,
          noisy ? fmt::format("  {:9.1f} dB", e.error.signal_to_noise) : std::string(), clipped, e.name);
    if (!e.error.ok) print("     {}\n", e.error.reason);
  }
  print("{}: {}\n", criterion_text(f.criterion), f.ok() ? "all agree" : "they differ");
  if (f.culprit && f.culprit->kind != Culprit::Kind::none)
    print("\n{}\n{}", Lines{to_string(*f.culprit)},
          Lines{f.culprit->builds > 0 ? fmt::format("found with {} builds\n", f.culprit->builds) : ""});
  for (const std::string& remark : f.remarks) print("{}\n", remark);
  if (f.first_shared)
    print("the first tensor that both name and that differs is '{}' ({}), of {}\n", f.first_shared->name,
          f.first_shared->error.reason, f.first_shared->node);
  return f.ok() ? kExitOk : kExitMismatch;
}

}  // namespace

void add_compare(Commands& commands) {
  const auto o = std::make_shared<CompareArgs>();
  CommandOptions app = commands.add(
      "compare", "Compares a model's numbers with another's, and names the pass, kernel or node that differs first.",
      "  monza compare yolov8n.engine yolov8n.onnx           with the ONNX file unoptimised: no passes, plain loops\n"
      "  monza compare model.onnx model.onnx --precision bf16 --tensors\n"
      "  monza compare old.engine new.engine                 outputs on the same random inputs\n"
      "  monza compare model.onnx golden.npz           arrays are outputs or inner tensors; those named as inputs\n"
      "                                                      are inputs (`monza run --save-inputs` writes such a "
      "file)\n"
      "A tensor passes when every element is within --tolerance times the largest magnitude of WITH's tensor; where a\n"
      "model quantises and no --tolerance is given, when its cosine is 0.999 or, of a network that moves further by "
      "itself\n"
      "when its inputs change by 1e-6, that less 0.002. When one does not and MODEL unoptimised does, rewrites are\n"
      "bisected and tensors are read in order, unless --no-bisect. Exit 1 when they differ.",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::run);
  app.add_option("WITH", o->with, "an engine, an ONNX file, or tensors (.npz, .npy, .pb)")
      .required()
      .type_name("FILE")
      .file(FileRole::reads_model);
  o->inputs.add_to(app, true);
  app.add_option(
         "--tolerance", o->tolerance,
         "share of a tensor's largest magnitude (default 1e-3; 3e-2 where steps compute in bf16; quantised models: see "
         "above)")
      .positive()
      .type_name("T");
  app.add_flag("--no-bisect", o->no_bisect, "do not look for what makes them differ");
  app.add_flag("--tensors", o->tensors, "list the tensors inside, too");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
