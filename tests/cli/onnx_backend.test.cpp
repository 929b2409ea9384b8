// ONNX's own tests: none fails but those in a file, with the reason of each.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/driver.h"
#include "support/data.h"

namespace monza::test {
namespace {

TEST(OnnxBackend, NodeTestsPassOrAreKnown) {
  MONZA_NEED_SHARED(archive, "data/onnx-backend-tests/onnx-1.22.0-backend-test-data.tar.xz");
  const Tool tool;
  const std::string unpack = "tar -xJf '" + archive.string() + "' -C '" + tool.path("").string() + "'";
  ASSERT_EQ(std::system(unpack.c_str()), 0) << unpack;
  const Ran ran =
      tool.run("conformance . --expectations '" + fixture("conformance/onnx_1_22.txt").string() + "' --json");
  const auto report = nlohmann::json::parse(ran.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << ran.err;
  // Tests that fail without a line, and lines whose tests pass: both are to be looked at.
  for (const auto& failure : report.at("failures"))
    ADD_FAILURE() << failure.at("name").get<std::string>() << ": " << failure.at("reason").get<std::string>();
  EXPECT_GE(report.at("total").get<int>(), 1914);
  EXPECT_GE(report.at("passed").get<int>(), 1885);
}

}  // namespace
}  // namespace monza::test
