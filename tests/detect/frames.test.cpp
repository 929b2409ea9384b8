// The way of a video's frames: decoded ahead of the network, written behind it, in order.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/driver.h"
#include "small_models.h"
#include "support/vision_pattern.h"
#include "vision/video.h"

namespace monza::test {
namespace {

using Json = nlohmann::json;
constexpr int kFrames = 24;

/// Which channel is the brightest in a frame of the clip: no period that a queue's length could hide.
int brightest(int frame) { return frame * frame % 7 % 3; }

void write_clip(const std::string& path) {
  vision::VideoWriter writer(path, 64, 48, 25);
  for (int i = 0; i < kFrames; ++i) {
    vision::Image image = vision::test::pattern(64, 48);
    for (std::size_t p = 0; p < image.pixels.size(); ++p)
      image.pixels[p] = static_cast<int>(p % 3) == brightest(i) ? 220 : 30;
    writer.write(image);
  }
  writer.close();
}

TEST(Frames, OfAVideoComeAndGoInOrder) {
  const Tool tool;
  ::setenv("XDG_CACHE_HOME", tool.path("cache").c_str(), 1);
  classifier(tool);
  write_clip(tool.path("clip.mp4"));
  const Ran ran = tool.run("classify clip.mp4 --model cls.onnx --no-tune --json --output out.mp4");
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::istringstream lines(ran.out);
  int frame = 0;
  for (std::string line; std::getline(lines, line); ++frame) {
    const Json json = Json::parse(line);
    EXPECT_EQ(json.at("frame"), frame);
    EXPECT_EQ(json.at("top").at(0).at("class_id"), brightest(frame)) << "frame " << frame;
  }
  EXPECT_EQ(frame, kFrames);

  vision::VideoReader written = vision::VideoReader::open_file(tool.path("out.mp4"));
  vision::Image image;
  for (int i = 0; i < kFrames; ++i) {
    ASSERT_TRUE(written.next(image)) << i;
    const std::size_t corner = image.pixels.size() - 3;  // the labels stand at the top
    const auto* at = image.pixels.data() + corner;
    EXPECT_EQ(std::max_element(at, at + 3) - at, brightest(i)) << "frame " << i;
  }
  EXPECT_FALSE(written.next(image));
  ::unsetenv("XDG_CACHE_HOME");
}

TEST(Frames, AreCountedByTheSecond) {
  const Tool tool;
  ::setenv("XDG_CACHE_HOME", tool.path("cache").c_str(), 1);
  classifier(tool);
  write_clip(tool.path("clip.mp4"));
  const Ran ran = tool.run("classify clip.mp4 --model cls.onnx --no-tune --max-frames 5");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("mean of 5 frames"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find(" frames per second"), std::string::npos) << ran.out;
  // A frame that cannot be written ends the run, whoever writes it.
  const Ran nowhere = tool.run("classify clip.mp4 --model cls.onnx --no-tune --output none/out.mp4");
  EXPECT_NE(nowhere.code, 0);
  EXPECT_NE(nowhere.err.find("none/out.mp4"), std::string::npos) << nowhere.err;
  ::unsetenv("XDG_CACHE_HOME");
}

}  // namespace
}  // namespace monza::test
