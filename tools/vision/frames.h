// The way through the frames of a picture, folder, video or camera that detect and classify share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "monza/vision/source.h"
#include "tools/args/command.h"
#include "tools/text/terminal.h"
#include "tools/vision/report.h"

namespace monza::tool {

/// What the command line says of it.
struct FrameArgs {
  std::vector<std::string> sources;
  std::string output;
  std::int64_t max_frames = 0;  ///< 0: all
  int stride = 1;               ///< of a video's frames
  int max_megapixels = 100;     ///< of a picture or frame
  bool json = false;

  /// The options about frames that detect and classify have in common.
  void add_to(CommandOptions& app);
};

/// What args.sources name. Throws Error.
std::unique_ptr<vision::FrameSource> open_frames(const FrameArgs& args);

/// What a command does with a frame, in this order.
struct FrameWork {
  std::function<eval::StageTimes(const vision::Frame&)> find;  ///< what the network sees in it
  /// Says what was found. The progress is cleared before a line is printed to a terminal that may show it.
  std::function<void(const vision::Frame&, const FrameTimes&, Progress&)> say;
  std::function<void(vision::Image&)> draw;  ///< what was found, where there is an output
};

/// Notes that names which will be drawn hold letters that the font lacks. At most one note.
void note_missing_letters(const FrameArgs& args, const std::vector<std::string>& names);

struct FrameTotals {
  FrameTimes sum;
  std::int64_t frames = 0;
  int refused = 0;     ///< frames that could not be read, and losses of a video
  double wall_ms = 0;  ///< from the first frame's decoding to the last one's writing, which go on beside the network
  FrameTimes mean() const;
};

/// Whether the source has frames by the line, of which a progress is shown, and not one picture with its table.
inline bool has_many(const vision::FrameSource& source) { return source.kind() != vision::SourceKind::picture; }

/// Reads frames until there are no more, max_frames are reached or the user interrupts a video or camera; writes
/// annotated frames to args.output. Decoding and writing have a thread each. `command` is shown with the progress.
/// Throws Error.
FrameTotals for_frames(const char* command, const FrameArgs& args, vision::FrameSource& source, const FrameWork& work);

}  // namespace monza::tool
