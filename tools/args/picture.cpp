#include "tools/args/picture.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/printable.h"
#include "tensor/dtype.h"
#include "tools/args/shape_text.h"

#ifdef MONZA_WITH_JPEG  // defined, as 0 or 1, where the vision library is part of the build
#include "monza/vision/preprocess.h"
#endif

namespace monza::tool {

bool is_picture(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static constexpr const char* kEndings[] = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".pgm"};
  return std::any_of(std::begin(kEndings), std::end(kEndings), [&](const char* e) { return ending == e; });
}

#ifdef MONZA_WITH_JPEG

Tensor picture_tensor(const std::filesystem::path& path, DType dtype, std::vector<std::int64_t> shape) {
  const bool nchw = shape.size() == 4 && shape[1] == 3, nhwc = shape.size() == 4 && shape[3] == 3;
  if ((!nchw && !nhwc) || (dtype != DType::f32 && dtype != DType::u8))
    throw Error(message("a {} input of shape {} takes no picture", dtype_name(dtype), extents_text(shape)),
                "give a tensor (.npy), or an input of f32 or u8 with three channels");
  vision::Image image = vision::load_image(path);
  const auto fill = [&](std::size_t axis, std::int64_t extent) {
    if (shape[axis] < 0) shape[axis] = extent;
  };
  const std::size_t height = nchw ? 2 : 1;
  fill(0, 1);
  fill(height, image.height);
  fill(height + 1, image.width);
  Tensor tensor(dtype, shape);
  if (tensor.numel() == 0) return tensor;
  if (shape[height] > 1 << 16 || shape[height + 1] > 1 << 16)
    fail_hint("give a tensor (.npy)", "a picture is stretched to {} pixels a side at most, the input is {}", 1 << 16,
              extents_text(shape));
  const int h = static_cast<int>(shape[height]), w = static_cast<int>(shape[height + 1]);
  if (image.height != h || image.width != w) image = vision::resize_bilinear(image, w, h);
  vision::Normalization form;
  form.layout = nchw ? vision::PixelLayout::nchw : vision::PixelLayout::nhwc;
  const std::size_t one = static_cast<std::size_t>(h) * static_cast<std::size_t>(w) * 3;
  if (dtype == DType::f32) vision::write_tensor(image, form, std::span(tensor.as<float>(), one));
  else vision::write_tensor(image, form, std::span(tensor.as<std::uint8_t>(), one));
  const std::size_t bytes = tensor.bytes() / static_cast<std::size_t>(shape[0]);
  for (std::int64_t n = 1; n < shape[0]; ++n)
    std::memcpy(tensor.as<std::byte>() + static_cast<std::size_t>(n) * bytes, tensor.ref().data, bytes);
  return tensor;
}

#else

Tensor picture_tensor(const std::filesystem::path& path, DType, std::vector<std::int64_t>) {
  throw Error(message("'{}' cannot be read: this build was made without pictures", path.string()),
              "build with MONZA_VISION=ON, or give a tensor (.npy)");
}

#endif

}  // namespace monza::tool
