#include "monza/vision/boxes.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>

#include "base/error.h"

namespace monza::vision {
namespace {

HeadLayout identify(std::int64_t rows, std::int64_t columns, int size, const HeadHints& hints = {}) {
  const std::array<std::int64_t, 3> shape = {1, rows, columns};
  return identify_head(shape, size, size, hints);
}

std::string refusal(std::vector<std::int64_t> shape, int size, const HeadHints& hints = {}) {
  try {
    identify_head(shape, size, size, hints);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Head, IsToldByTheNumberOfCells) {
  const HeadLayout v8 = identify(84, 8400, 640);
  EXPECT_EQ(v8.head, Head::yolov8);
  EXPECT_EQ(v8.classes, 80);
  EXPECT_EQ(v8.candidates, 8400);
  const HeadLayout v5 = identify(25200, 85, 640);
  EXPECT_EQ(v5.head, Head::yolov5);
  EXPECT_EQ(v5.classes, 80);
  const HeadLayout yolox = identify(3549, 85, 416);
  EXPECT_EQ(yolox.head, Head::yolox);
  EXPECT_EQ(yolox.candidates, 3549);
  const HeadLayout p6 = identify(102000, 85, 1280);
  EXPECT_EQ(p6.head, Head::yolov5);
  EXPECT_EQ(p6.strides.size(), 4U);
}

TEST(Head, RefusesWithAReason) {
  EXPECT_NE(refusal({1, 1000}, 224).find("not that of a YOLO detector"), std::string::npos);
  EXPECT_NE(refusal({1, 84, 8400}, 320).find("fits no known head"), std::string::npos);
  EXPECT_NE(refusal({1, 116, 8400}, 640, {.task = "segment"}).find("prototypes"), std::string::npos);
  EXPECT_NE(refusal({1, 116, 8400}, 640, {.task = "classify"}).find("no detector"), std::string::npos);
  EXPECT_NE(refusal({1, 300, 7}, 640).find("fits no known head"), std::string::npos) << "one column is left over";
  EXPECT_NE(refusal({1, 84, 8400}, 640, {.classes = 20}).find("20 class names"), std::string::npos);
  EXPECT_NE(refusal({1, 84, 8400}, 640, {.requested = "yolox"}).find("can only be"), std::string::npos);
  EXPECT_NE(refusal({1, 84, 8400}, 640, {.requested = "ssd"}).find("no detection head"), std::string::npos);
  EXPECT_NE(refusal({1, 8400, 84}, 640, {.classes = 80}).find("turned to rows"), std::string::npos);
  EXPECT_NE(refusal({1, 84, 8400}, 0), "");
}

TEST(Head, KnowsWhatTasksAdd) {
  const HeadLayout masks = identify(116, 8400, 640, {.mask_channels = 32});
  EXPECT_EQ(masks.task, Task::segment);
  EXPECT_EQ(masks.classes, 80);
  EXPECT_EQ(masks.extra, 32);
  EXPECT_EQ(identify(116, 8400, 640, {.task = "detect", .mask_channels = 32}).classes, 112);
  const HeadLayout body = identify(56, 8400, 640, {.task = "pose"});
  EXPECT_EQ(body.classes, 1);
  EXPECT_EQ(body.keypoints, (std::array<int, 2>{17, 3}));
  EXPECT_EQ(identify(2 + 4 + 10, 8400, 640, {.task = "pose", .keypoints = "[5, 2]"}).classes, 2);
  EXPECT_NE(refusal({1, 56, 8400}, 640, {.task = "pose", .keypoints = "[5, 9]"}).find("key points"), std::string::npos);
  EXPECT_EQ(identify(20, 21504, 1024, {.task = "obb"}).classes, 15);
  const HeadLayout v5 = identify(25200, 117, 640, {.task = "segment", .mask_channels = 32});
  EXPECT_EQ(v5.head, Head::yolov5);
  EXPECT_EQ(v5.classes, 80);
}

TEST(Head, OfBoxesAfterSuppression) {
  const HeadLayout plain = identify(300, 6, 640, {.classes = 80});
  EXPECT_EQ(plain.head, Head::end2end);
  EXPECT_EQ(plain.classes, 80);
  EXPECT_EQ(identify(300, 38, 640, {.mask_channels = 32}).head, Head::end2end);
  EXPECT_EQ(identify(84, 6, 64).head, Head::yolox) << "one class, a row for each cell";
}

TEST(Head, AsksWhenTwoFit) {
  // An input of 32 pixels has 21 cells, so [1, 21, 21] is 17 classes of yolov8 or 16 of yolox.
  EXPECT_NE(refusal({1, 21, 21}, 32).find("more than one way"), std::string::npos);
  EXPECT_EQ(identify(21, 21, 32, {.requested = "yolox"}).head, Head::yolox);
  EXPECT_EQ(identify(21, 21, 32, {.classes = 17}).head, Head::yolov8);
  EXPECT_EQ(identify(21, 21, 32, {.description = "Ultralytics YOLOv8n model"}).head, Head::yolov8);
  EXPECT_EQ(parse_head("yolov11"), Head::yolov8);
}

// The three heads with one object each, at an input of 64 pixels: 84 cells.
constexpr int size = 64;
constexpr int cells = 84;

TEST(Decode, Yolov8) {
  std::vector<float> out(6 * cells);
  const auto set = [&](int row, int cell, float v) { out[static_cast<std::size_t>(row * cells + cell)] = v; };
  set(0, 70, 30), set(1, 70, 20), set(2, 70, 8), set(3, 70, 4), set(4, 70, 0.3F), set(5, 70, 0.9F);
  set(4, 3, 0.2F);
  set(4, 5, std::numeric_limits<float>::quiet_NaN());
  const auto found = decode_boxes(out, identify(6, cells, size), size, size);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].class_id, 1);
  EXPECT_FLOAT_EQ(found[0].score, 0.9F);
  EXPECT_FLOAT_EQ(found[0].x1, 26);
  EXPECT_FLOAT_EQ(found[0].y1, 18);
  EXPECT_FLOAT_EQ(found[0].x2, 34);
  EXPECT_FLOAT_EQ(found[0].y2, 22);
  EXPECT_EQ(decode_boxes(out, identify(6, cells, size), size, size, {.min_score = 0.25F, .multi_label = true}).size(),
            2U);
}

TEST(Decode, Yolov5MultipliesByObjectness) {
  std::vector<float> out(3 * cells * 7);
  float* row = &out[200 * 7];
  row[0] = 30, row[1] = 20, row[2] = 8, row[3] = 4, row[4] = 0.5F, row[5] = 0.2F, row[6] = 0.8F;
  const auto found = decode_boxes(out, identify(3 * cells, 7, size), size, size);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].class_id, 1);
  EXPECT_FLOAT_EQ(found[0].score, 0.4F);
  EXPECT_FLOAT_EQ(found[0].x1, 26);
}

