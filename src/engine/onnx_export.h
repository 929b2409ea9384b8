// A quantised model as a standard ONNX file.
#pragma once

#include <string>
#include <vector>

#include "monza/engine.h"
#include "monza/quantization.h"

namespace monza {

struct OnnxExport {
  std::string bytes;  ///< the file
  /// Products that compute on integers in an engine of the plan, and in floats in the file: the names of their nodes,
  /// and why.
  std::vector<std::string> left_in_floats;
};

/// The model with QuantizeLinear and DequantizeLinear where `plan` has an engine compute on integers: unsigned
/// activations with one scale a tensor, signed weights with a scale for each output channel, and nothing else that the
/// model does not have. Batch norms and factors behind convolutions whose weights become integers are in those weights.
/// What else the model has stays as its exporter wrote it; an opset below 13, in which scales per channel cannot be
/// said, is raised. Built anew, the file computes what an engine of the plan does. `options` are those of that engine.
/// Throws Error as import does, and where the opset cannot be raised.
OnnxExport export_quantized(const std::string& model_path, const BuildOptions& options, const QuantizationPlan& plan);

}  // namespace monza
