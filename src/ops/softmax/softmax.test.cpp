// Every softmax kernel against the reference.
#include <gtest/gtest.h>

#include <random>

#include "kernel/registry.h"
#include "ops/softmax/softmax.params.h"
#include "support/kernel_check.h"
#include "support/kernel_suite.h"

namespace monza {
namespace {

class Softmax : public ::testing::TestWithParam<const Kernel*> {};
MONZA_MAY_LACK_KERNELS(Softmax);

TEST_P(Softmax, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *kernels_of(kernel.op).back();
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    std::mt19937 rng(seed);
    const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
    Shape shape;
    const int rank = 1 + static_cast<int>(rng() % 4);
    for (int i = 0; i < rank; ++i)
      shape[shape.rank++] = seed % 20 == 19 ? pick({0, 1, 4}) : pick({1, 2, 5, 16, 17, i == rank - 1 ? 300 : 8});
    SoftmaxParams p;
    p.kind = std::string(kernel.op) == "Softmax" ? SoftmaxKind::softmax : SoftmaxKind::log_softmax;
    p.axis = static_cast<std::int32_t>(rng() % static_cast<unsigned>(rank));
    p.end = rng() % 3 ? p.axis + 1 : rank;
    auto x = test::random_f32(shape, rng, -20, 20);
    if (seed % 4 == 3) test::sprinkle(x, rng, seed % 8 == 3 ? 4 : 400);
    const auto got = test::run_kernel(kernel, &p, {x}, {{DType::f32, shape}}, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    const auto want = test::run_kernel(reference, &p, {x}, {{DType::f32, shape}});
    ASSERT_EQ(got.problem, "") << to_string(shape) << " axis " << p.axis << " to " << p.end;
    ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), 1e-6)
        << to_string(shape) << " axis " << p.axis << " to " << p.end;
    const auto again = test::run_kernel(kernel, &p, {x}, {{DType::f32, shape}}, {.threads = 2, .seed = seed});
    ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes);
  }
  EXPECT_GT(ran, 10);
}

// Subnormal weights would say nothing and slow down every product with them.
TEST_P(Softmax, FarBelowTheLargestIsExactlyZero) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  if (std::string(kernel.op) != "Softmax") return;  // logarithms do not underflow
  const std::int64_t n = 37;
  auto x = test::make_tensor(DType::f32, Shape{2, n});
  const float far[] = {-88.0F, -95.0F, -103.97F, -104.0F, -1e4F, -1e9F, -3.4e38F};
  for (std::int64_t i = 0; i < 2 * n; ++i) x.as<float>()[i] = i % n == 0 ? 0.0F : far[i % 7];
  SoftmaxParams p;
  p.axis = 1;
  p.end = 2;
  const auto got = test::run_kernel(kernel, &p, {x}, {{DType::f32, Shape{2, n}}}, {.threads = 1});
  if (!got.refusal.empty()) GTEST_SKIP() << got.refusal;
  ASSERT_EQ(got.problem, "");
  for (std::int64_t i = 0; i < 2 * n; ++i)
    EXPECT_EQ(got.outputs[0].as<float>()[i], i % n == 0 ? 1.0F : 0.0F) << "element " << i;
}

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> list;
  for (const char* op : {"Softmax", "LogSoftmax"})
    for (const Kernel* k : kernels_of(op))
      if (!k->reference) list.push_back(k);
  return list;
}
INSTANTIATE_TEST_SUITE_P(Kernels, Softmax, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