TEST(Decode, YoloxAddsTheGrid) {
  std::vector<float> out(cells * 7);
  // Level of stride 16 begins after 64 cells; its cell (x 2, y 3) is number 64 + 3 * 4 + 2.
  float* row = &out[(64 + 14) * 7];
  row[0] = 0.5F, row[1] = 0.25F, row[2] = std::log(2.0F), row[3] = 0, row[4] = 1, row[5] = 0.6F, row[6] = 0.1F;
  const auto found = decode_boxes(out, identify(cells, 7, size), size, size);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].class_id, 0);
  EXPECT_FLOAT_EQ((found[0].x1 + found[0].x2) / 2, 40);
  EXPECT_FLOAT_EQ((found[0].y1 + found[0].y2) / 2, 52);
  EXPECT_FLOAT_EQ(found[0].x2 - found[0].x1, 32);
  EXPECT_FLOAT_EQ(found[0].y2 - found[0].y1, 16);
  row[2] = 1000;  // exp overflows: no box
  EXPECT_TRUE(decode_boxes(out, identify(cells, 7, size), size, size).empty());
}

TEST(Decode, End2EndTakesRowsAsTheyAre) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> out = {1, 2,    30, 40, 0.9F, 3, /**/ 1, 2,    3,  4,      0.1F, 0, /**/ 5, 6,   7,
                                  8, 0.8F, 80, 1,  2,    3, 4,      0.9F, -1, /**/ 1, 2,    3, 4,      nan, 0};
  const auto found = decode_boxes(out, identify(5, 6, size, {.classes = 80}), size, size);
  ASSERT_EQ(found.size(), 1U) << "scores too low or not a number, and classes that are none";
  EXPECT_EQ(found[0].class_id, 3);
  EXPECT_FLOAT_EQ(found[0].y2, 40);
}

TEST(Decode, OnlyTheClassesThatAreAskedFor) {
  std::vector<float> out(6 * cells);
  for (int c = 0; c < 2; ++c) out[static_cast<std::size_t>((4 + c) * cells + 10 + c)] = 0.9F;
  const HeadLayout layout = identify(6, cells, size);
  EXPECT_EQ(decode_boxes(out, layout, size, size).size(), 2U);
  const auto found = decode_boxes(out, layout, size, size, {.classes = {1}});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].class_id, 1);
  EXPECT_EQ(found[0].candidate, 11);
}

