// Where pictures come from: a picture, a folder of them, a video file or a camera, as one stream of named frames.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "monza/vision/image.h"

namespace monza::vision {

struct Frame {
  Image image;
  std::string name;        // the file's path; for videos and cameras "path#frame"
  std::int64_t index = 0;  // counted from 0 within the source
  double seconds = 0;      // since the start of a video
};

enum class SourceKind { picture, folder, video, camera };

/// Use from one thread at a time.
class FrameSource {
 public:
  virtual ~FrameSource() = default;
  virtual SourceKind kind() const noexcept = 0;
  /// The next frame into `frame`, whose memory is used again; false at the end. Throws Error that names the file.
  virtual bool next(Frame& frame) = 0;
  /// How many frames there will be; 0 when unknown.
  virtual std::int64_t size_estimate() const noexcept = 0;
  /// What of a folder is not among the frames, in words; empty when nothing is left out.
  virtual std::string left_out() const { return {}; }
  /// After the end of a video: what of it did not come, in words; empty when all did.
  virtual std::string loss() const { return {}; }
  /// Of a video; 0 otherwise or when unknown.
  virtual double frames_per_second() const noexcept { return 0; }
};

/// Opens what `what` names: a folder (its pictures, sorted by name, not those of folders inside), a camera
/// (/dev/videoN or "camera:N"), a stream (rtsp://, http://, https://; one without an end counts as a camera), a picture
/// by its first bytes, else a video file.
/// Throws Error when there is nothing of the name or it is none of these.
std::unique_ptr<FrameSource> open_source(const std::string& what, const DecodeLimits& limits = {});

/// One of these by itself; or several pictures, folders, patterns ("photos/*.jpg", "photos/**" for folders in folders)
/// and lists (.txt, a name a line), in this order, as one folder. "0" is the first camera. Throws Error as open_source
/// does, and for a video or camera among several.
std::unique_ptr<FrameSource> open_sources(const std::vector<std::string>& names, const DecodeLimits& limits = {});

/// The first frame of every `stride` of a video or camera; of anything else all.
std::unique_ptr<FrameSource> every_nth(std::unique_ptr<FrameSource> source, int stride);

}  // namespace monza::vision
