// How detect and classify report: tables for people, a JSON object a line for programs.
#pragma once

#include <string>
#include <vector>

#include "eval/run.h"
#include "monza/vision/source.h"
#include "tools/text/json_text.h"
#include "tools/vision/model.h"
#include "tools/vision/read_ahead.h"

namespace monza::tool {

/// The value at so many steps of 1, such as 1e3: what a float does not hold is not printed.
double rounded(float value, double steps) noexcept;

/// What a frame took.
struct FrameTimes {
  double decode_ms = 0;
  eval::StageTimes stages;
};

Json times_json(const OpenedModel& model, const FrameTimes& times);

/// One object on one line, as print_json writes it.
void print_line(const Json& value);

/// The next frame, past the pictures of a folder that cannot be read: each is reported, on stderr or as {"source",
/// "error"}, and counted in `refused`. From any other source the error is thrown.
bool next_readable(ReadAhead& reader, vision::SourceKind kind, vision::Frame& frame, double& decode_ms, bool json,
                   int& refused);

/// Reports a picture that was read and that the model does not take, in the same way.
void report_refused(const vision::Frame& frame, const Error& e, bool json);

/// Reports what a video lost, on stderr or as {"source", "error"}; true when it lost anything.
bool report_loss(const vision::FrameSource& source, const std::string& name, bool json);

/// Columns as wide as their longest cell; the first stands at the left, the others at the right.
std::string format_table(std::vector<std::vector<std::string>> rows);

/// How long the engine took to build or load, and the stages of a frame took (the mean, when there were several, and
/// how many came out in a second: `wall_ms` is what all took together).
std::string times_table(const OpenedModel& model, const FrameTimes& times, std::int64_t frames, double wall_ms);

}  // namespace monza::tool
