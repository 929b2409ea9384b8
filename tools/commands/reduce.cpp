// monza reduce: a failing model as small as it still fails.
#include <fmt/core.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/error.h"
#include "base/output_file.h"
#include "base/temporary_folder.h"
#include "engine/bisect.h"
#include "engine/reduce_model.h"
#include "engine/variants.h"
#include "import/onnx/onnx_import.h"
#include "io/npz.h"
#include "tools/args/command.h"
#include "tools/args/inputs.h"
#include "tools/args/model_args.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct ReduceArgs {
  ReduceArgs() { model.tune_by_default = false; }
  ModelArgs model;
  InputArgs inputs;
  std::string output, save_inputs, check;
  double tolerance = 0;
  bool json = false;
};

void write_inputs(const std::string& path, const std::map<std::string, Tensor>& inputs) {
  std::vector<io::NamedRef> arrays;
  for (const auto& [name, tensor] : inputs) arrays.push_back({name, tensor});
  io::write_npz(path, arrays);
}

std::string replaced(std::string text, std::string_view word, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += by.size())
    text.replace(at, word.size(), by);
  return text;
}

class Failing {
 public:
  explicit Failing(const ReduceArgs& o) : o_(o) {
    options_ = o.model.build_options(o.model.declared_inputs());
    options_.shapes.clear();
  }

  /// The inputs of the whole model: those given, the others random. A model that is refused gets random ones alone.
  std::map<std::string, Tensor> inputs_of_model() const {
    std::map<std::string, Tensor> inputs;
    try {
      const Prepared prepared = prepare(o_.model, o_.inputs);
      for (std::size_t k = 0; k < prepared.inputs.size(); ++k)
        inputs.emplace(prepared.opened.engine.inputs()[k].name, prepared.inputs[k]);
    } catch (const Error&) {
      const std::vector<ModelInput> declared = o_.model.declared_inputs();
      const auto shapes = o_.model.shapes_for(declared);
      for (std::size_t k = 0; k < declared.size(); ++k)
        add_random(inputs, declared[k].name, declared[k].dtype, shapes[k]);
    }
    return inputs;
  }

  /// What the model's inner values hold on those inputs, computed by the reference; nothing where it cannot run.
  std::map<std::string, Tensor> values(const std::map<std::string, Tensor>& inputs) const {
    std::map<std::string, Tensor> values;
    try {
      VariantRunner runner(o_.model.model, inputs);
      const auto first = runner.run(reference());
      for (NamedValue& v : runner.run(reference(), value_names(*first.report.imported)).values)
        values.emplace(v.name, std::move(v.value));
    } catch (const Error&) {
    }
    return values;
  }

  std::string operator()(const std::string& path, const std::map<std::string, Tensor>& known) const {
    std::map<std::string, Tensor> inputs = known;
    for (const OnnxInput& i : onnx_inputs(path))
      if (!inputs.contains(i.name)) add_random(inputs, i.name, i.dtype, i.shape);
    return o_.check.empty() ? held_to_reference(path, inputs) : command(path, inputs);
  }

 private:
  /// Open extents are 1. Values of types that are not drawn are left out.
  static void add_random(std::map<std::string, Tensor>& inputs, const std::string& name, DType dtype,
                         std::vector<std::int64_t> shape) {
    for (std::int64_t& extent : shape) extent = std::max<std::int64_t>(extent, extent < 0 ? 1 : 0);
    try {
      inputs.emplace(name, random_tensor(dtype, shape, inputs.size()));
    } catch (const Error&) {
    }
  }
  Variant reference() const { return reference_of({options_, nullptr}); }

  std::string held_to_reference(const std::string& path, const std::map<std::string, Tensor>& inputs) const {
    VariantRunner runner(path, inputs);
    VariantRunner::Result got, want;
    try {
      got = runner.run({options_, nullptr});
    } catch (const Error& e) {
      return "it is refused: " + e.fact();
    }
    try {
      want = runner.run(reference());
    } catch (const Error&) {
      return "the reference is refused, and it is not";
    }
    Criterion criterion(o_.tolerance > 0 ? o_.tolerance : options_.precision == Precision::fp32 ? 1e-3 : 3e-2);
    if (o_.tolerance <= 0 && quantises(*got.report.planned)) criterion.tolerance = 3e-2, criterion.by_cosine = true;
    for (const TensorError& e : compare_values(got.outputs, want.outputs, criterion))
      if (!e.error.ok) return "its outputs differ from the reference";
    return {};
  }

