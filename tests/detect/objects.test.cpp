// What detect writes of masks, key points and turned boxes: JSON, label files, cut-outs.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/driver.h"
#include "support/vision_pattern.h"
#include "tools/vision/save_objects.h"

namespace monza::tool {
namespace {

Objects of_every_kind() {
  Objects found(4);
  found[0].box = {1, 0.9F, 10, 20, 30, 60};
  found[1].box = {0, 0.8F, 0, 0, 4, 4};
  found[1].mask.runs = {{0, 0, 3}, {1, 0, 3}, {9, 7, 8}};
  found[2].box = {0, 0.7F, 10, 10, 20, 20};
  found[2].keypoints = {{15, 10, 0.5F}, {0, 0, 0}};
  found[3].box = {0, 0.6F, 40, 40, 60, 60};
  found[3].turned = vision::TurnedBox{50, 50, 20, 10, 0};
  return found;
}

TEST(Objects, LabelLinesAreThoseOfYolo) {
  EXPECT_EQ(label_lines(of_every_kind(), 100, 200, false),
            "1 0.2 0.2 0.2 0.2\n"
            "0 0 0 0.02 0 0.02 0.005 0 0.005\n"
            "0 0.15 0.075 0.1 0.05 0.15 0.05 0.5 0 0 0\n"
            "0 0.6 0.275 0.6 0.225 0.4 0.225 0.4 0.275\n");
  EXPECT_EQ(label_lines({of_every_kind()[0]}, 100, 200, true), "1 0.2 0.2 0.2 0.2 0.9\n");
  vision::Object dot;
  dot.mask.runs = {{0, 0, 1}};
  EXPECT_EQ(label_lines({dot}, 10, 10, false), "") << "one pixel has no outline of three corners";
}

TEST(Objects, JsonHasWhatTheTaskAdds) {
  vision::Frame frame;
  frame.image = vision::Image(100, 200);
  const Json list = frame_json(frame, of_every_kind(), {"a", "b"}).at("detections");
  EXPECT_EQ(list[0].at("class"), "b");
  EXPECT_FALSE(list[0].contains("mask"));
  EXPECT_EQ(list[1].at("mask").at("area"), 7);
  EXPECT_EQ(list[1].at("mask").at("outlines"), Json::parse("[[[0,0],[2,0],[2,1],[0,1]],[[7,9]]]"));
  EXPECT_EQ(list[2].at("keypoints"), Json::parse("[[15.0,10.0,0.5],[0.0,0.0,0.0]]"));
  EXPECT_EQ(list[3].at("turned").at("corners")[0], Json::parse("[60.0,55.0]"));
}

TEST(Objects, FilesOfOneNameAndClassesWithSlashes) {
  const test::Tool tool;
  ObjectFiles files({tool.path("labels"), true, tool.path("crops")});
  vision::Frame frame;
  frame.image = vision::test::pattern(100, 200);
  for (const char* name : {"one/a.png", "two/a.jpg", "clip.mp4#12", "empty.png"}) {
    frame.name = name;
    files.save(frame, frame.name == "empty.png" ? Objects{} : of_every_kind(), {"../x", "dog"});
  }
  EXPECT_TRUE(tool.read("labels/a.txt").starts_with("1 0.2 0.2 0.2 0.2 0.9\n"));
  EXPECT_EQ(tool.read("labels/a.txt"), tool.read("labels/a-2.txt"));
  EXPECT_EQ(tool.read("labels/a.txt"), tool.read("labels/clip_12.txt"));
  EXPECT_FALSE(std::filesystem::exists(tool.path("labels/empty.txt"))) << "as YOLO leaves it";
  const vision::Image cut = vision::load_image(tool.path("crops/dog/a.jpg"));
  EXPECT_EQ(cut.width, 20);
  EXPECT_EQ(cut.height, 40);
  EXPECT_TRUE(std::filesystem::exists(tool.path("crops/.._x/clip_12_3.jpg")));
}

}  // namespace
}  // namespace monza::tool
