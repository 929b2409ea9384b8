// Times of layers beside what the machine can do: `monza profile`, and the page of `monza build --report`.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "monza/engine.h"
#include "tools/measure/ceilings.h"

namespace monza::tool {

struct LayerTime {
  StepProfile step;
  /// Of a whole run: the step's least; in a body its part of the least time of the If, Loop or Scan that holds it,
  /// which has what is left. And its part of the sum of all layers.
  double us = 0, share = 0;
  double calls = 1;    ///< in a run: of a step in the body of a loop its iterations
  std::string within;  ///< "Loop 'encoder/while'" for a step in its body, whose own time leaves it out; else ""
  double gflops = 0, gb_s = 0;
  double of_ceiling = 0;     ///< of the nearer of the two ceilings; 0 when it was not measured
  const char* ceiling = "";  ///< which one: "fp32", "int8", "bf16", "memory"
  double gain_us = 0;        ///< what could be won: its time less its time at the ceiling
};

struct ProfileOptions {
  int iterations = 0;   ///< 0: as many as fit in `duration`
  double duration = 2;  ///< seconds
  int warmup = 3;       ///< runs before
  int least_runs = 3;   ///< however long they take
  bool ceilings = true;
  int threads = 1;
  ContextOptions context;
  std::function<void(Context&)> before_run;  ///< binds what each run needs anew; may be empty
  std::function<void(std::string_view, double)> progress;
};

struct ProfileResult {
  Ceilings ceilings;
  std::vector<LayerTime> layers;  ///< in the order of execution, those that ran
  std::vector<double> run_ms;     ///< of every whole run, in order
  double layers_us = 0, best_run_ms = 0;
  std::string warning;  ///< why the times of layers should not be summed; empty when nothing shows
};

/// Runs and measures. Throws RunError.
ProfileResult measure_profile(const Engine& engine, const std::vector<Tensor>& inputs, const ProfileOptions& options);

}  // namespace monza::tool
