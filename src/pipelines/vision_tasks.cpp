#include "pipelines/vision_tasks.h"

#include <fmt/format.h>

#include <mutex>

#include "base/error.h"
#include "eval/classifier.h"
#include "eval/detector.h"
#include "monza/vision/draw.h"
#include "monza/vision/draw_objects.h"
#include "monza/vision/labels.h"
#include "pipelines/query.h"
#include "serve/json_out.h"
#include "serve/request_error.h"

namespace monza::pipelines {
namespace {

using serve::Clock;
using serve::fail_with;
using serve::Phase;

/// A phone's camera gives less.
constexpr std::size_t kMaxPixels = 50'000'000;

/// Counts a picture as the scheduler counts an inference.
class Stopwatch {
 public:
  explicit Stopwatch(serve::ModelMetrics& metrics) : metrics_(metrics), started_(Clock::now()), last_(started_) {}
  /// The phase that ends now. Milliseconds.
  double lap(Phase phase) {
    const Clock::duration time = Clock::now() - last_;
    metrics_.phase(phase).add(time);
    last_ += time;
    return std::chrono::duration<double, std::milli>(time).count();
  }
  void done() {
    metrics_.phase(Phase::total).add(last_ - started_);
    metrics_.rows.fetch_add(1, std::memory_order_relaxed);
  }

 private:
  serve::ModelMetrics& metrics_;
  const Clock::time_point started_;
  Clock::time_point last_;
};

/// What detectors and classifiers have in common.
class Looker : public PictureModel {
 public:
  explicit Looker(serve::ModelQueue& queue) : queue_(queue), labels_(eval::class_names(queue.model().engine(), "")) {}
  const std::string& name() const override { return queue_.model().name(); }

  Seen see(std::string_view file, std::string_view query, std::string_view form) const override {
    Stopwatch watch(queue_.metrics());
    vision::Image image = decode(file);
    const double input_ms = watch.lap(Phase::input);
    std::string json = "{\"model\":";
    serve::append_json_string(json, name());
    fmt::format_to(std::back_inserter(json), ",\"width\":{},\"height\":{},", image.width, image.height);
    {
      const std::lock_guard turn(mutex_);
      const double queue_ms = watch.lap(Phase::queue);
      eval::StageTimes times;
      try {
        look(image, query, !form.empty(), times, json);
      } catch (const eval::RunError&) {
        fail_with(500, "the model cannot be run on this picture");
      }
      fmt::format_to(std::back_inserter(json),
                     ",\"timings_ms\":{{\"decode\":{:.3f},\"queue\":{:.3f},\"preprocess\":{:.3f},\"inference\":{:.3f},"
                     "\"postprocess\":{:.3f}}}}}",
                     input_ms, queue_ms, times.preprocess_ms, times.inference_ms, times.postprocess_ms);
      (void)watch.lap(Phase::compute);
    }
    Seen seen{std::move(json), form.empty() ? std::string() : encoded(image, form)};
    (void)watch.lap(Phase::output);
    watch.done();
    return seen;
  }

 protected:
  /// Appends what is seen as members of a JSON object, and draws it if `draw`. One call at a time.
  virtual void look(vision::Image& image, std::string_view query, bool draw, eval::StageTimes& times,
                    std::string& json) const = 0;
  std::string label(int class_id) const { return vision::label_of(labels_, class_id); }
  const std::vector<std::string>& labels() const { return labels_; }

 private:
  static vision::Image decode(std::string_view file) {
    vision::DecodeLimits limits;
    limits.max_pixels = kMaxPixels;
    try {
      return vision::decode_image(std::as_bytes(std::span(file)), "the picture", limits);
    } catch (const Error& e) {
      fail_with(400, "{}", e.fact());
    }
  }
  static std::string encoded(const vision::Image& image, std::string_view form) {
    const std::vector<std::byte> bytes = form == "png" ? vision::encode_png(image) : vision::encode_jpeg(image);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  serve::ModelQueue& queue_;
  const std::vector<std::string> labels_;
  mutable std::mutex mutex_;
};

class Detector final : public Looker {
 public:
  Detector(serve::ModelQueue& queue, const ContextOptions& context)
      : Looker(queue), detector_(queue.model().engine(), context, options(static_cast<int>(labels().size()))) {}

