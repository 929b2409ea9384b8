// What scripts read from `monza detect` and `monza classify`, and what they say when something is wrong.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/driver.h"
#include "small_models.h"
#include "support/data.h"
#include "support/vision_pattern.h"

namespace monza::test {
namespace {

using Json = nlohmann::json;

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
  return lines;
}

/// The tool with a cache folder of its own.
class VisionCommands : public ::testing::Test {
 protected:
  void SetUp() override { ::setenv("XDG_CACHE_HOME", tool.path("cache").c_str(), 1); }
  void TearDown() override { ::unsetenv("XDG_CACHE_HOME"); }
  Tool tool;
};

TEST_F(VisionCommands, DetectFindsWhatIsInThePhoto) {
  MONZA_NEED_SHARED(photo, "data/images/bus.jpg");
  MONZA_NEED_SHARED(model, "models/onnx/yolov8n.onnx");
  std::filesystem::create_directories(tool.path("cache/monza"));
  std::filesystem::copy_file(model, tool.path("cache/monza/yolov8n.onnx"));
  const Ran ran =
      tool.run("detect " + photo.string() + " --no-tune --output boxes.jpg --json");  // no --model: the cached one
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  std::map<std::string, int> counts;
  for (const Json& d : report.at("detections")) {
    ++counts[d.at("class")];
    EXPECT_GT(d.at("score"), 0.25);
    const Json& box = d.at("box");
    ASSERT_EQ(box.size(), 4U);
    EXPECT_GE(box[0], 0);
    EXPECT_LT(box[0], box[2]);
    EXPECT_LE(box[2], 810);
    EXPECT_LE(box[3], 1080);
  }
  EXPECT_EQ(counts["person"], 4);
  EXPECT_EQ(counts["bus"], 1);
  const Json& times = report.at("timings_ms");
  EXPECT_GT(times.at("build"), 0);
  for (const char* key : {"load", "preprocess", "inference", "postprocess"}) EXPECT_GE(times.at(key), 0) << key;
  EXPECT_EQ(vision::load_image(tool.path("boxes.jpg")).height, 1080);

  const Ran again = tool.run("detect " + photo.string() + " --no-tune --json");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(Json::parse(again.out).at("timings_ms").at("build"), 0) << "the engine of the first run is loaded";
  EXPECT_EQ(Json::parse(again.out).at("detections"), report.at("detections"));
}

TEST_F(VisionCommands, FoldersGiveALineForEachPictureAndMeasure) {
  MONZA_NEED_SHARED(model, "models/onnx/yolov8n.onnx");
  MONZA_NEED_SHARED(photo, "data/images/zidane.jpg");
  std::filesystem::create_directories(tool.path("in"));
  std::filesystem::copy_file(photo, tool.path("in/one.jpg"));
  vision::save_image(vision::test::pattern(64, 48), tool.path("in/two.png"));
  // The truth: the two people where the model finds them, and one that is not there.
  tool.write("truth.json",
             R"({"images": [{"id": 5, "file_name": "one.jpg"}], "categories": [{"id": 1, "name": "person"}],
    "annotations": [{"image_id": 5, "category_id": 1, "bbox": [747, 41, 397, 669]}, {"image_id": 5, "category_id": 1, "bbox": [119, 196, 991, 514]}]})");
  const std::string command = "detect in --model " + model.string() + " --no-tune --output out --json";
  const Ran plain = tool.run(command);
  ASSERT_EQ(plain.code, 0) << plain.err;
  const auto lines = lines_of(plain.out);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].at("source"), "in/one.jpg");
  EXPECT_EQ(lines[1].at("source"), "in/two.png");
  EXPECT_TRUE(std::filesystem::exists(tool.path("out/one.jpg")));
  EXPECT_TRUE(std::filesystem::exists(tool.path("out/two.png")));
  // One category against 80 classes is a mistake that has to be said.
  const Ran mismatch = tool.run(command + " --coco truth.json");
  EXPECT_EQ(mismatch.code, 3);
  EXPECT_NE(mismatch.err.find("80 classes"), std::string::npos) << mismatch.err;
}

