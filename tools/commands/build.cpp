// monza build: an ONNX file into an engine file.
#include <fmt/core.h>

#include <filesystem>
#include <memory>

#include "base/output_file.h"
#include "engine/build_record.h"
#include "engine/run/engine_impl.h"
#include "tools/args/command.h"
#include "tools/args/inputs.h"
#include "tools/args/model_args.h"
#include "tools/args/named_files.h"
#include "tools/draw/html_report.h"
#include "tools/draw/svg.h"
#include "tools/measure/references.h"
#include "tools/quantize/calibration.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct BuildArgs {
  BuildArgs() { model.takes_language_models = true; }
  ModelArgs model;
  CalibrationArgs calibration;
  std::string output, report;
  bool json = false;
};

/// Of a file; 0 for a pipe or a device, which keep nothing.
std::int64_t bytes_of(const std::filesystem::path& path) {
  std::error_code none;
  return std::filesystem::is_regular_file(path, none) ? static_cast<std::int64_t>(std::filesystem::file_size(path)) : 0;
}

/// Profiles the engine on random inputs and writes the page.
void write_report(const BuildArgs& o, const std::string& output, const ModelArgs::Opened& opened,
                  const BuildReport& build) {
  PageContent page;
  page.model_file = o.model.model;
  page.engine_file = output;
  page.engine = &opened.engine;
  page.build = &build;
  page.build_ms = opened.build_ms;
  page.file_bytes = bytes_of(output);
  ProfileResult profile;
  Progress progress(!o.json && !o.model.quiet());
  try {
    std::vector<Tensor> inputs;
    for (const TensorInfo& info : opened.engine.inputs())
      inputs.push_back(random_tensor(info.dtype, info.opt, inputs.size()));
    ProfileOptions options;
    options.threads = opened.engine.stats().threads;
    options.progress = [&](std::string_view what, double fraction) { progress.update(what, fraction); };
    profile = measure_profile(opened.engine, inputs, options);
    page.profile = &profile;
  } catch (const std::runtime_error& e) {  // random inputs do not suit every model
    page.no_profile_because = e.what();
  }
  progress.clear();
  write_file(o.report, html_report(page));
}

/// What is said of reference kernels (references.h); "" where they matter little. Those that had no rival are not
/// timed: `monza bench` and `monza profile` show what they take.
std::string references_of(const plan::Plan& plan) {
  std::string text = to_string(references_when_chosen(plan));
  if (!text.empty()) text += " measured";
  std::string untimed;
  for (const std::string& name : untimed_references(plan)) untimed += (untimed.empty() ? "" : ", ") + name;
  if (!untimed.empty()) text += (text.empty() ? "" : "; ") + untimed + ", not timed";
  return text;
}

/// What --calibrate or --calibration-cache say of 8 bits; null without them. `report` is told what samples showed.
std::shared_ptr<const QuantizationPlan> plan_of(const BuildArgs& o, BuildReport& report) {
  const CalibrationArgs& c = o.calibration;
  if (c.data.empty() && c.cache.empty()) return nullptr;
  const char* option = c.data.empty() ? "--calibration-cache" : "--calibrate";
  if (o.model.is_engine())
    throw UsageError(message("{} needs the ONNX file: '{}' is an engine, whose graph is planned again as it is", option,
                             o.model.model));
  if (o.model.build_options(o.model.declared_inputs()).precision != Precision::int8)
    throw UsageError(message("{} is for INT8\n  try: --precision int8", option));
  BuildHooks hooks;
  hooks.session = std::make_shared<BuildSession>(o.model.model);
  // What it computes tells how it takes pictures; how fast does not matter.
  const auto floats = o.model.open(
      [](BuildOptions& options) {
        options.precision = Precision::fp32;
        options.tune = false;
      },
      &hooks);
  const FoundRanges found = find_ranges(o.model, c, *hooks.session, floats.engine, o.json || o.model.quiet());
  write_caches(c, found.table);
  QuantizationPlan plan = tool::plan_of(found.table, o.model.build_options(o.model.declared_inputs()));
  report.seen = quality_of(o.model, plan, found.histograms);
  return std::make_shared<QuantizationPlan>(std::move(plan));
}