  std::string command(const std::string& path, const std::map<std::string, Tensor>& inputs) const {
    const TemporaryFolder folder("the inputs that --check is given");
    const std::string arrays = folder.file("inputs.npz");
    write_inputs(arrays, inputs);
    std::string line = replaced(o_.check, "{inputs}", shell_quoted(arrays));
    line = line.find("{}") == std::string::npos ? line + " " + shell_quoted(path)
                                                : replaced(line, "{}", shell_quoted(path));
    const int status = std::system(("( " + line + " ) >/dev/null 2>&1").c_str());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return WIFEXITED(status) ? fmt::format("--check ends with {}", WEXITSTATUS(status))
                             : "--check is ended by a signal";
  }

  const ReduceArgs& o_;
  BuildOptions options_;
};

int run(const ReduceArgs& o) {
  if (o.model.is_engine())
    throw UsageError(message("'{}' is an engine\n  try: the ONNX file that it was built from", o.model.model));
  const Failing fails(o);
  Progress progress(!o.json && !o.model.quiet());
  ReduceOptions options;
  options.limits = o.model.limits();
  options.inputs = fails.inputs_of_model();
  options.values = fails.values(options.inputs);
  options.progress = [&](std::string_view what, double fraction) { progress.update(what, fraction); };
  const ReducedModel reduced = reduce_model(o.model.model, options, fails);
  progress.clear();
  write_file(o.output, reduced.bytes);
  if (!o.save_inputs.empty()) write_inputs(o.save_inputs, reduced.inputs);
  if (o.json) {
    print_json({{"output", o.output},
                {"failure", reduced.failure},
                {"nodes_before", reduced.nodes_before},
                {"nodes", reduced.nodes},
                {"tests", reduced.tests}});
    return kExitOk;
  }
  print("{}: {} of {} nodes, {}\n  {}\n", o.output, reduced.nodes, reduced.nodes_before,
        count_text(reduced.tests, "test"), Lines{reduced.failure});
  return kExitOk;
}

}  // namespace

void add_reduce(Commands& commands) {
  const auto o = std::make_shared<ReduceArgs>();
  CommandOptions app = commands.add(
      "reduce", "Makes a failing model as small as it still fails.",
      "  monza reduce model.onnx -o small.onnx                 refused, or outputs unlike the reference kernels'\n"
      "  monza reduce model.onnx -o small.onnx --input in.npz --save-inputs small.npz --tolerance 1e-4\n"
      "  monza reduce vit.onnx -o small.onnx --precision bf16 --disable-pass fuse_gelu\n"
      "  monza reduce model.onnx -o small.onnx --check 'monza run {} --input {inputs}'   that a command fails, or "
      "crashes\n"
      "The end is cut off first, then the begin, then what is between; a value whose node is cut off becomes an input, "
      "which is given what it held in the whole model. Only the failure of the whole model counts: the same message, "
      "or "
      "the same exit code of --check.",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::run);
  o->inputs.add_to(app, true);
  app.add_option("--output,-o", o->output, "the ONNX file to write")
      .required()
      .type_name("FILE")
      .file(FileRole::writes);
  app.add_option("--save-inputs", o->save_inputs, "write what the small model is given there, as .npz")
      .type_name("FILE")
      .file(FileRole::writes);
  app.add_option("--tolerance", o->tolerance,
                 "outputs differ from here on, as a share of the largest value (default: 1e-3; 3e-2 in 16 bits; by "
                 "the cosine where 8 bits are)")
      .positive()
      .type_name("R");
  app.add_option("--check", o->check,
                 "a model fails when this shell command does: {} stands for its file, {inputs} for a .npz of inputs")
      .type_name("COMMAND");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
