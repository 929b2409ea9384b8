// Every kernel of SqueezeExcite against the reference, over random shapes, views and activations.
#include <gtest/gtest.h>

#include <random>

#include "kernel/registry.h"
#include "ops/excite/excite.params.h"
#include "support/kernel_check.h"
#include "tensor/shape.h"

namespace monza {
namespace {

using test::Tensor;

struct Case {
  SqueezeExciteParams p;
  std::vector<Tensor> in;
  std::string text;
};

Case make_case(std::uint32_t seed, DType type) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  // The first ones are large: many pixels, and more channels than a block has threads.
  const std::int64_t channels = seed == 0   ? 32
                                : seed == 1 ? 4200
                                            : pick({1, 3, 8, 16, 24, 31, 96, 144, 480, 1152}),
                     between = seed == 1 ? 300 : pick({1, 2, 4, 10, 33, 48});
  Shape x{pick({0, 1, 1, 2, 3}), channels};
  x.rank = 2 + pick({1, 2, 2, 2, 3});
  for (int a = 2; a < x.rank; ++a) x[a] = seed == 0 ? 40 : seed == 1 ? pick({1, 2}) : pick({1, 2, 5, 7});
  c.in = {test::random_f32(x, rng),
          test::random_f32(Shape{between, channels}, rng),
          {},
          test::random_f32(Shape{channels, between}, rng),
          {}};
  if (seed % 8 == 7) test::sprinkle(c.in[0], rng, 1000, false);
  if (rng() % 4) c.in[2] = test::random_f32(Shape{between}, rng);
  if (rng() % 4) c.in[4] = test::random_f32(Shape{channels}, rng);
  constexpr ActivationKind kKinds[] = {ActivationKind::none, ActivationKind::relu, ActivationKind::silu,
                                       ActivationKind::sigmoid, ActivationKind::hard_sigmoid};
  c.p.inner.kind = kKinds[rng() % 5];
  c.p.outer.kind = kKinds[rng() % 5];
  c.p.inner.alpha = c.p.outer.alpha = 0.2f;
  c.p.inner.beta = c.p.outer.beta = 0.5f;
  for (Tensor& t : c.in)
    if (t.dtype != DType::invalid) t = test::converted(t, type);
  c.in[1].constant = c.in[3].constant = true;
  c.text = "seed " + std::to_string(seed) + ": x " + to_string(x) + " between " + std::to_string(between);
  return c;
}

class SqueezeExciteKernels : public ::testing::TestWithParam<const Kernel*> {};

TEST_P(SqueezeExciteKernels, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *find_kernel("squeeze_excite_ref");
  for (const DType type : {DType::f32, DType::f16}) {
    int ran = 0;
    for (std::uint32_t seed = 0; seed < 48; ++seed) {
      const Case c = make_case(seed, type);
      const Shape& out = c.in[0].shape;
      const auto got = test::run_kernel(kernel, &c.p, c.in, {{type, out}}, {.threads = 1, .seed = seed});
      if (!got.refusal.empty()) continue;
      ++ran;
      const auto want = test::run_kernel(reference, &c.p, c.in, {{type, out}}, {.threads = 1, .seed = seed + 1});
      ASSERT_EQ(want.problem, "");
      ASSERT_EQ(got.problem, "") << c.text;
      ASSERT_LE(test::relative_error(test::converted(got.outputs[0], DType::f32),
                                     test::converted(want.outputs[0], DType::f32)),
                type == DType::f32 ? 2e-5 : 2e-3)
          << c.text;
    }
    EXPECT_GT(ran, 30) << "the kernel took almost none of the cases";
  }
}

std::vector<const Kernel*> kernels() {
  const auto list = kernels_of("SqueezeExcite");
  return {list.begin(), list.end()};
}
INSTANTIATE_TEST_SUITE_P(SqueezeExcite, SqueezeExciteKernels, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
