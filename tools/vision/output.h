// Where annotated pictures go.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "monza/vision/source.h"
#include "vision/video.h"

namespace monza::tool {

/// Writes annotated frames to what --output names: a picture for a picture, a folder for a folder (the same file names,
/// as .jpg where the format cannot be written), a video for a video or camera. Does nothing for an empty name.
class AnnotatedOutput {
 public:
  AnnotatedOutput(std::string path, const vision::FrameSource& source);
  bool wanted() const noexcept { return !path_.empty(); }
  void write(const vision::Frame& frame);
  /// Finishes a video. Without it a video is not kept.
  void close();

 private:
  std::filesystem::path path_;
  vision::SourceKind kind_;
  double frames_per_second_;
  std::set<std::string> written_;  ///< file names in the folder
  std::optional<vision::VideoWriter> video_;
};

}  // namespace monza::tool
