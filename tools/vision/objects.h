// What a detector found, as JSON, tables and lines of text.
#pragma once

#include <string>
#include <vector>

#include "monza/vision/objects.h"
#include "monza/vision/source.h"
#include "tools/text/json_text.h"

namespace monza::tool {

using Objects = std::vector<vision::Object>;

/// A frame with its objects: docs/howto/read-json.md has its fields.
Json frame_json(const vision::Frame& frame, const Objects& found, const std::vector<std::string>& labels);

void print_objects(const Objects& found, const std::vector<std::string>& labels);

/// "dog x2, person"; "nothing".
std::string summary(const Objects& found, const std::vector<std::string>& labels);

/// A line for each object in the form of YOLO's label files, numbers as shares of the picture's sides: class, then
/// centre and size of the box, four corners of a turned one, or the outline of a mask's largest part; key points
/// follow. With `scores` the score ends the line. Masks of less than three corners have no line.
std::string label_lines(const Objects& found, int width, int height, bool scores);

}  // namespace monza::tool
