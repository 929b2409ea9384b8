// Every normalisation kernel against its reference.
#include <gtest/gtest.h>

#include <random>

#include "kernel/registry.h"
#include "ops/norm/norm.params.h"
#include "support/kernel_check.h"
#include "support/kernel_suite.h"

namespace monza {
namespace {

using test::Tensor;

struct Case {
  LayerNormParams layer;
  GroupNormParams group;
  BatchNormParams batch;
  LrnParams lrn;
  const void* params = nullptr;
  std::vector<Tensor> in;
  Shape shape;
};

void make_case(const std::string& op, std::uint32_t seed, Case& c) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  const bool rows = op == "LayerNormalization" || op == "RMSNormalization";
  const int rank = (rows ? 1 : 2) + static_cast<int>(rng() % 3);
  for (int i = 0; i < rank; ++i) c.shape[c.shape.rank++] = pick({1, 2, 3, 5, i == rank - 1 ? 130 : 4});
  const std::int64_t channels = rank > 1 ? (c.shape[1] = pick({1, 4, 6, 33, 64})) : c.shape[0];
  c.in.push_back(test::random_f32(c.shape, rng, -2, 3));
  if (seed % 5 == 4) test::sprinkle(c.in[0], rng, seed % 2 ? 10 : 200, false);
  const auto vector = [&](const Shape& s, float low = -1) { return test::random_f32(s, rng, low, 1); };
  if (rows) {
    c.layer.axis = static_cast<std::int32_t>(rng() % static_cast<unsigned>(rank));
    c.layer.rms = op == "RMSNormalization";
    Shape row;
    for (int i = c.layer.axis; i < rank; ++i) row[row.rank++] = c.shape[i];
    if (rng() % 8) c.in.push_back(vector(row));
    if (c.in.size() > 1 && !c.layer.rms && rng() % 4) c.in.push_back(vector(row));
    c.params = &c.layer;
  } else if (op == "LRN") {
    c.lrn.size = pick({1, 2, 3, 5, 8});
    c.lrn.alpha = 0.3f;
    c.lrn.beta = rng() % 2 ? 0.75f : 0.6f;
    c.params = &c.lrn;
  } else {
    const int vectors = op == "BatchNormalization" ? 4 : 2;
    for (int i = 0; i < vectors; ++i) c.in.push_back(vector(Shape{channels}, i == 3 ? 0.1f : -1));
    c.group.groups = op == "GroupNormalization" ? (channels % 2 == 0 ? 2 : 1) : 0;
    c.params = op == "BatchNormalization" ? static_cast<const void*>(&c.batch) : &c.group;
  }
}

class Norm : public ::testing::TestWithParam<const Kernel*> {};
MONZA_MAY_LACK_KERNELS(Norm);

TEST_P(Norm, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *kernels_of(kernel.op).back();
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    Case c;
    make_case(kernel.op, seed, c);
    const auto got = test::run_kernel(kernel, c.params, c.in, {{DType::f32, c.shape}}, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    ASSERT_EQ(got.problem, "") << "seed " << seed;
    const auto want = test::run_kernel(reference, c.params, c.in, {{DType::f32, c.shape}});
    // Rows of few, close elements have little variance: 1 / sqrt(epsilon) amplifies the rounding of their mean.
    ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), 2e-5)
        << "seed " << seed << " " << to_string(c.shape);
    const auto again = test::run_kernel(kernel, c.params, c.in, {{DType::f32, c.shape}}, {.threads = 2, .seed = seed});
    ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes);
  }
  EXPECT_GT(ran, 10);
}

TEST(LayerNorm, AFactorForEachRowIsNoRow) {
  std::mt19937 rng(1);
  const LayerNormParams p{.axis = 1};
  const std::vector<Tensor> in{test::random_f32(Shape{2, 2}, rng), test::random_f32(Shape{2, 1}, rng)};
  const auto want = test::run_kernel(*kernels_of("LayerNormalization").back(), &p, in, {{DType::f32, Shape{2, 2}}});
  for (const Kernel* kernel : kernels_of("LayerNormalization")) {
    if (!test::lacking(*kernel).empty()) continue;
    const auto got = test::run_kernel(*kernel, &p, in, {{DType::f32, Shape{2, 2}}});
    if (got.refusal.empty()) EXPECT_LE(test::relative_error(got.outputs[0], want.outputs[0]), 2e-5) << kernel->name;
  }
}

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> list;
  for (const char* op : {"LayerNormalization", "RMSNormalization", "GroupNormalization", "InstanceNormalization",
                         "BatchNormalization", "LRN"})
    for (const Kernel* k : kernels_of(op))
      if (!k->reference) list.push_back(k);
  return list;
}
INSTANTIATE_TEST_SUITE_P(Kernels, Norm, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
