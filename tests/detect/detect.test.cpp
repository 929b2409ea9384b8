// Detectors from file to boxes, on graphs made here: the heads that no small real model shows, and the engine cache.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "cli/driver.h"
#include "eval/classifier.h"
#include "eval/detector.h"
#include "monza/error.h"
#include "tools/vision/model.h"

namespace monza::tool {

using namespace eval;  // NOLINT(google-build-using-namespace)
namespace {

namespace fs = std::filesystem;

constexpr int side = 64;
constexpr int cells = 84;  // 8 * 8 + 4 * 4 + 2 * 2

/// A network [1, 3, 64, 64] -> `shape` whose output is `constant` + mean(images) * `by_brightness`: it "sees"
/// brightness.
onnx::ModelProto brightness_model(const std::vector<std::int64_t>& shape, const std::vector<float>& constant,
                                  const std::vector<float>& by_brightness,
                                  const std::map<std::string, std::string>& metadata = {}) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  auto* opset = model.add_opset_import();
  opset->set_domain("");
  opset->set_version(13);
  for (const auto& [key, value] : metadata) {
    auto* entry = model.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  }
  auto& graph = *model.mutable_graph();
  graph.set_name("brightness");
  const auto describe = [](onnx::ValueInfoProto& info, const char* name, const std::vector<std::int64_t>& extents) {
    info.set_name(name);
    auto* tensor = info.mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(1);
    for (const std::int64_t extent : extents) tensor->mutable_shape()->add_dim()->set_dim_value(extent);
  };
  describe(*graph.add_input(), "images", {1, 3, side, side});
  describe(*graph.add_output(), "output0", shape);
  const auto weight = [&](const char* name, const std::vector<float>& values) {
    auto* tensor = graph.add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(1);
    for (const std::int64_t extent : shape) tensor->add_dims(extent);
    for (const float v : values) tensor->add_float_data(v);
  };
  weight("constant", constant);
  weight("by_brightness", by_brightness);
  const auto node = [&](const char* type, std::vector<const char*> inputs, const char* output) -> onnx::NodeProto& {
    auto* n = graph.add_node();
    n->set_op_type(type);
    n->set_name(std::string("/head/") + type);
    for (const char* input : inputs) n->add_input(input);
    n->add_output(output);
    return *n;
  };
  auto* keep = node("ReduceMean", {"images"}, "mean").add_attribute();
  keep->set_name("keepdims");
  keep->set_type(onnx::AttributeProto::INT);
  keep->set_i(0);
  node("Mul", {"mean", "by_brightness"}, "part");
  node("Add", {"part", "constant"}, "output0");
  return model;
}

vision::Image grey(int width, int height, std::uint8_t level) {
  vision::Image image(width, height);
  std::fill(image.pixels.begin(), image.pixels.end(), level);
  return image;
}

class Detect : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::path(::testing::TempDir()) /
             ("monza_detect_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder);
    fs::create_directories(folder);
    ::setenv("XDG_CACHE_HOME", folder.c_str(), 1);
  }
  void TearDown() override {
    ::unsetenv("XDG_CACHE_HOME");
    fs::remove_all(folder);
  }
  ModelArgs put(const onnx::ModelProto& model) {
    ModelArgs args;
    args.model = (folder / "model.onnx").string();
    std::ofstream(args.model, std::ios::binary) << model.SerializeAsString();
    args.threads = 1;
    return args;
  }
  OpenedModel open(const onnx::ModelProto& model) { return open_picture_model(put(model), {}, side, false); }
  fs::path folder;
};

/// A white picture of 128 x 64 fills half of the input; the rest is grey 114.
constexpr float white_mean = (1.0F + 114.0F / 255.0F) / 2;

void expect_the_object(const std::vector<vision::Detection>& found) {
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].class_id, 1);
  EXPECT_NEAR(found[0].score, white_mean, 1e-4);
  // Centre (32, 32), size 16 x 8 in the input, which shows the picture at half its size from row 16.
  EXPECT_NEAR(found[0].x1, 48, 1e-3);
  EXPECT_NEAR(found[0].y1, 24, 1e-3);
  EXPECT_NEAR(found[0].x2, 80, 1e-3);
  EXPECT_NEAR(found[0].y2, 40, 1e-3);
}

