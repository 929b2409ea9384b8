// The messages of `monza detect` and `monza classify` to the letter: tests/detect/vision.messages.txt, on the files
// made here.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "cli/driver.h"
#include "cli/text.h"
#include "small_models.h"
#include "support/vision_pattern.h"
#include "vision/video.h"

namespace monza::test {
namespace {

/// y = Relu(x).
void relu_model(const Tool& tool, const char* file, Shape shape, onnx::TensorProto::DataType type) {
  tool.model(file, [&](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    graph.clear_node();
    graph.clear_initializer();
    declare(*graph.mutable_input(0), "x", shape, type);
    declare(*graph.mutable_output(0), "y", shape, type);
    add_node(graph, "Relu", {"x"}, "y");
  });
}
/// Outputs of [1, rows, 21] floats: heads of yolov8 at 32 x 32 pixels where there are 5 rows or more. Others are of
/// integers.
void detector(const Tool& tool, const char* file, int outputs, std::int64_t rows, bool integers = false) {
  tool.model(file, [&](onnx::ModelProto& m) {
    auto& graph = *m.mutable_graph();
    graph.clear_node();
    graph.clear_output();
    declare(*graph.mutable_input(0), "images", {1, 3, 32, 32}, onnx::TensorProto::FLOAT);
    auto& w = *graph.mutable_initializer(0);
    w.Clear();
    w.set_name("w");
    w.set_data_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t d : {std::int64_t{1}, rows, std::int64_t{21}}) w.add_dims(d);
    for (std::int64_t i = 0; i < rows * 21; ++i) w.add_float_data(0);
    auto& keep = *add_node(graph, "ReduceMean", {"images"}, "mean").add_attribute();
    keep.set_name("keepdims");
    keep.set_type(onnx::AttributeProto::INT);
    keep.set_i(0);
    for (int i = 0; i < outputs; ++i) {
      const std::string name = "output" + std::to_string(i);
      declare(*graph.add_output(), name, {1, rows, 21}, integers ? onnx::TensorProto::INT32 : onnx::TensorProto::FLOAT);
      add_node(graph, "Mul", {"mean", "w"}, integers ? name + "_f" : name);
      if (!integers) continue;
      auto& to = *add_node(graph, "Cast", {name + "_f"}, name).add_attribute();
      to.set_name("to");
      to.set_type(onnx::AttributeProto::INT);
      to.set_i(onnx::TensorProto::INT32);
    }
  });
}

TEST(VisionMessages, AreThoseOfTheTable) {
  const Tool tool;
  ::setenv("XDG_CACHE_HOME", tool.path("cache").c_str(), 1);
  tool.write("p.ppm", "P6\n2 2\n255\n" + std::string(12, '\0'));
  tool.write("big.ppm", "P6\n1200 1000\n255\n");
  tool.write("text.mp4", "hello");
  tool.write("t.tiff", std::string("II*\0\x08\0\0\0", 8));
  tool.write("labels.txt", "cat\ndog\n");
  tool.write("none.txt", "");
  tool.write("bad.txt", "p.ppm cat\n");
  tool.write("other.txt", "q.ppm 1\n");
  tool.write("right.txt", "p.ppm 1\n");
  tool.write(
      "coco.json",
      R"({"images": [{"id": 1, "file_name": "q.ppm"}], "categories": [{"id": 1, "name": "a"}], "annotations": []})");
  std::filesystem::create_directories(tool.path("in"));
  std::filesystem::create_directories(tool.path("empty"));
  tool.write("in/p.ppm", tool.read("p.ppm"));
  std::filesystem::create_directories(tool.path("broken"));
  tool.write("broken/p.ppm", "hello");
  std::filesystem::create_directories(tool.path("grey"));
  tool.write("grey/q.ppm", "P6\n2 2\n255\n0123456789ab");
  tool.model("m.onnx");
  relu_model(tool, "picture.onnx", {1, 3, 8, 8}, onnx::TensorProto::FLOAT);
  relu_model(tool, "batch.onnx", {2, 3, 8, 8}, onnx::TensorProto::FLOAT);
  relu_model(tool, "half.onnx", {1, 3, 8, 8}, onnx::TensorProto::FLOAT16);
  relu_model(tool, "wide.onnx", {1, 3, 8, 40000}, onnx::TensorProto::FLOAT);
  classifier(tool);
  detector(tool, "det.onnx", 1, 5);
  detector(tool, "two.onnx", 2, 5);
  detector(tool, "integers.onnx", 1, 5, true);
  detector(tool, "short.onnx", 1, 3);
  ASSERT_EQ(tool.run("build cls.onnx --no-tune --output cls.engine").code, 0);
  ASSERT_EQ(tool.run("build cls.onnx --no-tune --output mean.engine --metadata monza.classify.mean=grey").code, 0);
  ASSERT_EQ(tool.run("build cls.onnx --no-tune --output size.engine --metadata monza.classify.resize=large").code, 0);
  ASSERT_EQ(tool.run("build cls.onnx --no-tune --output order.engine --metadata monza.classify.channels=grb").code, 0);
  expect_messages(tool, "detect/vision.messages.txt");
  ::unsetenv("XDG_CACHE_HOME");
}

TEST(VisionWarnings, SayWhenAModelGivesNaN) {
  const Tool tool;
  tool.write("p.ppm", "P6\n2 2\n255\n" + std::string(12, '\0'));
  detector(tool, "det.onnx", 1, 5);
  const Ran sound = tool.run("detect p.ppm --no-tune --no-cache --model det.onnx");
  EXPECT_FALSE(has(sound.err, "warning")) << sound.err;
  tool.model("nan.onnx", [&](onnx::ModelProto& m) {
    m.ParseFromString(tool.read("det.onnx"));
    for (float& v : *m.mutable_graph()->mutable_initializer(0)->mutable_float_data()) v = std::nanf("");
  });
  const Ran ran = tool.run("detect p.ppm --no-tune --no-cache --model nan.onnx");
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(has(ran.err, "monza: warning: the model's output 'output0': 105 of 105 elements are NaN\n")) << ran.err;
  // The logarithm of what is below 0.
  classifier(tool);
  tool.model("nan.onnx", [&](onnx::ModelProto& m) {
    m.ParseFromString(tool.read("cls.onnx"));
    auto& graph = *m.mutable_graph();
    graph.mutable_node(0)->set_output(0, "mean");
    add_node(graph, "Log", {"negative"}, "y");
    add_node(graph, "Sub", {"mean", "most"}, "negative");
    auto& one = *graph.add_initializer();
    one.set_name("most");
    one.set_data_type(onnx::TensorProto::FLOAT);
    one.add_float_data(100);
  });
  const Ran classes = tool.run("classify p.ppm --no-tune --no-cache --model nan.onnx");
  EXPECT_EQ(classes.code, 0) << classes.err;
  EXPECT_TRUE(has(classes.err, "monza: warning: the model's output 'y': 3 of 3 elements are NaN\n")) << classes.err;
}

#if MONZA_WITH_FFMPEG

TEST(VisionWarnings, SayHowManyFramesOfHowManyAVideoGave) {
  const Tool tool;
  detector(tool, "det.onnx", 1, 5);
  {
    vision::VideoWriter writer(tool.path("a.mkv"), 64, 48, 25);
    for (int i = 0; i < 60; ++i) writer.write(vision::test::pattern(64, 48));
    writer.close();
  }
  const std::string detect = "detect a.mkv --no-tune --no-cache --model det.onnx";
  const Ran whole = tool.run(detect);
  EXPECT_EQ(whole.code, 0) << whole.err;
  EXPECT_TRUE(has(whole.out, "in 60 frames")) << whole.out;
  std::filesystem::resize_file(tool.path("a.mkv"), std::filesystem::file_size(tool.path("a.mkv")) / 2);
  const Ran cut = tool.run(detect);
  EXPECT_EQ(cut.code, 3);
  EXPECT_TRUE(has(cut.err, "monza: warning: a.mkv: ") && has(cut.err, " frames were read: the file is cut off"))
      << cut.err;
  EXPECT_TRUE(has(tool.run(detect + " --json").out, "\"error\":\"a.mkv: "));
  EXPECT_EQ(tool.run(detect + " --max-frames 3").code, 0) << "no more was asked for";
}

#endif

}  // namespace
}  // namespace monza::test
