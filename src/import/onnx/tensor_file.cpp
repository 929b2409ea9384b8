#include "import/onnx/tensor_file.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <limits>
#include <set>

#include "base/error.h"
#include "import/onnx/onnx_import.h"
#include "import/onnx/proto_file.h"

namespace monza {

OnnxTensorFile read_onnx_tensor(const std::filesystem::path& path) {
  const auto mapped = MappedFile::open(path, std::size_t(std::numeric_limits<int>::max()));
  const std::string where = "tensor file '" + path.string() + "'";
  // Inside a model, so that the constant can keep its bytes alive through it.
  auto model = std::make_shared<onnx::ModelProto>();
  onnx::TensorProto* tensor = model->mutable_graph()->add_initializer();
  google::protobuf::io::ArrayInputStream raw(mapped->bytes().data(), static_cast<int>(mapped->bytes().size()));
  google::protobuf::io::CodedInputStream stream(&raw);
  stream.SetTotalBytesLimit(std::numeric_limits<int>::max());
  if (!tensor->ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
    throw Error("this is no ONNX tensor, or the file is damaged or truncated").at(where);
  if (tensor->data_type() == onnx::TensorProto::UNDEFINED)
    throw Error("the file parses, but says no element type, so it is no ONNX tensor").at(where);
  try {
    return {tensor->name(), OnnxFile::around(model, path)->constant(*tensor)};
  } catch (const Error& e) {
    throw e.at(where);
  }
}

namespace {

std::string kind_of(const onnx::TypeProto& type) {
  if (type.has_sequence_type()) return "sequence";
  if (type.has_optional_type()) return "optional";
  if (type.has_map_type()) return "map";
  if (type.has_sparse_tensor_type()) return "sparse tensor";
  return "tensor";
}

}  // namespace

OnnxInterface onnx_interface(const std::filesystem::path& path) {
  const auto file = OnnxFile::open(path, OnnxImportOptions{}.max_file_bytes);
  const onnx::GraphProto& graph = file->model().graph();
  std::set<std::string, std::less<>> constants;
  for (const auto& t : graph.initializer()) constants.insert(t.name());
  for (const auto& t : graph.sparse_initializer()) constants.insert(t.values().name());
  OnnxInterface found;
  for (const auto& v : graph.input())
    if (!constants.contains(v.name())) found.inputs.push_back({v.name(), kind_of(v.type())});
  for (const auto& v : graph.output()) found.outputs.push_back({v.name(), kind_of(v.type())});
  return found;
}

}  // namespace monza
