// Every kernel of Resize against the reference, over random shapes, scales, modes and transformations.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/resize/resize.params.h"
#include "support/kernel_check.h"

namespace monza {
namespace {

using test::Tensor;

struct Case {
  ResizeParams p;
  Tensor x;
  Shape out;
};

Case make_case(std::uint32_t seed, DType type, ResizeParams::Mode mode) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  ResizeParams& p = c.p;
  p.mode = mode;
  p.transform = static_cast<ResizeParams::Transform>(rng() % 6);
  p.nearest = static_cast<ResizeParams::Nearest>(rng() % 4);
  p.scales = rng() % 2 ? ResizeParams::Scales::known : ResizeParams::Scales::extents;
  for (double& s : p.scale) s = 1;
  p.axes_count = 2;
  p.axis[0] = 2;
  p.axis[1] = 3;
  Shape x{pick({1, 1, 2, 0}), pick({1, 3, 7, 16, 17, 31, 64, 65, 130}), pick({1, 2, 3, 5, 8, 13}),
          pick({1, 2, 3, 5, 8, 13})};
  c.out = x;
  for (int a = 2; a < 4; ++a) {
    const double scale = std::initializer_list<double>{1, 2, 2, 3, 0.5, 0.6, 1.7, 2.5}.begin()[rng() % 8];
    c.out[a] = std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(x[a]) * scale));
    p.scale[a] = scale;
  }
  if (type == DType::f32) {
    c.x = test::random_f32(x, rng);
    if (mode == ResizeParams::Mode::cubic && seed % 2) p.cubic_a = -0.5;
    if (seed % 4 == 3 && mode == ResizeParams::Mode::linear) test::sprinkle(c.x, rng, 20, false);
  } else {
    c.x = test::make_tensor(type, x);
    // No NaN and no negative zero, whose bits the reference's arithmetic need not keep.
    for (std::byte& b : c.x.bytes) b = static_cast<std::byte>(type == DType::bf16 ? (rng() & 0xbf) | 1 : rng());
  }
  return c;
}

void check_all(DType type, ResizeParams::Mode mode, std::uint32_t seeds) {
  const auto kernels = kernels_of("Resize");
  const Kernel& reference = *kernels.back();
  ASSERT_TRUE(reference.reference);
  const bool cubic = mode == ResizeParams::Mode::cubic;
  for (const Kernel* kernel : kernels) {
    if (!test::lacking(*kernel).empty()) continue;
    int ran = 0;
    for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
      const Case c = make_case(seed, type, mode);
      const auto expected = test::run_kernel(reference, &c.p, {c.x}, {{type, c.out}});
      ASSERT_EQ(expected.problem, "") << "seed " << seed;
      const auto got = test::run_kernel(*kernel, &c.p, {c.x}, {{type, c.out}},
                                        {.threads = 1 + static_cast<int>(seed % 3), .seed = seed});
      if (!got.refusal.empty()) continue;
      ASSERT_EQ(got.problem, "") << kernel->name << " seed " << seed;
      ++ran;
      if (mode == ResizeParams::Mode::nearest)
        ASSERT_EQ(got.outputs[0].bytes, expected.outputs[0].bytes) << kernel->name << " seed " << seed;
      else
        ASSERT_LE(test::relative_error(got.outputs[0], expected.outputs[0]), cubic ? 2e-6 : 1e-6)
            << kernel->name << " seed " << seed;
    }
    if (!cubic || std::string_view(kernel->name).starts_with("resize_planes"))
      EXPECT_GT(ran, 0) << kernel->name << " took no case";
  }
}

TEST(Resize, NearestFloats) { check_all(DType::f32, ResizeParams::Mode::nearest, 120); }
TEST(Resize, NearestBytes) { check_all(DType::u8, ResizeParams::Mode::nearest, 80); }
TEST(Resize, NearestHalves) { check_all(DType::bf16, ResizeParams::Mode::nearest, 80); }
TEST(Resize, Cubic) { check_all(DType::f32, ResizeParams::Mode::cubic, 150); }
TEST(Resize, Linear) { check_all(DType::f32, ResizeParams::Mode::linear, 150); }

/// The reference itself, on values found by hand: half-pixel linear doubling of [1, 2].
TEST(Resize, ReferenceDoublesALine) {
  ResizeParams p;
  p.mode = ResizeParams::Mode::linear;
  for (double& s : p.scale) s = 1;
  p.axes_count = 1;
  p.axis[0] = 2;
  Tensor x = test::make_tensor(DType::f32, Shape{1, 1, 2});
  x.as<float>()[0] = 1;
  x.as<float>()[1] = 2;
  const auto run = test::run_kernel(*kernels_of("Resize").back(), &p, {x}, {{DType::f32, Shape{1, 1, 4}}});
  ASSERT_EQ(run.problem, "");
  const float expected[] = {1, 1.25F, 1.75F, 2};
  for (int i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(run.outputs[0].as<float>()[i], expected[i]);
}

TEST(GridSample, FastKernelsAgreeWithTheReference) {
  for (const Kernel* kernel : kernels_of("GridSample")) {
    if (kernel->reference || !test::lacking(*kernel).empty()) continue;
    for (std::uint32_t seed = 0; seed < 200; ++seed) {
      std::mt19937 rng(seed);
      const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
      GridSampleParams p;
      p.mode = static_cast<GridSampleParams::Mode>(rng() % 2);
      p.padding = static_cast<GridSampleParams::Padding>(rng() % 3);
      p.align_corners = static_cast<std::int32_t>(rng() % 2);
      const std::int64_t n = pick({1, 2}), c = pick({1, 3, 5}), h = pick({1, 2, 7, 20}), w = pick({1, 3, 8, 33});
      const std::int64_t oh = pick({0, 1, 4, 19}), ow = pick({1, 5, 16, 31});
      auto x = test::random_f32(Shape{n, c, h, w}, rng);
      auto grid = test::random_f32(Shape{n, oh, ow, 2}, rng, -1.6F, 1.6F);
      if (seed % 4 == 3) test::sprinkle(grid, rng, 9);
      if (seed % 8 == 5) test::sprinkle(x, rng, 20, false);
      const std::vector<std::pair<DType, Shape>> out{{DType::f32, Shape{n, c, oh, ow}}};
      const auto got =
          test::run_kernel(*kernel, &p, {x, grid}, out, {.threads = 1 + static_cast<int>(seed % 2), .seed = seed});
      ASSERT_EQ(got.refusal, "");
      ASSERT_EQ(got.problem, "") << "seed " << seed;
      const auto want = test::run_kernel(*kernels_of("GridSample").back(), &p, {x, grid}, out, {.seed = seed + 1});
      ASSERT_EQ(test::difference(got.outputs[0], want.outputs[0], 2e-6, 2e-6), "") << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace monza
