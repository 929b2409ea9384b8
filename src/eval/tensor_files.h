// Samples that are files of tensors.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "eval/tensors.h"
#include "monza/engine.h"

namespace monza::eval {

struct TensorSample {
  std::string file;
  std::map<std::string, Tensor> inputs;   ///< arrays that are named as inputs of the model, in its types
  std::map<std::string, Tensor> answers;  ///< the others
};

/// The .npz, .npy and .pb files that `source` is or holds, by name; at most `most`, 0 for all. Throws Error when there
/// is none.
std::vector<std::filesystem::path> tensor_files(const std::string& source, std::int64_t most);
TensorSample read_tensor_sample(const std::filesystem::path& file, const std::vector<ModelInput>& inputs);

}  // namespace monza::eval
