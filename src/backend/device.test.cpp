// What every device promises: memory, copies, the order of a queue, events, capture and replay, timing.
#include "backend/device.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "backend/cuda/cuda_device.h"
#include "base/constraint.h"
#include "kernel/registry.h"
#include "kernel/serial.h"
#include "ops/elementwise/elementwise.params.h"
#include "support/error_text.h"
#include "support/test_kernels.h"
#include "tensor/view.h"

namespace monza {
namespace {

using backend::Queue;

class Devices : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    const std::string& missing = backend::cuda_facts().missing;
    if (GetParam() == DeviceKind::cuda && !missing.empty()) GTEST_SKIP() << missing;
    device_ = backend::open_device(GetParam());
  }
  /// Kernels that this device runs: of the host's code, or of its own.
  const Kernel& add() const { return GetParam() == DeviceKind::cuda ? *find_kernel("add_cuda") : test::kAdd; }
  const Kernel& copy() const { return GetParam() == DeviceKind::cuda ? *find_kernel("copy_cuda") : test::kCopy; }

  std::shared_ptr<backend::Device> device_;
};

/// Copies in0 to out0 and adds in1.
struct Work {
  std::array<TensorView, 2> in;
  TensorView out;
  Serial serial;
  BinaryParams params{BinaryKind::add};
  KernelContext context;
  Work(std::byte* a, std::byte* b, std::byte* sum) {
    in = {dense_view(a, DType::f32, {4}), dense_view(b, DType::f32, {4})};
    out = dense_view(sum, DType::f32, {4});
    context.params = &params;
    context.in = in.data();
    context.in_count = 2;
    context.out = &out;
    context.out_count = 1;
    context.parallel = &serial;
  }
};

TEST_P(Devices, RunWorkInOrder) {
  constexpr std::int64_t kBytes = 16;
  const backend::DeviceMemory memory = device_->allocate(64 * 3);
  ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory.data) % 64, 0u);
  std::byte *const a = memory.data, *const b = a + 64, *const sum = a + 128;
  const auto queue = device_->make_queue({}), other = device_->make_queue({});
  const auto sent = device_->make_event(), summed = device_->make_event();
  EXPECT_TRUE(sent->wait()) << "what was never recorded is reached";
  const std::array<float, 4> x{1, 2, 3, 4}, y{10, 20, 30, 40};
  std::array<float, 4> z{};
  ASSERT_TRUE(queue->copy(a, x.data(), kBytes, Queue::Direction::to_device));
  ASSERT_TRUE(queue->copy(b, y.data(), kBytes, Queue::Direction::to_device));
  ASSERT_TRUE(queue->record(*sent));
  ASSERT_TRUE(other->wait(*sent));
  {
    Work work(a, b, sum);
    ASSERT_TRUE(other->launch(add(), work.context, 7));
    work.in = {};  // arguments were copied
    ASSERT_TRUE(other->record(*summed));
  }
  ASSERT_TRUE(queue->wait(*summed));
  ASSERT_TRUE(queue->copy(z.data(), sum, kBytes, Queue::Direction::to_host));
  ASSERT_TRUE(queue->synchronise());
  EXPECT_EQ(z, (std::array<float, 4>{11, 22, 33, 44}));
}

TEST_P(Devices, CopyByWayOfHostMemoryOfTheirOwn) {
  constexpr std::int64_t kCount = 100'000, kBytes = 4 * kCount;
  const backend::DeviceMemory memory = device_->allocate(2 * kBytes), host = device_->allocate_on_host(2 * kBytes);
  ASSERT_EQ(reinterpret_cast<std::uintptr_t>(host.data) % 64, 0u);
  auto *const from = reinterpret_cast<float*>(host.data), *const to = from + kCount;
  for (std::int64_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(to[i], 0) << "it is zero-filled";
    from[i] = static_cast<float>(i);
  }
  const auto queue = device_->make_queue({});
  ASSERT_TRUE(queue->copy(memory.data, from, kBytes, Queue::Direction::to_device));
  ASSERT_TRUE(queue->copy(memory.data + kBytes, memory.data, kBytes, Queue::Direction::on_device));
  ASSERT_TRUE(queue->copy(to, memory.data + kBytes, kBytes, Queue::Direction::to_host));
  ASSERT_TRUE(queue->synchronise());
  for (std::int64_t i = 0; i < kCount; ++i) ASSERT_EQ(to[i], static_cast<float>(i));
}