TEST_F(VisionCommands, RefuseWhatIsNoPictureNoModelNoHead) {
  tool.model("m.onnx");
  tool.write("text.jpg", "hello");
  tool.write("text.dat", "hello");
  vision::save_image(vision::test::pattern(64, 48), tool.path("two.png"));
  const auto refused = [&](const std::string& arguments, const char* words, int code = 3) {
    const Ran ran = tool.run(arguments);
    EXPECT_EQ(ran.code, code) << arguments;
    EXPECT_NE(ran.err.find(words), std::string::npos) << arguments << ": " << ran.err;
  };
  refused("detect two.png", "scripts/demo");
  refused("detect missing.png --model m.onnx", "does not exist");
  refused("detect text.dat --model m.onnx", "no picture");
  refused("detect two.png --model m.onnx", "no single picture");
  refused("detect two.png --model missing.onnx", "missing.onnx");
  refused("detect two.png --model m.onnx --score 2", "--score", 2);
  refused("classify two.png", "--model", 2);
  refused("classify two.png --model m.onnx", "no single picture");
}

TEST_F(VisionCommands, FoldersGoOnPastWhatIsNoPicture) {
  MONZA_NEED_SHARED(model, "models/onnx/yolov8n-cls_fp32_dequant.onnx");
  std::filesystem::create_directories(tool.path("in"));
  tool.write("in/a.jpg", "hello");
  vision::save_image(vision::test::pattern(64, 48), tool.path("in/b.png"));
  const Ran ran = tool.run("classify in --no-tune --json --model " + model.string());
  EXPECT_EQ(ran.code, 3) << "one picture could not be read";
  const auto lines = lines_of(ran.out);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_NE(lines[0].at("error").get<std::string>().find("not a picture"), std::string::npos);
  EXPECT_EQ(lines[0].at("source"), "in/a.jpg");
  EXPECT_EQ(lines[1].at("source"), "in/b.png");
}

TEST_F(VisionCommands, WithoutACacheFolderTheEngineIsBuiltForTheRun) {
  MONZA_NEED_SHARED(photo, "data/images/bus.jpg");
  MONZA_NEED_SHARED(model, "models/onnx/yolov8n.onnx");
  const Ran ran = tool.run_with("env -u HOME -u XDG_CACHE_HOME", "detect " + photo.string() + " " + photo.string() +
                                                                     " --no-tune --json --model " + model.string());
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("for this run alone"), std::string::npos) << ran.err;
  EXPECT_EQ(lines_of(ran.out).size(), 2U);  // two sources
}

TEST_F(VisionCommands, ClassifyNamesAndMeasures) {
  MONZA_NEED_SHARED(model, "models/onnx/yolov8n-cls_fp32_dequant.onnx");
  MONZA_NEED_SHARED(photos, "data/imagenet500");
  std::filesystem::create_directories(tool.path("in"));
  for (const char* name : {"n01440764.jpg", "n01484850.jpg", "n01494475.jpg"})
    std::filesystem::copy_file(photos / name, tool.path(std::string("in/") + name));
  const Ran ran = tool.run("classify in --model " + model.string() + " --truth " + (photos / "labels.txt").string() +
                           " --no-tune --json --top 3");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto lines = lines_of(ran.out);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].at("top").size(), 3U);
  EXPECT_EQ(lines[0].at("top")[0].at("class"), "tench");
  EXPECT_GE(lines[0].at("top")[0].at("score"), lines[0].at("top")[1].at("score"));
  EXPECT_EQ(lines[3].at("images"), 3);
  EXPECT_GE(lines[3].at("top5"), lines[3].at("top1"));
  EXPECT_GT(lines[3].at("top5"), 0.6);
}

