// `monza bench --sweep`: one model at several settings, or several files of one network, side by side.
#pragma once

#include <string>
#include <vector>

#include "eval/data_set.h"
#include "tools/measure/bench.h"

namespace monza::tool {

struct SweepOptions {
  BenchOptions bench;
  std::string sweep;              ///< "KEY=V1,V2,...": see ModelArgs::with; "": the model as it is
  std::vector<std::string> also;  ///< further files of the network, each measured at every value
  std::string chart;              ///< SVG to write, or ""
};

/// Measures every file at every value, and each one's accuracy on `samples` if they are given; prints a table or JSON.
/// All settings are checked before the first is measured; what a model refuses of them later (a batch that a Reshape
/// fixes) is told in its row, and the others go on. Returns whether all were measured. Throws as measure() does where
/// none was.
bool run_sweep(const SweepOptions& options, eval::DataSet* samples);

}  // namespace monza::tool
