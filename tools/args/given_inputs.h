// What the command line gives to a model's inputs: from files, as numbers, or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tools/args/inputs.h"

namespace monza::tool {

/// What was given, by the inputs' names.
struct Given {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> numbers;  ///< to become tensors when the extents are known
  bool contains(const std::string& name) const { return tensors.contains(name) || numbers.contains(name); }
};

/// Throws Error when the input of this name does not take the shape.
using ShapeCheck = std::function<void(const std::string& name, const std::vector<std::int64_t>& shape)>;

/// Sorts what the command line gives to the model's inputs. `defaults` need not be given. `shapes`: the extents of
/// `inputs` that a picture is made to fit. `outputs` gives the names of the model's outputs. `check` is asked about
/// arrays of archives before they are unpacked, and about all. Throws UsageError and Error.
Given read_given(const InputArgs& args, const std::vector<ModelInput>& inputs, const std::vector<ModelInput>& defaults,
                 const std::vector<std::vector<std::int64_t>>& shapes,
                 const std::function<std::vector<std::string>()>& outputs, const ShapeCheck& check);

/// An input that nothing gives, in words.
struct Missing {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
};
/// Throws UsageError that lists them.
[[noreturn]] void fail_missing(const std::vector<Missing>& missing, const InputArgs& args);

/// Throws Error where the engine has no profile for the shape.
void check_range(const TensorInfo& info, const std::vector<std::int64_t>& shape);

}  // namespace monza::tool
