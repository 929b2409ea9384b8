// `monza detect`: what is in a picture, a folder of pictures, a video or a camera.
#include <fmt/core.h>
#include <memory>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/nearest.h"
#include "commands.h"
#include "eval/accuracy.h"
#include "eval/detector.h"
#include "monza/vision/draw_objects.h"
#include "tools/args/command.h"
#include "tools/args/model_args.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"
#include "tools/vision/frames.h"
#include "tools/vision/model.h"
#include "tools/vision/objects.h"
#include "tools/vision/report.h"
#include "tools/vision/save_objects.h"

namespace monza::tool {
namespace {

constexpr int kDetectSize = 640;

struct DetectArgs {
  FrameArgs frames;
  ModelArgs model;
  SaveArgs save;
  std::string head, task, labels, coco;
  std::vector<std::string> classes;
  float score = -1, iou = -1;  // below 0: the default, which depends on --coco
  int max_boxes = 300;
  int size = 0;  // 0: not said
  bool no_cache = false;
};

/// Numbers or names of classes as numbers. Throws UsageError for a name that the model does not have.
std::vector<int> class_ids(const std::vector<std::string>& wanted, const std::vector<std::string>& labels) {
  std::vector<int> ids;
  for (const std::string& word : wanted) {
    const auto named = std::find(labels.begin(), labels.end(), word);
    const bool number = !word.empty() && word.size() < 7 && word.find_first_not_of("0123456789") == word.npos;
    if (named != labels.end()) ids.push_back(static_cast<int>(named - labels.begin()));
    else if (number && (labels.empty() || std::stoul(word) < labels.size())) ids.push_back(std::stoi(word));
    else {
      const std::vector<std::string> near = nearest_names(word, labels, 3);
      const std::string other = near.empty() ? "numbers from 0, or names that --labels or the model has" : one_of(near);
      throw UsageError(message("--classes: the model has no class '{}'\n  try: {}", word, other));
    }
  }
  return ids;
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

eval::DetectorOptions detector_options(const DetectArgs& args, const std::vector<std::string>& labels) {
  eval::DetectorOptions options = args.coco.empty() ? eval::DetectorOptions{} : eval::coco_options();
  options.head = args.head;
  options.task = args.task;
  options.classes = static_cast<int>(labels.size());
  options.decode.classes = class_ids(args.classes, labels);
  if (args.score >= 0) options.decode.min_score = args.score;
  if (args.iou >= 0) options.nms.iou = args.iou;
  options.nms.max_detections = args.max_boxes;
  options.warn = note;
  return options;
}

int run_detect(DetectArgs args) {
  if (args.model.model.empty()) args.model.model = default_detector().string();
  const auto source = open_frames(args.frames);
  ObjectFiles files(args.save);
  const OpenedModel model = open_picture_model(args.model, {}, args.size > 0 ? args.size : kDetectSize, !args.no_cache);
  eval::check_size(model.engine, args.size);
  const std::vector<std::string> labels = eval::class_names(model.engine, args.labels);
  note_missing_letters(args.frames, labels);
  eval::Detector detector(model.engine, args.model.context_options(), detector_options(args, labels));
  std::optional<eval::CocoScore> score;
  if (!args.coco.empty()) score.emplace(args.coco, labels, detector.head().classes);

  const bool many = has_many(*source), json = args.frames.json;
  Objects found;
  std::int64_t boxes = 0;
  FrameWork work;
  work.find = [&](const vision::Frame& frame) {
    eval::StageTimes times;
    found = detector.find(frame.image, times);
    boxes += static_cast<std::int64_t>(found.size());
    return times;
  };
  work.say = [&](const vision::Frame& frame, const FrameTimes& times, Progress& progress) {
    if (score) score->add(frame.name, vision::boxes_of(found));
    files.save(frame, found, labels);
    if (json) {
      Json line = frame_json(frame, found, labels);
      line["timings_ms"] = times_json(model, times);
      print_line(line);
      std::fflush(stdout);
    } else if (!many) {
      print_objects(found, labels);
    } else if (!score) {
      progress.clear();
      print("{}: {}\n", frame.name, summary(found, labels));
    }
  };
  work.draw = [&](vision::Image& image) { vision::draw_objects(image, found, labels); };
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
                   "  monza detect rtsp://host/door --classes person --save-crop people\n"
                   "  monza detect photos/ --model yolov8n-seg.onnx --save-txt labels --output masks\n"
                   "  monza detect val2017/ --coco instances_val2017.json  mean average precision\n"
                   "  monza detect cat.jpg --model yolox_nano.onnx --labels coco80.txt --head yolox\n",
                   [args] { return run_detect(*args); });
  app.add_option(
         "source", args->frames.sources,
         "pictures, folders, patterns, lists (.txt); or one video file, stream (rtsp, http) or camera (0, /dev/videoN)")
      .required()
      .type_name("SOURCE")
      .file(FileRole::reads);
  args->model.add_to(app, ModelArgs::Use::source);
  app.add_option("--head", args->head,
                 "yolov5, yolov8, yolov11, yolox or end2end; found by itself where the shape leaves no doubt");
  app.add_option("--task", args->task, "detect, segment, pose or obb (turned boxes); default: the model's word");
  app.add_option("--labels", args->labels, "class names, one a line; default: the model's own").file(FileRole::reads);
  app.add_option("--score", args->score, "least score of a box [0.25; 0.001 with --coco]").range(0.0, 1.0);
  app.add_option("--iou", args->iou, "overlap above which the weaker box of a class goes [0.45; 0.7 with --coco]")
      .range(0.0, 1.0);
  app.add_option("--classes", args->classes, "only these, by number or name: 0,2 or person,car").delimiter(',');
  app.add_option("--max-boxes", args->max_boxes, "most boxes of a picture").positive().capture_default_str();
  app.add_option("--size", args->size, "side of the input where the model leaves it open [640]").range(32, 8192);
  app.add_option("--output", args->frames.output, "annotated picture, folder or video to write")
      .file(FileRole::writes_pictures);
  app.add_option("--save-txt", args->save.labels, "folder for label files in YOLO's form, one a picture")
      .file(FileRole::writes_pictures);
  app.add_flag("--save-scores", args->save.scores, "end the lines of --save-txt with the score");
  app.add_option("--save-crop", args->save.crops, "folder for a picture of each object, by class")
      .file(FileRole::writes_pictures);
  app.add_option("--coco", args->coco, "instances JSON to measure mAP against").file(FileRole::reads);
  args->frames.add_to(app);
  app.add_flag("--no-cache", args->no_cache, "neither use nor write an engine in the user's cache folder");
  app.add_flag("--json", args->frames.json, "one JSON object for each picture or frame");
}

}  // namespace monza::tool