TEST_F(Detect, Yolov5) {
  std::vector<float> constant(3 * cells * 7), by_brightness(3 * cells * 7);
  float* row = &constant[100 * 7];
  row[0] = 32, row[1] = 32, row[2] = 16, row[3] = 8, row[4] = 1;
  by_brightness[100 * 7 + 6] = 1;
  const OpenedModel model = open(brightness_model({1, 3 * cells, 7}, constant, by_brightness));
  Detector detector(model.engine, {}, {});
  EXPECT_EQ(detector.head().head, vision::Head::yolov5);
  StageTimes times;
  expect_the_object(detector.detect(grey(128, 64, 255), times));
  EXPECT_TRUE(detector.detect(grey(128, 64, 0), times).empty()) << "the same context sees another picture";
  EXPECT_GT(times.inference_ms, 0);
}

TEST_F(Detect, Yolo11) {
  std::vector<float> constant(6 * cells), by_brightness(6 * cells);
  constant[0 * cells + 70] = 32, constant[1 * cells + 70] = 32, constant[2 * cells + 70] = 16,
                       constant[3 * cells + 70] = 8;
  by_brightness[5 * cells + 70] = 1;
  const OpenedModel model = open(brightness_model(
      {1, 6, cells}, constant, by_brightness,
      {{"task", "detect"}, {"description", "Ultralytics YOLO11n model"}, {"names", "{0: 'cat', 1: 'dog'}"}}));
  EXPECT_EQ(class_names(model.engine, ""), (std::vector<std::string>{"cat", "dog"}));
  Detector detector(model.engine, {}, {.classes = 2});
  EXPECT_EQ(detector.head().head, vision::Head::yolov8);
  StageTimes times;
  expect_the_object(detector.detect(grey(128, 64, 255), times));
}

TEST_F(Detect, RefusesAnotherTaskAndAnotherShape) {
  const std::vector<float> zeros(6 * cells), ten(10);
  const OpenedModel pose = open(brightness_model({1, 6, cells}, zeros, zeros, {{"task", "pose"}}));
  EXPECT_THROW(Detector(pose.engine, {}, {}), Error);
  const OpenedModel scores = open(brightness_model({1, 10}, ten, ten));
  try {
    Detector(scores.engine, {}, {});
    FAIL() << "a classifier is no detector";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("output0"), std::string::npos) << e.what();
  }
}

TEST_F(Detect, EngineIsBuiltOnceAndThenMapped) {
  const std::vector<float> zeros(6 * cells);
  const ModelArgs args = put(brightness_model({1, 6, cells}, zeros, zeros));
  const OpenedModel first = open_picture_model(args, {}, side, true);
  EXPECT_GT(first.build_ms, 0);
  ASSERT_TRUE(fs::exists(first.engine_file));
  EXPECT_EQ(first.engine_file.parent_path(), user_cache_folder());
  const OpenedModel second = open_picture_model(args, {}, side, true);
  EXPECT_EQ(second.build_ms, 0);
  EXPECT_EQ(second.engine_file, first.engine_file);

  // Other settings are another engine; so is a changed model.
  EXPECT_NE(open_picture_model(args, {{"key", "value"}}, side, true).engine_file, first.engine_file);
  put(brightness_model({1, 6, cells}, zeros, zeros, {{"names", "['a', 'b']"}}));
  EXPECT_GT(open_picture_model(args, {}, side, true).build_ms, 0);
}

TEST_F(Detect, TheCacheKnowsTheModelsDataInOtherFiles) {
  const std::vector<float> zeros(6 * cells);
  onnx::ModelProto model = brightness_model({1, 6, cells}, zeros, zeros);
  onnx::TensorProto& constant = *model.mutable_graph()->mutable_initializer(0);
  constant.clear_float_data();
  constant.set_data_location(onnx::TensorProto::EXTERNAL);
  auto& entry = *constant.add_external_data();
  entry.set_key("location");
  entry.set_value("w.bin");
  const std::size_t bytes = zeros.size() * sizeof(float);
  const auto write = [&](const char* name, char fill) {
    std::ofstream(folder / name, std::ios::binary) << std::string(bytes, fill);
  };
  write("w.bin", 0);
  const ModelArgs args = put(model);
  EXPECT_GT(open_picture_model(args, {}, side, true).build_ms, 0);
  EXPECT_EQ(open_picture_model(args, {}, side, true).build_ms, 0);
  write("w.bin", 1);
  EXPECT_GT(open_picture_model(args, {}, side, true).build_ms, 0) << "other weights, as many bytes";
  EXPECT_EQ(open_picture_model(args, {}, side, true).build_ms, 0);
  // Another file of the same name, size and date.
  write("other.bin", 2);
  fs::last_write_time(folder / "other.bin", fs::last_write_time(folder / "w.bin"));
  fs::rename(folder / "other.bin", folder / "w.bin");
  EXPECT_GT(open_picture_model(args, {}, side, true).build_ms, 0);
}

