#include "tools/vision/read_ahead.h"

#include "eval/run.h"

namespace monza::tool {
namespace {
// One frame waits while one is decoded and one is looked at: enough that neither side waits for the other where their
// times are even, and a camera's frames are not old when they are shown.
constexpr std::size_t kAhead = 2;
// Every frame that can be under way at once finds room.
constexpr std::size_t kUsed = 16;
}  // namespace

ReadAhead::ReadAhead(vision::FrameSource& source)
    : source_(source), read_(kAhead), used_(kUsed), thread_([this] { read(); }) {}

ReadAhead::~ReadAhead() {
  read_.close();
  used_.close();
  thread_.join();
}

void ReadAhead::read() {
  for (bool more = true; more;) {
    Item item;
    if (std::optional<vision::Frame> used = used_.try_pop()) item.frame = std::move(*used);
    eval::LapTimer watch;
    try {
      if (!source_.next(item.frame)) break;
    } catch (...) {
      item.error = std::current_exception();
      more = source_.kind() == vision::SourceKind::folder;
    }
    item.decode_ms = watch.lap_ms();
    more = read_.push(std::move(item)) && more;
  }
  read_.close();
}

bool ReadAhead::next(vision::Frame& frame, double& decode_ms) {
  std::optional<Item> item = read_.pop();
  if (!item) return false;
  frame = std::move(item->frame);
  decode_ms = item->decode_ms;
  if (item->error) std::rethrow_exception(item->error);
  return true;
}

}  // namespace monza::tool
