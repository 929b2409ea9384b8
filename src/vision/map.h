// Mean average precision as the COCO challenge defines it, number for number what pycocotools' COCOeval gives for boxes
// over all areas with 100 detections per picture.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
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

/// `categories` and `image_ids` say what is evaluated; boxes of others are left out. Among equal scores the order of
/// `found` decides, pictures in ascending order of id. All three means are -1 when no category has truth, as there.
AveragePrecision average_precision(const std::vector<TruthBox>& truth, const std::vector<ScoredBox>& found,
                                   const std::vector<int>& categories, const std::vector<std::int64_t>& image_ids);

}  // namespace monza::vision