TEST(Decode, FurtherValuesOfACandidate) {
  std::vector<float> out(6 * cells + 2 * cells);
  const HeadLayout columns = identify(8, cells, size, {.task = "pose", .classes = 2, .keypoints = "[1, 2]"});
  out[6 * cells + 7] = 1, out[7 * cells + 7] = 2;
  std::vector<float> values(2);
  extra_values(out, columns, 7, values);
  EXPECT_EQ(values, (std::vector<float>{1, 2}));
  EXPECT_THROW(extra_values(out, columns, cells, values), Error);
  EXPECT_THROW(extra_values(out, columns, -1, values), Error);
}

TEST(Decode, RefusesAnOutputOfAnotherSize) {
  std::vector<float> out(6 * cells - 1);
  EXPECT_THROW(decode_boxes(out, identify(6, cells, size), size, size), Error);
  EXPECT_THROW(decode_boxes(std::vector<float>(6 * cells), identify(6, cells, size), 128, 128), Error);
}

TEST(Nms, SuppressesWithinAClassOnly) {
  const auto kept = non_maximum_suppression(
      {{0, 0.6F, 0, 0, 10, 10}, {0, 0.9F, 1, 0, 11, 10}, {1, 0.5F, 0, 0, 10, 10}, {0, 0.3F, 20, 0, 30, 10}});
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_FLOAT_EQ(kept[0].score, 0.9F);
  EXPECT_EQ(kept[1].class_id, 1);
  EXPECT_FLOAT_EQ(kept[2].x1, 20);
}

TEST(Nms, KeepsAnOverlapOfExactlyTheThreshold) {
  const Detection a = {0, 0.9F, 0, 0, 2, 1}, b = {0, 0.8F, 0, 0, 1, 1};
  EXPECT_FLOAT_EQ(intersection_over_union(a, b), 0.5F);
  EXPECT_EQ(non_maximum_suppression({a, b}, {.iou = 0.5F}).size(), 2U);
  EXPECT_EQ(non_maximum_suppression({a, b}, {.iou = 0.49F}).size(), 1U);
}

TEST(Nms, RespectsItsLimitsAndEqualScores) {
  std::vector<Detection> many;
  for (int i = 0; i < 50; ++i) many.push_back({0, 0.5F, i * 10.0F, 0, i * 10.0F + 5, 5});
  EXPECT_EQ(non_maximum_suppression(many, {.max_detections = 7}).size(), 7U);
  EXPECT_EQ(non_maximum_suppression(many, {.max_candidates = 9}).size(), 9U);
  EXPECT_FLOAT_EQ(non_maximum_suppression(many)[3].x1, 30) << "equal scores keep their order";
  EXPECT_TRUE(non_maximum_suppression({}).empty());
  EXPECT_FLOAT_EQ(intersection_over_union({0, 1, 5, 5, 5, 5}, {0, 1, 5, 5, 5, 5}), 0);
}

TEST(Nms, EqualsThePlainDefinitionOnRandomBoxes) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> where(0, 100), extent(5, 40), score(0, 1);
  for (int round = 0; round < 20; ++round) {
    std::vector<Detection> boxes;
    for (int i = 0; i < 80; ++i) {
      const float x = where(random), y = where(random);
      boxes.push_back({static_cast<int>(random() % 3), score(random), x, y, x + extent(random), y + extent(random)});
    }
    // Repeatedly take the best box left and strike out its class's overlaps.
    std::vector<Detection> left = boxes, expected;
    while (!left.empty()) {
      const auto best = std::max_element(left.begin(), left.end(), [](auto& a, auto& b) { return a.score < b.score; });
      const Detection taken = *best;
      expected.push_back(taken);
      left.erase(best);
      std::erase_if(left, [&](const Detection& d) {
        return d.class_id == taken.class_id && intersection_over_union(d, taken) > 0.45F;
      });
    }
    const auto kept = non_maximum_suppression(boxes);
    ASSERT_EQ(kept.size(), expected.size());
    for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i].score, expected[i].score);
  }
}

TEST(ToSource, UndoesTheLetterbox) {
  const Letterbox box = plan_letterbox(810, 1080, 640, 640, LetterboxRule::centred);
  std::vector<Detection> found = {{0, 1, 80, 0, 560, 640}, {0, 1, 200, 100, 260, 160}};
  to_source(found, box);
  EXPECT_FLOAT_EQ(found[0].x1, 0);
  EXPECT_FLOAT_EQ(found[0].x2, 810);
  EXPECT_FLOAT_EQ(found[0].y2, 1080);
  EXPECT_FLOAT_EQ(found[1].x1, 202.5F);
  EXPECT_FLOAT_EQ(found[1].y2, 270);
}

}  // namespace
}  // namespace monza::vision
