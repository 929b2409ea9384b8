#include "tools/vision/frames.h"

#include <algorithm>

#include "tools/vision/output.h"
#include "tools/vision/read_ahead.h"
#include "tools/vision/write_behind.h"

namespace monza::tool {

void FrameArgs::add_to(CommandOptions& app) {
  app.add_option("--max-frames", max_frames, "stop after so many frames").positive();
  app.add_option("--stride", stride, "every so manyth frame of a video, stream or camera")
      .positive()
      .capture_default_str();
  app.add_option("--max-megapixels", max_megapixels, "largest picture that is read")
      .range(1, 4000)
      .capture_default_str();
}

std::unique_ptr<vision::FrameSource> open_frames(const FrameArgs& args) {
  vision::DecodeLimits limits;
  limits.max_pixels = static_cast<std::size_t>(args.max_megapixels) * 1'000'000;
  limits.max_bytes = std::max(limits.max_bytes, limits.max_pixels * 3);
  return vision::every_nth(vision::open_sources(args.sources, limits), args.stride);
}

void note_missing_letters(const FrameArgs& args, const std::vector<std::string>& names) {
  const auto lacks = [](char c) { return c < ' ' || c > '~'; };
  const auto name = std::find_if(names.begin(), names.end(),
                                 [&](const std::string& n) { return std::any_of(n.begin(), n.end(), lacks); });
  if (args.output.empty() || name == names.end()) return;
  note(message(
      "'{}' holds letters that the font for pictures lacks: they are drawn as boxes. --labels takes other names",
      *name));
}

FrameTimes FrameTotals::mean() const {
  const double n = static_cast<double>(std::max<std::int64_t>(frames, 1));
  return {sum.decode_ms / n,
          {sum.stages.preprocess_ms / n, sum.stages.inference_ms / n, sum.stages.postprocess_ms / n}};
}

FrameTotals for_frames(const char* command, const FrameArgs& args, vision::FrameSource& source, const FrameWork& work) {
  const Stopwatch watch;
  if (const std::string left_out = source.left_out(); !left_out.empty()) note(printable(left_out));
  AnnotatedOutput output(args.output, source);
  if (source.kind() == vision::SourceKind::video || source.kind() == vision::SourceKind::camera) catch_interrupt();
  Progress progress(has_many(source) && !args.json);
  const std::int64_t total = args.max_frames > 0 ? args.max_frames : source.size_estimate();
  FrameTotals totals;
  ReadAhead reader(source);
  WriteBehind writer(output, [&](vision::Frame written) { reader.give_back(std::move(written)); });
  vision::Frame frame;
  while (!interrupted() && (args.max_frames <= 0 || totals.frames < args.max_frames)) {
    FrameTimes times;
    if (!next_readable(reader, source.kind(), frame, times.decode_ms, args.json, totals.refused)) {
      progress.clear();
      if (report_loss(source, args.sources.front(), args.json)) ++totals.refused;
      break;
    }
    try {
      times.stages = work.find(frame);
    } catch (const Error& e) {  // a picture that the model does not take, 1x5000 for instance: the others go on
      if (source.kind() != vision::SourceKind::folder) throw;
      progress.clear();
      ++totals.refused;
      report_refused(frame, e, args.json);
      continue;
    }
    ++totals.frames;
    totals.sum.decode_ms += times.decode_ms;
    totals.sum.stages.preprocess_ms += times.stages.preprocess_ms;
    totals.sum.stages.inference_ms += times.stages.inference_ms;
    totals.sum.stages.postprocess_ms += times.stages.postprocess_ms;
    work.say(frame, times, progress);
    if (total > 0) progress.update(command, static_cast<double>(totals.frames) / static_cast<double>(total));
    if (output.wanted()) {
      work.draw(frame.image);
      writer.write(std::move(frame));
    } else {
      reader.give_back(std::move(frame));
    }
  }
  progress.clear();
  writer.finish();
  output.close();
  totals.wall_ms = watch.ms();
  return totals;
}

}  // namespace monza::tool
