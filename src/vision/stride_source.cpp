#include <utility>

#include "monza/vision/source.h"

namespace monza::vision {
namespace {

class StrideSource : public FrameSource {
 public:
  StrideSource(std::unique_ptr<FrameSource> source, int stride) : source_(std::move(source)), stride_(stride) {}

  SourceKind kind() const noexcept override { return source_->kind(); }
  std::int64_t size_estimate() const noexcept override { return (source_->size_estimate() + stride_ - 1) / stride_; }
  double frames_per_second() const noexcept override { return source_->frames_per_second() / stride_; }
  std::string loss() const override { return source_->loss(); }

  bool next(Frame& frame) override {
    // Frames build on each other: those between are decoded, too.
    while (source_->next(frame))
      if (frame.index % stride_ == 0) return true;
    return false;
  }

 private:
  std::unique_ptr<FrameSource> source_;
  int stride_;
};

}  // namespace

std::unique_ptr<FrameSource> every_nth(std::unique_ptr<FrameSource> source, int stride) {
  const bool moving = source->kind() == SourceKind::video || source->kind() == SourceKind::camera;
  if (stride <= 1 || !moving) return source;
  return std::make_unique<StrideSource>(std::move(source), stride);
}

}  // namespace monza::vision
