#include "eval/accuracy.h"

#include <fmt/core.h>

#include <charconv>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "monza/vision/labels.h"

namespace monza::eval {

std::string picture_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

ClassTruth load_truth(const std::string& path) {
  const auto file = MappedFile::open(path, std::size_t{64} << 20);
  const auto bytes = file->bytes();
  ClassTruth truth;
  int line_number = 0;
  for (const std::string& line :
       vision::parse_label_lines({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
    ++line_number;
    if (line.empty()) continue;
    const auto cut = line.find_last_of(" \t,");
    int id = -1;
    if (cut != std::string::npos) {
      const auto [end, error] = std::from_chars(line.data() + cut + 1, line.data() + line.size(), id);
      if (error != std::errc{} || end != line.data() + line.size()) id = -1;
    }
    if (id < 0)
      fail_hint("lines such as 'cat.jpg 281'", "{}: line {} is no file name with a class number: '{}'", path,
                line_number, line);
    truth[line.substr(0, line.find_last_not_of(" \t,", cut) + 1)] = id;
  }
  if (truth.empty()) fail_hint("lines such as 'cat.jpg 281'", "{}: holds no lines", path);
  return truth;
}

void ClassAccuracy::add(const ClassTruth& truth, const std::string& path, const std::vector<ClassScore>& best) {
  const auto known = truth.find(picture_name(path));
  if (known == truth.end()) return;
  ++images;
  for (std::size_t i = 0; i < best.size() && i < 5; ++i) {
    top1 += i == 0 && best[i].class_id == known->second;
    top5 += best[i].class_id == known->second;
  }
}

CocoScore::CocoScore(const std::string& path, const std::vector<std::string>& labels, int classes)
    : dataset_(vision::load_coco(path)), categories_(vision::match_categories(dataset_, labels, classes)) {}

bool CocoScore::knows(const std::string& path) const { return dataset_.find(picture_name(path)) != nullptr; }

void CocoScore::add(const std::string& path, const std::vector<vision::Detection>& found) {
  const auto* picture = dataset_.find(picture_name(path));
  if (!picture) {
    ++unknown_;
    return;
  }
  images_.push_back(picture->id);
  vision::append_scored(picture->id, found, categories_, scored_);
}

vision::MatchedBoxes CocoScore::result() const {
  if (images_.empty())
    fail_hint("the folder that the instances file describes", "none of the pictures is in the instances file");
  return vision::matched_boxes(dataset_, scored_, images_);
}

}  // namespace monza::eval
