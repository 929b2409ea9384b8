#include "vision/source.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "vision/video.h"

namespace monza::vision {
namespace fs = std::filesystem;
namespace {

class PictureSource : public FrameSource {
 public:
  PictureSource(SourceKind kind, std::vector<fs::path> files, const DecodeLimits& limits)
      : kind_(kind), files_(std::move(files)), limits_(limits) {}

  SourceKind kind() const noexcept override { return kind_; }
  std::int64_t size_estimate() const noexcept override { return static_cast<std::int64_t>(files_.size()); }

  bool next(Frame& frame) override {
    if (at_ == files_.size()) return false;
    const fs::path& path = files_[at_];
    frame.index = static_cast<std::int64_t>(at_++);  // first, so that a caller may go on after a damaged file
    frame.name = path.string();
    frame.seconds = 0;
    frame.image = load_image(path, limits_);
    return true;
  }

 private:
  SourceKind kind_;
  std::vector<fs::path> files_;
  DecodeLimits limits_;
  std::size_t at_ = 0;
};

class VideoSource : public FrameSource {
 public:
  VideoSource(SourceKind kind, std::string name, VideoReader reader)
      : kind_(kind), name_(std::move(name)), reader_(std::move(reader)) {}

  SourceKind kind() const noexcept override { return kind_; }
  std::int64_t size_estimate() const noexcept override { return reader_.info().frame_estimate; }
  double frames_per_second() const noexcept override { return reader_.info().frames_per_second; }
  std::string loss() const override { return kind_ == SourceKind::video ? reader_.loss() : ""; }

  bool next(Frame& frame) override {
    if (!reader_.next(frame.image)) return false;
    frame.index = count_++;
    frame.name = fmt::format("{}#{}", name_, frame.index);
    frame.seconds = reader_.seconds();
    return true;
  }

 private:
  SourceKind kind_;
  std::string name_;
  VideoReader reader_;
  std::int64_t count_ = 0;
};

std::vector<fs::path> pictures_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file() && has_image_extension(entry.path())) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::unique_ptr<FrameSource> open_source(const std::string& what, const DecodeLimits& limits) {
  constexpr std::string_view camera = "camera:", device = "/dev/video";
  if (what.starts_with(camera) || what.starts_with(device)) {
    const std::string path = what.starts_with(camera) ? std::string(device) + what.substr(camera.size()) : what;
    return std::make_unique<VideoSource>(SourceKind::camera, what, VideoReader::open_camera(path, limits));
  }
  std::error_code error;
  const fs::file_status status = fs::status(what, error);
  if (!fs::exists(status))
    fail_hint("a picture, a folder of pictures, a video file or a camera such as /dev/video0", "'{}' does not exist",
              what);
  if (fs::is_directory(status)) {
    auto files = pictures_in(what);
    if (files.empty())
      fail_hint("a folder with .jpg, .png, .webp, .bmp or .ppm files", "the folder '{}' holds no pictures", what);
    return std::make_unique<PictureSource>(SourceKind::folder, std::move(files), limits);
  }
  const auto file = MappedFile::open(what);
  const auto head = file->bytes().first(std::min<std::size_t>(file->bytes().size(), 16));
  // A file that is called a picture is opened as one, so that a damaged one gives a picture's error.
  if (sniff_format(head) != ImageFormat::unknown || has_image_extension(what) || head.empty())
    return std::make_unique<PictureSource>(SourceKind::picture, std::vector<fs::path>{what}, limits);
  return std::make_unique<VideoSource>(SourceKind::video, what, VideoReader::open_file(what, limits));
}

}  // namespace monza::vision
