// monza bench: latency and throughput, as trtexec's users expect them, and accuracy beside them.
#include <fmt/core.h>

#include <filesystem>
#include <memory>

#include "eval/data_set.h"
#include "tools/args/command.h"
#include "tools/args/language_inputs.h"
#include "tools/llm/bench_language.h"
#include "tools/measure/against.h"
#include "tools/measure/bench.h"
#include "tools/measure/sweep.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"
#ifdef MONZA_WITH_JPEG  // defined, as 0 or 1, where the vision library is part of the build
#include "eval/picture_samples.h"
#include "tools/vision/settings.h"
#endif

namespace monza::tool {
namespace {

struct BenchArgs {
  BenchArgs() { sweep.bench.model.takes_language_models = true; }
  SweepOptions sweep;
  LanguageBench language;
  std::string data, truth, coco, labels, head, against, python;
  std::int64_t samples = 0;
  int size = 0;
#ifdef MONZA_WITH_JPEG
  eval::ClassifySettings settings;
#endif
};

/// The samples that the options name, or null.
std::unique_ptr<eval::DataSet> open_data(const BenchArgs& o) {
  if (o.data.empty()) {
    for (const auto& [given, option] : {std::pair(!o.truth.empty(), "--truth"), std::pair(!o.coco.empty(), "--coco"),
                                        std::pair(o.samples > 0, "--samples")})
      if (given) throw UsageError(message("{} is about samples, and there are none\n  try: --data FOLDER", option));
    return nullptr;
  }
  if (!o.truth.empty() && !o.coco.empty())
    throw UsageError("--truth is for classifiers, --coco for detectors: give one of them");
  if (o.truth.empty() && o.coco.empty()) return eval::open_tensors(o.data, o.samples, o.sweep.bench.model.all_inputs());
#ifdef MONZA_WITH_JPEG
  if (!o.truth.empty()) return eval::open_classified(o.data, o.truth, o.samples, o.size, o.settings, note);
  return eval::open_detected(o.data, o.coco, o.samples, o.size, o.labels, o.head, note);
#else
  throw UsageError(
      "this build was made without pictures\n  try: build with MONZA_VISION=ON, or give a folder of .npz files");
#endif
}

/// A language model has a measurement of its own: true when MODEL is one.
bool run_language_model(const BenchArgs& o) {
  const ModelArgs& model = o.sweep.bench.model;
  if (!model.is_language_model() &&
      !(model.is_engine() && is_language_model(Engine::load(model.model, model.load_options()))))
    return false;
  if (!o.against.empty() || !o.sweep.sweep.empty() || !o.sweep.also.empty() || !o.data.empty() ||
      o.sweep.bench.streams > 1)
    throw UsageError(
        "a language model is measured by tokens\n  try: --prompt-tokens, --generate-tokens, --batch, --repeat and "
        "--threads, without --against, --sweep, --also, --data and --streams");
  bench_language_model(o.language, model, o.sweep.bench.json);
  return true;
}

int run(const BenchArgs& o) {
  if (run_language_model(o)) return kExitOk;
  if (!o.against.empty()) {
    if (!o.sweep.sweep.empty() || !o.sweep.also.empty() || !o.data.empty())
      throw UsageError("--against measures one model\n  try: leave --sweep, --also and --data out");
    bench_against_onnxruntime(o.sweep.bench, o.python);
    return kExitOk;
  }
  const std::unique_ptr<eval::DataSet> samples = open_data(o);
  const bool sweeps = !o.sweep.sweep.empty() || !o.sweep.also.empty() || samples != nullptr;
  if (!o.sweep.chart.empty() && !sweeps)
    throw UsageError("--chart draws a sweep\n  try: --sweep batch=1,2,4,8 --chart FILE.svg");
  if (sweeps) {
    return run_sweep(o.sweep, samples.get()) ? kExitOk : kExitRefused;
  }
  const BenchOptions& bench = o.sweep.bench;
  const Measured m = measure(bench);
  if (bench.json) {
    print_json(to_json(m, bench));
    return kExitOk;
  }
  const Summary& t = m.latency;
  print("{}, {} of {}, {}, {}\n", count_text(static_cast<std::int64_t>(m.runs), "run"),
        count_text(bench.streams, "stream"), count_text(m.threads, "thread"), precision_name(m.stats.precision),
        m.stats.isa);
  print("latency     min {}  mean {}  median {}  p90 {}  p95 {}  p99 {}  max {}\n", time_text(t.min), time_text(t.mean),
        time_text(t.median), time_text(t.p90), time_text(t.p95), time_text(t.p99), time_text(t.max));
  print("throughput  {:.1f} runs/s\n", m.throughput);
  if (m.transfers) {
    print("transfers   {} to the device in {}, {} back in {}\n",
          bytes_text(static_cast<double>(m.transfers->to_device_bytes)), time_text(m.transfers->to_device_ms),
          bytes_text(static_cast<double>(m.transfers->to_host_bytes)), time_text(m.transfers->to_host_ms));
    if (const auto& without = m.transfers->without)
      print("without     min {}  median {}  p99 {}, inputs and outputs in the device's memory\n",
            time_text(without->min), time_text(without->median), time_text(without->p99));
  }
  if (m.built) print("build       {}\n", time_text(m.build_ms));
  print("load        {}, context {}, first run {}\n", time_text(m.load_ms), time_text(m.context_ms),
        time_text(m.first_ms));
  print("memory      peak resident set {}{} ({} of it before the model), activations {} (lower bound {}), weights {}\n",
        bytes_text(static_cast<double>(m.rss_peak)), m.built ? ", the build included" : "",
        bytes_text(static_cast<double>(m.rss_before)), bytes_text(static_cast<double>(m.stats.arena_bytes)),
        bytes_text(static_cast<double>(m.stats.arena_lower_bound_bytes)),
        bytes_text(static_cast<double>(m.stats.weights_bytes)));
  if (const std::string references = to_string(m.references); !references.empty())
    print("reference   {}\n", references);
  if (*m.warning != 0) note(message("warning: {}", m.warning));
  for (const std::string& output : m.not_finite) note("warning: " + output);
  return kExitOk;
}

}  // namespace

void add_bench(Commands& commands) {
  const auto o = std::make_shared<BenchArgs>();
  CommandOptions app = commands.add(
      "bench", "Measures latency, throughput, load time and memory of a model.",
      "  monza bench yolov8n.engine                            3 seconds after a warm-up\n"
      "  monza bench yolov8n.onnx --threads 1 --duration 10    builds first, then measures\n"
      "  monza bench bert.onnx --shape batch=1 --shape sequence=128 --precision bf16\n"
      "  monza bench resnet50.engine --streams 4 --threads 8   4 contexts of 2 threads each: throughput\n"
      "  monza bench model.onnx --sweep batch=1,2,4,8 --chart sweep.svg    latency and throughput (also threads=,\n"
      "                                                        precision=, a dimension's name)\n"
      "  monza bench fp32.onnx --also int8.onnx --data val/ --truth labels.txt --chart front.svg    accuracy against\n"
      "                                                        latency, of two files of one network\n"
      "  monza bench yolov8n.onnx --sweep precision=fp32,bf16 --data val2017/ --coco instances_val2017.json\n"
      "  monza bench bert.onnx --sweep precision=fp32,bf16 --data samples/    agreement with MODEL in fp32, or with "
      "the\n"
      "                                                        expected outputs in the .npz files\n"
      "  monza bench resnet50.onnx --against onnxruntime --threads 1    beside ONNX Runtime, in turn\n"
      "  monza bench model.engine --iterations 1000 --export-times times.csv --json\n"
      "  monza bench gemma.gguf --prompt-tokens 512 --generate-tokens 64 --batch 8 --json    a language model: tokens "
      "a "
      "second\n"
      "Inputs are random unless --input gives them. build_ms is 0 for an engine file; an ONNX file is built, written "
      "to a\n"
      "temporary engine file and mapped. On a GPU inputs lie in page-locked memory, `transfers` are the copies of a "
      "run, and\n"
      "`without` is measured with inputs and outputs in the GPU's memory. peak_rss_mib is of the whole process (with "
      "the build, if there was one),\n"
      "rss_before_mib what it held before it touched the model.",
      [o] { return run(*o); });
  o->sweep.bench.model.add_to(app, ModelArgs::Use::run);
  o->sweep.bench.inputs.add_to(app, true);
  app.add_option("--duration", o->sweep.bench.duration, "measure for this many seconds (default 3)")
      .positive()
      .type_name("S");
  app.add_option("--iterations", o->sweep.bench.iterations, "measure this many runs of each stream instead")
      .positive()
      .type_name("N");
  app.add_option("--warmup", o->sweep.bench.warmup,
                 "seconds of runs before measuring (default 0.3; three runs at least)")
      .non_negative()
      .type_name("S");
  app.add_option("--streams", o->sweep.bench.streams,
                 "contexts that run side by side, each with its share of the threads")
      .range(1, 1024)
      .type_name("N");
  app.add_option("--export-times", o->sweep.bench.export_times, "write the time of every run: .json, else CSV")
      .type_name("FILE")
      .file(FileRole::writes);
  app.add_option("--against", o->against,
                 "measure ONNX Runtime on the same inputs in turn, if its Python package is there")
      .one_of({"onnxruntime"})
      .type_name("PEER");
  app.add_option("--python", o->python, "the interpreter that has it (default: MONZA_PYTHON, else python3)")
      .type_name("FILE");
  app.add_option("--sweep", o->sweep.sweep,
                 "measure at several values: batch=1,2,4,8, threads=1,2, precision=fp32,bf16")
      .type_name("KEY=V,V..");
  app.add_option("--also", o->sweep.also, "another file of the same network, measured beside MODEL (repeat)")
      .allow_extra_args(false)
      .type_name("FILE")
      .file(FileRole::reads_model);
  app.add_option("--chart", o->sweep.chart, "draw the sweep there, as SVG; with --data accuracy against latency")
      .type_name("FILE")
      .file(FileRole::writes);
  const char* language = "Language models";
  app.add_option("--prompt-tokens", o->language.prompt_tokens, "tokens of each prompt (default 512)")
      .group(language)
      .type_name("N");
  app.add_option("--generate-tokens", o->language.generate_tokens, "tokens written after it (default 64)")
      .group(language)
      .type_name("N");
  app.add_option("--batch", o->language.batch, "sequences that write side by side (default 1)")
      .group(language)
      .type_name("N");
  app.add_option("--repeat", o->language.repetitions, "measurements, of which the fastest counts (default 3)")
      .group(language)
      .type_name("N");
  const char* data = "Accuracy";
  app.add_option("--data", o->data,
                 "samples to measure accuracy on: pictures (with --truth or --coco), or .npz files of inputs and, by "
                 "the outputs' names, answers; or one such file (`monza run --save-inputs`)")
      .group(data)
      .type_name("FOLDER")
      .file(FileRole::reads);
  app.add_option("--samples", o->samples, "take so many at most").positive().group(data).type_name("N");
  app.add_option("--truth", o->truth, "of a classifier: lines of 'FILE CLASS-NUMBER'")
      .group(data)
      .type_name("FILE")
      .file(FileRole::reads);
  app.add_option("--coco", o->coco, "of a detector: instances JSON")
      .group(data)
      .type_name("FILE")
      .file(FileRole::reads);
#ifdef MONZA_WITH_JPEG
  app.add_option("--size", o->size, "side of a picture where the model leaves it open [224; 640 with --coco]")
      .range(8, 8192)
      .group(data);
  app.add_option("--labels", o->labels, "of a detector: class names, one a line; default: the model's own")
      .group(data)
      .type_name("FILE")
      .file(FileRole::reads);
  app.add_option("--head", o->head, "of a detector, as `monza detect` takes it").group(data).type_name("NAME");
  add_settings(app, o->settings, data);
#endif
  app.add_flag("--json", o->sweep.bench.json, "for a program to read");
}

}  // namespace monza::tool
