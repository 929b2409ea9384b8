// `monza detect`: what is in a picture, a folder of pictures, a video or a camera.
#include <fmt/core.h>
#include <memory>

#include <cstdio>

#include "base/error.h"
#include "commands.h"
#include "eval/accuracy.h"
#include "eval/detector.h"
#include "tools/args/command.h"
#include "tools/args/model_args.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"
#include "tools/vision/frames.h"
#include "tools/vision/model.h"
#include "tools/vision/report.h"
#include "vision/draw.h"
#include "vision/labels.h"

namespace monza::tool {
namespace {

constexpr int kDetectSize = 640;

struct DetectArgs {
  FrameArgs frames;
  ModelArgs model;
  std::string head, labels, coco;
  float score = -1, iou = -1;  // below 0: the default, which depends on --coco
  int max_boxes = 300;
  int size = 0;  // 0: not said
  bool no_cache = false;
};

Json frame_json(const vision::Frame& frame, const std::vector<vision::Detection>& found,
                const std::vector<std::string>& labels) {
  Json list = Json::array();
  for (const vision::Detection& d : found)
    list.push_back({{"class", vision::label_of(labels, d.class_id)},
                    {"class_id", d.class_id},
                    {"score", rounded(d.score, 1e6)},
                    {"box", {rounded(d.x1, 1e3), rounded(d.y1, 1e3), rounded(d.x2, 1e3), rounded(d.y2, 1e3)}}});
  return {{"source", frame.name},
          {"frame", frame.index},
          {"width", frame.image.width},
          {"height", frame.image.height},
          {"detections", std::move(list)}};
}

void print_boxes(const std::vector<vision::Detection>& found, const std::vector<std::string>& labels) {
  std::vector<std::vector<std::string>> rows = {{"class", "score", "left", "top", "right", "bottom"}};
  for (const vision::Detection& d : found)
    rows.push_back({vision::label_of(labels, d.class_id), fmt::format("{:.3f}", d.score), fmt::format("{:.1f}", d.x1),
                    fmt::format("{:.1f}", d.y1), fmt::format("{:.1f}", d.x2), fmt::format("{:.1f}", d.y2)});
  if (found.empty()) print("nothing found\n");
  else print("{}", Lines{format_table(rows)});
}

/// "2 dogs" would need grammar; "dog x2, person" does not.
std::string summary(const std::vector<vision::Detection>& found, const std::vector<std::string>& labels) {
  std::map<int, int> counts;
  for (const vision::Detection& d : found) ++counts[d.class_id];
  std::string text;
  for (const auto& [id, count] : counts)
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", vision::label_of(labels, id),
                        count > 1 ? fmt::format(" x{}", count) : "");
  return text.empty() ? "nothing" : text;
}

void report_score(const eval::CocoScore& score, const OpenedModel& model, const FrameTotals& totals, bool json) {
  const vision::AveragePrecision ap = score.result().average();
  if (score.unknown() > 0) note(message("{} pictures are not in the instances file and do not count", score.unknown()));
  if (json) {
    print_line({{"map50_95", ap.map50_95},
                {"map50", ap.map50},
                {"map75", ap.map75},
                {"images", score.images()},
                {"timings_ms", times_json(model, totals.mean())}});
  } else {
    print("mAP50-95 {:.4f}  mAP50 {:.4f}  mAP75 {:.4f}  over {} pictures\n", ap.map50_95, ap.map50, ap.map75,
          score.images());
  }
}

eval::DetectorOptions detector_options(const DetectArgs& args, int classes) {
  eval::DetectorOptions options = args.coco.empty() ? eval::DetectorOptions{} : eval::coco_options();
  options.head = args.head;
  options.classes = classes;
  if (args.score >= 0) options.decode.min_score = args.score;
  if (args.iou >= 0) options.nms.iou = args.iou;
  options.nms.max_detections = args.max_boxes;
  options.warn = note;
  return options;
}

int run_detect(DetectArgs args) {
  if (args.model.model.empty()) args.model.model = default_detector().string();
  const auto source = vision::open_sources(args.frames.sources);
  const OpenedModel model = open_picture_model(args.model, {}, args.size > 0 ? args.size : kDetectSize, !args.no_cache);
  eval::check_size(model.engine, args.size);
  const std::vector<std::string> labels = eval::class_names(model.engine, args.labels);
  eval::Detector detector(model.engine, args.model.context_options(),
                          detector_options(args, static_cast<int>(labels.size())));
  std::optional<eval::CocoScore> score;
  if (!args.coco.empty()) score.emplace(args.coco, labels, detector.head().classes);

  const bool many = has_many(*source), json = args.frames.json;
  std::vector<vision::Detection> found;
  std::int64_t boxes = 0;
  FrameWork work;
  work.find = [&](const vision::Frame& frame) {
    eval::StageTimes times;
    found = detector.detect(frame.image, times);
    boxes += static_cast<std::int64_t>(found.size());
    return times;
  };
  work.say = [&](const vision::Frame& frame, const FrameTimes& times, Progress& progress) {
    if (score) score->add(frame.name, found);
    if (json) {
      Json line = frame_json(frame, found, labels);
      line["timings_ms"] = times_json(model, times);
      print_line(line);
      std::fflush(stdout);
    } else if (!many) {
      print_boxes(found, labels);
    } else if (!score) {
      progress.clear();
      print("{}: {}\n", frame.name, summary(found, labels));
    }
  };
  work.draw = [&](vision::Image& image) { vision::draw_detections(image, found, labels); };
  const FrameTotals totals = for_frames("detect", args.frames, *source, work);
  if (score) report_score(*score, model, totals, json);
  if (!json) {
    if (many) print("{} boxes in {} frames\n", boxes, totals.frames);
    print("\n{}", Lines{times_table(model, totals.mean(), totals.frames, totals.wall_ms)});
    if (!args.frames.output.empty() && totals.frames > 0) print("\nannotated: {}\n", args.frames.output);
  }
  return totals.refused == 0 ? kExitOk : kExitRefused;
}

}  // namespace