TEST_F(Detect, TheCacheKnowsEveryOptionOfTheBuild) {
  const test::Tool tool;
  const std::vector<float> zeros(6 * cells);
  tool.write("m.onnx", brightness_model({1, 6, cells}, zeros, zeros).SerializeAsString());
  vision::save_image(grey(8, 8, 1), tool.path("p.png"));
  const auto built = [&](const std::string& options) {
    const test::Ran ran = tool.run("detect p.png --model m.onnx --json --no-tune --threads 1 " + options);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return ran.code == 0 && nlohmann::json::parse(ran.out).at("timings_ms").at("build") > 0;
  };
  EXPECT_TRUE(built(""));
  EXPECT_FALSE(built(""));
  for (const char* option :
       {"--io-type images=u8", "--isa baseline", "--no-optimize", "--max-fold-bytes 1M", "--shape images=1x3x64x64"}) {
    EXPECT_TRUE(built(option)) << option;
    EXPECT_FALSE(built(option)) << option;
  }
}

TEST_F(Detect, TheCacheGivesEachElementTypeItsOwnAnswer) {
  const test::Tool tool;
  // Floats of a picture are in 0..1, bytes in 0..255: class 1 wins where the network sees bytes.
  tool.write("m.onnx", brightness_model({1, 2}, {10, 0}, {0, 1}).SerializeAsString());
  vision::save_image(grey(8, 8, 128), tool.path("p.png"));
  for (const bool first : {true, false})
    for (const auto& [options, id] : {std::pair("", 0), std::pair("--io-type images=u8", 1)}) {
      const test::Ran ran =
          tool.run(std::string("classify p.png --model m.onnx --json --no-tune --threads 1 ") + options);
      ASSERT_EQ(ran.code, 0) << ran.err;
      const auto line = nlohmann::json::parse(ran.out);
      EXPECT_EQ(line.at("top").at(0).at("class_id"), id) << options;
      EXPECT_EQ(line.at("timings_ms").at("build") > 0, first) << options;
    }
}

TEST_F(Detect, AnnotatedPicturesDoNotReplaceTheirOriginals) {
  const test::Tool tool;
  const std::vector<float> zeros(6 * cells);
  tool.write("m.onnx", brightness_model({1, 6, cells}, zeros, zeros).SerializeAsString());
  for (const char* name : {"in", "out", "in/new"}) fs::create_directory(tool.path(name));
  vision::save_image(grey(8, 8, 1), tool.path("in/a.png"));
  fs::create_symlink("in", tool.path("door"));
  fs::create_symlink("../in/a.png", tool.path("out/a.png"));
  const std::string before = tool.read("in/a.png");
  const auto refused = [&](const std::string& arguments, const std::string& said) {
    const test::Ran ran = tool.run("detect --model m.onnx --no-tune --no-cache " + arguments);
    EXPECT_EQ(ran.code, 3) << ran.err;
    EXPECT_NE(ran.err.find(said), std::string::npos) << ran.err;
    EXPECT_EQ(tool.read("in/a.png"), before);
  };
  refused("in --output in", "--output would write 'in' over source, which is read");
  refused("in --output door/", "--output would write 'door/' over source, which is read");
  refused("in/a.png --output door/a.png", "--output would write 'door/a.png' over source, which is read");
  refused("in --output out", "'out/a.png' leads to the picture that was read\n  try: another folder for --output");
  EXPECT_EQ(tool.run("detect --model m.onnx --no-tune --no-cache in --output in/new").code, 0);
  EXPECT_TRUE(fs::exists(tool.path("in/new/a.png")));
}

