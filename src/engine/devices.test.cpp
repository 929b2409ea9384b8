// Engines on other devices by the public interface: where nodes run, what is refused, shapes that vary, contexts beside
// each other, wrong data, files. What this machine lacks is skipped by name.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <thread>
#include <vector>

#include "backend/device.h"
#include "monza/engine.h"
#include "support/backends.h"
#include "support/error_text.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"

namespace monza::test {
namespace {

class DeviceEngines : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (const std::string missing = lacking(GetParam()); !missing.empty()) GTEST_SKIP() << missing;
  }
  Engine build(const std::string& notation, Device device, Precision precision = Precision::fp32,
               bool allow_cpu_nodes = false) {
    NotedModel noted = parse_onnx_notation(notation);
    std::ofstream(path_, std::ios::binary) << noted.model.SerializeAsString();
    noted.options.device = device;
    noted.options.precision = precision;
    noted.options.allow_cpu_nodes = allow_cpu_nodes;
    return Engine::build(path_, noted.options);
  }
  /// Runs on values that a formula makes; output 0.
  static std::vector<float> run(Context& context, std::vector<std::int64_t> shape) {
    Tensor x(DType::f32, shape);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = std::sin(static_cast<float>(i) * 0.37f);
    if (Status s = context.bind_input(0, x); !s) ADD_FAILURE() << context.describe(s);
    if (Status s = context.run(); !s) ADD_FAILURE() << context.describe(s);
    const TensorRef y = context.output(0);
    return {y.as<float>(), y.as<float>() + y.numel()};
  }
  static void expect_near(const std::vector<float>& got, const std::vector<float>& want, float tolerance) {
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance) << "element " << i;
  }

  TemporaryFolder folder_;
  std::string path_ = folder_ / "m.onnx";
};

/// What only GPUs do, or lack.
class GpuEngines : public DeviceEngines {};

std::vector<Backend> gpus() {
  std::vector<Backend> list = backends_beside_the_host();
  std::erase_if(list, [](const Backend& b) { return b.device != Device::cuda; });
  return list;
}

constexpr const char* kNetwork = R"(
  w: f32[8,3,3,3] = 0.1; v: f32[8,5] = 0.3
  a = Conv(x: f32[n,3,8,8], w; pads = [1,1,1,1])
  b = Relu(a)
  c = GlobalAveragePool(b)
  d = Flatten(c)
  e = MatMul(d, v)
  y = Softmax(e; axis = 1)
  return y
  --min-shape x=1x3x8x8 --opt-shape x=2x3x8x8 --max-shape x=4x3x8x8
  opset 15)";

