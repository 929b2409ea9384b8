// Frames are decoded by a thread of their own, before they are asked for.
#pragma once

#include <exception>
#include <thread>

#include "monza/vision/source.h"
#include "tools/vision/pipe.h"

namespace monza::tool {

/// Reads `source` on a thread that is a few frames ahead. While it lives nothing else may use the source; after next()
/// gave false its thread does not either. Use from one thread.
class ReadAhead {
 public:
  explicit ReadAhead(vision::FrameSource& source);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  /// The next frame and what decoding it took, in milliseconds; false at the end. Throws what the source threw, in its
  /// place among the frames: of a folder the frames after it still come, of anything else that is the end. Of what
  /// was thrown `frame` has the name.
  bool next(vision::Frame& frame, double& decode_ms);
  /// A frame that is done with: its memory is used again.
  void give_back(vision::Frame frame) { used_.push(std::move(frame)); }

 private:
  struct Item {
    vision::Frame frame;
    double decode_ms = 0;
    std::exception_ptr error;
  };

  void read();

  vision::FrameSource& source_;
  Pipe<Item> read_;
  Pipe<vision::Frame> used_;
  std::thread thread_;
};

}  // namespace monza::tool
