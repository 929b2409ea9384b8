// config.pbtxt: what a folder of a model repository says of its model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serve/served_model.h"

namespace monza::serve {

struct ModelConfig {
  /// An input or output as it is declared.
  struct Tensor {
    std::string name;
    DType dtype = DType::invalid;    ///< invalid: not said
    std::vector<std::int64_t> dims;  ///< -1: open; without the rows of a batch, where there are batches
  };
  std::string file;        ///< in a version's folder; "": model.engine or model.onnx
  bool written = false;    ///< there is a file
  std::int64_t rows = -1;  ///< of the largest batch; 0: no batches; -1: nothing is said
  std::vector<Tensor> inputs, outputs;
  QueuePolicy policy;

  std::int64_t latest = 1;             ///< so many of the highest versions are served; 0: all
  std::vector<std::int64_t> versions;  ///< these and no others, if there are any
};

/// Reads the text; `folder` is the name that the model must have. Throws Error with the line and field of what is no
/// configuration, or is not done here.
ModelConfig parse_model_config(std::string_view text, std::string_view folder);

/// Throws Error where the configuration says something else of inputs and outputs than the model.
void check_declared(const ModelConfig& config, const ServedModel& model);

}  // namespace monza::serve
