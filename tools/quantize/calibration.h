// Where the ranges of a model's values come from: samples, or a file of an earlier calibration.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/session.h"
#include "eval/sample_source.h"
#include "monza/quantization.h"
#include "quant/calibration_file.h"
#include "quant/calibrators.h"
#include "quant/histogram.h"
#include "tools/args/model_args.h"
#include "tools/args/options.h"
#ifdef MONZA_WITH_JPEG  // defined, as 0 or 1, where the vision library is part of the build
#include "eval/picture_source.h"
#endif

namespace monza::tool {

/// What the command line says of it.
struct CalibrationArgs {
  void add_to(CommandOptions& app, const std::string& data_option, const char* group);

  std::string data;                   ///< samples; "": ranges come from `cache`
  std::string cache, tensorrt_cache;  ///< files of ranges
  std::string calibrator = "mse";
  std::int64_t samples = 0;  ///< at most so many of `data`; 0: all
#ifdef MONZA_WITH_JPEG
  eval::PictureSettings pictures;
#endif
};

/// Opens `source` (pictures, tensors, a video) for the model, whose float engine tells how it takes pictures. The
/// engine need not outlive the call. Throws Error when there is nothing, UsageError for pictures in a build without.
std::unique_ptr<eval::SampleSource> open_samples(const std::string& source, std::int64_t most, const ModelArgs& model,
                                                 const CalibrationArgs& args, const Engine& floats);

struct FoundRanges {
  quant::CalibrationTable table;                           ///< by the calibrator that was asked for, or of a file
  std::vector<quant::CalibrationTable> others;             ///< by the other calibrators, where samples were seen
  std::map<std::string, quant::Histogram> histograms;      ///< of the samples
  std::map<std::string, std::vector<float>> means, reach;  ///< Observer's of them
};
/// Ranges by the calibrators on the samples, which are checked; or those of `args.cache`. Shows its progress and notes
/// what is odd about the samples. Throws Error.
FoundRanges find_ranges(const ModelArgs& model, const CalibrationArgs& args, BuildSession& session,
                        const Engine& floats, bool quiet);
/// The same of the samples, which have been seen before, with values divided by `factors`.
FoundRanges find_divided_ranges(const ModelArgs& model, const CalibrationArgs& args, BuildSession& session,
                                const Engine& floats, bool quiet,
                                const std::map<std::string, std::vector<float>>& factors);
/// The plan of a table. Weights are in narrow pairs where a build with `options` computes on a CPU without dot
/// products.
QuantizationPlan plan_of(const quant::CalibrationTable& table, const BuildOptions& options);
/// How well the integers of an engine of that plan stand for what samples showed: of each value that has a histogram,
/// by the range that it shares with others in that engine, or its own where it stays in floats. Throws Error.
std::map<std::string, quant::RangeQuality> quality_of(const ModelArgs& model, const QuantizationPlan& plan,
                                                      const std::map<std::string, quant::Histogram>& histograms);
/// Writes ranges that samples gave to the caches that `args` names.
void write_caches(const CalibrationArgs& args, const quant::CalibrationTable& table);

}  // namespace monza::tool
