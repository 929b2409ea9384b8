// Parsing an ONNX file into its messages, and its tensors into constants.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/file.h"
#include "ir/constant.h"
#include "monza/limits.h"
#include "onnx.pb.h"

namespace monza {

/// A parsed file. Constants borrow from the message or from mapped external files, and keep them alive.
class OnnxFile {
 public:
  /// Error when the file is no ONNX model, is truncated, or is over a limit. Its names are made printable (names.h).
  static std::shared_ptr<OnnxFile> open(const std::filesystem::path& path, const Limits& limits);

  /// A message made elsewhere; external data is looked for in the folder of `path`.
  static std::shared_ptr<OnnxFile> around(std::shared_ptr<onnx::ModelProto> model, std::filesystem::path path) {
    auto file = std::make_shared<OnnxFile>();
    file->model_ = std::move(model);
    file->path_ = std::move(path);
    return file;
  }

  const onnx::ModelProto& model() const { return *model_; }
  const std::filesystem::path& path() const { return path_; }
  /// The files with external data that the model names, as it writes them.
  const std::set<std::string>& data_locations() const { return data_locations_; }
  /// The tensor's elements: the same constant for the same message, however often a function that holds it is
  /// expanded. Error when all tensors together are over the limit.
  std::shared_ptr<const ir::Constant> constant(const onnx::TensorProto& tensor);
  std::shared_ptr<const ir::Constant> constant(const onnx::SparseTensorProto& tensor);

 private:
  std::shared_ptr<const ir::Constant> read(const onnx::TensorProto& tensor);
  std::shared_ptr<const ir::Constant> read(const onnx::SparseTensorProto& tensor);
  std::shared_ptr<const ir::Constant> external(const onnx::TensorProto& tensor, DType dtype, const Shape& shape);

  std::filesystem::path path_;
  std::shared_ptr<onnx::ModelProto> model_;
  std::set<std::string> data_locations_;
  std::map<std::string, std::shared_ptr<const MappedFile>> external_files_;
  std::unordered_map<const void*, std::shared_ptr<const ir::Constant>> constants_;
  Limits limits_;
  std::int64_t weight_bytes_ = 0;
};

/// ONNX's numbers for element types; DType::invalid for one Monza does not know.
DType dtype_of_onnx(int data_type);

}  // namespace monza
