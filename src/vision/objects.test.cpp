// Masks, outlines, turned boxes and key points.
#include "monza/vision/objects.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "monza/error.h"

namespace monza::vision {
namespace {

constexpr int side = 64, head_cells = 84;

TEST(Mask, CoversWhatThePrototypesSay) {
  // The left half of an input of 64 x 64, at a quarter of its size.
  std::vector<float> planes(16 * 16);
  for (std::size_t i = 0; i < planes.size(); ++i) planes[i] = i % 16 < 8 ? 1.0F : -1.0F;
  const Prototypes prototypes = {planes, 1, 16, 16};
  const Letterbox box = plan_letterbox(128, 64, side, side, LetterboxRule::centred);
  const float one = 1, minus = -1;
  const Mask left = decode_mask(prototypes, std::span(&one, 1), {0, 1, 0, 0, 128, 64}, box);
  EXPECT_EQ(left.area(), 64 * 64);
  EXPECT_EQ(left.runs.size(), 64U);
  EXPECT_EQ(left.runs[3].end, 64);
  const Mask cut = decode_mask(prototypes, std::span(&one, 1), {0, 1, 10.2F, 5, 20, 8.5F}, box);
  EXPECT_EQ(cut.area(), 9 * 4) << "columns 11..19 of rows 5..8";
  EXPECT_EQ(decode_mask(prototypes, std::span(&minus, 1), {0, 1, 0, 0, 60, 64}, box).area(), 0);
  EXPECT_TRUE(decode_mask(prototypes, std::span(&one, 1), {0, 1, 5, 5, 5, 5}, box).empty());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(decode_mask(prototypes, std::span(&nan, 1), {0, 1, 0, 0, 128, 64}, box).empty());
}

Mask mask_of(const std::vector<std::string>& rows) {
  Mask mask;
  for (int y = 0; y < static_cast<int>(rows.size()); ++y) {
    const std::string row = rows[static_cast<std::size_t>(y)] + ".";
    int begin = -1;
    for (int x = 0; x < static_cast<int>(row.size()); ++x) {
      const bool inside = row[static_cast<std::size_t>(x)] == '#';
      if (inside && begin < 0) begin = x;
      if (!inside && begin >= 0) mask.runs.push_back({y, begin, x}), begin = -1;
    }
  }
  return mask;
}

TEST(Outline, GoesAroundEachPart) {
  EXPECT_TRUE(outlines({}).empty());
  EXPECT_EQ(outlines(mask_of({".", ".#"})), (std::vector<Outline>{{{1, 1}}}));
  EXPECT_EQ(outlines(mask_of({"###", "#.#", "###"})), (std::vector<Outline>{{{0, 0}, {2, 0}, {2, 2}, {0, 2}}}))
      << "the hole has no outline of its own, and lines only their ends";
  const auto two = outlines(mask_of({"##.....", "....###", "....###"}));
  ASSERT_EQ(two.size(), 2U);
  EXPECT_EQ(two[0], (Outline{{4, 1}, {6, 1}, {6, 2}, {4, 2}})) << "the larger part first";
  EXPECT_EQ(two[1], (Outline{{0, 0}, {1, 0}}));
  EXPECT_EQ(outlines(mask_of({"#..", ".#.", "..#"})).size(), 1U) << "parts touch at corners";
  EXPECT_EQ(outlines(mask_of({".#.", "###", ".#."}))[0], (Outline{{1, 0}, {2, 1}, {1, 2}, {0, 1}}));
}

/// Drawing an outline and filling what it encloses gives the part back, holes filled: by the pixels that can be reached
/// from outside.
TEST(Outline, EnclosesItsPartOnRandomMasks) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const int w = 1 + static_cast<int>(random() % 12), h = 1 + static_cast<int>(random() % 12);
    std::vector<std::string> rows(static_cast<std::size_t>(h), std::string(static_cast<std::size_t>(w), '.'));
    for (auto& row : rows)
      for (char& c : row) c = random() % 100 < 55 ? '#' : '.';
    const Mask mask = mask_of(rows);
    std::set<std::array<int, 2>> on_outline;
    for (const Outline& outline : outlines(mask))
      for (std::size_t i = 0; i < outline.size(); ++i) {
        auto [x, y] = outline[i];
        const auto [to_x, to_y] = outline[(i + 1) % outline.size()];
        const int dx = (to_x > x) - (to_x < x), dy = (to_y > y) - (to_y < y);
        for (on_outline.insert({x, y}); x != to_x || y != to_y;) on_outline.insert({x += dx, y += dy});
      }
    // Outside: what a walk from the border reaches over empty pixels, by sides.
    std::vector<std::string> grid(static_cast<std::size_t>(h + 2), std::string(static_cast<std::size_t>(w + 2), '.'));
    for (int y = 0; y < h; ++y)
      grid[static_cast<std::size_t>(y + 1)].replace(1, static_cast<std::size_t>(w), rows[static_cast<std::size_t>(y)]);
    std::vector<std::array<int, 2>> waiting = {{0, 0}};
    std::set<std::array<int, 2>> expected;
    while (!waiting.empty()) {
      const auto [x, y] = waiting.back();
      waiting.pop_back();
      if (x < 0 || y < 0 || x > w + 1 || y > h + 1) continue;
      char& c = grid[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)];
      if (c == '#') expected.insert({x - 1, y - 1});
      if (c != '.') continue;
      c = ' ';
      for (const auto& [dx, dy] : {std::array{1, 0}, {-1, 0}, {0, 1}, {0, -1}}) waiting.push_back({x + dx, y + dy});
    }
    for (const auto& pixel : expected)
      EXPECT_TRUE(on_outline.contains(pixel)) << "round " << round << ": " << pixel[0] << "," << pixel[1];
    for (const auto& [x, y] : on_outline)
      EXPECT_EQ(rows[static_cast<std::size_t>(y)][static_cast<std::size_t>(x)], '#');
  }
}

