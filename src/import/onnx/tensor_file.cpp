#include "import/onnx/tensor_file.h"

#include <limits>
#include <set>

#include "base/error.h"
#include "import/onnx/proto_file.h"
#include "import/onnx/wire_scan.h"

namespace monza {

namespace {

void parse(const std::filesystem::path& path, google::protobuf::MessageLite& message, const char* what, OnnxRoot root) {
  const auto mapped = MappedFile::open(path, static_cast<std::size_t>(std::numeric_limits<int>::max()));
  if (!scan_onnx(mapped->bytes(), {}, root) ||
      !message.ParseFromArray(mapped->bytes().data(), static_cast<int>(mapped->bytes().size())))
    throw Error(fmt::format("this is no ONNX {}, or the file is damaged or truncated", what));
}

/// Inside a model, so that the constant can keep its bytes alive through it.
std::shared_ptr<const ir::Constant> constant_of(const std::shared_ptr<onnx::ModelProto>& model,
                                                const onnx::TensorProto& tensor, const std::filesystem::path& path) {
  if (tensor.data_type() == onnx::TensorProto::UNDEFINED)
    throw Error("the file parses, but says no element type, so it is no ONNX tensor");
  return OnnxFile::around(model, path)->constant(tensor);
}

}  // namespace

OnnxTensorFile read_onnx_tensor(const std::filesystem::path& path) {
  try {
    auto model = std::make_shared<onnx::ModelProto>();
    onnx::TensorProto* tensor = model->mutable_graph()->add_initializer();
    parse(path, *tensor, "tensor", OnnxRoot::tensor);
    return {tensor->name(), constant_of(model, *tensor, path)};
  } catch (const Error& e) {
    throw e.at("tensor file '" + path.string() + "'");
  }
}

OnnxListFile read_onnx_list(const std::filesystem::path& path, bool optional) {
  try {
    auto model = std::make_shared<onnx::ModelProto>();
    OnnxListFile list;
    onnx::SequenceProto sequence;
    if (optional) {
      onnx::OptionalProto proto;
      parse(path, proto, "optional", OnnxRoot::optional);
      list.present = proto.has_tensor_value() || proto.has_sequence_value();
      if (proto.has_tensor_value()) proto.mutable_tensor_value()->Swap(sequence.add_tensor_values());
      else if (proto.has_sequence_value()) proto.mutable_sequence_value()->Swap(&sequence);
    } else {
      parse(path, sequence, "sequence", OnnxRoot::sequence);
    }
    for (onnx::TensorProto& tensor : *sequence.mutable_tensor_values()) {
      onnx::TensorProto* kept = model->mutable_graph()->add_initializer();
      kept->Swap(&tensor);
      list.tensors.push_back(constant_of(model, *kept, path));
    }
    return list;
  } catch (const Error& e) {
    throw e.at("file '" + path.string() + "'");
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

OnnxInterface onnx_interface(const std::filesystem::path& path, const Limits& limits) {
  const auto file = OnnxFile::open(path, limits);
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
