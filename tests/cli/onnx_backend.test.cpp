// ONNX's own tests on everything that runs models here: none fails but those in a backend's file, with the reason of
// each. A new device is tested by a line in kBackends and a file of expectations.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "backend/cuda/cuda_device.h"
#include "base/cpu.h"
#include "cli/driver.h"
#include "support/data.h"

namespace monza::test {
namespace {

struct Backend {
  const char* name;
  const char* options;
  const char* expectations;  ///< in tests/data/conformance
  Isa needs;                 ///< of this CPU
  bool large;                ///< whole networks too, which plain kernels take minutes for
  int least;                 ///< that pass, beside whole networks
  Device device = Device::cpu;
};

constexpr Backend kBackends[] = {
    {"best", "", "cpu.txt", Isa::none, true, 1885},
    {"avx512", "--isa avx512", "cpu.txt", Isa::avx512 | Isa::avx512vnni, false, 1885},
    {"avx2", "--isa avx2", "cpu.txt", Isa::avx2 | Isa::avx512, true, 1885},
    {"baseline", "--isa baseline", "cpu.txt", Isa::none, false, 1885},
    {"reference", "--device reference", "reference.txt", Isa::none, false, 1885},
    {"cuda", "--device cuda", "cuda.txt", Isa::none, false, 1400, Device::cuda},
};

class OnnxBackend : public testing::TestWithParam<Backend> {};

TEST_P(OnnxBackend, NodeTestsPassOrAreKnown) {
  MONZA_NEED_SHARED(archive, "data/onnx-backend-tests/onnx-1.22.0-backend-test-data.tar.xz");
  const Backend& backend = GetParam();
  if (!covers(cpu_info().isa, backend.needs))
    GTEST_SKIP() << "this CPU has no " << isa_name(backend.needs) << ", so another line is the same";
  if (const std::string& missing = backend::cuda_facts().missing; backend.device == Device::cuda && !missing.empty())
    GTEST_SKIP() << missing;
  const Tool tool;
  const std::string unpack = "tar -xJf '" + archive.string() + "' -C '" + tool.path("").string() + "'";
  ASSERT_EQ(std::system(unpack.c_str()), 0) << unpack;
  const std::string file = fixture(std::string("conformance/") + backend.expectations).string();
  const Ran ran = tool.run("conformance . --expectations '" + file + "' --json " + backend.options +
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