TEST(Turned, CornersAndBounds) {
  const TurnedBox box = {50, 40, 20, 10, std::acos(-1.0F) / 2};
  const auto corners = box.corners();
  EXPECT_NEAR(corners[0][0], 45, 1e-4);
  EXPECT_NEAR(corners[0][1], 50, 1e-4);
  Detection d;
  bound(d, box, plan_letterbox(48, 100, 48, 100, LetterboxRule::centred));
  EXPECT_NEAR(d.x1, 45, 1e-4);
  EXPECT_NEAR(d.x2, 48, 1e-4) << "cut off at the picture's edge";
  EXPECT_NEAR(d.y2, 50, 1e-4);
}

TEST(Turned, LikenessIsOneForEqualsAndFallsWithDistance) {
  const TurnedBox a = {50, 50, 30, 10, 0.5F};
  EXPECT_NEAR(probabilistic_iou(a, a), 1, 2e-3);
  EXPECT_NEAR(probabilistic_iou(a, {50, 50, 10, 30, 0.5F + std::acos(-1.0F) / 2}), 1, 2e-3) << "the same box";
  float last = 1;
  for (int step = 1; step < 6; ++step) {
    const float now = probabilistic_iou(a, {50 + 4.0F * static_cast<float>(step), 50, 30, 10, 0.5F});
    EXPECT_LT(now, last);
    last = now;
  }
  EXPECT_LT(probabilistic_iou(a, {500, 50, 30, 10, 0.5F}), 1e-6);
  // By hand: equal squares of side s, apart by x. Covariances s^2/12: distance x^2 / (8 s^2 / 12).
  const double distance = 4.0 / (8 * 100 / 12.0);
  EXPECT_NEAR(probabilistic_iou({0, 0, 10, 10, 0}, {2, 0, 10, 10, 0}), 1 - std::sqrt(1 - std::exp(-distance)), 1e-4);
}

