#include "vision/coco.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "base/file.h"
#include "base/json_integer.h"

namespace monza::vision {
namespace {

using nlohmann::json;

constexpr const char* kFile = "COCO's instances_*.json";

const json& list_of(const json& root, const char* key, std::string_view name) {
  if (!root.is_object() || !root.contains(key) || !root[key].is_array())
    fail_hint(kFile, "{}: has no list '{}', so it is no COCO instances file", name, key);
  return root[key];
}

/// Runs `read` on every entry and names the entry in whatever goes wrong.
template <typename Read>
void each_entry(const json& root, const char* key, std::string_view name, Read read) {
  std::size_t index = 0;
  for (const json& entry : list_of(root, key, name)) {
    try {
      read(entry);
    } catch (const json::exception& e) {
      fail_hint(kFile, "{}: {}[{}]: {}", name, key, index, e.what());
    } catch (const Error& e) {
      fail_hint(kFile, "{}: {}[{}]: {}", name, key, index, e.fact());
    }
    ++index;
  }
}

template <typename T>
T number_at(const json& entry, const char* key) {
  const std::optional<T> number = whole_number<T>(entry.at(key));
  if (!number) fail("'{}' is no whole number, or too large", key);
  return *number;
}

template <typename List>
void sort_unique_ids(List& list, const char* key, std::string_view name) {
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  const auto twice =
      std::adjacent_find(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.id == b.id; });
  if (twice != list.end()) fail_hint(kFile, "{}: {} holds the id {} twice", name, key, twice->id);
}

}  // namespace

const CocoDataset::Picture* CocoDataset::find(std::string_view file_name) const noexcept {
  const auto found =
      std::find_if(images.begin(), images.end(), [&](const Picture& p) { return p.file_name == file_name; });
  return found == images.end() ? nullptr : &*found;
}

CocoDataset parse_coco(std::string_view text, std::string_view name) {
  // Nesting deeper than the format's own cannot be meant well and would cost stack.
  const auto shallow = [](int depth, json::parse_event_t, json&) {
    if (depth > 16) throw Error("it is nested deeper than 16 levels");
    return true;
  };
  json root;
  try {
    root = json::parse(text, shallow);
  } catch (const json::exception& e) {
    fail_hint(kFile, "{}: is not JSON: {}", name, e.what());
  } catch (const Error& e) {
    fail_hint(kFile, "{}: {}", name, e.fact());
  }
  CocoDataset set;
  each_entry(root, "images", name, [&](const json& e) {
    set.images.push_back({number_at<std::int64_t>(e, "id"), e.at("file_name").get<std::string>()});
  });
  each_entry(root, "categories", name, [&](const json& e) {
    set.categories.push_back({number_at<int>(e, "id"), e.at("name").get<std::string>()});
  });
  each_entry(root, "annotations", name, [&](const json& e) {
    TruthBox box;
    box.image_id = number_at<std::int64_t>(e, "image_id");
    box.category = number_at<int>(e, "category_id");
    box.box = e.at("bbox").get<std::array<double, 4>>();
    box.crowd = e.contains("iscrowd") && number_at<int>(e, "iscrowd") != 0;
    set.annotations.push_back(box);
  });
  sort_unique_ids(set.images, "images", name);
  sort_unique_ids(set.categories, "categories", name);
  return set;
}

CocoDataset load_coco(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path, std::size_t{2} << 30);
  const auto bytes = file->bytes();
  return parse_coco({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

std::vector<int> match_categories(const CocoDataset& dataset, const std::vector<std::string>& labels, int classes) {
  std::unordered_map<std::string_view, int> by_name;
  for (const auto& category : dataset.categories) by_name[category.name] = category.id;
  std::vector<int> ids;
  for (const std::string& label : labels)
    if (const auto found = by_name.find(label); found != by_name.end()) ids.push_back(found->second);
  if (static_cast<int>(ids.size()) == classes && ids.size() == labels.size()) return ids;

  if (dataset.categories.size() != static_cast<std::size_t>(classes))
    fail_hint("the instances file of the data that the model was trained for",
              "the model has {} classes, {} of whose names are in the instances file, which has {} categories", classes,
              ids.size(), dataset.categories.size());
  ids.clear();
  for (const auto& category : dataset.categories) ids.push_back(category.id);
  return ids;
}

void append_scored(std::int64_t image_id, const std::vector<Detection>& detections, const std::vector<int>& categories,
                   std::vector<ScoredBox>& out) {
  for (const Detection& d : detections) {
    const double left = d.x1, top = d.y1;
    out.push_back(
        {image_id, categories.at(static_cast<std::size_t>(d.class_id)), {left, top, d.x2 - left, d.y2 - top}, d.score});
  }
}

MatchedBoxes matched_boxes(const CocoDataset& dataset, const std::vector<ScoredBox>& found,
                           const std::vector<std::int64_t>& image_ids) {
  std::vector<int> categories;
  for (const auto& category : dataset.categories) categories.push_back(category.id);
  return {dataset.annotations, found, categories, image_ids};
}

}  // namespace monza::vision