int run(const BuildArgs& o) {
  std::filesystem::path output = o.output;
  if (output.empty()) {
    output = std::filesystem::path(o.model.model).filename().replace_extension(".engine");
    refuse_overwriting({{"build without --output", output.string(), FileRole::writes},
                        {"MODEL", o.model.model, FileRole::reads_model},
                        {"--report", o.report, FileRole::reads}});
  }
  BuildReport build;
  const auto plan = plan_of(o, build);
  BuildHooks hooks;
  hooks.report = &build;
  // Weights wait where the engine is written, so that a large model does not have to fit into memory twice.
  const auto streamed = [&](BuildOptions& options) {
    options.quantization = plan;
    std::error_code none;
    const auto type = std::filesystem::status(output, none).type();
    if (type == std::filesystem::file_type::not_found || type == std::filesystem::file_type::regular)
      options.spool_folder = output.has_parent_path() ? output.parent_path().string() : ".";
  };
  const ModelArgs::Opened opened = o.model.is_engine()                   ? o.model.rebuild()
                                   : o.report.empty() && plan == nullptr ? o.model.open(streamed)
                                                                         : o.model.open(streamed, &hooks);
  opened.engine.save(output.string());
  if (!o.report.empty() && o.model.is_engine()) build = read_record(opened.engine.impl().image, o.model.limits());
  if (!o.report.empty()) write_report(o, output.string(), opened, build);
  const Engine::Stats s = opened.engine.stats();
  const std::int64_t file_bytes = bytes_of(output);
  if (o.json) {
    auto profiles = Json::array();
    for (const ProfileInfo& p : opened.engine.profiles()) {
      Json inputs = Json::object();
      for (const TensorInfo& i : p.inputs) inputs[i.name] = {{"min", i.min}, {"opt", i.opt}, {"max", i.max}};
      profiles.push_back({{"inputs", inputs}, {"arena_bytes", p.arena_bytes}});
    }
    const Json report = {{"output", output.string()},
                         {"file_bytes", file_bytes},
                         {"build_ms", opened.build_ms},
                         {"import_ms", s.import_ms},
                         {"passes_ms", s.passes_ms},
                         {"plan_ms", s.plan_ms},
                         {"steps", s.steps},
                         {"threads", s.threads},
                         {"isa", s.isa},
                         {"precision", precision_name(s.precision)},
                         {"device", device_name(s.device)},
                         {"arena_bytes", s.arena_bytes},
                         {"arena_lower_bound_bytes", s.arena_lower_bound_bytes},
                         {"weights_bytes", s.weights_bytes},
                         {"reference_kernels", references_of(opened.engine.impl().image.plan)},
                         {"profiles", profiles}};
    print_json(report);
    return kExitOk;
  }
  print("{}: {}{} for {} of {}, {} {}\n", output.string(),
        file_bytes > 0 ? bytes_text(static_cast<double>(file_bytes)) + ", " : "", count_text(s.steps, "step"),
        count_text(s.threads, "thread"), s.isa, device_name(s.device), precision_name(s.precision));
  print("  built in {} (import {}, passes {}, plan {})\n", time_text(opened.build_ms), time_text(s.import_ms),
        time_text(s.passes_ms), time_text(s.plan_ms));
  print("  memory: weights {}, activations {} (no order of these steps does with less than {})\n",
        bytes_text(static_cast<double>(s.weights_bytes)), bytes_text(static_cast<double>(s.arena_bytes)),
        bytes_text(static_cast<double>(s.arena_lower_bound_bytes)));
  if (const std::string references = references_of(opened.engine.impl().image.plan); !references.empty())
    print("  by reference kernels: {}\n", references);
  const auto& external = opened.engine.impl().image.external;
  for (const engine_file::ExternalFile& e : external)
    print("  weights in {}, which the engine reads from there\n", e.file->path().string());
  if (o.model.keeps_external_weights() && external.empty())
    print("  weights: all in the engine; no data file holds any that kernels read as it has them\n");
  for (std::size_t k = 0; opened.engine.profiles().size() > 1 && k < opened.engine.profiles().size(); ++k) {
    std::string inputs;
    for (const TensorInfo& i : opened.engine.profiles()[k].inputs)
      inputs +=
          fmt::format("{}{} {}..{}", inputs.empty() ? "" : ", ", i.name, extents_text(i.min), extents_text(i.max));
    print("  profile {}: {}: activations {}\n", k, inputs,
          bytes_text(static_cast<double>(opened.engine.profiles()[k].arena_bytes)));
  }
  if (!o.report.empty()) print("  report: {}\n", o.report);
  return kExitOk;
}

}  // namespace

void add_build(Commands& commands) {
  const auto o = std::make_shared<BuildArgs>();
  CommandOptions app = commands.add(
      "build", "Compiles an ONNX file into an engine file for this machine, or plans an engine file anew.",
      "  monza build yolov8n.onnx --output yolov8n.engine\n"
      "  monza build bert.onnx --output bert.engine --shape batch=1 --shape sequence=128\n"
      "  monza build bert.onnx -o bert.engine --min-shape sequence=1 --opt-shape sequence=128 --max-shape "
      "sequence=512 \\\n"
      "      --shape batch=1                                    one engine for all lengths up to 512\n"
      "  monza build resnet50.onnx -o r.engine --profile batch=1 --profile batch=2..8..16   a plan for each\n"
      "  monza build bert.onnx -o bert.engine --max-memory 512M --profile \"batch=1..4 sequence=1..128\"\n"
      "  monza build old.engine -o new.engine    plans an engine's graph anew for this machine and build\n"
      "  monza build yolov8n.onnx -o y.engine --timing-cache timings   a second build measures nothing\n"
      "  monza build vit.onnx -o vit.engine --precision bf16 --threads 4\n"
      "  monza build vit.onnx -o vit.engine --precision bf16 --constrain '/head/*=fp32'   all nodes but those\n"
      "  monza build yolov8n.onnx -o y.engine --precision int8 --calibrate pictures/",
      [o] { return run(*o); });
  o->model.add_to(app, ModelArgs::Use::build);
  app.add_option("--output,-o", o->output, "the engine file (default: the model's name with .engine, in this folder)")
      .type_name("FILE")
      .file(FileRole::writes);
  app.add_option("--report", o->report,
                 "write a page there that shows layers, fusions, graphs, memory and every candidate kernel")
      .type_name("FILE.html")
      .file(FileRole::writes);
  o->calibration.add_to(app, "--calibrate", "INT8 (`monza quantize` holds the result to a contract, too)");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
