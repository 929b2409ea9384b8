// Frames from video files and cameras, and annotated video out, through FFmpeg.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "monza/vision/image.h"

namespace monza::vision {

struct VideoInfo {
  int width = 0;  // upright, after the rotation that the file asks for
  int height = 0;
  double frames_per_second = 0;     // 0 when the container does not say
  std::int64_t frame_estimate = 0;  // 0 when unknown; a camera has none
};

/// Decodes one video stream, frame by frame. Use from one thread at a time.
class VideoReader {
 public:
  /// Opens a local file. Formats that only point to other files or hosts (playlists) are refused.
  /// Throws Error when it is no video, exceeds limits.max_pixels, or FFmpeg was missing at build time.
  static VideoReader open_file(const std::filesystem::path& path, const DecodeLimits& limits = {});
  /// Opens a camera by its device file, such as /dev/video0.
  static VideoReader open_camera(const std::string& device, const DecodeLimits& limits = {});

  /// Opens a stream of a host by its URL: rtsp, http or https. A host that says nothing for ten seconds has failed.
  /// Playlists, which name other files and hosts, are refused as in files.
  static VideoReader open_stream(const std::string& url, const DecodeLimits& limits = {});

  VideoReader(VideoReader&&) noexcept;
  VideoReader& operator=(VideoReader&&) noexcept;
  ~VideoReader();

  const VideoInfo& info() const noexcept;
  /// The next frame into `frame`, whose memory is used again; false at the end. A damaged packet is skipped, as players
  /// do, and counted in loss(); throws Error when nothing can be decoded any more.
  bool next(Image& frame);
  /// After the end: what of the stream did not come, in words ("12 of 60 frames could be read: ..."); empty when all
  /// did.
  std::string loss() const;
  /// When the frame that next() gave is shown, in seconds from the start.
  double seconds() const noexcept;

 private:
  struct State;
  explicit VideoReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Writes H.264 where x264 is part of FFmpeg, else MPEG-4 part 2, into the container of the path's extension.
/// The file is written beside its final name and renamed by close(); without close() nothing remains.
class VideoWriter {
 public:
  /// An odd last row or column is cut off, because the formats store colour at half the resolution.
  VideoWriter(const std::filesystem::path& path, int width, int height, double frames_per_second);
  VideoWriter(VideoWriter&&) noexcept;
  VideoWriter& operator=(VideoWriter&&) noexcept;
  ~VideoWriter();

  /// Throws Error when the size differs from the first or the disk is full.
  void write(const Image& frame);
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace monza::vision
