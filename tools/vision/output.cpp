#include "tools/vision/output.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "tools/args/named_files.h"

namespace monza::tool {
namespace fs = std::filesystem;

AnnotatedOutput::AnnotatedOutput(std::string path, const vision::FrameSource& source)
    : path_(std::move(path)), kind_(source.kind()), frames_per_second_(source.frames_per_second()) {
  if (path_.empty() || kind_ != vision::SourceKind::folder) return;
  std::error_code error;
  fs::create_directories(path_, error);
  if (error || !fs::is_directory(path_))
    fail_hint("the name of a folder, or one that nothing has",
              "--output {}: cannot be made a folder for the annotated pictures", path_.string());
}

void AnnotatedOutput::write(const vision::Frame& frame) {
  if (path_.empty()) return;
  switch (kind_) {
    case vision::SourceKind::picture: vision::save_image(frame.image, path_); break;
    case vision::SourceKind::folder: {
      fs::path name = fs::path(frame.name).filename();
      const std::string ext = name.extension().string();
      if (ext != ".jpg" && ext != ".jpeg" && ext != ".png" && ext != ".ppm") name += ".jpg";
      // Pictures of several folders may have one name.
      const std::string stem = name.stem().string(), end = name.extension().string();
      for (int again = 2; !written_.insert(name.string()).second; ++again)
        name = fmt::format("{}-{}{}", stem, again, end);
      if (same_file(path_ / name, frame.name))
        fail_hint("another folder for --output", "'{}' leads to the picture that was read", (path_ / name).string());
      vision::save_image(frame.image, path_ / name);
      break;
    }
    case vision::SourceKind::video:
    case vision::SourceKind::camera:
      if (!video_) video_.emplace(path_, frame.image.width, frame.image.height, frames_per_second_);
      video_->write(frame.image);
      break;
  }
}

void AnnotatedOutput::close() {
  if (video_) video_->close();
}

}  // namespace monza::tool
