// Letterbox beside the preprocessing of src/vision, to the bit; and both plugins around a real network.
#include <array>
#include <fstream>
#include <random>
#include <vector>

#include "monza/vision/boxes.h"
#include "monza/vision/image.h"
#include "monza/vision/preprocess.h"
#include "support/data.h"
#include "support/error_text.h"
#include "vision_plugins/device.h"

namespace monza::test {
namespace {

using vision::ChannelOrder;
using vision::Image;
using vision::LetterboxRule;
using vision::Normalization;

Image random_image(int width, int height, unsigned seed) {
  std::mt19937 random(seed);
  Image image(width, height);
  for (std::uint8_t& sample : image.pixels) sample = static_cast<std::uint8_t>(random());
  return image;
}

/// Frames [batch, rows, columns, 3] of pictures of one size.
Tensor frames_of(const std::vector<Image>& images) {
  Tensor frames(DType::u8, {static_cast<std::int64_t>(images.size()), images[0].height, images[0].width, 3});
  std::uint8_t* to = frames.as<std::uint8_t>();
  for (const Image& image : images) to = std::copy(image.pixels.begin(), image.pixels.end(), to);
  return frames;
}

void expect_planes(const TensorRef& y, const std::vector<Image>& images, LetterboxRule rule, const Normalization& n) {
  const auto height = static_cast<int>(y.shape[2]), width = static_cast<int>(y.shape[3]);
  std::vector<float> want(static_cast<std::size_t>(3 * height * width));
  for (std::size_t b = 0; b < images.size(); ++b) {
    (void)vision::letterbox(images[b], width, height, rule, n, std::span<float>(want));
    const float* got = y.as<float>() + b * want.size();
    for (std::size_t i = 0; i < want.size(); ++i)
      ASSERT_EQ(got[i], want[i]) << "picture " << b << " of " << images[b].width << "x" << images[b].height
                                 << ", element " << i;
  }
}

class LetterboxPlugin : public VisionPlugins {};

TEST_P(LetterboxPlugin, EqualsThePreprocessing) {
  struct Case {
    const char* attributes;
    LetterboxRule rule = LetterboxRule::centred;
    Normalization normalization;
  };
  Normalization bgr = vision::yolox_normalization(), imagenet = vision::imagenet_normalization();
  imagenet.order = ChannelOrder::bgr;
  const Case cases[] = {
      {"", LetterboxRule::centred, {}},
      {", top_left = 1, order = \"bgr\", scale = 1.0", LetterboxRule::top_left, bgr},
      {", order = \"bgr\", mean = [0.485, 0.456, 0.406], std = [0.229, 0.224, 0.225]", LetterboxRule::centred,
       imagenet},
  };
  for (const Case& c : cases) {
    Context context =
        build(std::string("opset monza.vision 1 y = monza.vision.Letterbox(x: u8[n,rows,columns,3]; height "
                          "= 48, width = 64") +
              c.attributes + ") return y --min-shape x=1x1x1x3 --max-shape x=2x200x200x3")
            .create_context();
    // Larger, smaller, of the same size, wide, tall, a line, an odd rest.
    for (const auto& [width, height] :
         {std::array{200, 150}, std::array{20, 15}, std::array{64, 48}, std::array{199, 33}, std::array{31, 200},
          std::array{64, 1}, std::array{63, 41}, std::array{1, 1}})
      for (const unsigned batch : {1u, 2u}) {
        std::vector<Image> images;
        for (unsigned b = 0; b < batch; ++b)
          images.push_back(random_image(width, height, static_cast<unsigned>(width * 1000 + height) + b));
        run(context, "x", frames_of(images));
        if (HasFatalFailure()) return;
        expect_planes(context.output("y"), images, c.rule, c.normalization);
        if (HasFatalFailure()) return;
      }
  }
}

TEST_P(LetterboxPlugin, RefusesWhatIsNoFrame) {
  const auto says = [&](const std::string& node, const char* words) {
    const std::string said =
        error_of([&] { (void)build("opset monza.vision 1 y = monza.vision.Letterbox(" + node + ") return y"); });
    EXPECT_NE(said.find(words), said.npos) << said;
  };
  says("x: f32[1,8,8,3]; height = 8, width = 8", "frames must be u8 [batch, rows, columns, 3]");
  says("x: u8[1,8,8,4]; height = 8, width = 8", "frames must have 3 channels, the last axis");
  says("x: u8[1,8,8,3]; height = 0, width = 8", "height and width must lie in 1 to 32768");
  says("x: u8[1,8,8,3]; height = 8", "'width'");
  says("x: u8[1,8,8,3]; height = 8, width = 8, pad = 256", "pad must lie in 0 to 255");
  says("x: u8[1,8,8,3]; height = 8, width = 8, mean = [1.0]", "mean and std must have 3 numbers each");
  says("x: u8[1,8,8,3]; height = 8, width = 8, std = [1.0, 0.0, 1.0]", "std must not be 0");
  says("x: u8[1,8,8,3]; height = 8, width = 8, order = \"rbg\"", "order must be rgb or bgr");
  says("x: u8[1,2,20000,3]; height = 8, width = 8", "a frame is too narrow for the network's input");
}

/// A frame goes in and boxes come out: Letterbox, YOLOv8n and YoloPost in one engine.
TEST_P(LetterboxPlugin, AFrameGoesInAndBoxesComeOut) {
  MONZA_NEED_SHARED(file, "models/onnx/yolov8n.onnx");
  MONZA_NEED_SHARED(photo, "data/images/bus.jpg");
  onnx::ModelProto model;
  std::ifstream stream(file, std::ios::binary);
  ASSERT_TRUE(model.ParseFromIstream(&stream));
  auto& set = *model.add_opset_import();
  set.set_domain("monza.vision");
  set.set_version(1);
  auto& graph = *model.mutable_graph();
  const std::string images = graph.input(0).name(), head = graph.output(0).name();
  onnx::NodeProto first;
  first.set_domain("monza.vision");
  first.set_op_type("Letterbox");
  first.add_input("frames");
  first.add_output(images);
  for (const char* side : {"height", "width"}) {
    auto& a = *first.add_attribute();
    a.set_name(side);
    a.set_type(onnx::AttributeProto::INT);
    a.set_i(640);
  }
  onnx::NodeProto last;
  last.set_domain("monza.vision");
  last.set_op_type("YoloPost");
  last.add_input(head);
  for (const char* name : {"boxes", "scores", "classes", "counts"}) {
    last.add_output(name);
    graph.add_output()->set_name(name);
  }
  graph.add_output()->set_name(images);
  *graph.add_node() = last;
  *graph.add_node() = first;
  const Image image = vision::load_image(photo);
  auto& input = *graph.mutable_input(0);
  input.set_name("frames");
  auto& type = *input.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::UINT8);
  type.mutable_shape()->Clear();
  for (const std::int64_t d : {1, image.height, image.width, 3}) type.mutable_shape()->add_dim()->set_dim_value(d);

  Context context = build(model, {}).create_context();
  run(context, "frames", frames_of({image}));
  if (HasFatalFailure()) return;
  expect_planes(context.output(images), {image}, LetterboxRule::centred, {});
  const TensorRef raw = context.output(head);
  const vision::HeadLayout layout = vision::identify_head(raw.shape, 640, 640, {.classes = 80});
  const auto want = vision::non_maximum_suppression(
      vision::decode_boxes({raw.as<float>(), static_cast<std::size_t>(raw.numel())}, layout, 640, 640));
  EXPECT_GE(want.size(), 4u);  // a bus and people
  ASSERT_EQ(context.output("counts").as<std::int32_t>()[0], static_cast<std::int32_t>(want.size()));
  for (std::size_t k = 0; k < want.size(); ++k) {
    EXPECT_EQ(context.output("scores").as<float>()[k], want[k].score);
    EXPECT_EQ(context.output("classes").as<std::int32_t>()[k], want[k].class_id);
    const float box[] = {want[k].x1, want[k].y1, want[k].x2, want[k].y2};
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(context.output("boxes").as<float>()[4 * k + i], box[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, LetterboxPlugin, ::testing::Values(Device::cpu, Device::cuda), device_of);

}  // namespace
}  // namespace monza::test
