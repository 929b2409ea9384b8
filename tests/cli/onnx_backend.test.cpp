// ONNX's own tests: none fails but those in a file, with the reason of each.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
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
  const Ran ran = tool.run("conformance . --filter '^test_' --expectations '" +
                           fixture("conformance/onnx_1_22.txt").string() + "' --json");
  const auto report = nlohmann::json::parse(ran.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << ran.err;
  int stale = 0;
  for (const auto& failure : report.at("failures")) {
    const std::string name = failure.at("name"), reason = failure.at("reason");
    if (reason.starts_with("passes now")) {
      ++stale;  // good news, which the file does not know yet
      std::cout << name << ": " << reason << '\n';
    } else {
      ADD_FAILURE() << name << ": " << reason;
    }
  }
  EXPECT_GE(report.at("total").get<int>(), 1905);
  EXPECT_GE(report.at("passed").get<int>() + stale, 1780);
}

}  // namespace
}  // namespace monza::test
