#include "tools/vision/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "monza/error.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {

double rounded(float value, double steps) noexcept { return std::round(static_cast<double>(value) * steps) / steps; }

Json times_json(const OpenedModel& model, const FrameTimes& times) {
  return {{"build", model.build_ms},
          {"load", model.load_ms},
          {"decode", times.decode_ms},
          {"preprocess", times.stages.preprocess_ms},
          {"inference", times.stages.inference_ms},
          {"postprocess", times.stages.postprocess_ms}};
}

void print_line(const Json& value) { print_json(value, -1); }

bool next_readable(ReadAhead& reader, vision::SourceKind kind, vision::Frame& frame, double& decode_ms, bool json,
                   int& refused) {
  while (true) {
    try {
      return reader.next(frame, decode_ms);
    } catch (const Error& e) {
      if (kind != vision::SourceKind::folder) throw;
      ++refused;
      if (json) print_line({{"source", frame.name}, {"error", e.what()}});
      else note(e.what());
    }
  }
}

void report_refused(const vision::Frame& frame, const Error& e, bool json) {
  if (json) print_line({{"source", frame.name}, {"error", e.what()}});
  else note(message("{}: {}", frame.name, e.fact()));
}

bool report_loss(const vision::FrameSource& source, const std::string& name, bool json) {
  const std::string loss = source.loss();
  if (loss.empty()) return false;
  if (json) print_line({{"source", name}, {"error", loss}});
  else note("warning: " + loss);
  return true;
}

std::string format_table(std::vector<std::vector<std::string>> rows) {
  std::vector<std::size_t> widths;
  for (auto& row : rows) {
    for (std::string& cell : row) cell = printable(cell);
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c)
      // The first column is a name.
      line += c == 0 ? fmt::format("{:<{}}", row[c], widths[c]) : fmt::format("  {:>{}}", row[c], widths[c]);
    while (!line.empty() && line.back() == ' ') line.pop_back();
    text += line + "\n";
  }
  return text;
}

std::string times_table(const OpenedModel& model, const FrameTimes& times, std::int64_t frames, double wall_ms) {
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const char* what, double ms) { rows.push_back({what, fmt::format("{:.2f} ms", ms)}); };
  add(model.build_ms > 0 ? "build the engine" : "load the engine", model.build_ms > 0 ? model.build_ms : model.load_ms);
  add("decode", times.decode_ms);
  add("pre-process", times.stages.preprocess_ms);
  add("inference", times.stages.inference_ms);
  add("post-process", times.stages.postprocess_ms);
  if (frames <= 1) return format_table(rows);
  return format_table(rows) + fmt::format("(the last four: mean of {} frames)\n{:.1f} frames per second\n", frames,
                                          static_cast<double>(frames) * 1e3 / wall_ms);
}

}  // namespace monza::tool
