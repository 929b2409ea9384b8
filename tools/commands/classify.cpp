// `monza classify`: the most likely classes of pictures, video frames or a camera's.
#include <fmt/core.h>
#include <memory>

#include <cstdio>

#include "base/error.h"
#include "commands.h"
#include "eval/accuracy.h"
#include "eval/classifier.h"
#include "monza/vision/draw.h"
#include "monza/vision/labels.h"
#include "monza/vision/source.h"
#include "tools/args/command.h"
#include "tools/args/model_args.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"
#include "tools/vision/frames.h"
#include "tools/vision/model.h"
#include "tools/vision/report.h"
#include "tools/vision/settings.h"

namespace monza::tool {
namespace {

constexpr int kClassifySize = 224;

struct ClassifyArgs {
  FrameArgs frames;
  ModelArgs model;
  eval::ClassifySettings settings;
  std::string labels, truth, save_engine;
  std::size_t top = 5;
  int size = 0;  // 0: not said
  bool no_cache = false;
};

Json classes_json(const vision::Frame& frame, const std::vector<eval::ClassScore>& best,
                  const std::vector<std::string>& labels, std::size_t top, const OpenedModel& model,
                  const FrameTimes& times) {
  Json list = Json::array();
  for (std::size_t i = 0; i < std::min(top, best.size()); ++i)
    list.push_back({{"class", vision::label_of(labels, best[i].class_id)},
                    {"class_id", best[i].class_id},
                    {"score", rounded(best[i].score, 1e6)}});
  return {{"source", frame.name},
          {"frame", frame.index},
          {"top", std::move(list)},
          {"timings_ms", times_json(model, times)}};
}

void draw_best(vision::Image& image, const std::vector<eval::ClassScore>& best, const std::vector<std::string>& labels,
               std::size_t top) {
  const int scale = std::max(1, (std::max(image.width, image.height) + 200) / 500);
  int y = 2 * scale;
  for (std::size_t i = 0; i < std::min(top, best.size()); ++i) {
    const std::string text = fmt::format("{} {:.2f}", vision::label_of(labels, best[i].class_id), best[i].score);
    const auto [width, height] = vision::text_extent(text, scale);
    const vision::Color plate = vision::class_color(best[i].class_id);
    vision::fill_rectangle(image, 0, y, width + 4 * scale, y + height + scale, plate);
    vision::draw_text(image, 2 * scale, y + scale, text, vision::ink_on(plate), scale);
    y += height + 2 * scale;
  }
}

int run_classify(ClassifyArgs args) {
  if (args.model.model.empty()) throw UsageError("classify needs a model: --model FILE");
  if (!args.save_engine.empty() && args.model.is_engine())
    throw UsageError(
        "--save-engine writes an engine that was built from an ONNX file; --model names an engine already\n"
        "  try: --model with the ONNX file");
  const auto source = open_frames(args.frames);
  const eval::ClassTruth truth = args.truth.empty() ? eval::ClassTruth{} : eval::load_truth(args.truth);
  const int side = args.settings.crop > 0 ? args.settings.crop : args.size > 0 ? args.size : kClassifySize;
  const OpenedModel model = open_picture_model(args.model, args.settings.to_metadata(), side, !args.no_cache);
  eval::check_size(model.engine, args.size);
  if (!args.save_engine.empty()) model.engine.save(args.save_engine);
  const std::vector<std::string> labels = eval::class_names(model.engine, args.labels);
  note_missing_letters(args.frames, labels);
  eval::Classifier classifier(model.engine, args.model.context_options(), args.settings, note);
  if (!labels.empty() && static_cast<int>(labels.size()) != classifier.classes())
    fail_hint("the label file that belongs to the model", "there are {} class names for {} classes", labels.size(),
              classifier.classes());

  const bool many = has_many(*source), json = args.frames.json;
  const std::size_t wanted = std::max<std::size_t>(args.top, 5);  // top-5 accuracy needs five
  eval::ClassAccuracy accuracy;
  std::vector<eval::ClassScore> best;
  FrameWork work;
  work.find = [&](const vision::Frame& frame) {
    eval::StageTimes times;
    best = classifier.classify(frame.image, wanted, times);
    return times;
  };
  work.say = [&](const vision::Frame& frame, const FrameTimes& times, Progress& progress) {
    accuracy.add(truth, frame.name, best);
    if (json) {
      print_line(classes_json(frame, best, labels, args.top, model, times));
      std::fflush(stdout);
    } else if (!many) {
      std::vector<std::vector<std::string>> rows = {{"class", "score"}};
      for (std::size_t i = 0; i < std::min(args.top, best.size()); ++i)
        rows.push_back({vision::label_of(labels, best[i].class_id), fmt::format("{:.4f}", best[i].score)});
      print("{}", Lines{format_table(rows)});
    } else if (truth.empty()) {
      progress.clear();
      print("{}: {} {:.3f}\n", frame.name, vision::label_of(labels, best[0].class_id), best[0].score);
    }
  };
  work.draw = [&](vision::Image& image) { draw_best(image, best, labels, args.top); };
  const FrameTotals totals = for_frames("classify", args.frames, *source, work);
  if (!truth.empty()) {
    if (accuracy.images == 0)
      fail_hint("lines with the names of the pictures, such as 'cat.jpg 281'", "none of the pictures is named in {}",
                args.truth);
    const double top1 = accuracy.share(accuracy.top1), top5 = accuracy.share(accuracy.top5);
    if (json) print_line({{"top1", top1}, {"top5", top5}, {"images", accuracy.images}});
    else print("top-1 {:.2f} %  top-5 {:.2f} %  over {} pictures\n", top1 * 100, top5 * 100, accuracy.images);
  }
  if (!json)
    print("\n{}\ninput: {}\n", Lines{times_table(model, totals.mean(), totals.frames, totals.wall_ms)},
          classifier.describe());
  return totals.refused == 0 ? kExitOk : kExitRefused;
}

}  // namespace

void add_classify(Commands& commands) {
  auto args = std::make_shared<ClassifyArgs>();
  CommandOptions app = commands.add(
      "classify", "Names what a picture shows, with a classifier's probabilities.",
      "  monza classify cat.jpg --model resnet50.onnx --labels imagenet.txt\n"
      "  monza classify photos/ --model resnet50.onnx --truth labels.txt   top-1 and top-5 accuracy\n"
      "  monza classify cat.jpg --model net.onnx --mean 0.5 --std 0.5 --resize 256 --save-engine net.engine\n"
      "  monza classify dog.jpg --model net.engine                         remembers mean, std, resize and crop\n"
      "  monza classify road.mp4 --model yolov8n-cls.onnx --json           one JSON object a line and frame\n",
      [args] { return run_classify(*args); });
  app.add_option(
         "source", args->frames.sources,
         "pictures, folders, patterns, lists (.txt); or one video file, stream (rtsp, http) or camera (0, /dev/videoN)")
      .required()
      .type_name("SOURCE")
      .file(FileRole::reads);
  args->model.add_to(app, ModelArgs::Use::source);
  app.add_option("--labels", args->labels, "class names, one a line; default: the model's own").file(FileRole::reads);
  app.add_option("--truth", args->truth, "lines of 'FILE CLASS-NUMBER' to measure accuracy against")
      .file(FileRole::reads);
  add_settings(app, args->settings);
  app.add_option("--size", args->size, "side of the input where the model leaves it open [224]").range(8, 8192);
  app.add_option("--top", args->top, "how many classes to print").range(1, 1000).capture_default_str();
  app.add_option("--output", args->frames.output, "annotated picture, folder or video to write")
      .file(FileRole::writes_pictures);
  app.add_option("--save-engine", args->save_engine, "write the engine, with these settings remembered")
      .file(FileRole::writes);
  args->frames.add_to(app);
  app.add_flag("--no-cache", args->no_cache, "neither use nor write an engine in the user's cache folder");
  app.add_flag("--json", args->frames.json, "one JSON object for each picture or frame");
}

}  // namespace monza::tool
