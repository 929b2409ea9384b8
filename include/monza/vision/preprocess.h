// From a picture to the tensor that a network expects, and back from its pixels to those of the picture.
#pragma once

#include "monza/vision/image.h"

#include <array>
#include <span>

namespace monza::vision {

enum class ChannelOrder { rgb, bgr };
enum class PixelLayout { nchw, nhwc };

/// How a sample v in 0..255 becomes a float: (v * scale - mean[c]) / std[c], c counted in the network's order.
struct Normalization {
  float scale = 1.0F / 255.0F;
  std::array<float, 3> mean = {0, 0, 0};
  std::array<float, 3> std = {1, 1, 1};
  ChannelOrder order = ChannelOrder::rgb;
  PixelLayout layout = PixelLayout::nchw;
};

/// ImageNet's usual mean and deviation, as torchvision applies them.
Normalization imagenet_normalization() noexcept;
/// What YOLOX was trained on: B, G, R in 0..255.
Normalization yolox_normalization() noexcept;

enum class LetterboxRule {
  centred,   // YOLOv5, v8, v11: scale to fit, grey on both sides
  top_left,  // YOLOX: scale to fit, grey to the right and below
};

/// Where a picture lies inside the network's input.
struct Letterbox {
  int source_width = 0, source_height = 0;
  int input_width = 0, input_height = 0;
  int inner_width = 0, inner_height = 0;  // the resized picture
  int left = 0, top = 0;                  // its upper left corner
  double scale = 1;                       // input pixels per source pixel

  /// A point of the network's input in pixels of the source, inside the source.
  std::array<float, 2> to_source(float x, float y) const noexcept;
};

/// The placement alone. Throws Error when a side is not positive or the picture would shrink to nothing.
Letterbox plan_letterbox(int source_width, int source_height, int input_width, int input_height, LetterboxRule rule);

/// Resizes (bilinear over half-pixel centres, no antialiasing, rounded to 8 bits, as these networks were trained),
/// pads with 114 and normalises. `out` holds 3 * input_height * input_width elements in the order `normalization` asks
/// for.
Letterbox letterbox(const Image& image, int input_width, int input_height, LetterboxRule rule,
                    const Normalization& normalization, std::span<float> out);
/// The same without normalisation, for networks that take 8-bit input; of `normalization` only order and layout count.
Letterbox letterbox(const Image& image, int input_width, int input_height, LetterboxRule rule,
                    const Normalization& normalization, std::span<std::uint8_t> out);

/// Resize for classification: the short side to `resize` (0: no resize), then the centre `crop_width` x `crop_height`.
struct ClassifyGeometry {
  int resize = 256;
  int crop_width = 224;
  int crop_height = 224;
};

/// Bilinear resize over half-pixel centres without antialiasing: what letterbox() does, alone.
Image resize_bilinear(const Image& image, int width, int height);

/// Antialiased bilinear resize in 8 bits, the result of Pillow's Image.resize(..., BILINEAR), of torchvision's
/// Resize on pictures, too.
Image resize_antialiased(const Image& image, int width, int height);

/// torchvision's Resize, CenterCrop, ToTensor and Normalize. `out` holds 3 * crop_height * crop_width elements.
/// A picture smaller than the crop is padded with black, as CenterCrop does.
void classify_input(const Image& image, const ClassifyGeometry& geometry, const Normalization& normalization,
                    std::span<float> out);
void classify_input(const Image& image, const ClassifyGeometry& geometry, const Normalization& normalization,
                    std::span<std::uint8_t> out);

/// Writes a picture of the network's own size.
void write_tensor(const Image& image, const Normalization& normalization, std::span<float> out);
void write_tensor(const Image& image, const Normalization& normalization, std::span<std::uint8_t> out);

}  // namespace monza::vision
