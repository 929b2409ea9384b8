#include "import/onnx/plausible_shape.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "import/onnx/importer.h"
#include "import/onnx/onnx_import.h"

namespace monza {
namespace {

constexpr std::int64_t picture_side = 224, signal_length = 1000, tokens = 8;

/// Behind these a picture has as many channels as before.
bool keeps_channels(std::string_view op) {
  constexpr std::array<std::string_view, 11> ops = {"Cast",
                                                    "Identity",
                                                    "Add",
                                                    "Sub",
                                                    "Mul",
                                                    "Div",
                                                    "Clip",
                                                    "Pad",
                                                    "QuantizeLinear",
                                                    "DequantizeLinear",
                                                    "InstanceNormalization"};
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

std::int64_t group_of(const onnx::NodeProto& node) {
  for (const auto& attribute : node.attribute())
    if (attribute.name() == "group") return attribute.i();
  return 1;
}

/// How many channels the convolutions that read an input, or what is made of it pixel by pixel, take.
std::map<std::string, std::int64_t> channels_of(const onnx::GraphProto& graph) {
  std::map<std::string, const onnx::TensorProto*> weights;
  std::map<std::string, std::string> origin;  // of a value: the input that it is made of
  std::map<std::string, std::int64_t> channels;
  for (const auto& weight : graph.initializer()) weights[weight.name()] = &weight;
  for (const auto& input : graph.input()) origin[input.name()] = input.name();
  for (const auto& node : graph.node()) {
    if (node.input_size() == 0 || node.output_size() == 0) continue;
    if (const auto weight = weights.find(node.input(0));
        weight != weights.end() && node.op_type() == "DequantizeLinear")
      weights[node.output(0)] = weight->second;
    const auto from = origin.find(node.input(0));
    if (from == origin.end()) continue;
    if (keeps_channels(node.op_type())) origin[node.output(0)] = from->second;
    if (node.op_type() != "Conv" || node.input_size() < 2) continue;
    const auto weight = weights.find(node.input(1));
    if (weight != weights.end() && weight->second->dims_size() >= 3)
      channels.try_emplace(from->second, weight->second->dims(1) * group_of(node));
  }
  return channels;
}

/// What an open extent may be. `channels` is 0 where no convolution says it.
std::int64_t expected_extent(const OnnxInput& input, std::size_t axis, std::int64_t channels) {
  const std::size_t rank = input.shape.size();
  if (axis == 0) return 1;
  const bool rows_of_pixels = rank == 4 && channels == 0 && (input.shape[3] == 1 || input.shape[3] == 3);
  const bool planes = channels > 0 || (rank == 4 && !rows_of_pixels && (input.shape[1] == 1 || input.shape[1] == 3));
  if (planes && axis == 1) return channels > 0 ? channels : 1;
  if (planes) return rank == 3 ? signal_length : picture_side;
  if (rows_of_pixels) return picture_side;
  return rank == 2 && (input.dtype == DType::i64 || input.dtype == DType::i32) ? tokens : 1;
}

}  // namespace

std::map<std::string, std::vector<std::int64_t>> plausible_shapes(const std::filesystem::path& path,
                                                                  const Limits& limits) {
  const auto file = OnnxFile::open(path, limits);
  const std::map<std::string, std::int64_t> channels = channels_of(file->model().graph());
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const OnnxInput& input : onnx_inputs(path, limits)) {
    const auto known = channels.find(input.name);
    std::vector<std::int64_t>& shape = shapes[input.name];
    for (std::size_t a = 0; a < input.shape.size(); ++a)
      shape.push_back(input.shape[a] >= 0 ? input.shape[a]
                                          : expected_extent(input, a, known == channels.end() ? 0 : known->second));
  }
  return shapes;
}

}  // namespace monza