TEST_P(Devices, ReplayWhatTheyCaptured) {
  const backend::DeviceMemory memory = device_->allocate(64 * 2);
  const auto queue = device_->make_queue({});
  const std::array<float, 4> x{1, 2, 3, 4};
  ASSERT_TRUE(queue->copy(memory.data, x.data(), sizeof x, Queue::Direction::to_device));
  Work work(memory.data, memory.data, memory.data + 64), again(memory.data + 64, memory.data, memory.data);
  queue->begin_capture();
  ASSERT_TRUE(queue->launch(add(), work.context, 0));   // b = a + a
  ASSERT_TRUE(queue->launch(add(), again.context, 1));  // a = b + a
  const std::unique_ptr<backend::CapturedWork> captured = queue->end_capture();
  ASSERT_TRUE(queue->replay(*captured));
  ASSERT_TRUE(queue->replay(*captured));
  std::array<float, 4> z{};
  ASSERT_TRUE(queue->copy(z.data(), memory.data, sizeof z, Queue::Direction::to_host));
  ASSERT_TRUE(queue->synchronise());
  EXPECT_EQ(z, (std::array<float, 4>{9, 18, 27, 36}));
}

TEST_P(Devices, SkipWhatFollowsAFailureUntilItWasTold) {
  const backend::DeviceMemory memory = device_->allocate(64);
  const auto queue = device_->make_queue({});
  const auto event = device_->make_event();
  std::array<float, 4> x{1, 2, 3, 4}, z{};
  ASSERT_TRUE(queue->copy(memory.data, x.data(), sizeof x, Queue::Direction::to_device));
  Work work(memory.data, memory.data, memory.data);
  ASSERT_TRUE(queue->launch(test::kFail, work.context, 5));
  ASSERT_TRUE(queue->copy(z.data(), memory.data, sizeof z, Queue::Direction::to_host));
  ASSERT_TRUE(queue->record(*event));
  (void)event->wait();  // returns, whatever it says
  const Status status = queue->synchronise();
  EXPECT_STREQ(status.message(), "the kernel was asked to fail");
  EXPECT_EQ(status.step(), 5);
  EXPECT_EQ(z[0], 0);
  EXPECT_TRUE(queue->synchronise());
  ASSERT_TRUE(queue->copy(z.data(), memory.data, sizeof z, Queue::Direction::to_host));
  EXPECT_TRUE(queue->synchronise());
  EXPECT_EQ(z, x);
}

TEST_P(Devices, TimeKernelsAndSayWhatTheyAre) {
  if (GetParam() != DeviceKind::cuda) EXPECT_NE(device_->identity(1), device_->identity(2));
  EXPECT_EQ(device_->kind(), GetParam());
  const backend::DeviceMemory memory = device_->allocate(64);
  Work work(memory.data, memory.data, memory.data);
  const auto us = device_->time(copy(), work.context);
  ASSERT_TRUE(us);
  EXPECT_GE(*us, 0);
  EXPECT_FALSE(device_->time(test::kFail, work.context));
}

INSTANTIATE_TEST_SUITE_P(All, Devices, testing::Values(DeviceKind::cpu, DeviceKind::reference, DeviceKind::cuda),
                         [](const auto& info) { return std::string(device_name(info.param)); });

TEST(DeviceMessages, OfAGpuWithoutThatMuchMemory) {
  if (const std::string& missing = backend::cuda_facts().missing; !missing.empty()) GTEST_SKIP() << missing;
  const auto device = backend::open_device(DeviceKind::cuda);
  const std::string error = test::error_of([&] { (void)device->allocate(std::int64_t{1} << 50); });
  EXPECT_TRUE(error.starts_with("the GPU gives no 1073741824 MiB of memory: ")) << error;
  EXPECT_NE(error.find("smaller shapes or batches (--shape), or stop what else uses this GPU (nvidia-smi lists it)"),
            std::string::npos)
      << error;
  const std::string locked = test::error_of([&] { (void)device->allocate_on_host(std::int64_t{1} << 50); });
  EXPECT_TRUE(locked.starts_with("the host gives no 1073741824 MiB of page-locked memory: ")) << locked;
  EXPECT_NE(locked.find("smaller shapes or fewer contexts, or a higher limit of locked memory (ulimit -l)"),
            std::string::npos)
      << locked;
  EXPECT_EQ(device->allocate(64).bytes, 64) << "it goes on after that";
}

TEST(DeviceMessages, OfADeviceThatThisBuildLacks) {
  const std::string& missing = backend::cuda_facts().missing;
  if (missing.empty()) GTEST_SKIP() << "there is a GPU here";
  EXPECT_EQ(test::error_of([] { (void)backend::open_device(DeviceKind::cuda); }), missing + "\n  try: --device cpu");
}

}  // namespace
}  // namespace monza
