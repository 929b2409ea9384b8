// monza run: one inference on given or random inputs; its outputs to a file, or compared with given ones.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "engine/compare.h"
#include "eval/run.h"
#include "io/npy.h"
#include "io/npz.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tools/args/command.h"
#include "tools/args/inputs.h"
#include "tools/args/model_args.h"
#include "tools/measure/identity.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct RunArgs {
  RunArgs() {
    model.tune_by_default = false;
    model.takes_language_models = true;
  }
  ModelArgs model;
  InputArgs inputs;
  std::string output, expect;
  double rtol = 1e-3, atol = 1e-5;
  int repeat = 1;
  std::int64_t max_pool_bytes = ContextOptions{}.max_pool_bytes;
  bool save_inputs = false, json = false;
};

/// The first strings, each cut after a line's worth.
std::string beginning_of(const TensorRef& t) {
  std::string text;
  for (std::int64_t i = 0; i < t.numel() && i < 4; ++i) {
    const std::string_view s = t.as<StringRef>()[i].view();
    text += fmt::format("{}'{}{}'", i > 0 ? ", " : "  ", s.substr(0, 60), s.size() > 60 ? "..." : "");
  }
  return text + (t.numel() > 4 ? ", ..." : "");
}

/// Least, greatest and mean of a numeric output, for people.
std::string range_of(const TensorRef& t) {
  if (t.dtype == DType::string) return beginning_of(t);
  const ElementAccess& access = element_access(t.dtype);
  if (access.load == nullptr || t.numel() == 0) return "";
  double low = 0, high = 0, sum = 0;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    const double v = access.load(t.data, i);
    if (i == 0 || v < low) low = v;
    if (i == 0 || v > high) high = v;
    sum += v;
  }
  return fmt::format("  min {:.6g}  max {:.6g}  mean {:.6g}", low, high, sum / static_cast<double>(t.numel()));
}

Json number(double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); }

/// The reference outputs; arrays that are named as inputs become those.
std::vector<io::NamedTensor> read_expected(const RunArgs& o, InputArgs& args) {
  std::vector<io::NamedTensor> expected;
  if (o.expect.empty()) return expected;
  expected = read_tensor_file(o.expect);
  if (o.expect.ends_with(".npz")) take_inputs(expected, o.expect, o.model, args);
  return expected;
}

/// Outputs, and with --save-inputs what they were computed from, to one file.
void write_tensors(const RunArgs& o, const Prepared& prepared, std::vector<io::NamedRef> arrays) {
  const auto& inputs = prepared.opened.engine.inputs();
  for (std::size_t k = 0; o.save_inputs && k < inputs.size(); ++k)
    if (std::none_of(arrays.begin(), arrays.end(), [&](const io::NamedRef& a) { return a.name == inputs[k].name; }))
      arrays.push_back({inputs[k].name, prepared.inputs[k]});
  io::write_npz(o.output, arrays);
}