TEST_F(VisionCommands, BenchMeasuresAccuracyBesideLatency) {
  MONZA_NEED_SHARED(model, "models/onnx/yolov8n-cls_fp32_dequant.onnx");
  MONZA_NEED_SHARED(photos, "data/imagenet500");
  std::filesystem::create_directories(tool.path("in"));
  for (const char* name : {"n01440764.jpg", "n01484850.jpg", "n01494475.jpg"})
    std::filesystem::copy_file(photos / name, tool.path(std::string("in/") + name));
  vision::save_image(vision::test::pattern(64, 48), tool.path("in/unknown.png"));
  const std::string truth = " --truth " + (photos / "labels.txt").string();
  const auto classified = lines_of(tool.run("classify in --no-tune --json --model " + model.string() + truth).out);
  const Ran ran = tool.run("bench " + model.string() + truth +
                           " --data in --sweep threads=1,2 --iterations 1 --warmup 0 --no-tune --json --chart c.svg");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json points = Json::parse(ran.out).at("points");
  ASSERT_EQ(points.size(), 2U);
  for (const Json& point : points) {
    const Json& accuracy = point.at("accuracy");
    EXPECT_EQ(accuracy.at("metric"), "top-1");
    EXPECT_EQ(accuracy.at("value"), classified.back().at("top1"));
    EXPECT_EQ(accuracy.at("top-5"), classified.back().at("top5"));
    EXPECT_EQ(accuracy.at("samples"), 3);
  }
  EXPECT_NE(tool.read("c.svg").find("top-1 of 3 samples"), std::string::npos);
}

TEST_F(VisionCommands, BenchMeasuresADetectorsMeanAveragePrecision) {
  MONZA_NEED_SHARED(model, "models/onnx/yolov8n.onnx");
  MONZA_NEED_SHARED(coco, "data/coco");
  const std::string data = " --coco " + (coco / "instances_val.json").string();
  const std::string folder = (coco / "val").string();
  const auto detected =
      lines_of(tool.run("detect " + folder + " --max-frames 2 --no-tune --json --model " + model.string() + data).out);
  const Ran ran = tool.run("bench " + model.string() + data + " --data " + folder +
                           " --samples 2 --iterations 1 --warmup 0 --no-tune --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json accuracy = Json::parse(ran.out).at("points").at(0).at("accuracy");
  EXPECT_EQ(accuracy.at("metric"), "mAP50-95");
  EXPECT_GT(accuracy.at("value"), 0);
  EXPECT_EQ(accuracy.at("value"), detected.back().at("map50_95"));
  EXPECT_EQ(accuracy.at("samples"), 2);
}

TEST_F(VisionCommands, BlueForRedIsLikelyFromTheScore) {
  // A classifier of red, green and blue pictures that was trained on B, G, R: its first class is that of blue ones.
  classifier(tool);
  std::filesystem::create_directories(tool.path("calib"));
  std::filesystem::create_directories(tool.path("val"));
  std::string truth;
  for (int k = 0; k < 24; ++k) {
    vision::Image image(8, 8);
    const int channel = k % 3;
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
      image.pixels[i] = static_cast<std::uint8_t>(static_cast<int>(i % 3) == channel ? 180 + k + i % 5 : 10 + i % 7);
    const std::string name = std::to_string(k) + ".png";
    vision::save_image(image, tool.path((k < 12 ? "calib/" : "val/") + name));
    truth += name + " " + std::to_string(2 - channel) + "\n";
  }
  tool.write("labels.txt", truth);
  const std::string command = "quantize cls.onnx --no-tune --data calib --eval val --truth labels.txt --mean 0 --std 1";
  const Ran wrong = tool.run(command);
  EXPECT_NE(wrong.err.find("warning: with red and blue exchanged the floats score 100.00 instead of 33.33: the model "
                           "likely takes its channels in the other order\n  try: --channels bgr (or rgb)"),
            std::string::npos)
      << wrong.err;
  const Ran right = tool.run(command + " --channels bgr");
  EXPECT_EQ(right.err.find("red and blue"), std::string::npos) << right.err;
  EXPECT_NE(right.out.find("100.00 in floats"), std::string::npos) << right.out;
}

}  // namespace
}  // namespace monza::test
