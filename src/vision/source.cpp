#include "monza/vision/source.h"

#include <fmt/core.h>
#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "vision/video.h"

namespace monza::vision {
namespace fs = std::filesystem;
namespace {

class PictureSource : public FrameSource {
 public:
  PictureSource(SourceKind kind, std::vector<fs::path> files, const DecodeLimits& limits, std::string left_out = {})
      : kind_(kind), files_(std::move(files)), limits_(limits), left_out_(std::move(left_out)) {}

  SourceKind kind() const noexcept override { return kind_; }
  std::int64_t size_estimate() const noexcept override { return static_cast<std::int64_t>(files_.size()); }
  std::string left_out() const override { return left_out_; }

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
  std::string left_out_;
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

bool is_stream(const std::string& name) {
  return name.starts_with("rtsp://") || name.starts_with("http://") || name.starts_with("https://");
}

/// The files of a folder by what they are, each kind sorted by name.
struct FolderContent {
  std::vector<fs::path> pictures;
  std::vector<std::string> others;  // files that are no pictures by their names
  int folders = 0;

  /// "3 files that are no pictures (notes.txt, ...) and 2 folders"; empty when there are none.
  std::string left_out(const std::string& name) const {
    std::string text;
    if (!others.empty())
      text = fmt::format("{} that {} no picture{} ({}{})",
                         others.size() == 1 ? "1 file" : fmt::format("{} files", others.size()),
                         others.size() == 1 ? "is" : "are", others.size() == 1 ? "" : "s", others.front(),
                         others.size() == 1 ? "" : ", ...");
    if (folders > 0)
      text += fmt::format("{}{}", text.empty() ? "" : " and ",
                          folders == 1 ? "1 folder" : fmt::format("{} folders", folders));
    if (text.empty()) return text;
    return fmt::format("{}: {} {} left out{}", name, text,
                       others.size() + static_cast<std::size_t>(folders) == 1 ? "is" : "are",
                       folders > 0 ? " ('" + (fs::path(name) / "**").string() + "' takes pictures of all depths)" : "");
  }
};

FolderContent content_of(const fs::path& folder) {
  FolderContent content;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory()) ++content.folders;
    else if (entry.is_regular_file() && has_image_extension(entry.path())) content.pictures.push_back(entry.path());
    else if (!name.starts_with('.')) content.others.push_back(name);
  }
  std::sort(content.pictures.begin(), content.pictures.end());
  std::sort(content.others.begin(), content.others.end());
  return content;
}

}  // namespace

std::unique_ptr<FrameSource> open_source(const std::string& what, const DecodeLimits& limits) {
  constexpr std::string_view camera = "camera:", device = "/dev/video";
  if (what.starts_with(camera) || what.starts_with(device)) {
    const std::string path = what.starts_with(camera) ? std::string(device) + what.substr(camera.size()) : what;
    return std::make_unique<VideoSource>(SourceKind::camera, what, VideoReader::open_camera(path, limits));
  }
  if (is_stream(what)) {
    VideoReader reader = VideoReader::open_stream(what, limits);
    const SourceKind kind = reader.info().frame_estimate > 0 ? SourceKind::video : SourceKind::camera;
    return std::make_unique<VideoSource>(kind, what, std::move(reader));
  }
  std::error_code error;
  const fs::file_status status = fs::status(what, error);
  if (!fs::exists(status))
    fail_hint("a picture, a folder of pictures, a video file or a camera such as /dev/video0", "'{}' does not exist",
              what);
  if (fs::is_directory(status)) {
    FolderContent content = content_of(what);
    if (content.pictures.empty())
      fail_hint("a folder with .jpg, .png, .webp, .bmp or .ppm files", "the folder '{}' holds no pictures", what);
    std::string left_out = content.left_out(what);
    return std::make_unique<PictureSource>(SourceKind::folder, std::move(content.pictures), limits,
                                           std::move(left_out));
  }
  const auto file = MappedFile::open(what);
  const auto head = file->bytes().first(std::min<std::size_t>(file->bytes().size(), 16));
  // A file that is called a picture is opened as one, so that a damaged one gives a picture's error.
  if (sniff_format(head) != ImageFormat::unknown || has_image_extension(what) || head.empty())
    return std::make_unique<PictureSource>(SourceKind::picture, std::vector<fs::path>{what}, limits);
  return std::make_unique<VideoSource>(SourceKind::video, what, VideoReader::open_file(what, limits));
}

namespace {

bool is_pattern(const std::string& name) {
  std::error_code ignored;
  return name.find_first_of("*?[") != name.npos && !fs::exists(name, ignored);
}
bool is_list(const std::string& name) { return fs::path(name).extension() == ".txt"; }
bool is_number(const std::string& name) {
  return !name.empty() && name.size() < 3 && name.find_first_not_of("0123456789") == name.npos;
}

/// Pictures of a folder and of those inside, sorted by name.
std::vector<fs::path> pictures_below(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && has_image_extension(entry.path())) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> matches_of(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> names;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
    for (std::size_t i = 0; i < found.gl_pathc; ++i) names.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  return names;
}

std::vector<std::string> lines_of(const std::string& list) {
  std::ifstream file(list);
  if (!file) fail("the list '{}' cannot be read", list);
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const fs::path path(line);
    names.push_back(path.is_absolute() ? line : (fs::path(list).parent_path() / path).string());
  }
  return names;
}

/// Appends the pictures that a name of several stands for.
void add_pictures(const std::string& name, bool listed, std::vector<fs::path>& files) {
  std::error_code ignored;
  if (name.ends_with("/**") && fs::is_directory(name.substr(0, name.size() - 3), ignored)) {
    const auto below = pictures_below(name.substr(0, name.size() - 3));
    files.insert(files.end(), below.begin(), below.end());
  } else if (is_pattern(name)) {
    const auto names = matches_of(name);
    if (names.empty())
      fail_hint("quote a pattern only where the shell shall not expand it", "nothing is called '{}'", name);
    for (const std::string& match : names)
      if (has_image_extension(match)) files.emplace_back(match);
  } else if (is_list(name) && !listed) {
    for (const std::string& line : lines_of(name)) add_pictures(line, true, files);
  } else if (fs::is_directory(name, ignored)) {
    const auto inside = content_of(name).pictures;
    files.insert(files.end(), inside.begin(), inside.end());
  } else if (is_stream(name) || (fs::exists(name, ignored) && !has_image_extension(name))) {
    fail_hint("run it by itself", "'{}' is no picture, and among several sources each is a picture or a folder", name);
  } else {
    files.emplace_back(name);  // one that is not there is named when its turn comes, and the rest goes on
  }
}

}  // namespace

std::unique_ptr<FrameSource> open_sources(const std::vector<std::string>& names, const DecodeLimits& limits) {
  std::error_code ignored;
  if (names.size() == 1) {
    const std::string& name = names[0];
    if (is_number(name) && !fs::exists(name, ignored)) return open_source("camera:" + name, limits);
    if (is_stream(name) || (!is_pattern(name) && !is_list(name))) return open_source(name, limits);
  }
  std::vector<fs::path> files;
  for (const std::string& name : names) add_pictures(name, false, files);
  if (files.empty())
    fail_hint("names of .jpg, .png, .webp, .bmp or .ppm files", "there are no pictures among the {} sources",
              names.size());
  return std::make_unique<PictureSource>(SourceKind::folder, std::move(files), limits);
}

}  // namespace monza::vision
