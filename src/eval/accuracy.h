// How right a classifier or a detector is, over pictures whose answers are known.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "eval/classifier.h"
#include "eval/detector.h"
#include "vision/coco.h"

namespace monza::eval {

/// The right class of each picture, by its file's name.
using ClassTruth = std::map<std::string, int>;
/// Reads "FILE CLASS-NUMBER" a line, as in many validation sets. Throws Error that names the line.
ClassTruth load_truth(const std::string& path);
/// The last part of a picture's path, by which truth names it.
std::string picture_name(const std::string& path);

struct ClassAccuracy {
  std::int64_t images = 0, top1 = 0, top5 = 0;
  /// Counts the picture of that path, if `truth` has it.
  void add(const ClassTruth& truth, const std::string& path, const std::vector<ClassScore>& best);
  double share(std::int64_t hits) const {
    return images > 0 ? static_cast<double>(hits) / static_cast<double>(images) : 0;
  }
};

/// Gathers what COCO's evaluation needs while pictures come by.
class CocoScore {
 public:
  /// Throws Error when the file is none, or when its categories are not the detector's classes.
  CocoScore(const std::string& path, const std::vector<std::string>& labels, int classes);

  /// A picture that is not in the file is counted as unknown.
  void add(const std::string& path, const std::vector<vision::Detection>& found);
  bool knows(const std::string& path) const;
  std::int64_t pictures() const noexcept { return static_cast<std::int64_t>(dataset_.images.size()); }
  /// Throws Error when no picture of the file was added.
  vision::MatchedBoxes result() const;
  std::size_t images() const noexcept { return images_.size(); }
  std::size_t unknown() const noexcept { return unknown_; }

 private:
  vision::CocoDataset dataset_;
  std::vector<int> categories_;
  std::vector<vision::ScoredBox> scored_;
  std::vector<std::int64_t> images_;
  std::size_t unknown_ = 0;
};

}  // namespace monza::eval