 protected:
  void look(vision::Image& image, std::string_view query, bool draw, eval::StageTimes& times,
            std::string& json) const override {
    // The detector finds what the least score allows; what is asked for is a part of it.
    const double score = query_number(query, "score", 0.25, kLeastScore, 1);
    std::vector<vision::Object> found = detector_.find(image, times);
    std::erase_if(found, [&](const vision::Object& o) { return static_cast<double>(o.box.score) < score; });
    json += "\"detections\":[";
    for (const vision::Object& o : found) {
      if (json.back() == '}') json += ',';
      append_object(json, o);
    }
    json += ']';
    if (draw) vision::draw_objects(image, found, labels());
  }

 private:
  static constexpr double kLeastScore = 0.05;
  void append_object(std::string& json, const vision::Object& object) const {
    const vision::Detection& d = object.box;
    json += "{\"class\":";
    serve::append_json_string(json, label(d.class_id));
    fmt::format_to(std::back_inserter(json), ",\"class_id\":{},\"score\":{:.6f},\"box\":[{:.2f},{:.2f},{:.2f},{:.2f}]",
                   d.class_id, d.score, d.x1, d.y1, d.x2, d.y2);
    if (!object.keypoints.empty()) json += ",\"keypoints\":[";
    for (const vision::Keypoint& k : object.keypoints)
      fmt::format_to(std::back_inserter(json), "{}[{:.2f},{:.2f},{:.4f}]", json.back() == ']' ? "," : "", k.x, k.y,
                     k.score);
    json += object.keypoints.empty() ? "}" : "]}";
  }
  static eval::DetectorOptions options(int classes) {
    eval::DetectorOptions options;
    options.classes = classes;
    options.decode.min_score = static_cast<float>(kLeastScore);
    return options;
  }
  mutable eval::Detector detector_;
};

class Classifier final : public Looker {
 public:
  Classifier(serve::ModelQueue& queue, const ContextOptions& context)
      : Looker(queue), classifier_(queue.model().engine(), context, {}) {}

 protected:
  void look(vision::Image& image, std::string_view query, bool draw, eval::StageTimes& times,
            std::string& json) const override {
    const auto top = static_cast<std::size_t>(query_number(query, "top", 5, 1, 1000));
    const std::vector<eval::ClassScore> best = classifier_.classify(image, top, times);
    json += "\"top\":[";
    for (const eval::ClassScore& c : best) {
      if (json.back() == '}') json += ',';
      json += "{\"class\":";
      serve::append_json_string(json, label(c.class_id));
      fmt::format_to(std::back_inserter(json), ",\"class_id\":{},\"score\":{:.6f}}}", c.class_id, c.score);
    }
    json += ']';
    if (draw && !best.empty()) {
      const int scale = std::max(1, std::max(image.width, image.height) / 400);
      const std::string text = fmt::format("{} {:.2f}", label(best[0].class_id), best[0].score);
      const auto [width, height] = vision::text_extent(text, scale);
      vision::fill_rectangle(image, 0, 0, width + 4 * scale, height + 2 * scale, vision::class_color(best[0].class_id));
      vision::draw_text(image, 2 * scale, scale, text, vision::ink_on(vision::class_color(best[0].class_id)), scale);
    }
  }

 private:
  mutable eval::Classifier classifier_;
};

/// A picture file by itself.
class PictureTask final : public serve::Task {
 public:
  explicit PictureTask(PictureModelPtr model) : model_(std::move(model)) {}
  std::uint64_t max_body() const override { return kMaxPictureFile; }
  serve::Answer answer(const serve::TaskRequest& request) const override {
    const std::string_view form = query_value(request.query, "image", "");
    if (!form.empty() && form != "jpeg" && form != "png") fail_with(400, "'image' is '{}', not jpeg or png", form);
    PictureModel::Seen seen = model_->see(request.body, request.query, form);
    if (form.empty()) return {200, std::move(seen.json), "application/json", ""};
    return {200, std::move(seen.picture), form == "png" ? "image/png" : "image/jpeg", ""};
  }

 private:
  const PictureModelPtr model_;
};

/// Null where the model's inputs or outputs are none of the kind.
template <typename T>
PictureModelPtr make(serve::ModelQueue& queue, const ContextOptions& context) {
  try {
    return std::make_shared<T>(queue, context);
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace

PictureModelPtr make_detector(serve::ModelQueue& queue, const ContextOptions& context) {
  return make<Detector>(queue, context);
}
PictureModelPtr make_classifier(serve::ModelQueue& queue, const ContextOptions& context) {
  return make<Classifier>(queue, context);
}
std::shared_ptr<const serve::Task> picture_task(PictureModelPtr model) {
  return std::make_shared<PictureTask>(std::move(model));
}

}  // namespace monza::pipelines