TEST(Turned, SuppressionEqualsItsDefinition) {
  std::mt19937 random(9);
  std::uniform_real_distribution<float> where(0, 80), extent(4, 40), angle(-0.8F, 2.4F), score(0, 1);
  for (int round = 0; round < 20; ++round) {
    std::vector<TurnedCandidate> all(60);
    for (TurnedCandidate& c : all) {
      c.box.class_id = static_cast<int>(random() % 3), c.box.score = score(random);
      c.turned = {where(random), where(random), extent(random), extent(random), angle(random)};
    }
    std::multiset<float> expected;
    for (const TurnedCandidate& c : all)
      if (std::none_of(all.begin(), all.end(), [&](const TurnedCandidate& other) {
            return other.box.class_id == c.box.class_id && other.box.score > c.box.score &&
                   probabilistic_iou(other.turned, c.turned) > 0.3F;
          }))
        expected.insert(c.box.score);
    std::multiset<float> kept;
    for (const TurnedCandidate& c : suppress_turned(all, {.iou = 0.3F})) kept.insert(c.box.score);
    EXPECT_EQ(kept, expected);
  }
  EXPECT_TRUE(suppress_turned({}).empty());
}

/// A v8 output with one candidate: centre (32, 32), 16 x 8, class 1.
std::vector<float> one_candidate(int rows, const std::vector<float>& extra) {
  std::vector<float> out(static_cast<std::size_t>(rows * head_cells));
  const auto set = [&](int row, float v) { out[static_cast<std::size_t>(row * head_cells + 70)] = v; };
  set(0, 32), set(1, 32), set(2, 16), set(3, 8), set(5, 0.9F);
  for (std::size_t i = 0; i < extra.size(); ++i) set(6 + static_cast<int>(i), extra[i]);
  return out;
}

TEST(Objects, HaveWhatTheirTaskSays) {
  const Letterbox box = plan_letterbox(128, 64, side, side, LetterboxRule::centred);
  HeadLayout layout{Head::yolov8, 2, head_cells, {8, 16, 32}};
  const float nan = std::numeric_limits<float>::quiet_NaN();

  layout.task = Task::pose, layout.extra = 6, layout.keypoints = {2, 3};
  const auto pose = decode_objects({one_candidate(12, {32, 32, 0.8F, nan, 0, 1}), {}}, layout, box);
  ASSERT_EQ(pose.size(), 1U);
  ASSERT_EQ(pose[0].keypoints.size(), 2U);
  EXPECT_FLOAT_EQ(pose[0].keypoints[0].x, 64);
  EXPECT_FLOAT_EQ(pose[0].keypoints[0].y, 32);
  EXPECT_FLOAT_EQ(pose[0].keypoints[0].score, 0.8F);
  EXPECT_FLOAT_EQ(pose[0].keypoints[1].score, 0);

  layout.task = Task::obb, layout.extra = 1;
  const auto turned = decode_objects({one_candidate(7, {std::acos(-1.0F) / 2}), {}}, layout, box);
  ASSERT_EQ(turned.size(), 1U);
  EXPECT_FLOAT_EQ(turned[0].turned->width, 32);
  EXPECT_NEAR(turned[0].box.x1, 64 - 8, 1e-3);
  EXPECT_NEAR(turned[0].box.y2, 32 + 16, 1e-3);
  EXPECT_TRUE(decode_objects({one_candidate(7, {nan}), {}}, layout, box).empty());

  layout.task = Task::segment;
  const std::vector<float> planes(16 * 16, 1.0F);
  const auto masks = decode_objects({one_candidate(7, {1}), {planes, 1, 16, 16}}, layout, box);
  ASSERT_EQ(masks.size(), 1U);
  EXPECT_EQ(masks[0].mask.area(), 32 * 16);
  EXPECT_TRUE(decode_objects({one_candidate(7, {-1}), {planes, 1, 16, 16}}, layout, box).empty()) << "an empty mask";
  EXPECT_THROW(decode_objects({one_candidate(7, {1}), {}}, layout, box), Error);
}

}  // namespace
}  // namespace monza::vision
