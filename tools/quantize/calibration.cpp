#include "tools/quantize/calibration.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/output_file.h"
#include "engine/observer.h"
#include "engine/placing_graph.h"
#include "plan/options.h"
#include "quant/calibrators.h"
#include "tools/args/usage_error.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

/// Whether files of tensors lie there.
bool holds_tensors(const std::string& source) {
  namespace fs = std::filesystem;
  const auto is_tensors = [](const fs::path& p) {
    return p.extension() == ".npz" || p.extension() == ".npy" || p.extension() == ".pb";
  };
  std::error_code none;
  if (!fs::is_directory(source, none)) return is_tensors(source);
  const fs::directory_iterator entries(source, none);
  return std::any_of(begin(entries), end(entries), [&](const auto& entry) { return is_tensors(entry.path()); });
}

}  // namespace

void CalibrationArgs::add_to(CommandOptions& app, const std::string& data_option, const char* group) {
  app.add_option(data_option, data,
                 "samples such as the model will be run on: pictures or .npz files (a folder), or a video")
      .group(group)
      .type_name("FOLDER")
      .file(FileRole::reads);
  app.add_option("--calibration-samples", samples, "take so many of them at most")
      .positive()
      .group(group)
      .type_name("N");
  app.add_option("--calibrator", calibrator, "how ranges are chosen: min-max, percentile, entropy or mse")
      .one_of({"min-max", "percentile", "entropy", "mse"})
      .capture_default_str()
      .group(group)
      .type_name("C");
  app.add_option("--calibration-cache", cache,
                 "file of the ranges: written where there are samples, else read; TensorRT's are read, too")
      .group(group)
      .type_name("FILE")
      .file(FileRole::updates);
  app.add_option("--tensorrt-cache", tensorrt_cache, "write the ranges as TensorRT's calibration cache, too")
      .group(group)
      .type_name("FILE")
      .file(FileRole::writes);
}

std::unique_ptr<eval::SampleSource> open_samples(const std::string& source, std::int64_t most, const ModelArgs& model,
                                                 [[maybe_unused]] const CalibrationArgs& args,
                                                 [[maybe_unused]] const Engine& floats) {
  if (holds_tensors(source)) return eval::open_tensor_source(source, most, model.all_inputs());
#ifdef MONZA_WITH_JPEG
  return eval::open_picture_source(source, most, floats, args.pictures, note);
#else
  throw UsageError(
      "this build was made without pictures\n  try: build with MONZA_VISION=ON, or give a folder of .npz files");
#endif
}

namespace {

FoundRanges observe(Observer& observer, eval::SampleSource& source, eval::SampleCheck* check,
                    const CalibrationArgs& args, bool quiet) {
  Progress progress(!quiet);
  const auto total = static_cast<double>(source.size_estimate());
  for (eval::Sample sample; source.next(sample);) {
    if (check != nullptr) check->see(sample);
    try {
      observer.run(sample.inputs);
    } catch (const Error& e) {
      throw e.at(message("sample '{}'", sample.file));
    }
    if (total > 0) progress.update("calibrating", static_cast<double>(observer.samples()) / total);
  }
  progress.clear();
  const quant::Calibrator chosen = *quant::find_calibrator(args.calibrator);
  FoundRanges found{observer.table(chosen), {}, observer.histograms(), observer.means(), observer.reach()};
  // From what misses least on most models to what does best on few.
  for (const auto other :
       {quant::Calibrator::mse, quant::Calibrator::percentile, quant::Calibrator::min_max, quant::Calibrator::entropy})
    if (other != chosen) found.others.push_back(observer.table(other));
  return found;
}

}  // namespace

FoundRanges find_ranges(const ModelArgs& model, const CalibrationArgs& args, BuildSession& session,
                        const Engine& floats, bool quiet) {
  if (args.data.empty()) return {quant::load_calibration(args.cache), {}, {}, {}, {}};
  Observer observer(session, model.build_options(model.declared_inputs()));
  eval::SampleCheck check;
  FoundRanges found =
      observe(observer, *open_samples(args.data, args.samples, model, args, floats), &check, args, quiet);
  check.refuse_useless(args.data);
  if (!model.quiet())
    for (const std::string& finding : check.findings()) note("warning: " + finding);
  for (const std::string& name : observer.not_finite())
    note(message("warning: '{}' is not finite on some sample: what reads it stays in floats", name));
  return found;
}

FoundRanges find_divided_ranges(const ModelArgs& model, const CalibrationArgs& args, BuildSession& session,
                                const Engine& floats, bool quiet,
                                const std::map<std::string, std::vector<float>>& factors) {
  BuildOptions options = model.build_options(model.declared_inputs());
  options.quantization = std::make_shared<QuantizationPlan>(QuantizationPlan{{}, {}, factors, {}});
  Observer observer(session, options);
  return observe(observer, *open_samples(args.data, args.samples, model, args, floats), nullptr, args, quiet);
}

QuantizationPlan plan_of(const quant::CalibrationTable& table, const BuildOptions& options) {
  const Isa isa = plan::isa_of(options);
  const bool multiplies_pairs =
      options.device == Device::cpu && !covers(isa, Isa::avx512vnni) && !covers(isa, Isa::avxvnni);
  return {table.ranges, {}, table.factors, table.means, multiplies_pairs};
}

std::map<std::string, quant::RangeQuality> quality_of(const ModelArgs& model, const QuantizationPlan& plan,
                                                      const std::map<std::string, quant::Histogram>& histograms) {
  std::map<std::string, quant::RangeQuality> quality;
  if (histograms.empty()) return quality;
  std::map<std::string, ValueRange> ranges =
      placed_ranges(model.model, model.build_options(model.declared_inputs()), plan);
  ranges.insert(plan.ranges.begin(), plan.ranges.end());
  for (const auto& [name, range] : ranges)
    if (const auto it = histograms.find(name); it != histograms.end())
      quality[name] = quant::quality_of(it->second, range);
  return quality;
}

void write_caches(const CalibrationArgs& args, const quant::CalibrationTable& table) {
  if (args.data.empty()) return;
  if (!args.cache.empty()) write_file(args.cache, quant::to_text(table));
  if (!args.tensorrt_cache.empty()) write_file(args.tensorrt_cache, quant::to_tensorrt_text(table));
}

}  // namespace monza::tool
