// Engines of one node of a plugin of plugins/, on each device that this machine has.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "backend/cuda/cuda_device.h"
#include "base/constraint.h"
#include "monza/engine.h"
#include "monza/load_plugin.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza::test {

/// Tests run on the CPU and on a GPU, and are skipped by name where there is none.
class VisionPlugins : public ::testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    for (const char* name : {"yolo_post", "letterbox"})
      (void)load_plugin(std::string(MONZA_PLUGIN_FOLDER) + "/" + name + ".so");
    if (GetParam() == Device::cuda)
      if (const std::string& missing = backend::cuda_facts().missing; !missing.empty()) GTEST_SKIP() << missing;
  }

  Engine build(const onnx::ModelProto& model, BuildOptions options) const {
    const std::string path = folder_ / "m.onnx";
    std::ofstream(path, std::ios::binary) << model.SerializeAsString();
    options.device = GetParam();
    options.tune = false;
    return Engine::build(path, options);
  }
  Engine build(const std::string& notation) const {
    const NotedModel noted = parse_onnx_notation(notation);
    return build(noted.model, noted.options);
  }

  static void run(Context& context, const char* input, const TensorRef& value) {
    const Status bound = context.bind_input(input, value);
    ASSERT_TRUE(bound) << context.describe(bound);
    const Status ran = context.run();
    ASSERT_TRUE(ran) << context.describe(ran);
  }

  TemporaryFolder folder_;
};

inline std::string device_of(const ::testing::TestParamInfo<Device>& info) { return device_name(info.param); }

}  // namespace monza::test
