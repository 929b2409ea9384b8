// COCO's instances JSON: which pictures, categories and boxes there are.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "monza/vision/boxes.h"
#include "vision/map.h"

namespace monza::vision {

struct CocoDataset {
  struct Picture {
    std::int64_t id;
    std::string file_name;
  };
  struct Category {
    int id;
    std::string name;
  };
  std::vector<Picture> images;        // ascending by id
  std::vector<Category> categories;   // ascending by id
  std::vector<TruthBox> annotations;  // as in the file

  const Picture* find(std::string_view file_name) const noexcept;
};

/// Reads an instances file of at most 2 GiB. Throws Error that names the file and the entry that is wrong.
CocoDataset load_coco(const std::filesystem::path& path);
CocoDataset parse_coco(std::string_view json, std::string_view name);

/// For each class of a detector the category it stands for: by equal names where every label has one, else by order if
/// the numbers agree. Throws Error when neither holds.
std::vector<int> match_categories(const CocoDataset& dataset, const std::vector<std::string>& labels, int classes);

/// Detections in pixels of the source as rows for MatchedBoxes.
void append_scored(std::int64_t image_id, const std::vector<Detection>& detections, const std::vector<int>& categories,
                   std::vector<ScoredBox>& out);

/// The boxes of all categories over the pictures `image_ids`.
MatchedBoxes matched_boxes(const CocoDataset& dataset, const std::vector<ScoredBox>& found,
                           const std::vector<std::int64_t>& image_ids);

}  // namespace monza::vision
