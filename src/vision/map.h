// Mean average precision as the COCO challenge defines it, number for number what pycocotools' COCOeval gives for boxes
// over all areas with 100 detections per picture.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace monza::vision {

/// A labelled or detected box: left, top, width and height in pixels of the source.
struct TruthBox {
  std::int64_t image_id = 0;
  int category = 0;
  std::array<double, 4> box{};
  bool crowd = false;  // a region of many objects: it takes any number of detections, and none counts
};

struct ScoredBox {
  std::int64_t image_id = 0;
  int category = 0;
  std::array<double, 4> box{};
  double score = 0;
};

struct AveragePrecision {
  double map50_95 = 0;  // mean over the IoU thresholds 0.50, 0.55, .. 0.95 and the categories that have truth
  double map50 = 0;
  double map75 = 0;
  std::vector<std::optional<double>> per_category;  // in the order of `categories`; none without truth
};

/// Boxes that are assigned to their truth, picture by picture: what a mean over any of the pictures is made of.
class MatchedBoxes {
 public:
  /// `categories` and `image_ids` say what is evaluated; boxes of others are left out. Among equal scores the order of
  /// `found` decides, pictures in ascending order of id.
  MatchedBoxes(const std::vector<TruthBox>& truth, const std::vector<ScoredBox>& found,
               const std::vector<int>& categories, const std::vector<std::int64_t>& image_ids);

  /// With the picture at i of `image_ids` counted weights[i] times; once each without weights. All three means are -1
  /// when no category has truth, as in COCO's own evaluation.
  AveragePrecision average(std::span<const double> weights = {}) const;

 private:
  enum class Outcome : std::uint8_t { miss, hit, ignored };
  static constexpr std::size_t kThresholds = 10;  // 0.50, 0.55, .. 0.95
  struct Match {
    double score;
    std::size_t picture;  // index into image_ids
    std::array<Outcome, kThresholds> outcome;
  };
  struct Category {
    std::vector<Match> matches;                             // by falling score
    std::vector<std::pair<std::size_t, double>> positives;  // of each picture, their number
  };
  using Truths = std::vector<const TruthBox*>;
  using Founds = std::vector<const ScoredBox*>;
  static void match_picture(Truths truth, Founds found, std::size_t picture, std::vector<Match>& matches);
  static double average_at(const std::vector<Match>& matches, std::size_t t, double positives,
                           std::span<const double> weights);

  std::vector<Category> categories_;
};

/// The average of MatchedBoxes over all pictures.
AveragePrecision average_precision(const std::vector<TruthBox>& truth, const std::vector<ScoredBox>& found,
                                   const std::vector<int>& categories, const std::vector<std::int64_t>& image_ids);

}  // namespace monza::vision
