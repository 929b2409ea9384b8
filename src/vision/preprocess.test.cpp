#include "monza/vision/preprocess.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "support/vision_pattern.h"

namespace monza::vision {
namespace {

using test::fixture_image;
using test::max_difference;
using test::pattern;

Image planes_to_image(const std::vector<std::uint8_t>& planes, int width, int height) {
  Image image(width, height);
  const std::size_t plane = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  for (std::size_t i = 0; i < plane; ++i)
    for (std::size_t c = 0; c < 3; ++c) image.pixels[3 * i + c] = planes[c * plane + i];
  return image;
}

TEST(Letterbox, PlacesAsUltralyticsDoes) {
  const Letterbox bus = plan_letterbox(810, 1080, 640, 640, LetterboxRule::centred);
  EXPECT_EQ(bus.inner_width, 480);
  EXPECT_EQ(bus.inner_height, 640);
  EXPECT_EQ(bus.left, 80);
  EXPECT_EQ(bus.top, 0);
  // An odd rest of 213: 106 before, 107 after.
  const Letterbox odd = plan_letterbox(640, 427, 640, 640, LetterboxRule::centred);
  EXPECT_EQ(odd.top, 106);
  EXPECT_EQ(odd.inner_height, 427);
  const Letterbox yolox = plan_letterbox(500, 333, 416, 416, LetterboxRule::top_left);
  EXPECT_EQ(yolox.inner_width, 416);
  EXPECT_EQ(yolox.inner_height, 277);  // 277.056 cut, not rounded
  EXPECT_EQ(yolox.left + yolox.top, 0);
}

TEST(Letterbox, MapsPointsBackAndClips) {
  const Letterbox box = plan_letterbox(810, 1080, 640, 640, LetterboxRule::centred);
  const auto centre = box.to_source(320, 320);
  EXPECT_FLOAT_EQ(centre[0], 405);
  EXPECT_FLOAT_EQ(centre[1], 540);
  const auto outside = box.to_source(0, 700);
  EXPECT_FLOAT_EQ(outside[0], 0);
  EXPECT_FLOAT_EQ(outside[1], 1080);
}

TEST(Letterbox, ResizesAsOpenCvDoesWithinOneLevel) {
  struct Case {
    const char* name;
    int w, h, ow, oh;
  };
  // Stretched sizes cannot come from a letterbox, so the input is chosen to be all picture.
  for (const Case& c : {Case{"down", 67, 45, 24, 19}, Case{"up", 13, 9, 40, 31}, Case{"mixed", 50, 8, 20, 21}}) {
    const Image expected =
        fixture_image("opencv_" + std::string(c.name) + "_" + std::to_string(c.w) + "x" + std::to_string(c.h) + "_to_" +
                      std::to_string(c.ow) + "x" + std::to_string(c.oh) + ".png");
    EXPECT_LE(max_difference(resize_bilinear(pattern(c.w, c.h), c.ow, c.oh), expected), 1) << c.name;
  }
}

TEST(Letterbox, PadsNormalisesAndOrders) {
  const Image image = pattern(40, 20);
  std::vector<std::uint8_t> bytes(3 * 60 * 40);
  const Letterbox box = letterbox(image, 40, 60, LetterboxRule::centred, {}, std::span(bytes));
  EXPECT_EQ(box.top, 20);
  const Image padded = planes_to_image(bytes, 40, 60);
  for (int y = 0; y < 60; ++y)
    for (int x = 0; x < 40; ++x)
      for (int c = 0; c < 3; ++c) {
        const int expected = y < 20 || y >= 40 ? 114 : image.row(y - 20)[3 * x + c];
        ASSERT_EQ(padded.row(y)[3 * x + c], expected) << x << "," << y;
      }

  std::vector<float> planes(bytes.size()), pixels(bytes.size());
  letterbox(image, 40, 60, LetterboxRule::centred, {}, std::span(planes));
  for (std::size_t i = 0; i < bytes.size(); ++i) ASSERT_FLOAT_EQ(planes[i], static_cast<float>(bytes[i]) / 255.0F);

  Normalization bgr = yolox_normalization();
  bgr.layout = PixelLayout::nhwc;
  letterbox(image, 40, 60, LetterboxRule::centred, bgr, std::span(pixels));
  for (std::size_t i = 0; i < 40 * 60; ++i)
    for (std::size_t c = 0; c < 3; ++c) ASSERT_EQ(pixels[3 * i + c], static_cast<float>(bytes[(2 - c) * 40 * 60 + i]));
}

TEST(Letterbox, RefusesImpossibleSizes) {
  std::vector<float> out(3 * 64 * 64);
  EXPECT_THROW(letterbox(Image{}, 64, 64, LetterboxRule::centred, {}, std::span(out)), Error);
  EXPECT_THROW(letterbox(pattern(8, 8), 32, 64, LetterboxRule::centred, {}, std::span(out)), Error)
      << "another size than the tensor";
  EXPECT_THROW(letterbox(pattern(1000, 1), 64, 64, LetterboxRule::centred, {}, std::span(out)), Error)
      << "shrinks to nothing";
  EXPECT_NO_THROW(letterbox(pattern(1, 1), 64, 64, LetterboxRule::centred, {}, std::span(out)));
}

TEST(Resample, EqualsPillowToTheBit) {
  EXPECT_EQ(
      max_difference(resize_antialiased(pattern(67, 45), 24, 19), fixture_image("pillow_down_67x45_to_24x19.png")), 0);
  EXPECT_EQ(max_difference(resize_antialiased(pattern(13, 9), 40, 31), fixture_image("pillow_up_13x9_to_40x31.png")),
            0);
  EXPECT_EQ(max_difference(resize_antialiased(pattern(50, 8), 20, 21), fixture_image("pillow_mixed_50x8_to_20x21.png")),
            0);
}

TEST(Resample, CropIsAPartOfTheWholeResize) {
  const Image image = pattern(67, 45);  // short side to 30: 44 x 30
  const Image whole = resize_antialiased(image, 44, 30);
  std::vector<std::uint8_t> planes(3 * 21 * 16);
  classify_input(image, {.resize = 30, .crop_width = 21, .crop_height = 16}, {}, std::span(planes));
  const Image crop = planes_to_image(planes, 21, 16);
  // (44 - 21) / 2 = 11.5 rounds to the even 12, as Python's round() does.
  for (int y = 0; y < 16; ++y)
    for (int i = 0; i < 21 * 3; ++i) ASSERT_EQ(crop.row(y)[i], whole.row(y + 7)[i + 12 * 3]);
}

TEST(Resample, CropPadsSmallPictures) {
  const Image image = pattern(10, 7);
  std::vector<float> planes(3 * 12 * 12);
  classify_input(image, {.resize = 0, .crop_width = 12, .crop_height = 12}, imagenet_normalization(),
                 std::span(planes));
  const float black = (0.0F - 0.485F) / 0.229F;
  EXPECT_FLOAT_EQ(planes[0], black);
  EXPECT_FLOAT_EQ(planes[1 * 12 + 5], black) << "two rows above";
  const float first = (static_cast<float>(image.pixels[0]) / 255.0F - 0.485F) / 0.229F;
  EXPECT_NEAR(planes[2 * 12 + 1], first, 1e-6);
  EXPECT_FLOAT_EQ(planes[9 * 12 + 5], black) << "three rows below";
}

TEST(Resample, RefusesImpossibleSizes) {
  std::vector<float> out(3);
  EXPECT_THROW(classify_input(Image{}, {.resize = 0, .crop_width = 1, .crop_height = 1}, {}, std::span(out)), Error);
  EXPECT_THROW(classify_input(pattern(4, 4), {.resize = 0, .crop_width = 0, .crop_height = 1}, {}, std::span(out)),
               Error);
  EXPECT_THROW(
      classify_input(pattern(100'000, 1), {.resize = 256, .crop_width = 1, .crop_height = 1}, {}, std::span(out)),
      Error);
  EXPECT_THROW(resize_antialiased(pattern(4, 4), 0, 4), Error);
}

}  // namespace
}  // namespace monza::vision
