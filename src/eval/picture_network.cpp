#include "eval/picture_network.h"

#include <fmt/core.h>

#include "base/error.h"
#include "base/printable.h"
#include "eval/run.h"
#include "eval/tensors.h"
#include "monza/vision/labels.h"

namespace monza::eval {

void close_extents(std::vector<std::int64_t>& shape, int side) {
  const bool planes = shape[3] != 3;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] < 0) shape[i] = i == 0 ? 1 : planes && i == 1 ? 3 : side;
}

PictureInput picture_input(const Engine& engine) {
  std::string seen;
  for (const TensorInfo& info : engine.inputs())
    seen += fmt::format("{}{} [{}]", seen.empty() ? "" : ", ", info.name, extents_text(info.opt));
  const auto& inputs = engine.inputs();
  if (inputs.size() != 1 || inputs[0].opt.size() != 4)
    fail_hint("a model with one input [1, 3, height, width] or [1, height, width, 3]",
              "the model's inputs are no single picture: {}", seen);
  PictureInput in;
  in.name = inputs[0].name;
  in.dtype = inputs[0].dtype;
  in.shape = inputs[0].opt;
  const bool planes = in.shape[1] == 3;
  if (in.shape[0] != 1 || (!planes && in.shape[3] != 3))
    fail_hint("a model with one input [1, 3, height, width] or [1, height, width, 3]",
              "the model's input is no single RGB picture: {}", seen);
  if (in.dtype != DType::f32 && in.dtype != DType::u8)
    fail_hint(fmt::format("--io-type {}=f32, with the ONNX file", in.name),
              "the model's input {} has the type {}; pictures are given as float32 or uint8", in.name,
              name_of(in.dtype));
  in.layout = planes ? vision::PixelLayout::nchw : vision::PixelLayout::nhwc;
  const std::int64_t height = in.shape[planes ? 2 : 1], width = in.shape[planes ? 3 : 2];
  constexpr std::int64_t largest = 1 << 15;
  if (height < 1 || width < 1 || height > largest || width > largest)
    fail_hint(fmt::format("a model whose input has sides from 1 to {}", largest),
              "the model's input is not of a picture's size: {}", seen);
  in.height = static_cast<int>(height), in.width = static_cast<int>(width);
  return in;
}

void check_size(const Engine& engine, int size) {
  const PictureInput in = picture_input(engine);
  if (size > 0 && (in.width != size || in.height != size))
    throw SettingsError(message("size {} does not act: the model's input is {}x{}", size, in.width, in.height),
                        "leave it out, or export the model with height and width open");
}

std::vector<std::string> class_names(const Engine& engine, const std::string& label_file) {
  if (!label_file.empty()) return vision::load_labels(label_file);
  const auto metadata = engine.metadata();
  const auto names = metadata.find("names");
  if (names == metadata.end()) return {};
  return vision::parse_names_metadata(names->second);
}

}  // namespace monza::eval
