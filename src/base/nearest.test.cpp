#include "base/nearest.h"

#include <gtest/gtest.h>

namespace monza {
namespace {

TEST(NearestNames, RanksByDistanceAndIgnoresWhatIsFar) {
  const std::vector<std::string> names = {"conv1", "conv2", "layer1/conv1/Conv", "softmax"};
  const std::vector<std::string> near = {"conv1", "conv2", "layer1/conv1/Conv"};
  EXPECT_EQ(nearest_names("conv1", names), near);
  EXPECT_TRUE(nearest_names("embedding", names).empty());
  const std::vector<std::string> passes = {"fuse_gelu", "fuse_silu", "fold_constants"};
  EXPECT_EQ(nearest_names("gelo", passes), std::vector<std::string>{"fuse_gelu"}) << "near a word of it";
  EXPECT_EQ(nearest_names("constant", passes), std::vector<std::string>{"fold_constants"});
  EXPECT_TRUE(nearest_names("dead", passes).empty());
  EXPECT_TRUE(nearest_names(std::string(100'000, 'a'), {std::string(100'000, 'b')}).empty());
  EXPECT_EQ(one_of(near), "one of 'conv1', 'conv2', 'layer1/conv1/Conv'");
  EXPECT_EQ(one_of({}), "");
}

}  // namespace
}  // namespace monza
