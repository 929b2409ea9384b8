// Annotated frames are encoded and written by a thread of their own.
#pragma once

#include <exception>
#include <functional>
#include <thread>

#include "tools/vision/output.h"
#include "tools/vision/pipe.h"

namespace monza::tool {

/// Writes frames to `output` on a thread, in order; while it lives nothing else may use the output. Use from one
/// thread.
class WriteBehind {
 public:
  /// `done` is given each frame that was written, on the thread that writes.
  WriteBehind(AnnotatedOutput& output, std::function<void(vision::Frame)> done);
  ~WriteBehind();
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  /// Throws what writing an earlier frame threw.
  void write(vision::Frame frame);
  /// Waits until all is written. Throws what writing a frame threw.
  void finish();

 private:
  void work();

  AnnotatedOutput& output_;
  std::function<void(vision::Frame)> done_;
  Pipe<vision::Frame> frames_;
  std::exception_ptr error_;  // set by the thread before it closes frames_, read after it has ended
  std::thread thread_;
};

}  // namespace monza::tool