TEST_F(Detect, SaysWhichLettersAreNotDrawn) {
  const test::Tool tool;
  const std::vector<float> zeros(6 * cells);
  tool.write("m.onnx", brightness_model({1, 6, cells}, zeros, zeros).SerializeAsString());
  tool.write("names.txt", "cat\n\xE7\x8C\xAB\n");
  vision::save_image(grey(8, 8, 1), tool.path("p.png"));
  const std::string command = "detect p.png --model m.onnx --no-tune --no-cache --labels names.txt";
  EXPECT_EQ(tool.run(command).err, "");
  EXPECT_EQ(
      tool.run(command + " --output o.png").err,
      "monza: '\xE7\x8C\xAB' holds letters that the font for pictures lacks: they are drawn as boxes. --labels takes "
      "other names\n");
}

TEST_F(Detect, DamagedCacheIsBuiltAgain) {
  const std::vector<float> zeros(6 * cells);
  const ModelArgs args = put(brightness_model({1, 6, cells}, zeros, zeros));
  const fs::path engine = open_picture_model(args, {}, side, true).engine_file;
  std::ofstream(engine, std::ios::binary) << "no engine";
  EXPECT_GT(open_picture_model(args, {}, side, true).build_ms, 0);
  EXPECT_EQ(open_picture_model(args, {}, side, true).build_ms, 0) << "the damaged file was replaced";
}

TEST_F(Detect, DefaultModelIsTheOneInTheCache) {
  EXPECT_THROW(default_detector(), Error);
  fs::create_directories(user_cache_folder());
  std::ofstream(user_cache_folder() / "yolov8n.onnx") << "x";
  EXPECT_EQ(default_detector(), folder / "monza" / "yolov8n.onnx");
}

TEST_F(Detect, ClassifierRemembersItsSettings) {
  // Class 1 grows with brightness, class 0 does not.
  const auto model = brightness_model({1, 2}, {0, 0}, {0, 4});
  ClassifySettings settings;
  settings.mean = {0.5F}, settings.std = {0.25F}, settings.resize = side;
  const OpenedModel opened = open_picture_model(put(model), settings.to_metadata(), side, true);
  Classifier remembers(opened.engine, {}, {});
  EXPECT_EQ(remembers.describe(), "short side to 64, centre 64x64, mean 0.5,0.5,0.5, std 0.25,0.25,0.25");
  StageTimes times;
  const auto white = remembers.classify(grey(80, 70, 255), 5, times);
  ASSERT_EQ(white.size(), 2U);
  EXPECT_EQ(white[0].class_id, 1);
  EXPECT_NEAR(white[0].score, 1 / (1 + std::exp(-8.0)), 1e-5) << "(1 - 0.5) / 0.25 times 4, against 0";
  EXPECT_EQ(remembers.classify(grey(80, 70, 0), 1, times)[0].class_id, 0);

  ClassifySettings said;
  said.mean = {0.1F, 0.2F, 0.3F};
  EXPECT_EQ(Classifier(opened.engine, {}, said).describe(),
            "short side to 64, centre 64x64, mean 0.1,0.2,0.3, std 0.25,0.25,0.25");
  said.channels = "bgr";
  EXPECT_EQ(Classifier(opened.engine, {}, said).describe(),
            "short side to 64, centre 64x64, mean 0.3,0.2,0.1, std 0.25,0.25,0.25 of B,G,R");
  EXPECT_EQ(said.to_metadata().at("monza.classify.channels"), "bgr");
  said.mean = {0.1F, 0.2F};
  EXPECT_ANY_THROW(Classifier(opened.engine, {}, said));
}

TEST(Probabilities, StayOrBecomeThem) {
  std::vector<float> ready = {0.25F, 0.75F}, logits = {1000, 1000, -1000};
  to_probabilities(ready);
  EXPECT_FLOAT_EQ(ready[1], 0.75F);
  to_probabilities(logits);
  EXPECT_FLOAT_EQ(logits[0], 0.5F);
  EXPECT_FLOAT_EQ(logits[2], 0);
}

}  // namespace
}  // namespace monza::tool
