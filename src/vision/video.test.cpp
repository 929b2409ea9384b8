#include "vision/video.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>

#include "base/error.h"
#include "monza/vision/source.h"
#include "support/data.h"
#include "support/vision_pattern.h"

namespace monza::vision {
namespace {

namespace fs = std::filesystem;

/// A folder of its own for each test, removed afterwards.
class Sources : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = fs::path(::testing::TempDir()) /
             ("monza_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }
  void put(const std::string& name, std::string_view text) { std::ofstream(folder / name, std::ios::binary) << text; }
  std::string failure(const fs::path& what) {
    try {
      Frame frame;
      const auto source = open_source(what.string());
      while (source->next(frame)) {
      }
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  fs::path folder;
};

Image plain(int width, int height, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  Image image(width, height);
  for (std::size_t i = 0; i < image.pixels.size(); i += 3)
    image.pixels[i] = r, image.pixels[i + 1] = g, image.pixels[i + 2] = b;
  return image;
}

TEST_F(Sources, EveryNthFrameOfAVideoAndAllPictures) {
  if (!MONZA_WITH_FFMPEG) GTEST_SKIP() << "this build reads no video";
  const fs::path clip = folder / "clip.mp4";
  VideoWriter writer(clip, 32, 32, 10);
  for (int i = 0; i < 7; ++i) writer.write(Image(32, 32));
  writer.close();
  const auto source = every_nth(open_source(clip.string()), 3);
  EXPECT_DOUBLE_EQ(source->frames_per_second() * 3, 10);
  std::vector<std::int64_t> frames;
  for (Frame frame; source->next(frame);) frames.push_back(frame.index);
  EXPECT_EQ(frames, (std::vector<std::int64_t>{0, 3, 6}));
  EXPECT_EQ(source->size_estimate(), 3);
  for (const char* name : {"a.png", "b.png"}) save_image(Image(4, 4), folder / name);
  const auto pictures = every_nth(open_sources({folder.string()}), 3);
  Frame frame;
  EXPECT_TRUE(pictures->next(frame));
  EXPECT_TRUE(pictures->next(frame)) << "pictures are not skipped";
}

TEST_F(Sources, SayWhatOfAFolderIsLeftOut) {
  save_image(Image(4, 4), folder / "a.png");
  EXPECT_EQ(open_source(folder.string())->left_out(), "");
  put(".hidden", "");
  put("notes.txt", "");
  const std::string name = folder.string();
  EXPECT_EQ(open_source(name)->left_out(), name + ": 1 file that is no picture (notes.txt) is left out");
  put("more.pdf", "");
  fs::create_directories(folder / "inside");
  EXPECT_EQ(open_source(name)->left_out(),
            name + ": 2 files that are no pictures (more.pdf, ...) and 1 folder are left out ('" + name +
                "/**' takes pictures of all depths)");
}

TEST_F(Sources, FolderGivesItsPicturesInOrder) {
  save_image(plain(4, 3, 1, 2, 3), folder / "b.png");
  save_image(plain(5, 3, 1, 2, 3), folder / "a.PPM.ppm");
  put("notes.txt", "no picture");
  const auto source = open_source(folder.string());
  EXPECT_EQ(source->kind(), SourceKind::folder);
  EXPECT_EQ(source->size_estimate(), 2);
  Frame frame;
  ASSERT_TRUE(source->next(frame));
  EXPECT_EQ(frame.image.width, 5);
  EXPECT_EQ(frame.name, (folder / "a.PPM.ppm").string());
  ASSERT_TRUE(source->next(frame));
  EXPECT_EQ(frame.index, 1);
  EXPECT_FALSE(source->next(frame));
}

TEST_F(Sources, SeveralAreTakenInTheirOrder) {
  fs::create_directories(folder / "in" / "deep");
  for (const char* name : {"a.png", "b.png", "in/c.png", "in/deep/d.png"})
    save_image(plain(4, 3, 1, 2, 3), folder / name);
  put("list.txt", "b.png\r\n\nin/c.png\n");
  const auto names_of = [&](std::vector<std::string> sources) {
    for (std::string& s : sources) s = (folder / s).string();
    std::string names;
    const auto source = open_sources(sources);
    EXPECT_EQ(source->kind(), SourceKind::folder);
    for (Frame frame; source->next(frame);) names += fs::path(frame.name).filename().string() + " ";
    return names;
  };
  EXPECT_EQ(names_of({"b.png", "a.png"}), "b.png a.png ");
  EXPECT_EQ(names_of({"*.png"}), "a.png b.png ");
  EXPECT_EQ(names_of({"**"}), "a.png b.png c.png d.png ");
  EXPECT_EQ(names_of({"in", "a.png"}), "c.png a.png ");
  EXPECT_EQ(names_of({"list.txt"}), "b.png c.png ");
  EXPECT_EQ(open_sources({(folder / "a.png").string()})->kind(), SourceKind::picture);
  put("empty.txt", "");
  EXPECT_THROW(open_sources({(folder / "empty.txt").string()}), Error);
}

TEST_F(Sources, PictureIsKnownByItsBytes) {
  save_image(plain(4, 3, 1, 2, 3), folder / "b.png");
  fs::rename(folder / "b.png", folder / "download");
  EXPECT_EQ(open_source((folder / "download").string())->kind(), SourceKind::picture);
}

TEST_F(Sources, SaysWhatIsWrong) {
  EXPECT_NE(failure(folder / "missing.jpg").find("does not exist"), std::string::npos);
  EXPECT_NE(failure(folder).find("holds no pictures"), std::string::npos);
  put("text.jpg", "hello");
  EXPECT_NE(failure(folder / "text.jpg").find("not a picture"), std::string::npos);
  put("empty.bin", "");
  EXPECT_NE(failure(folder / "empty.bin").find("empty"), std::string::npos);
#if MONZA_WITH_FFMPEG
  EXPECT_NE(failure("/dev/video987").find("camera"), std::string::npos);
#endif
}

#if MONZA_WITH_FFMPEG

TEST_F(Sources, VideoComesBackAsItWasWritten) {
  for (const std::string name : {"out.mp4", "out.mkv", "out.avi"}) {
    const fs::path path = folder / name;
    {
      VideoWriter writer(path, 65, 48, 29.97);  // an odd width loses its last column
      for (int i = 0; i < 30; ++i) writer.write(plain(65, 48, static_cast<std::uint8_t>(i * 8), 128, 40));
      EXPECT_FALSE(fs::exists(path)) << "only close() gives the file its name";
      writer.close();
    }
    const auto source = open_source(path.string());
    EXPECT_EQ(source->kind(), SourceKind::video);
    EXPECT_NEAR(source->frames_per_second(), 29.97, 0.01);
    Frame frame;
    int count = 0;
    for (; source->next(frame); ++count) {
      ASSERT_EQ(frame.image.width, 64);
      ASSERT_EQ(frame.image.height, 48);
      EXPECT_EQ(frame.name, path.string() + "#" + std::to_string(count));
      EXPECT_NEAR(frame.seconds, count / 29.97, 0.05);
      const std::uint8_t* pixel = frame.image.row(20) + 60;
      EXPECT_NEAR(pixel[0], count * 8, 6) << name << " frame " << count;
      EXPECT_NEAR(pixel[1], 128, 6);
      EXPECT_NEAR(pixel[2], 40, 6);
    }
    EXPECT_EQ(count, 30);
  }
}

TEST_F(Sources, NoFrameIsLostAtTheEnd) {
  for (const std::string name : {"out.mp4", "out.mov", "out.mkv", "out.avi"})
    for (const int frames : {1, 2, 60}) {
      VideoWriter writer(folder / name, 64, 48, 25);
      for (int i = 0; i < frames; ++i) writer.write(test::pattern(64, 48));
      writer.close();
      const auto source = open_source((folder / name).string());
      int count = 0;
      for (Frame frame; source->next(frame);) ++count;
      EXPECT_EQ(count, frames) << name;
      EXPECT_EQ(source->loss(), "") << name;
    }
}

TEST_F(Sources, AbandonedVideoLeavesNothing) {
  {
    VideoWriter writer(folder / "out.mp4", 32, 32, 25);
    writer.write(plain(32, 32, 0, 0, 0));
    EXPECT_THROW(writer.write(plain(16, 32, 0, 0, 0)), Error);
  }
  EXPECT_TRUE(fs::is_empty(folder));
  EXPECT_THROW(VideoWriter(folder / "out.xyz", 32, 32, 25), Error);
  EXPECT_THROW(VideoWriter(folder / "none" / "out.mp4", 32, 32, 25), Error);
  EXPECT_THROW(VideoWriter(folder / "out.mp4", 1, 32, 25), Error);
}

TEST_F(Sources, NoVideoIsAnError) {
  put("noise.mp4", std::string(5000, 'x'));
  EXPECT_NE(failure(folder / "noise.mp4").find("noise.mp4"), std::string::npos);
  // A playlist names other files; following it would leave the file that was asked for.
  put("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n");
  EXPECT_NE(failure(folder / "list.m3u8").find("cannot be opened"), std::string::npos);
  put("list.ffconcat", "ffconcat version 1.0\nfile '/etc/passwd'\n");
  EXPECT_NE(failure(folder / "list.ffconcat").find("cannot be opened"), std::string::npos);
}

TEST_F(Sources, TruncatedVideoGivesWhatItHasOrAnError) {
  const fs::path path = folder / "out.mkv";
  VideoWriter writer(path, 64, 48, 25);
  for (int i = 0; i < 60; ++i) writer.write(test::pattern(64, 48));
  writer.close();
  fs::resize_file(path, fs::file_size(path) / 2);
  Frame frame;
  int count = 0;
  const auto source = open_source(path.string());
  while (source->next(frame)) ++count;
  EXPECT_LT(count, 60);
  EXPECT_NE(source->loss(), "");
  fs::resize_file(path, 60);
  EXPECT_NE(failure(path), "");
}

/// What a video of 60 frames says that it lost, after `change` of its bytes.
std::string loss_after(const fs::path& path, const std::function<void(std::string&)>& change) {
  VideoWriter writer(path, 64, 48, 25);
  for (int i = 0; i < 60; ++i) writer.write(test::pattern(64, 48));
  writer.close();
  std::string bytes;
  {
    std::ifstream in(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  change(bytes);
  std::ofstream(path, std::ios::binary) << bytes;
  const auto source = open_source(path.string());
  for (Frame frame; source->next(frame);) {
  }
  return source->loss();
}

TEST_F(Sources, WhatAVideoLostIsSaid) {
  for (const char* name : {"out.mp4", "out.mkv"}) {
    EXPECT_EQ(loss_after(folder / name, [](std::string&) {}), "") << name;
    const std::string damaged = loss_after(folder / name, [](std::string& bytes) {
      // Behind the first picture, so that the file still opens.
      for (std::size_t i = bytes.size() / 2; i < bytes.size() / 2 + 600; ++i) bytes[i] = static_cast<char>(0xa5);
    });
    EXPECT_TRUE(damaged.starts_with((folder / name).string() + ": ") && damaged.find(" of ") != std::string::npos)
        << name << ": " << damaged;
  }
  const auto half = [](std::string& bytes) { bytes.resize(bytes.size() / 2); };
  EXPECT_EQ(loss_after(folder / "whole.avi", [](std::string&) {}), "");
  EXPECT_NE(loss_after(folder / "cut.mkv", half).find(" frames were read: the file is cut off"), std::string::npos);
}

TEST_F(Sources, ReadsTheSharedClip) {
  MONZA_NEED_SHARED(path, "data/video/car-detection.mp4");
  const auto source = open_source(path.string());
  Frame frame;
  ASSERT_TRUE(source->next(frame));
  EXPECT_EQ(frame.image.width, 768);
  EXPECT_EQ(frame.image.height, 432);
  EXPECT_GT(source->size_estimate(), 100);
}

#endif

}  // namespace
}  // namespace monza::vision
