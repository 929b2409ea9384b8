// What is said of videos that cannot be read or written, to the letter.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "monza/vision/source.h"
#include "support/error_text.h"
#include "support/temporary.h"
#include "support/vision_pattern.h"
#include "vision/video.h"

#if MONZA_WITH_FFMPEG

namespace monza::vision {
namespace {

using monza::test::error_of;
using monza::test::TemporaryFolder;

/// A video of so many frames, as bytes.
std::string video(const std::string& path, int frames) {
  VideoWriter writer(path, 32, 32, 25);
  for (int i = 0; i < frames; ++i) writer.write(test::pattern(32, 32));
  writer.close();
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
/// The video with the frames' bytes overwritten.
std::string without_pictures(std::string bytes) {
  const std::size_t data = bytes.find("mdat"), end = bytes.find("moov");
  for (std::size_t i = data + 4; i + 4 < end; ++i) bytes[i] = static_cast<char>(0xa5);
  return bytes;
}

TEST(VideoMessages, SayWhatCannotBeRead) {
  const TemporaryFolder folder;
  const std::string path = folder / "a.mp4";
  const auto read = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    return error_of(
        [&] {
          VideoReader reader = VideoReader::open_file(path);
          for (Image image; reader.next(image);) {
          }
        },
        folder.path());
  };
  const std::string few = video(path, 3), many = video(path, 400);
  EXPECT_EQ(read(few), "");
  EXPECT_EQ(read("no video at all"),
            "FOLDER/a.mp4: is no picture, and cannot be opened as video: Invalid data found when processing input\n  "
            "try: a picture (JPEG, PNG, WebP, BMP, PPM) or a video with frames of its own (MP4, MKV, AVI, ...)");
  const std::string cut =
      ", and is cut off or damaged before the first frame: Invalid data found when processing input\n  try: copy or "
      "fetch "
      "the whole file again";
  EXPECT_EQ(read(many.substr(0, many.size() / 2)), "FOLDER/a.mp4: begins as MP4 does" + cut);
  const std::string avi = video(folder / "a.avi", 3), matroska = video(folder / "a.mkv", 1);
  EXPECT_EQ(read(avi.substr(0, 2000)), "FOLDER/a.mp4: begins as AVI does" + cut);
  EXPECT_EQ(
      read(matroska.substr(0, 60)),
      "FOLDER/a.mp4: begins as Matroska does, and is cut off or damaged before the first frame: Input/output error\n"
      "  try: copy or fetch the whole file again");
  std::string sound = few;
  sound.replace(sound.find("vide", sound.find("hdlr")), 4, "soun");
  EXPECT_EQ(read(sound), "FOLDER/a.mp4: holds no video that FFmpeg can decode");
  EXPECT_EQ(read(without_pictures(few)), "FOLDER/a.mp4: holds no frame that can be decoded: 3 could not be decoded");
  EXPECT_EQ(read(without_pictures(many)), "FOLDER/a.mp4: cannot be decoded: Invalid data found when processing input");
  EXPECT_EQ(error_of([&] { VideoReader::open_file(folder.path()); }, folder.path()), "FOLDER: is not a file");
  EXPECT_EQ(error_of([] { VideoReader::open_camera("/dev/video987"); }),
            "/dev/video987: there is no such camera\n  try: ls /dev/video*; inside a container the device has to be "
            "passed through");
}

TEST(VideoMessages, SayWhatCannotBeWritten) {
  const TemporaryFolder folder;
  const auto written = [&](const std::string& name, int side, const std::function<void(VideoWriter&)>& act = {}) {
    return error_of(
        [&] {
          VideoWriter writer(folder / name, side, side, 25);
          if (act) act(writer);
        },
        folder.path());
  };
  EXPECT_EQ(written("a.mp4", 1), "FOLDER/a.mp4: a video of 1x1 pixels cannot be written");
  EXPECT_EQ(written("a.mp9", 32),
            "FOLDER/a.mp9: '.mp9' is no video container\n  try: a name that ends in .mp4, .mkv, .mov or .avi");
  EXPECT_EQ(written("none/a.mp4", 32),
            "cannot write 'FOLDER/none/a.mp4': No such file or directory\n  try: a folder that exists");
  EXPECT_EQ(written("a.mp4", 32, [](VideoWriter& w) { w.write(test::pattern(16, 16)); }),
            "FOLDER/a.mp4: frame 0 is 16x16, the video 32x32");
  EXPECT_EQ(written("a.mp4", 32,
                    [](VideoWriter& w) {
                      w.close();
                      w.write(test::pattern(32, 32));
                    }),
            "FOLDER/a.mp4: is closed already");
  EXPECT_EQ(written("a.mp4", 40000), "FOLDER/a.mp4: cannot start the encoder: Invalid argument");
  const auto limited = [&](const std::string& name, rlim_t bytes, int frames) {
    return monza::test::error_under_limit(
        RLIMIT_FSIZE, bytes,
        [&] {
          VideoWriter writer(folder / name, 256, 256, 25);
          for (int i = 0; i < frames; ++i) {
            Image image = test::pattern(256, 256);
            for (std::size_t k = 0; k < image.pixels.size(); ++k)
              image.pixels[k] ^= static_cast<std::uint8_t>(k * k * (i + 7) >> 3);
            writer.write(image);
          }
          writer.close();
        },
        folder.path());
  };
  EXPECT_EQ(limited("a.mp4", 0, 0), "FOLDER/a.mp4: cannot write the header: File too large");
  EXPECT_EQ(limited("a.mkv", 0, 0), "FOLDER/a.mkv: cannot finish the file: File too large");
  EXPECT_EQ(limited("a.mp4", 1000, 1), "FOLDER/a.mp4: cannot write a frame: File too large");
  EXPECT_EQ(limited("a.mp4", 1000, 100), "FOLDER/a.mp4: cannot write a frame: File too large");
  std::filesystem::create_directories(folder / "full.mp4/inside");
  EXPECT_EQ(written("full.mp4", 32,
                    [](VideoWriter& w) {
                      w.write(test::pattern(32, 32));
                      w.close();
                    }),
            "'FOLDER/full.mp4' is a folder\n  try: the name of a file");
}

}  // namespace
}  // namespace monza::vision

#endif
