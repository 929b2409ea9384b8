// Every kernel of SeparableConv against the reference, over random shapes, views and activations.
#include <gtest/gtest.h>

#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/sepconv/sepconv.params.h"
#include "support/kernel_check.h"
#include "tensor/shape.h"

namespace monza {
namespace {

using test::Tensor;

struct Case {
  SeparableConvParams p;
  std::vector<Tensor> in;
  Shape out;
  std::string text;
};

Case make_case(std::uint32_t seed) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  ConvParams& d = c.p.depth;
  const std::int64_t channels = pick({1, 2, 7, 8, 16, 17, 24, 32, 48, 100, 300}),
                     filters = pick({1, 3, 8, 16, 20, 24, 33, 48, 80, 130});
  d.group = static_cast<std::int32_t>(channels);
  Shape x{pick({1, 1, 2, 3, 0}), channels, 1, 1}, w{channels, 1, 1, 1};
  c.out = Shape{x[0], filters, 1, 1};
  for (int i = 0; i < 2; ++i) {
    const int k = pick({1, 2, 3, 3, 5, 5, 7});
    d.stride[i] = pick({1, 1, 1, 2, 3});
    d.dilation[i] = pick({1, 1, 1, 2});
    const int reach = (k - 1) * d.dilation[i] + 1;
    x[i + 2] = pick({1, 2, 3, 7, 8, 13, 15, 16, 29, 40});
    w[i + 2] = k;
    d.pad_begin[i] = pick({0, 1, k / 2, k / 2});
    d.pad_end[i] = pick({0, 1, k / 2, k / 2});
    while (x[i + 2] + d.pad_begin[i] + d.pad_end[i] < reach) ++d.pad_end[i];
    c.out[i + 2] = (x[i + 2] + d.pad_begin[i] + d.pad_end[i] - reach) / d.stride[i] + 1;
  }
  // Activations that do not grow, so that errors can be measured against the values.
  d.act.kind = std::initializer_list<ActivationKind>{ActivationKind::none, ActivationKind::relu, ActivationKind::clip,
                                                     ActivationKind::silu, ActivationKind::hardswish}
                   .begin()[rng() % 5];
  d.act.alpha = -0.5f;
  d.act.beta = 0.6f;
  c.p.point.act = d.act;
  c.p.point.act.kind =
      std::initializer_list<ActivationKind>{ActivationKind::none, ActivationKind::relu, ActivationKind::clip,
                                            ActivationKind::silu, ActivationKind::prelu}
          .begin()[rng() % 5];
  c.in = {test::random_f32(x, rng),
          test::random_f32(w, rng),
          {},
          test::random_f32(Shape{filters, channels, 1, 1}, rng),
          {},
          {},
          {}};
  if (seed % 8 == 7) test::sprinkle(c.in[0], rng, 100, false);
  c.in[1].constant = c.in[3].constant = true;
  if (rng() % 2) c.in[2] = test::random_f32(Shape{channels}, rng);
  if (rng() % 2) c.in[4] = test::random_f32(Shape{filters}, rng);
  if (rng() % 2) {
    c.in[5] = test::random_f32(c.out, rng);
    c.p.point.residual_after = rng() % 2;
  }
  if (c.p.point.act.kind == ActivationKind::prelu)
    c.in[6] = test::random_f32(rng() % 2 ? Shape{filters, 1, 1} : Shape{1}, rng);
  c.text = "seed " + std::to_string(seed) + ": x " + to_string(x) + " depth " + to_string(w) + " filters " +
           std::to_string(filters);
  return c;
}

class SeparableConvKernels : public ::testing::TestWithParam<const Kernel*> {};

TEST_P(SeparableConvKernels, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *find_kernel("sepconv_ref");
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    const Case c = make_case(seed);
    const auto got = test::run_kernel(kernel, &c.p, c.in, {{DType::f32, c.out}}, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    const auto want = test::run_kernel(reference, &c.p, c.in, {{DType::f32, c.out}}, {.threads = 1, .seed = seed + 1});
    ASSERT_EQ(want.problem, "");
    ASSERT_EQ(got.problem, "") << c.text;
    ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), 2e-5) << c.text;
    const auto again = test::run_kernel(kernel, &c.p, c.in, {{DType::f32, c.out}}, {.threads = 2, .seed = seed});
    ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes) << "one and two threads differ, " << c.text;
  }
  EXPECT_GT(ran, 200) << "the kernel took almost none of the cases";
}

/// The reference is the two convolutions one after the other.
TEST(SeparableConvReference, IsTwoConvolutions) {
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    const Case c = make_case(seed);
    const auto whole = test::run_kernel(*find_kernel("sepconv_ref"), &c.p, c.in, {{DType::f32, c.out}});
    Shape between = c.out;
    between[1] = c.in[0].shape[1];
    const Kernel& conv = *find_kernel("conv_ref");
    const auto first = test::run_kernel(conv, &c.p.depth, {c.in[0], c.in[1], c.in[2], {}, {}}, {{DType::f32, between}});
    const auto second = test::run_kernel(conv, &c.p.point, {first.outputs[0], c.in[3], c.in[4], c.in[5], c.in[6]},
                                         {{DType::f32, c.out}});
    ASSERT_EQ(whole.problem, "");
    ASSERT_LE(test::relative_error(whole.outputs[0], second.outputs[0]), 3e-6) << c.text;
  }
}

std::vector<const Kernel*> kernels() {
  const auto list = kernels_of("SeparableConv");
  return {list.begin(), list.end()};
}
INSTANTIATE_TEST_SUITE_P(SeparableConv, SeparableConvKernels, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
