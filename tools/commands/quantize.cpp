// monza quantize: a float model into an engine that computes in 8 bits, held to a contract.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/output_file.h"
#include "tools/args/command.h"
#include "tools/quantize/encode_weights.h"
#include "tools/quantize/quantize_page.h"
#include "tools/quantize/quantizing.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"
#ifdef MONZA_WITH_JPEG  // defined, as 0 or 1, where the vision library is part of the build
#include "tools/vision/settings.h"
#endif

namespace monza::tool {
namespace {

struct QuantizeArgs {
  QuantizeOptions quantize;
  std::string output, onnx, report, encoding;
};

void check_usage(const QuantizeOptions& o) {
  if (o.model.is_engine())
    throw UsageError(message("'{}' is an engine that is built already\n  try: give the ONNX file", o.model.model));
  if (o.calibration.data.empty() && o.calibration.cache.empty())
    throw UsageError(
        "nothing says what values the model sees\n  try: --data FOLDER with some hundred samples, or "
        "--calibration-cache FILE");
  if (o.eval.empty())
    for (const auto& [given, option] :
         {std::pair(o.max_drop >= 0, "--max-drop"), std::pair(!o.coco.empty(), "--coco"),
          std::pair(!o.truth.empty(), "--truth"), std::pair(!o.metric.empty(), "--metric")})
      if (given)
        throw UsageError(message("{} is about samples to score on, and there are none\n  try: --eval FOLDER", option));
  if (!o.truth.empty() + !o.coco.empty() + !o.metric.empty() > 1)
    throw UsageError(
        "--truth is for classifiers, --coco for detectors, --metric for a command of yours: give one of them");
}

/// How sure the score is, and whether it decides the contract.
void print_interval(const QuantizeResult& r, double max_drop) {
  const eval::Interval& i = *r.drop_interval;
  print("on other samples of this kind it would be {:.2f} to {:.2f} points in 95 of 100 cases\n", i.low, i.high);
  const double room = std::abs(max_drop - r.drop());
  if (max_drop < 0 || max_drop < i.low || max_drop > i.high || room == 0) return;
  constexpr double kDeviations = 1.96;  // that hold 95 %
  const double needed = static_cast<double>(r.samples) * std::pow(kDeviations * i.error / room, 2);
  print("so these samples leave open whether {:g} are lost on others: about {:.0f} would tell\n", max_drop, needed);
}

void print_result(const QuantizeResult& r, double max_drop) {
  if (r.metric.empty()) {
    print("not scored: --eval FOLDER says how right the result is\n");
  } else {
    print("{} of {} samples that were not calibrated on: {:.2f} in floats, {:.2f} quantised, {:.2f} points lost\n",
          r.metric, r.samples, r.float_score, r.quantised_score, r.drop());
    if (r.drop_interval) print_interval(r, max_drop);
  }
  print("{:.1f} % of the multiply-adds in INT8, {:.2f} times as fast as floats\n", r.integer_share * 100, r.speedup());
  for (const KeptNode& k : r.kept) print("in floats: {}: {}\n", k.node, k.why);
}

/// What stands in the way of the contract.
void explain_failure(const QuantizeResult& r, double max_drop) {
  std::string text =
      r.integer_share > 0
          ? fmt::format("the contract does not hold: {:.3g} points lost, at most {:g} allowed", r.drop(), max_drop)
          : fmt::format("the contract does not hold: no product can be in INT8 with at most {:g} points lost",
                        max_drop);
  if (r.out_of_time) text += "\n  the search ended with --max-seconds";
  constexpr std::size_t kMost = 10;
  for (std::size_t i = 0; i < std::min(kMost, r.costs.size()); ++i)
    text += message("\n  {}: in INT8 it alone moves the outputs by {:.2g} of their squares", r.costs[i].node,
                    r.costs[i].error);
  note(text);
}

int run(QuantizeArgs& o) {
  if (!o.encoding.empty()) return encode_weights({o.quantize.model.model, o.encoding, o.output, o.quantize.json});
  check_usage(o.quantize);
  o.quantize.exports = !o.onnx.empty();
  o.quantize.times_trials = !o.report.empty();
  const QuantizeResult result = quantize(o.quantize);
  if (result.holds && !o.output.empty()) result.engine->save(o.output);
  if (result.holds && !o.onnx.empty()) write_file(o.onnx, result.onnx);
  if (o.quantize.json) print_json(to_json(result));
  else print_result(result, o.quantize.max_drop);
  if (!o.report.empty()) write_file(o.report, quantize_page(o.quantize.model.model, result));
  if (result.slower)
    note(fmt::format("{}slower than floats: {} instead of {}{}", result.holds ? "warning: " : "",
                     time_text(result.quantised_ms), time_text(result.float_ms),
                     result.holds ? "" : "\n  try: the float model, or --anyway"));
  else if (!result.holds) explain_failure(result, o.quantize.max_drop);
  return result.holds ? kExitOk : kExitMismatch;
}

}  // namespace

void add_quantize(Commands& commands) {
  const auto o = std::make_shared<QuantizeArgs>();
  CommandOptions app = commands.add(
      "quantize", "Compiles a float model into an engine that computes in 8 bits, and says what that costs.",
      "  monza quantize yolov8n.onnx --data calib/ --output yolov8n.engine\n"
      "  monza quantize yolov8n.onnx --data calib/ --eval val2017/ --coco instances_val2017.json --max-drop 0.2 \\\n"
      "      --output yolov8n.engine                            fails when more than 0.2 mAP points are lost\n"
      "  monza quantize net.onnx --data calib/ --eval val/ --truth labels.txt --mean 0.5 --std 0.5 -o net.engine\n"
      "  monza quantize bert.onnx --data samples/ --eval others/ -o bert.engine    .npz files: how near the outputs\n"
      "                                                         are to those in floats\n"
      "  monza quantize yolov8n.onnx --data calib/ --calibration-cache ranges -o a.engine    keeps the ranges\n"
      "  monza quantize yolov8n.onnx --calibration-cache ranges -o b.engine                  takes them\n"
      "  monza quantize models/Qwen2.5-0.5B --encoding q4_k -o qwen.gguf     a language model's weights; it is not "
      "scored\n"
      "Scores and --max-drop are in points of a hundred. Where the contract does not hold, the nodes that cost most\n"
      "stay in floats; where that does not help either, nothing is written and the exit code is 1.",
      [o] { return run(*o); });
  QuantizeOptions& q = o->quantize;
  q.model.add_to(app, ModelArgs::Use::build);
  app.add_option("--output,-o", o->output, "the engine file").type_name("FILE").file(FileRole::writes);
  app.add_option("--encoding", o->encoding,
                 "of a language model: write its weights so, to a GGUF file; f16, q8_0, q4_0 or q4_k")
      .type_name("NAME");
  app.add_option("--export", o->onnx, "the quantised model as ONNX, with QuantizeLinear and DequantizeLinear")
      .type_name("FILE.onnx")
      .file(FileRole::writes);
  app.add_option("--report", o->report,
                 "write a page there: accuracy against latency of what was tried, nodes and scales")
      .type_name("FILE.html")
      .file(FileRole::writes);
  app.add_option("--max-seconds", q.max_seconds, "begin nothing new after so many seconds; what is found by then holds")
      .positive()
      .type_name("S");
  app.add_option(
         "--search-cache", q.search_cache,
         "file of the scores that were measured: a search that was ended, by --max-seconds too, goes on from it")
      .type_name("FILE")
      .file(FileRole::updates);
  q.calibration.add_to(app, "--data", "Calibration");
  const char* contract = "Contract";
  app.add_option("--eval", q.eval,
                 "samples to score on, others than --data: pictures with --coco or --truth; without these, pictures or "
                 ".npz files on which the outputs are compared with those in floats")
      .group(contract)
      .type_name("FOLDER")
      .file(FileRole::reads);
  app.add_option("--max-drop", q.max_drop, "points of a hundred that may be lost")
      .non_negative()
      .group(contract)
      .type_name("P");
  app.add_option("--truth", q.truth, "of a classifier: lines of 'FILE CLASS-NUMBER'")
      .group(contract)
      .type_name("FILE")
      .file(FileRole::reads);
  app.add_option("--coco", q.coco, "of a detector: instances JSON")
      .group(contract)
      .type_name("FILE")
      .file(FileRole::reads);
  app.add_option("--metric", q.metric,
                 "a shell command that is given a folder of the outputs, an .npz file for each sample, and prints a "
                 "score, higher is better; --max-drop is in its unit")
      .group(contract)
      .type_name("COMMAND");
  app.add_flag("--anyway", q.anyway,
               "take a contract that so few samples cannot decide, and a result that is slower than floats")
      .group(contract);
#ifdef MONZA_WITH_JPEG
  const char* pictures = "Pictures";
  app.add_option("--labels", q.calibration.pictures.labels,
                 "of a detector: class names, one a line; default: the model's own")
      .group(pictures)
      .type_name("FILE")
      .file(FileRole::reads);
  app.add_option("--head", q.calibration.pictures.head, "of a detector, as `monza detect` takes it")
      .group(pictures)
      .type_name("NAME");
  add_settings(app, q.calibration.pictures.classify, pictures);
#endif
  app.add_flag("--json", q.json, "for a program to read");
}

}  // namespace monza::tool
