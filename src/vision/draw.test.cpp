#include "monza/vision/draw.h"
#include "monza/vision/draw_objects.h"

#include <gtest/gtest.h>

#include <set>

#include "vision/font.h"

namespace monza::vision {
namespace {

int count_color(const Image& image, Color color) {
  int count = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
    count += image.pixels[i] == color[0] && image.pixels[i + 1] == color[1] && image.pixels[i + 2] == color[2];
  return count;
}

TEST(Font, HasAShapeOfItsOwnForEveryCharacter) {
  std::set<font::Glyph> shapes;
  for (int c = ' '; c <= '~'; ++c) shapes.insert(font::glyph(static_cast<char>(c)));
  EXPECT_EQ(shapes.size(), 95U);
  EXPECT_EQ(shapes.count(font::glyph('\n')), 0U) << "what is not printable has the empty box";
  EXPECT_EQ(font::glyph('\x80'), font::glyph('\n'));
}

TEST(Draw, TextScalesAndIsCutOff) {
  const Color white = {255, 255, 255};
  Image small(12, 10), large(24, 20), cut(3, 4);
  draw_text(small, 0, 0, "g1", white, 1);
  draw_text(large, 0, 0, "g1", white, 2);
  EXPECT_GT(count_color(small, white), 10);
  EXPECT_EQ(count_color(large, white), 4 * count_color(small, white));
  draw_text(cut, -4, -5, "Monza", white, 3);
  draw_text(cut, 100, 100, "Monza", white, 3);
  EXPECT_EQ(text_extent("ab", 2), (std::array<int, 2>{24, 20}));
  EXPECT_EQ(text_extent("\xC3\xBC", 1)[0], 6) << "one letter of two bytes";
}

TEST(Draw, FrameKeepsItsInside) {
  const Color red = {255, 0, 0};
  Image image(20, 20);
  draw_frame(image, 2, 3, 18, 17, red, 2);
  EXPECT_EQ(count_color(image, red), 16 * 14 - 12 * 10);
  Image thin(20, 20);
  draw_frame(thin, 5, 5, 6, 20, red, 4);
  EXPECT_EQ(count_color(thin, red), 15) << "a frame thicker than its box does not leave it";
}

TEST(Draw, DetectionsShowTheirClass) {
  Image image(200, 150);
  std::vector<Object> found(2);
  found[0].box = {3, 0.9F, 20, 40, 120, 140};
  found[1].box = {5, 0.4F, -50, -50, 900, 900};
  draw_objects(image, found, {});
  EXPECT_GT(count_color(image, class_color(3)), 500);
  EXPECT_GT(count_color(image, class_color(5)), 500);
  Image empty;
  draw_objects(empty, found, {"a"});
}

TEST(Draw, MasksTintAndBodiesHaveLines) {
  Image image(100, 100);
  std::vector<Object> found(1);
  found[0].box = {3, 0.9F, 90, 90, 99, 99};
  found[0].mask.runs = {{50, 10, 20}, {51, -5, 500}, {500, 0, 3}};
  found[0].keypoints.resize(17);
  found[0].keypoints[5] = {20, 20, 0.9F};  // the shoulders, which are joined
  found[0].keypoints[6] = {60, 20, 0.9F};
  found[0].keypoints[0] = {20, 70, 0.1F};  // hardly seen
  for (std::size_t i = 0; i < 17; ++i)
    if (i != 5 && i != 6) found[0].keypoints[i].score = 0.1F;
  draw_objects(image, found, {});
  EXPECT_NE(image.row(50)[3 * 15], 0);
  EXPECT_EQ(image.row(50)[3 * 30], 0) << "outside of the mask";
  EXPECT_EQ(image.row(20)[3 * 40], class_color(3)[0]) << "between the shoulders";
  EXPECT_EQ(image.row(70)[3 * 20], 0);
}

TEST(Draw, TurnedBoxesAreTurned) {
  Image image(100, 100);
  std::vector<Object> found(1);
  found[0].box = {3, 0.9F, 20, 20, 80, 80};
  found[0].turned = TurnedBox{50, 50, 40, 40, 0.785398F};
  draw_objects(image, found, {});
  EXPECT_EQ(image.row(78)[3 * 50], class_color(3)[0]) << "the lower corner, 28 from the centre";
  EXPECT_EQ(image.row(70)[3 * 70], 0) << "a corner of the upright box";
}

TEST(Draw, LettersStandOut) {
  EXPECT_EQ(ink_on({0, 0, 190}), (Color{255, 255, 255}));
  EXPECT_EQ(ink_on({235, 235, 0}), (Color{0, 0, 0}));
}

TEST(Draw, ColoursOfClassesDiffer) {
  std::set<Color> colours;
  for (int i = 0; i < 80; ++i) colours.insert(class_color(i));
  EXPECT_EQ(colours.size(), 80U);
}

}  // namespace
}  // namespace monza::vision
