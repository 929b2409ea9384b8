#include "vision/coco.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "support/data.h"

namespace monza::vision {
namespace {

TEST(AveragePrecision, EqualsPycocotools) {
  std::ifstream in(monza::test::fixture("vision/average_precision.json"));
  const auto fixture = nlohmann::json::parse(in);
  const CocoDataset dataset = parse_coco(fixture["truth"].dump(), "fixture");
  std::vector<ScoredBox> found;
  for (const auto& row : fixture["detections"])
    found.push_back({row[0], row[1], {row[3], row[4], row[5], row[6]}, row[2]});
  std::vector<std::int64_t> images;
  for (const auto& image : dataset.images) images.push_back(image.id);

  const AveragePrecision result = matched_boxes(dataset, found, images).average();
  const auto& expected = fixture["expected"];
  EXPECT_NEAR(result.map50_95, expected["map50_95"].get<double>(), 1e-9);
  EXPECT_NEAR(result.map50, expected["map50"].get<double>(), 1e-9);
  EXPECT_NEAR(result.map75, expected["map75"].get<double>(), 1e-9);
  ASSERT_EQ(result.per_category.size(), expected["per_class"].size());
  for (std::size_t i = 0; i < result.per_category.size(); ++i) {
    ASSERT_EQ(result.per_category[i].has_value(), !expected["per_class"][i].is_null()) << i;
    if (result.per_category[i]) {
      EXPECT_NEAR(*result.per_category[i], expected["per_class"][i].get<double>(), 1e-9) << i;
    }
  }
}

TEST(AveragePrecision, IsOneForTheTruthAndMinusOneWithoutTruth) {
  const std::vector<TruthBox> truth = {{1, 3, {0, 0, 10, 10}}, {2, 3, {5, 5, 20, 10}}};
  const std::vector<ScoredBox> same = {{1, 3, {0, 0, 10, 10}, 0.9}, {2, 3, {5, 5, 20, 10}, 0.8}};
  EXPECT_NEAR(average_precision(truth, same, {3}, {1, 2}).map50_95, 1, 1e-12);
  EXPECT_EQ(average_precision({}, same, {3}, {1, 2}).map50_95, -1);
  EXPECT_EQ(average_precision(truth, {}, {3}, {1, 2}).map50_95, 0);
  // A picture that counts twice is as good as two of it, one that counts nothing as good as none.
  std::vector<ScoredBox> some(same.begin(), same.end() - 1);
  const MatchedBoxes boxes(truth, some, {3}, {1, 2});
  auto twice = truth;
  auto found = some;
  for (const TruthBox& t : truth)
    if (t.image_id == 1) twice.push_back(t), twice.back().image_id = 7;
  for (const ScoredBox& f : some)
    if (f.image_id == 1) found.push_back(f), found.back().image_id = 7;
  const double weights[] = {2, 1}, one[] = {1, 0};
  EXPECT_NEAR(boxes.average(weights).map50_95, average_precision(twice, found, {3}, {1, 2, 7}).map50_95, 1e-12);
  EXPECT_NEAR(boxes.average(one).map50_95, average_precision(truth, some, {3}, {1}).map50_95, 1e-12);
}

constexpr const char* small_set = R"({"images": [{"id": 7, "file_name": "b.jpg"}, {"id": 3, "file_name": "a.jpg"}],
  "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
  "annotations": [{"image_id": 7, "category_id": 18, "bbox": [1, 2, 3, 4], "iscrowd": 1}, {"image_id": 3, "category_id": 1, "bbox": [0, 0, 1, 1]}]})";

TEST(Coco, ReadsAndSorts) {
  const CocoDataset set = parse_coco(small_set, "set");
  ASSERT_EQ(set.images.size(), 2U);
  EXPECT_EQ(set.images[0].file_name, "a.jpg");
  EXPECT_EQ(set.find("b.jpg")->id, 7);
  EXPECT_EQ(set.find("c.jpg"), nullptr);
  EXPECT_EQ(set.categories[1].name, "dog");
  EXPECT_TRUE(set.annotations[0].crowd);
  EXPECT_FALSE(set.annotations[1].crowd);
}

TEST(Coco, MatchesClassesByNameThenByOrder) {
  const CocoDataset set = parse_coco(small_set, "set");
  EXPECT_EQ(match_categories(set, {"dog", "person"}, 2), (std::vector<int>{18, 1}));
  EXPECT_EQ(match_categories(set, {}, 2), (std::vector<int>{1, 18}));
  EXPECT_EQ(match_categories(set, {"hound", "human"}, 2), (std::vector<int>{1, 18}));
  EXPECT_EQ(match_categories(set, {"dog"}, 1), std::vector<int>{18});
  EXPECT_THROW(match_categories(set, {"hound"}, 1), Error);
}

TEST(Coco, RefusesDamagedFiles) {
  const auto message = [](const std::string& text) -> std::string {
    try {
      parse_coco(text, "set.json");
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(message("{").find("set.json: is not JSON"), std::string::npos);
  EXPECT_NE(message("[]").find("images"), std::string::npos);
  for (const char* id : {"\"x\"", "1e99", "0.5", "9223372036854775808"})
    EXPECT_NE(message(R"({"images": [{"id": 1, "file_name": "a"}, {"id": )" + std::string(id) + "}]}")
                  .find("images[1]: 'id' is no whole number, or too large"),
              std::string::npos)
        << id;
  EXPECT_NE(
      message(
          R"({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}], "categories": [], "annotations": []})")
          .find("twice"),
      std::string::npos);
  EXPECT_NE(
      message(R"({"images": [], "categories": [], "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 2]}]})")
          .find("annotations[0]"),
      std::string::npos);
  EXPECT_NE(message(std::string(10000, '[')).find("set.json"), std::string::npos);
}

TEST(Coco, ReadsTheSharedSet) {
  MONZA_NEED_SHARED(path, "data/coco/instances_val.json");
  const CocoDataset set = load_coco(path);
  EXPECT_EQ(set.images.size(), 158U);
  EXPECT_EQ(set.annotations.size(), 1424U);
  EXPECT_EQ(set.categories.size(), 80U);
}

}  // namespace
}  // namespace monza::vision
