// Files that hold one ONNX tensor (.pb): test data, and inputs on the command line.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ir/constant.h"
#include "monza/limits.h"

namespace monza {

struct OnnxTensorFile {
  std::string name;  ///< as the file says; may be empty
  std::shared_ptr<const ir::Constant> value;
};

/// Reads a file that is one TensorProto. External data is confined to the file's folder. Throws Error when it is
/// none, damaged, or truncated.
OnnxTensorFile read_onnx_tensor(const std::filesystem::path& path);

/// A file that is one SequenceProto or, with `optional`, one OptionalProto: its tensors, or that it holds nothing.
struct OnnxListFile {
  bool present = true;
  std::vector<std::shared_ptr<const ir::Constant>> tensors;
};
OnnxListFile read_onnx_list(const std::filesystem::path& path, bool optional);

/// What a model's graph declares, in its order, without the initializers: what conformance data is matched with.
struct OnnxInterface {
  struct Value {
    std::string name;
    std::string kind;  ///< "tensor", "sequence", "optional", "map", "sparse tensor"
  };
  std::vector<Value> inputs, outputs;
};
OnnxInterface onnx_interface(const std::filesystem::path& path, const Limits& limits = {});

}  // namespace monza
