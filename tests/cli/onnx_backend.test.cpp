// ONNX's own tests on everything that runs models here: none fails but those in a backend's file, with the reason of
// each. A new device is tested by a line in kBackends (support/backends.h) and a file of expectations.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/constraint.h"
#include "cli/driver.h"
#include "support/backends.h"
#include "support/data.h"

namespace monza::test {
namespace {

class OnnxBackend : public testing::TestWithParam<Backend> {};

TEST_P(OnnxBackend, NodeTestsPassOrAreKnown) {
  MONZA_NEED_SHARED(archive, "data/onnx-backend-tests/onnx-1.22.0-backend-test-data.tar.xz");
  const Backend& backend = GetParam();
  if (const std::string missing = lacking(backend); !missing.empty()) GTEST_SKIP() << missing;
  const Tool tool;
  const std::string unpack = "tar -xJf '" + archive.string() + "' -C '" + tool.path("").string() + "'";
  ASSERT_EQ(std::system(unpack.c_str()), 0) << unpack;
  const std::string file = fixture(std::string("conformance/") + backend.expectations).string();
  const std::string where = std::string(" --device ") + device_name(backend.device) +
                            (*backend.isa != 0 ? std::string(" --isa ") + backend.isa : "");
  const Ran ran = tool.run("conformance . --expectations '" + file + "' --json" + where +
                           (backend.large ? "" : " --filter '^(?!light_)'"));
  const auto report = nlohmann::json::parse(ran.out, nullptr, false);
  ASSERT_TRUE(report.is_object()) << ran.err;
  // Tests that fail without a line, and lines whose tests pass: both are to be looked at.
  for (const auto& failure : report.at("failures"))
    ADD_FAILURE() << failure.at("name").get<std::string>() << ": " << failure.at("reason").get<std::string>();
  const int networks = backend.large ? 0 : 9;
  EXPECT_GE(report.at("total").get<int>(), 1914 - networks);
  EXPECT_GE(report.at("passed").get<int>(), backend.least - networks);
}

INSTANTIATE_TEST_SUITE_P(Backends, OnnxBackend, testing::ValuesIn(kBackends),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace monza::test