int run(const RunArgs& o) {
  if (o.save_inputs && o.output.empty())
    throw UsageError("--save-inputs writes into the file of --output\n  try: --output FILE --save-inputs");
  InputArgs args = o.inputs;
  std::vector<io::NamedTensor> expected = read_expected(o, args);
  const Prepared prepared = prepare(o.model, args);
  const Engine& engine = prepared.opened.engine;
  ContextOptions options = o.model.context_options();
  options.max_pool_bytes = o.max_pool_bytes;
  Context context = engine.create_context(options);
  bind_inputs(engine, context, prepared.inputs);
  double run_ms = 0;
  for (int i = 0; i < o.repeat; ++i) {
    const Stopwatch watch;
    run_checked(context, prepared);
    run_ms = watch.ms();
  }
  std::vector<io::NamedRef> outputs;
  for (std::size_t k = 0; k < engine.outputs().size(); ++k)
    outputs.push_back({engine.outputs()[k].name, context.output(k)});
  if (!o.output.empty()) write_tensors(o, prepared, outputs);

  Json report;
  report["outputs"] = Json::object();
  bool ok = true;
  if (!o.json)
    print("ran in {} ({} of {} threads)\n", time_text(run_ms), precision_name(engine.stats().precision),
          engine.stats().threads);
  if (!o.expect.empty()) {
    if (expected.size() == 1 && outputs.size() == 1 && !o.expect.ends_with(".npz")) expected[0].name = outputs[0].name;
    for (const io::NamedTensor& e : expected)
      if (std::none_of(outputs.begin(), outputs.end(), [&](const auto& out) { return out.name == e.name; }))
        throw Error(message("the reference has '{}', which is no output of the model", e.name),
                    outputs.empty() ? "" : "name the arrays as the outputs, for example '" + outputs[0].name + "'")
            .at("'" + o.expect + "'");
  }
  for (const io::NamedRef& out : outputs) {
    const auto it = std::find_if(expected.begin(), expected.end(), [&](const auto& e) { return e.name == out.name; });
    const std::string what =
        fmt::format("{} {} {}", out.name, dtype_name(out.tensor.dtype), extents_text(out.tensor.shape));
    const std::string strange = eval::not_finite(out.tensor);
    if (!strange.empty() && !o.model.quiet()) note(message("warning: output '{}': {}", out.name, strange));
    if (o.json && !strange.empty()) report["not_finite"][out.name] = strange;
    if (it == expected.end()) {
      if (o.json && o.expect.empty())
        report["outputs"][out.name] = {{"dtype", dtype_name(out.tensor.dtype)}, {"shape", out.tensor.shape}};
      if (!o.json) print("  {}{}\n", what, range_of(out.tensor));
      continue;
    }
    const Comparison c = compare(out.tensor, io::as_model_type(it->tensor, out.tensor.dtype), o.rtol, o.atol);
    ok = ok && c.ok;
    if (o.json) {
      report["outputs"][out.name] = {{"max_abs_error", number(c.max_abs_error)},
                                     {"max_rel_error", number(c.max_rel_error)},
                                     {"cosine", number(c.cosine)},
                                     {"ok", c.ok}};
      if (!c.ok) report["outputs"][out.name]["reason"] = c.reason;
    } else {
      print("  {} {}  max abs error {:.3g}, max rel error {:.3g}, cosine {:.7f}\n", c.ok ? "ok  " : "FAIL", what,
            c.max_abs_error, c.max_rel_error, c.cosine);
      if (!c.ok) print("       {}\n", c.reason);
    }
  }
  if (o.json) {
    report["ok"] = ok;
    report["run_ms"] = run_ms;
    report["replanned"] = engine.stats().replanned;
    report["about"] = identity_of(o.model, engine.stats());
    print_json(report);
  }
  return ok ? kExitOk : kExitMismatch;
}

}  // namespace

void add_run(Commands& commands) {
  const auto o = std::make_shared<RunArgs>();
  CommandOptions app = commands.add(
      "run", "Runs a model once; writes its outputs or compares them with given ones.",
      "  monza run model.onnx --random                                  does it run, and what comes out?\n"
      "  monza run model.engine --input images=photo.npy --output out.npz\n"
      "  monza run yolov8n.onnx --input images=photo.jpg                a picture, stretched to the input, RGB in "
      "0..1\n"
      "  monza run bert.onnx --input inputs.npz --output out.npz        every array of inputs.npz by its name\n"
      "  monza run model.onnx --input x=x.npy --expect ref.npz --rtol 1e-4 --atol 1e-5\n"
      "  monza run vad.onnx --random --input sr=16000                   a number for the inputs that are no data\n"
      "  monza run model.onnx --random --output golden.npz --save-inputs\n"
      "  monza run model.engine --expect golden.npz                     inputs and outputs from one file; `compare` "
      "and\n"
      "                                                                 `bench --data` take it too\n"
      "Dimensions that an ONNX file leaves open become those of the inputs. --expect passes when |a - b| <= atol +\n"
      "rtol * |b| for every element b of the reference; NaN equals NaN. Exit 1 when it does not pass.",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::run);
  o->inputs.add_to(app, false);
  app.add_option("--output,-o", o->output, "write all outputs there, as .npz").type_name("FILE").file(FileRole::writes);
  app.add_flag("--save-inputs", o->save_inputs, "write the inputs there too: the file is then a test of its own");
  app.add_option("--expect", o->expect,
                 "reference outputs (.npz, or .npy or .pb for a model with one); arrays named as inputs are inputs")
      .type_name("FILE")
      .file(FileRole::reads);
  app.add_option("--rtol", o->rtol, "relative tolerance (default 1e-3)").non_negative().type_name("R");
  app.add_option("--atol", o->atol, "absolute tolerance (default 1e-5)").non_negative().type_name("A");
  app.add_option("--repeat", o->repeat, "run this many times; the last counts (default 1)").positive().type_name("N");
  app.add_option("--max-pool-bytes", o->max_pool_bytes,
                 "most memory that strings, sequences and optionals of the run may take (default 1 GiB)")
      .non_negative()
      .type_name("N");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
