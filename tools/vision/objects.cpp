#include "tools/vision/objects.h"

#include <fmt/core.h>

#include <map>

#include "monza/vision/labels.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"
#include "tools/vision/report.h"

namespace monza::tool {
namespace {

double pixels(float v) { return rounded(v, 1e3); }

Json mask_json(const vision::Mask& mask) {
  Json parts = Json::array();
  for (const vision::Outline& outline : vision::outlines(mask)) {
    Json points = Json::array();
    for (const auto& [x, y] : outline) points.push_back({x, y});
    parts.push_back(std::move(points));
  }
  return {{"area", mask.area()}, {"outlines", std::move(parts)}};
}

Json turned_json(const vision::TurnedBox& box) {
  Json corners = Json::array();
  for (const auto& [x, y] : box.corners()) corners.push_back({pixels(x), pixels(y)});
  return {{"centre", {pixels(box.cx), pixels(box.cy)}},
          {"size", {pixels(box.width), pixels(box.height)}},
          {"angle", rounded(box.angle, 1e6)},
          {"corners", std::move(corners)}};
}

Json object_json(const vision::Object& object, const std::vector<std::string>& labels) {
  const vision::Detection& d = object.box;
  Json json = {{"class", vision::label_of(labels, d.class_id)},
               {"class_id", d.class_id},
               {"score", rounded(d.score, 1e6)},
               {"box", {pixels(d.x1), pixels(d.y1), pixels(d.x2), pixels(d.y2)}}};
  if (object.turned) json["turned"] = turned_json(*object.turned);
  if (!object.mask.empty()) json["mask"] = mask_json(object.mask);
  if (!object.keypoints.empty()) {
    Json& points = json["keypoints"] = Json::array();
    for (const vision::Keypoint& p : object.keypoints)
      points.push_back({pixels(p.x), pixels(p.y), rounded(p.score, 1e6)});
  }
  return json;
}

}  // namespace

Json frame_json(const vision::Frame& frame, const Objects& found, const std::vector<std::string>& labels) {
  Json list = Json::array();
  for (const vision::Object& object : found) list.push_back(object_json(object, labels));
  return {{"source", frame.name},
          {"frame", frame.index},
          {"width", frame.image.width},
          {"height", frame.image.height},
          {"detections", std::move(list)}};
}

void print_objects(const Objects& found, const std::vector<std::string>& labels) {
  if (found.empty()) return print("nothing found\n");
  std::vector<std::vector<std::string>> rows = {{"class", "score", "left", "top", "right", "bottom"}};
  const bool masks = !found.front().mask.empty(), bodies = !found.front().keypoints.empty();
  if (masks) rows[0].push_back("pixels");
  if (bodies) rows[0].push_back("points seen");
  if (found.front().turned) rows[0].push_back("degrees");
  for (const vision::Object& object : found) {
    const vision::Detection& d = object.box;
    rows.push_back({vision::label_of(labels, d.class_id), fmt::format("{:.3f}", d.score), fmt::format("{:.1f}", d.x1),
                    fmt::format("{:.1f}", d.y1), fmt::format("{:.1f}", d.x2), fmt::format("{:.1f}", d.y2)});
    if (masks) rows.back().push_back(fmt::format("{}", object.mask.area()));
    if (bodies) {
      int seen = 0;
      for (const vision::Keypoint& p : object.keypoints) seen += p.score >= 0.5F ? 1 : 0;
      rows.back().push_back(fmt::format("{} of {}", seen, object.keypoints.size()));
    }
    if (object.turned) rows.back().push_back(fmt::format("{:.1f}", object.turned->angle * 57.29578F));
  }
  print("{}", Lines{format_table(rows)});
}

/// "2 dogs" would need grammar; "dog x2, person" does not.
std::string summary(const Objects& found, const std::vector<std::string>& labels) {
  std::map<int, int> counts;
  for (const vision::Object& object : found) ++counts[object.box.class_id];
  std::string text;
  for (const auto& [id, count] : counts)
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", vision::label_of(labels, id),
                        count > 1 ? fmt::format(" x{}", count) : "");
  return text.empty() ? "nothing" : text;
}

std::string label_lines(const Objects& found, int width, int height, bool scores) {
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  std::string text;
  for (const vision::Object& object : found) {
    const vision::Detection& d = object.box;
    std::string line = fmt::format("{}", d.class_id);
    const auto add = [&](float v) { line += fmt::format(" {:.6g}", v); };
    if (!object.mask.empty()) {
      const vision::Outline outline = vision::outlines(object.mask).front();
      if (outline.size() < 3) continue;
      for (const auto& [x, y] : outline) add(static_cast<float>(x) / w), add(static_cast<float>(y) / h);
    } else if (object.turned) {
      for (const auto& [x, y] : object.turned->corners()) add(x / w), add(y / h);
    } else {
      add((d.x1 + d.x2) / 2 / w), add((d.y1 + d.y2) / 2 / h), add((d.x2 - d.x1) / w), add((d.y2 - d.y1) / h);
    }
    for (const vision::Keypoint& p : object.keypoints) add(p.x / w), add(p.y / h), add(p.score);
    if (scores) add(d.score);
    text += line + "\n";
  }
  return text;
}

}  // namespace monza::tool