TEST_P(DeviceEngines, AgreeWithTheCpuForEveryShapeOfTheirRange) {
  const Engine placed = build(kNetwork, GetParam().device), cpu = build(kNetwork, Device::cpu);
  Context there = placed.create_context(), here = cpu.create_context();
  // Launch by launch at first, then as captured; more shapes than are kept when they come round again.
  Context few = placed.create_context({.captured_shapes = 2});
  for (int round = 0; round < 8; ++round) {
    for (const std::int64_t n : {1, 4, 2, 2, 1, 3}) {
      const std::vector<float> want = run(here, {n, 3, 8, 8});
      expect_near(run(there, {n, 3, 8, 8}), want, 1e-6f);
      expect_near(run(few, {n, 3, 8, 8}), want, 1e-6f);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

TEST_P(DeviceEngines, TakeAndGiveMemoryOfTheDeviceAndOfTheHost) {
  const Device kind = GetParam().device;
  const Engine placed = build(kNetwork, kind), cpu = build(kNetwork, Device::cpu);
  Context there = placed.create_context(), here = cpu.create_context();
  const std::vector<std::int64_t> shape{3, 3, 8, 8};
  const std::vector<float> want = run(here, shape);
  Tensor x = placed.host_tensor(DType::f32, shape);
  for (std::int64_t i = 0; i < x.numel(); ++i) x.as<float>()[i] = std::sin(static_cast<float>(i) * 0.37f);
  ASSERT_TRUE(there.bind_input(0, x));
  ASSERT_TRUE(there.run());
  const auto values = [](const TensorRef& y) { return std::vector<float>(y.as<float>(), y.as<float>() + y.numel()); };
  expect_near(values(there.output(0)), want, 1e-6f);

  const auto device = backend::open_device(kind);
  const auto queue = device->make_queue({});
  using Direction = backend::Queue::Direction;
  const auto bytes_in = static_cast<std::int64_t>(x.bytes()), bytes_out = static_cast<std::int64_t>(want.size() * 4);
  const backend::DeviceMemory in = device->allocate(bytes_in), out = device->allocate(bytes_out);
  ASSERT_TRUE(queue->copy(in.data, x.ref().data, bytes_in, Direction::to_device));
  ASSERT_TRUE(queue->synchronise());
  TensorRef from = x.ref(), to = there.output(0);
  from.data = in.data, from.device = kind;
  to.data = out.data, to.device = kind;
  ASSERT_TRUE(there.bind_input(0, from));
  ASSERT_TRUE(there.bind_output("y", to));
  ASSERT_TRUE(there.run());
  EXPECT_EQ(there.output(0).device, kind);
  EXPECT_EQ(there.output(0).data, static_cast<void*>(out.data));
  std::vector<float> got(want.size());
  ASSERT_TRUE(queue->copy(got.data(), out.data, bytes_out, Direction::to_host));
  ASSERT_TRUE(queue->synchronise());
  expect_near(got, want, 1e-6f);
  EXPECT_FALSE(here.bind_input(0, from)) << "the CPU's engine does not use the device";
}

TEST_P(GpuEngines, StoreValuesInFp16WhereTheyMay) {
  const Engine gpu = build(kNetwork, Device::cuda, Precision::fp16), cpu = build(kNetwork, Device::cpu);
  Context there = gpu.create_context(), here = cpu.create_context();
  expect_near(run(there, {2, 3, 8, 8}), run(here, {2, 3, 8, 8}), 2e-3f);
}

TEST_P(DeviceEngines, RunFromAFileAndInManyContextsAtOnce) {
  build(kNetwork, GetParam().device).save(folder_ / "m.engine");
  const Engine engine = Engine::load(folder_ / "m.engine");
  Context first = engine.create_context();
  const std::vector<float> want = run(first, {3, 3, 8, 8});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      Context own = engine.create_context();
      for (int i = 0; i < 20; ++i) expect_near(run(own, {3, 3, 8, 8}), want, 0);
    });
  for (std::thread& thread : threads) thread.join();
}

constexpr const char* kWithDet = R"(
  a = Exp(x: f32[4,4])
  b = Det(a)
  y = Neg(b)
  return y
  opset 15)";

TEST_P(GpuEngines, NodesWithoutAKernelRunOnTheCpuWhereThatIsAllowed) {
  const std::string error = error_of([&] { (void)build(kWithDet, Device::cuda); });
  EXPECT_NE(error.find("there is no kernel for Det on device 'cuda'"), std::string::npos) << error;
  EXPECT_NE(error.find("--allow-cpu-nodes"), std::string::npos) << error;
  const Engine gpu = build(kWithDet, Device::cuda, Precision::fp32, true), cpu = build(kWithDet, Device::cpu);
  Context there = gpu.create_context(), here = cpu.create_context();
  expect_near(run(there, {4, 4}), run(here, {4, 4}), 1e-4f);
}

TEST_P(DeviceEngines, AnIndexOutsideOfItsAxisFailsTheRunAndNotTheNextOne) {
  const Engine engine =
      build("w: f32[5,2] = 0.5\n y = Gather(w, i: i64[3])\n z = Neg(y)\n return z\n opset 15", GetParam().device);
  Context context = engine.create_context();
  Tensor indices(DType::i64, {3});
  const auto gather = [&](std::int64_t index) {
    for (int i = 0; i < 3; ++i) indices.as<std::int64_t>()[i] = i == 1 ? index : 0;
    EXPECT_TRUE(context.bind_input(0, indices));
    return context.run();
  };
  EXPECT_TRUE(gather(4));
  const Status status = gather(5);
  EXPECT_EQ(status.code(), StatusCode::out_of_range);
  EXPECT_NE(context.describe(status).find("index"), std::string::npos) << context.describe(status);
  EXPECT_TRUE(gather(-5));
}

INSTANTIATE_TEST_SUITE_P(Devices, DeviceEngines, testing::ValuesIn(backends_beside_the_host()),
                         [](const auto& info) { return std::string(info.param.name); });
INSTANTIATE_TEST_SUITE_P(Devices, GpuEngines, testing::ValuesIn(gpus()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace monza::test
