#include "tools/vision/write_behind.h"

#include <utility>

namespace monza::tool {

WriteBehind::WriteBehind(AnnotatedOutput& output, std::function<void(vision::Frame)> done)
    : output_(output), done_(std::move(done)), frames_(2), thread_([this] { work(); }) {}

WriteBehind::~WriteBehind() {
  frames_.close();
  if (thread_.joinable()) thread_.join();
}

void WriteBehind::work() {
  try {
    while (std::optional<vision::Frame> frame = frames_.pop()) {
      output_.write(*frame);
      done_(std::move(*frame));
    }
  } catch (...) {
    error_ = std::current_exception();
    frames_.close();  // so that write() does not wait
  }
}

void WriteBehind::write(vision::Frame frame) {
  if (!frames_.push(std::move(frame))) finish();
}

void WriteBehind::finish() {
  frames_.close();
  if (thread_.joinable()) thread_.join();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace monza::tool
