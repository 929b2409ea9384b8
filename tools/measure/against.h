// `monza bench --against onnxruntime`: the same model on the same inputs in ONNX Runtime's Python package, in turn.
#pragma once

#include <string>

#include "tools/measure/bench.h"

namespace monza::tool {

/// Builds the model, runs ONNX Runtime in a process of `python` ("": what MONZA_PYTHON names, else python3), measures
/// both in turns, and prints a table or JSON: times, their ratio, and how far the outputs are apart. Throws UsageError
/// for an engine file and where the package is not found, RunError with ONNX Runtime's words where it refuses.
void bench_against_onnxruntime(const BenchOptions& options, const std::string& python);

}  // namespace monza::tool
