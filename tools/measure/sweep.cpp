#include "tools/measure/sweep.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <iterator>

#include "base/error.h"
#include "base/output_file.h"
#include "engine/session.h"
#include "tools/args/shape_text.h"
#include "tools/args/usage_error.h"
#include "tools/draw/chart.h"
#include "tools/draw/svg.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

/// One setting, and what came out.
struct Point {
  std::string value;  ///< of the swept key; ""
  std::string label;  ///< for people: the value, the file's name, or both
  BenchOptions bench;
  Measured measured;
  double items_per_s = 0;
  bool best = false;  ///< no other point is as fast and as accurate
  std::string error;  ///< why it was not measured; "" when it was
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> values;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    values.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  return values;
}

std::vector<Point> points_of(const SweepOptions& o, const std::string& key, const std::vector<std::string>& values) {
  std::vector<std::string> files = {o.bench.model.model};
  files.insert(files.end(), o.also.begin(), o.also.end());
  std::vector<Point> points;
  for (const std::string& file : files) {
    const auto session =
        values.size() > 1 && !Engine::is_engine_file(file) ? std::make_shared<BuildSession>(file) : nullptr;
    for (const std::string& value : values) {
      Point& p = points.emplace_back();
      p.value = value;
      p.bench = o.bench;
      p.bench.model.model = file;
      p.bench.session = session;
      if (!std::filesystem::is_regular_file(file))
        throw Error("there is no such model file", "an ONNX or engine file").at("'" + file + "'");
      if (key == "precision" && p.bench.model.is_engine())
        throw UsageError(
            message("--sweep precision builds anew, and '{}' is an engine that is built already\n"
                    "  try: give the ONNX file, or an engine of each precision: --also FILE",
                    file));
      if (!key.empty()) p.bench.model = p.bench.model.with(key, value);
      const std::string stem = std::filesystem::path(file).stem().string();
      p.label = o.also.empty() && !key.empty() ? value : key.empty() ? stem : stem + " " + value;
    }
  }
  return points;
}

/// The model's inputs with what --shape says of them.
std::vector<ModelInput> inputs_of(const ModelArgs& model) {
  std::vector<ModelInput> inputs = model.all_inputs();
  const auto shapes = model.shapes_for(inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i].shape = shapes[i];
  return inputs;
}

/// The engine whose outputs stand for the answers that the samples lack: the model in fp32.
void take_reference(const SweepOptions& o, eval::DataSet& samples) {
  const ModelArgs& model = o.bench.model;
  InputArgs inputs = o.bench.inputs;
  inputs.tensors = samples.example(inputs_of(model));
  const Prepared prepared = prepare(model.is_engine() ? model : model.with("precision", "fp32"), inputs);
  Progress progress(!o.bench.json && !model.quiet());
  samples.take_reference(prepared.opened.engine, model.context_options(),
                         [&](double fraction) { progress.update("reference", fraction); });
}

void mark_best(std::vector<Point>& points) {
  for (Point& p : points) {
    const auto beats = [&](const Point& q) {
      const double dt = p.measured.latency.median - q.measured.latency.median,
                   da = q.measured.accuracy->value - p.measured.accuracy->value;
      return dt >= 0 && da >= 0 && (dt > 0 || da > 0);
    };
    p.best = std::none_of(points.begin(), points.end(), beats);
  }
}

void print_row(const Point& p, std::size_t width) {
  const Summary& t = p.measured.latency;
  print("{:>{}} {:>11} {:>11} {:>11} {:14.1f}", p.label, width, time_text(t.min), time_text(t.median), time_text(t.p99),
        p.items_per_s);
  if (const auto& a = p.measured.accuracy) {
    print("  {} {:.4f}", a->metric, a->value);
    for (const auto& [name, value] : a->further) print("  {} {:.4f}", name, value);
    print("  of {}", a->samples);
  }
  print("{}\n", *p.measured.warning != 0 ? "  unsteady" : "");
  std::fflush(stdout);
}

