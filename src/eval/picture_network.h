// Networks whose one input is a picture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "monza/engine.h"
#include "monza/vision/preprocess.h"

namespace monza::eval {

/// The one input of a network that takes a picture: [1, 3, height, width] or [1, height, width, 3], float or 8-bit.
struct PictureInput {
  std::string name;
  DType dtype = DType::invalid;
  std::vector<std::int64_t> shape;
  int width = 0, height = 0;
  vision::PixelLayout layout = vision::PixelLayout::nchw;
};

/// Closes what a picture's extents leave open (-1): one picture, three channels, `side` for height and width.
void close_extents(std::vector<std::int64_t>& shape, int side);

/// `size` is what the caller asked for, 0 for nothing. Throws SettingsError when the engine takes pictures of another
/// size: the model fixes it.
void check_size(const Engine& engine, int size);

/// Throws Error that shows the inputs when the network takes something else.
PictureInput picture_input(const Engine& engine);

/// The class names: from `label_file` if given, else from the model's metadata, else none.
std::vector<std::string> class_names(const Engine& engine, const std::string& label_file);

}  // namespace monza::eval
