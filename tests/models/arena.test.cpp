// The arena of every shared model beside its lower bound, and beside the same plan with every view copied.
#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "import/onnx/onnx_import.h"
#include "models/cases.h"
#include "passes/pass.h"
#include "plan/planner.h"
#include "plan/weights.h"
#include "support/data.h"

namespace monza {
namespace {

plan::DeviceRef arena(const std::filesystem::path& model, const test::ModelCase& c, bool copy_views) {
  OnnxImportOptions import;
  import.shapes = c.shapes;
  const auto graph = import_onnx(model, import);
  optimize(*graph, {.strict_rewrites = true});
  plan::WeightStore weights;
  return plan::make_plan(*graph, {.threads = 1}, {.copy_views = copy_views}, weights).plan.devices[0];
}

class Arena : public testing::TestWithParam<test::ModelCase> {};

TEST_P(Arena, IsNearTheLowerBoundAndNotAboveThePlanOfCopies) {
  MONZA_NEED_SHARED(model, "models/onnx/" + GetParam().file);
  const plan::DeviceRef views = arena(model, GetParam(), false), copies = arena(model, GetParam(), true);
  RecordProperty("arena_bytes", std::to_string(views.arena_bytes));
  RecordProperty("lower_bound_bytes", std::to_string(views.arena_lower_bound));
  RecordProperty("copied_views_bytes", std::to_string(copies.arena_bytes));
  EXPECT_GT(views.arena_lower_bound, 0);
  EXPECT_GE(views.arena_bytes, views.arena_lower_bound);
  EXPECT_LE(double(views.arena_bytes), 1.02 * double(views.arena_lower_bound));
  EXPECT_LE(views.arena_bytes, copies.arena_bytes);
}

INSTANTIATE_TEST_SUITE_P(SharedModels, Arena, testing::ValuesIn(test::model_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(ModelCases, NameEveryFileOfTheSharedModels) {
  MONZA_NEED_SHARED(folder, "models/onnx");
  std::set<std::string> named, found;
  for (const test::ModelCase& c : test::model_cases()) named.insert(c.file);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".onnx")
      found.insert(std::filesystem::relative(entry.path(), folder).generic_string());
  EXPECT_EQ(named, found);
}

}  // namespace
}  // namespace monza