std::string chart_of(const SweepOptions& o, const std::string& key, const std::vector<Point>& points) {
  const std::string title = file_name(o.bench.model.model);
  if (!points.empty() && points[0].measured.accuracy) {
    std::vector<TradeOff> marks;
    for (const Point& p : points)
      marks.push_back({p.label, p.measured.latency.median, p.measured.accuracy->value, p.best});
    const eval::Accuracy& first = *points[0].measured.accuracy;
    return draw_trade_off(title, fmt::format("{} of {} samples", first.metric, first.samples), marks);
  }
  std::vector<SweepPoint> bars;
  for (const Point& p : points)
    bars.push_back({p.label, p.measured.latency.median, p.measured.latency.p99, p.items_per_s});
  return draw_sweep(key.empty() ? "model" : key, title, bars);
}

}  // namespace

bool run_sweep(const SweepOptions& o, eval::DataSet* samples) {
  std::string key;
  std::vector<std::string> values = {""};
  if (!o.sweep.empty()) {
    const auto [name, list] = split_assignment(o.sweep, "--sweep");
    key = name;
    values = split(list);
  }
  std::vector<Point> points = points_of(o, key, values);
  if (samples != nullptr && samples->needs_reference()) take_reference(o, *samples);
  std::size_t width = std::max<std::size_t>(12, key.size());
  for (const Point& p : points) width = std::max(width, p.label.size());
  const bool batches = key == "batch";
  if (!o.bench.json)
    print("{:>{}} {:>11} {:>11} {:>11} {:>14}{}\n", key.empty() ? "model" : key, width, "min", "median", "p99",
          batches ? "items/s" : "runs/s", samples != nullptr ? "  accuracy" : "");
  std::exception_ptr first;
  const auto failed = [&](Point& p, const std::exception& e) {
    if (!first) first = std::current_exception();
    p.error = e.what();
    if (!o.bench.json) print("{:>{}}  not measured: {}\n", p.label, width, Lines{p.error});
  };
  for (Point& p : points) {
    try {
      if (samples != nullptr) p.bench.inputs.tensors = samples->example(inputs_of(p.bench.model));
      p.measured = measure(p.bench, samples);
      // A run of a batch is that many items.
      p.items_per_s = p.measured.throughput * (batches ? std::stod(p.value) : 1);
      if (!o.bench.json) print_row(p, width);
    } catch (const Error& e) {
      failed(p, e);
    } catch (const RunError& e) {
      failed(p, e);
    }
    p.bench.session.reset();  // with the last point of a file goes what its builds share
  }
  const auto bad = std::stable_partition(points.begin(), points.end(), [](const Point& p) { return p.error.empty(); });
  const std::vector<Point> refused(std::make_move_iterator(bad), std::make_move_iterator(points.end()));
  points.erase(bad, points.end());
  if (points.empty()) std::rethrow_exception(first);
  if (samples != nullptr) {
    mark_best(points);
    std::string best;
    for (const Point& p : points)
      if (p.best) best += (best.empty() ? "" : ", ") + p.label;
    if (!o.bench.json && points.size() > 1) print("none is both as fast and as accurate as: {}\n", best);
  }
  if (!o.chart.empty()) {
    write_file(o.chart, chart_of(o, key, points));
    if (!o.bench.json) print("drawn in '{}'\n", o.chart);
  }
  if (!o.bench.json) return refused.empty();
  Json report = {{"sweep", key}, {"points", Json::array()}};
  for (const Point& p : points) {
    Json point = to_json(p.measured, p.bench);
    point["value"] = p.value;
    point["model"] = p.bench.model.model;
    point["items_per_s"] = p.items_per_s;
    if (samples != nullptr) point["pareto"] = p.best;
    report["points"].push_back(std::move(point));
  }
  for (const Point& p : refused)
    report["refused"].push_back({{"value", p.value}, {"model", p.bench.model.model}, {"error", p.error}});
  print_json(report);
  return refused.empty();
}

}  // namespace monza::tool