void add_detect(Commands& commands) {
  auto args = std::make_shared<DetectArgs>();
  CommandOptions app =
      commands.add("detect", "Finds objects in pictures, videos or a camera with a YOLO model.",
                   "  monza detect street.jpg                            the model that scripts/demo fetched\n"
                   "  monza detect street.jpg --model yolov8n.onnx --output boxes.jpg\n"
                   "  monza detect photos/ --model yolov8n.engine --json one JSON object a line and picture\n"
                   "  monza detect road.mp4 --output boxes.mp4           a video, annotated\n"
                   "  monza detect /dev/video0 --max-frames 100          a camera; Ctrl-C ends it\n"
                   "  monza detect val2017/ --coco instances_val2017.json  mean average precision\n"
                   "  monza detect cat.jpg --model yolox_nano.onnx --labels coco80.txt --head yolox\n",
                   [args] { return run_detect(*args); });
  app.add_option("source", args->frames.sources,
                 "pictures, folders, patterns, lists (.txt); or one video file or camera (0, /dev/videoN)")
      .required()
      .type_name("SOURCE")
      .file(FileRole::reads);
  args->model.add_to(app, ModelArgs::Use::source);
  app.add_option("--head", args->head,
                 "yolov5, yolov8, yolov11 or yolox; found by itself where the shape leaves no doubt");
  app.add_option("--labels", args->labels, "class names, one a line; default: the model's own").file(FileRole::reads);
  app.add_option("--score", args->score, "least score of a box [0.25; 0.001 with --coco]").range(0.0, 1.0);
  app.add_option("--iou", args->iou, "overlap above which the weaker box of a class goes [0.45; 0.7 with --coco]")
      .range(0.0, 1.0);
  app.add_option("--max-boxes", args->max_boxes, "most boxes of a picture").positive().capture_default_str();
  app.add_option("--size", args->size, "side of the input where the model leaves it open [640]").range(32, 8192);
  app.add_option("--output", args->frames.output, "annotated picture, folder or video to write")
      .file(FileRole::writes_pictures);
  app.add_option("--coco", args->coco, "instances JSON to measure mAP against").file(FileRole::reads);
  app.add_option("--max-frames", args->frames.max_frames, "stop after so many frames").positive();
  app.add_flag("--no-cache", args->no_cache, "neither use nor write an engine in the user's cache folder");
  app.add_flag("--json", args->frames.json, "one JSON object for each picture or frame");
}

}  // namespace monza::tool
