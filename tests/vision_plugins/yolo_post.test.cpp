// YoloPost beside the decoding and the suppression of src/vision: boxes, scores and classes to the bit.
#include <fmt/core.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "monza/vision/boxes.h"
#include "support/data.h"
#include "support/error_text.h"
#include "vision_plugins/device.h"

namespace monza::test {
namespace {

using vision::Detection;

struct Settings {
  double score = 0.25, iou = 0.45;
  int detections = 300, candidates = 30000;
};

/// A head's output over an input of size x size, [4 + classes, cells]: groups of boxes that overlap, scores that are
/// often equal, and some numbers that are none.
void fill_head(float* x, std::int64_t classes, std::int64_t cells, float size, unsigned seed) {
  std::mt19937 random(seed);
  const auto between = [&](float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); };
  for (std::int64_t i = 0; i < cells; ++i) {
    const auto group = static_cast<float>(i % 7);
    x[i] = size * (0.1f + 0.12f * group) + between(-4, 4);
    x[cells + i] = size * (0.9f - 0.12f * group) + between(-4, 4);
    for (int a = 2; a < 4; ++a) x[a * cells + i] = between(10, 40);
    for (std::int64_t c = 0; c < classes; ++c)
      x[(4 + c) * cells + i] = random() % 4 != 0 ? 0.01f : std::round(between(0, 1) * 32) / 32;
  }
  x[3] = std::numeric_limits<float>::quiet_NaN();
  x[cells + 5] = std::numeric_limits<float>::infinity();
  x[4 * cells + 9] = std::numeric_limits<float>::quiet_NaN();
  x[4 * cells + 11] = std::numeric_limits<float>::infinity();
}

/// What the engine says of one picture is what src/vision says of its part of the head's output.
void expect_detections(const Context& context, std::int64_t picture, const std::vector<Detection>& want,
                       const Settings& settings) {
  const auto most = static_cast<std::int64_t>(settings.detections);
  ASSERT_EQ(context.output("boxes").shape[1], most);
  ASSERT_EQ(context.output("counts").as<std::int32_t>()[picture], static_cast<std::int32_t>(want.size()));
  const float* boxes = context.output("boxes").as<float>() + picture * most * 4;
  const float* scores = context.output("scores").as<float>() + picture * most;
  const std::int32_t* classes = context.output("classes").as<std::int32_t>() + picture * most;
  for (std::size_t k = 0; k < static_cast<std::size_t>(most); ++k) {
    const Detection d = k < want.size() ? want[k] : Detection{};
    ASSERT_EQ(scores[k], d.score) << "picture " << picture << ", detection " << k;
    ASSERT_EQ(classes[k], d.class_id) << "picture " << picture << ", detection " << k;
    const float box[] = {d.x1, d.y1, d.x2, d.y2};
    for (std::size_t i = 0; i < 4; ++i) ASSERT_EQ(boxes[4 * k + i], box[i]) << "detection " << k << ", side " << i;
  }
}

std::vector<Detection> expected(std::span<const float> head, int classes, int cells, int size,
                                const Settings& settings) {
  const vision::HeadLayout layout{vision::Head::yolov8, classes, cells, {8, 16, 32}};
  auto found = vision::decode_boxes(head, layout, size, size, {.min_score = static_cast<float>(settings.score)});
  return vision::non_maximum_suppression(std::move(found), {.iou = static_cast<float>(settings.iou),
                                                            .max_candidates = settings.candidates,
                                                            .max_detections = settings.detections});
}

class YoloPost : public VisionPlugins {};

TEST_P(YoloPost, EqualsDecodingAndSuppression) {
  constexpr int kBatch = 3, kClasses = 5, kSize = 96, kCells = 189;  // 144 + 36 + 9
  std::size_t total = 0;
  for (const Settings& settings : {Settings{}, Settings{.score = 0.6}, Settings{.iou = 0.1}, Settings{.detections = 4},
                                   Settings{.candidates = 20}, Settings{.score = 2}, Settings{.score = 0}}) {
    const Engine engine = build(fmt::format(
        "opset monza.vision 1 boxes, scores, classes, counts = monza.vision.YoloPost(x: f32[{},{},{}]; score_threshold "
        "= "
        "{:.6f}, iou_threshold = {:.6f}, max_detections = {}, max_candidates = {}) return boxes, scores, classes, "
        "counts",
        kBatch, 4 + kClasses, kCells, settings.score, settings.iou, settings.detections, settings.candidates));
    Context context = engine.create_context();
    Tensor x(DType::f32, {kBatch, 4 + kClasses, kCells});
    const std::int64_t picture_size = x.numel() / kBatch;
    for (unsigned seed = 0; seed < 5; ++seed) {
      for (int b = 0; b < kBatch; ++b)
        fill_head(x.as<float>() + b * picture_size, kClasses, kCells, kSize, 10 * seed + static_cast<unsigned>(b));
      run(context, "x", x);
      for (int b = 0; b < kBatch; ++b) {
        const std::span<const float> head(x.as<float>() + b * picture_size, static_cast<std::size_t>(picture_size));
        const auto want = expected(head, kClasses, kCells, kSize, settings);
        total += want.size();
        expect_detections(context, b, want, settings);
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(total, 500u);  // something was there to compare
}

TEST_P(YoloPost, TakesAnyBatchAndAnyNumberOfCells) {
  const Engine engine = build(
      "opset monza.vision 1 boxes, scores, classes, counts = monza.vision.YoloPost(x: f32[n,6,cells]; max_detections = "
      "9) "
      "return boxes, scores, classes, counts --min-shape x=1x6x21 --max-shape x=4x6x2100");
  Context context = engine.create_context();
  for (const auto& [batch, size, cells] : {std::array{1, 32, 21}, std::array{4, 320, 2100}, std::array{2, 64, 84}}) {
    Tensor x(DType::f32, {batch, 6, cells});
    for (int b = 0; b < batch; ++b)
      fill_head(x.as<float>() + b * 6 * cells, 2, cells, static_cast<float>(size), static_cast<unsigned>(cells + b));
    run(context, "x", x);
    for (int b = 0; b < batch; ++b) {
      const Settings settings{.detections = 9};
      const std::span<const float> head(x.as<float>() + b * 6 * cells, static_cast<std::size_t>(6 * cells));
      expect_detections(context, b, expected(head, 2, cells, size, settings), settings);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(YoloPost, RefusesWhatIsNoHead) {
  const auto says = [&](const std::string& node, const char* words) {
    const std::string said = error_of([&] {
      (void)build("opset monza.vision 1 a, b, c, d = monza.vision.YoloPost(" + node + ") return a, b, c, d");
    });
    EXPECT_NE(said.find(words), said.npos) << said;
  };
  says("x: f16[1,6,21]", "the head's output must be f32");
  says("x: f32[6,21]", "the head's output must be [batch, 4 + classes, cells]");
  says("x: f32[1,4,21]", "the head's output has no classes: its second axis is 4 + classes");
  says("x: f32[1,6,21]; max_detections = 0", "max_detections must lie in 1 to 1048576");
  says("x: f32[1,6,21]; max_candidates = 0", "max_candidates must lie in 1 to 16777216");
}

INSTANTIATE_TEST_SUITE_P(Devices, YoloPost, ::testing::Values(Device::cpu, Device::cuda), device_of);

}  // namespace
}  // namespace monza::test
