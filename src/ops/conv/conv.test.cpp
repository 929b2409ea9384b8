// Every kernel of Conv against the reference, over random shapes, views and activations.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/conv/conv.params.h"
#include "support/kernel_check.h"
#include "tensor/float_convert.h"
#include "tensor/shape.h"

namespace monza {
namespace {

using test::Tensor;

struct Case {
  ConvParams p;
  std::vector<Tensor> in;
  Shape out;
  std::string text;
  bool rounded = false;  ///< the factors are bf16 numbers
  bool special = false;  ///< x has numbers that are none, and infinities
};

Case make_case(std::uint32_t seed) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  ConvParams& p = c.p;
  p.spatial = pick({2, 2, 2, 2, 1, 3});
  // Plain, 1x1, depthwise, grouped, plain 3x3, and 1x1 of each pixel alone, which is a product of matrices.
  const int kind = pick({0, 0, 0, 1, 1, 2, 3, 4, 4, 5});
  if (kind == 4) p.spatial = 2;
  std::int64_t channels = pick({1, 2, 3, 4, 7, 16, 17, 24, 32, 48, 100}),
               filters = pick({1, 3, 8, 16, 20, 31, 32, 33, 48, 64, 80, 130});
  if (kind == 4) channels = pick({8, 16, 17, 64, 100, 136, 270, 530});
  if (kind == 2) {
    filters = channels;
    p.group = static_cast<std::int32_t>(channels);
  } else if (kind == 3) {
    p.group = pick({2, 3});
    channels = p.group * pick({1, 2, 5, 16});
    filters = p.group * pick({1, 2, 5, 16, 33});
  }
  c.out.rank = p.spatial + 2;
  Shape x, w;
  x.rank = w.rank = p.spatial + 2;
  x[0] = c.out[0] = pick({1, 1, 2, 3, 0});
  x[1] = channels;
  w[0] = c.out[1] = filters;
  w[1] = channels / p.group;
  if (rng() % 8 == 0) p.padding = rng() % 2 ? ConvParams::Padding::same_upper : ConvParams::Padding::same_lower;
  for (int i = 0; i < p.spatial; ++i) {
    const bool pixels = kind == 5;
    const int k = kind == 1 || pixels ? 1 : kind == 4 ? 3 : pick({1, 2, 3, 3, 3, 5, 7});
    p.stride[i] = kind == 4 || pixels ? 1 : pick({1, 1, 1, 2, 3});
    p.dilation[i] = kind == 4 ? 1 : pick({1, 1, 1, 2});
    const int reach = (k - 1) * p.dilation[i] + 1;
    x[i + 2] = p.spatial == 3 ? pick({1, 2, 5, 6}) : pick({1, 2, 3, 7, 8, 13, 14, 15, 29});
    w[i + 2] = k;
    if (pixels) {
      c.out[i + 2] = x[i + 2];
    } else if (p.padding == ConvParams::Padding::given) {
      p.pad_begin[i] = pick({0, 1, k / 2, k / 2});
      p.pad_end[i] = pick({0, 1, k / 2, k / 2});
      const auto room = [&] { return x[i + 2] + p.pad_begin[i] + p.pad_end[i] - reach; };
      // Less than a stride short of one position: nothing comes out.
      const bool empty = room() < 0 && room() >= -p.stride[i] && rng() % 2;
      while (!empty && room() < 0) ++p.pad_end[i];
      c.out[i + 2] = empty ? 0 : room() / p.stride[i] + 1;
    } else {
      c.out[i + 2] = (x[i + 2] + p.stride[i] - 1) / p.stride[i];
    }
  }
  if (rng() % 3 != 0) {
    p.act.kind = static_cast<ActivationKind>(rng() % 15);
    p.act.alpha = p.act.kind == ActivationKind::clip ? -0.5f : 0.3f;
    p.act.beta = 0.6f;
  }
  c.in = {test::random_f32(x, rng), test::random_f32(w, rng), {}, {}, {}};
  c.special = seed % 8 == 7;
  if (c.special) test::sprinkle(c.in[0], rng, 40, false);
  if (rng() % 3 == 0) {  // factors that bf16 holds exactly, so that rounding them changes nothing
    c.rounded = true;
    for (int i = 0; i < 2; ++i)
      for (std::int64_t e = 0; e < c.in[static_cast<std::size_t>(i)].shape.numel(); ++e)
        c.in[static_cast<std::size_t>(i)].as<float>()[e] =
            bf16_to_f32(f32_to_bf16(c.in[static_cast<std::size_t>(i)].as<float>()[e]));
  }
  c.in[1].constant = true;
  if (rng() % 2) {
    c.in[2] = test::random_f32(Shape{filters}, rng);
    c.in[2].constant = true;
  }
  if (rng() % 3 == 0) {
    c.in[3] = test::random_f32(c.out, rng);
    p.residual_after = rng() % 2;
  }
  if (p.act.kind == ActivationKind::prelu) c.in[4] = test::random_f32(rng() % 2 ? Shape{filters, 1, 1} : Shape{1}, rng);
  c.text = "seed " + std::to_string(seed) + ": x " + to_string(x) + " w " + to_string(w) + " group " +
           std::to_string(p.group) + " activation " + std::to_string(static_cast<int>(p.act.kind));
  for (int i = 0; i < p.spatial; ++i)
    c.text += " [s" + std::to_string(p.stride[i]) + " d" + std::to_string(p.dilation[i]) + " p" +
              std::to_string(p.pad_begin[i]) + "," + std::to_string(p.pad_end[i]) + "]";
  return c;
}

/// A depthwise layer as networks have them: a square window, short activations, whole vectors of channels. The first
/// four, one for each window and stride, are large: GPUs cut large layers otherwise.
Case make_depthwise_case(std::uint32_t seed) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  ConvParams& p = c.p;
  const bool large = seed < 4;
  const int k = large ? 3 + static_cast<int>(seed % 2) * 2 : pick({3, 5}),
            step = large ? 1 + static_cast<int>(seed / 2) : pick({1, 2}),
            channels = large ? 96 : 4 * pick({1, 2, 3, 6, 8, 25});
  p.group = channels;
  Shape x{large ? 4 : pick({1, 2, 3}), channels, 0, 0}, w{channels, 1, k, k};
  c.out = x;
  for (int i = 0; i < 2; ++i) {
    p.stride[i] = step;
    p.pad_begin[i] = pick({0, 1, k / 2, k / 2});
    p.pad_end[i] = pick({0, 1, k / 2, k / 2});
    x[i + 2] = large ? 79 * step + i : pick({5, 7, 8, 13, 14, 15, 29});
    w[i + 2] = k;
    c.out[i + 2] = (x[i + 2] + p.pad_begin[i] + p.pad_end[i] - k) / step + 1;
  }
  constexpr ActivationKind kShort[] = {ActivationKind::none, ActivationKind::relu, ActivationKind::clip,
                                       ActivationKind::silu, ActivationKind::hardswish};
  p.act = {kShort[rng() % 5]};
  if (p.act.kind == ActivationKind::clip) p.act.alpha = -0.5f, p.act.beta = 0.6f;
  c.in = {test::random_f32(x, rng), test::random_f32(w, rng), {}, {}, {}};
  if (seed % 8 == 7) test::sprinkle(c.in[0], rng, 40, false);
  c.in[1].constant = true;
  if (rng() % 4) {
    c.in[2] = test::random_f32(Shape{channels}, rng);
    c.in[2].constant = true;
  }
  c.text = "seed " + std::to_string(seed) + ": depthwise x " + to_string(x) + " window " + std::to_string(k) +
           " stride " + std::to_string(step) + " pads " + std::to_string(p.pad_begin[0]) + "," +
           std::to_string(p.pad_begin[1]) + " out " + to_string(c.out) + " activation " +
           std::to_string(static_cast<int>(p.act.kind));
  return c;
}

/// A first layer as networks have them: a picture of few channels, a window that moves by 2 or 4, short activations.
Case make_picture_case(std::uint32_t seed) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  ConvParams& p = c.p;
  const int channels = pick({1, 2, 3, 3, 3, 4}), filters = pick({1, 8, 16, 24, 32, 48, 64, 96, 130});
  Shape x{pick({0, 1, 2, 3}), channels, 0, 0}, w{filters, channels, 0, 0};
  c.out = Shape{x[0], filters, 0, 0};
  for (int i = 0; i < 2; ++i) {
    const int k = pick({1, 2, 3, 3, 4, 5, 6, 7, 7, 8});
    p.stride[i] = i == 1 ? pick({2, 2, 4}) : pick({1, 2, 2, 3, 4});
    p.pad_begin[i] = pick({0, 1, k / 2, k / 2, 4});
    p.pad_end[i] = pick({0, 1, k / 2, k / 2, 4});
    x[i + 2] = pick({8, 13, 29, 30, 64, 97});
    w[i + 2] = k;
    c.out[i + 2] = (x[i + 2] + p.pad_begin[i] + p.pad_end[i] - k) / p.stride[i] + 1;
  }
  constexpr ActivationKind kShort[] = {ActivationKind::none, ActivationKind::relu, ActivationKind::clip,
                                       ActivationKind::silu, ActivationKind::hardswish};
  p.act = {kShort[rng() % 5]};
  if (p.act.kind == ActivationKind::clip) p.act.alpha = -0.5f, p.act.beta = 0.6f;
  c.in = {test::random_f32(x, rng), test::random_f32(w, rng), {}, {}, {}};
  if (seed % 4 == 3) test::sprinkle(c.in[0], rng, 400, false);
  c.in[1].constant = true;
  if (rng() % 4) {
    c.in[2] = test::random_f32(Shape{filters}, rng);
    c.in[2].constant = true;
  }
  c.text = "seed " + std::to_string(seed) + ": picture x " + to_string(x) + " w " + to_string(w) + " strides " +
           std::to_string(p.stride[0]) + "," + std::to_string(p.stride[1]) + " pads " + std::to_string(p.pad_begin[0]) +
           "," + std::to_string(p.pad_begin[1]) + " out " + to_string(c.out) + " activation " +
           std::to_string(static_cast<int>(p.act.kind));
  return c;
}

/// A product of pixels' channels and filters, both in whole vectors of 8, as most layers of networks are.
Case make_point_case(std::uint32_t seed) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  ConvParams& p = c.p;
  const int channels = pick({8, 16, 24, 32, 40, 72, 96, 128, 320, 1048}),
            filters = pick({8, 16, 24, 40, 80, 96, 144, 200, 392});
  Shape x{pick({0, 1, 2, 3}), channels, pick({1, 5, 7, 14, 31}), pick({1, 7, 14, 28})};
  if (seed < 4) x = Shape{3, 8 + 32 * static_cast<int>(seed), 56, 61};  // many pixels of few channels
  const Shape w{filters, x[1], 1, 1};
  c.out = Shape{x[0], filters, x[2], x[3]};
  constexpr ActivationKind kShort[] = {ActivationKind::none, ActivationKind::relu, ActivationKind::clip,
                                       ActivationKind::silu, ActivationKind::hardswish};
  p.act = {kShort[rng() % 5]};
  if (p.act.kind == ActivationKind::clip) p.act.alpha = -0.5f, p.act.beta = 0.6f;
  c.in = {test::random_f32(x, rng), test::random_f32(w, rng), {}, {}, {}};
  if (seed % 4 == 3) test::sprinkle(c.in[0], rng, 400, false);
  c.in[1].constant = true;
  if (rng() % 4) {
    c.in[2] = test::random_f32(Shape{filters}, rng);
    c.in[2].constant = true;
  }
  if (rng() % 2) {
    c.in[3] = test::random_f32(c.out, rng);
    p.residual_after = rng() % 2;
  }
  c.text = "seed " + std::to_string(seed) + ": point x " + to_string(x) + " filters " + std::to_string(filters) +
           " activation " + std::to_string(static_cast<int>(p.act.kind));
  return c;
}

double largest(const Tensor& t) {
  double most = 0;
  for (std::int64_t i = 0; i < t.shape.numel(); ++i)
    if (const double v = std::abs(static_cast<double>(t.as<float>()[i])); std::isfinite(v)) most = std::max(most, v);
  return most;
}

/// The same tensor in f16.
Tensor halved(const Tensor& t) {
  if (t.dtype == DType::invalid) return t;
  Tensor half = test::make_tensor(DType::f16, t.shape);
  half.constant = t.constant;
  for (std::int64_t i = 0; i < t.shape.numel(); ++i) half.as<std::uint16_t>()[i] = f32_to_f16(t.as<float>()[i]);
  return half;
}
/// An f16 tensor in f32.
Tensor widened(const Tensor& t) {
  Tensor wide = test::make_tensor(DType::f32, t.shape);
  for (std::int64_t i = 0; i < t.shape.numel(); ++i) wide.as<float>()[i] = f16_to_f32(t.as<std::uint16_t>()[i]);
  return wide;
}

class ConvKernels : public ::testing::TestWithParam<const Kernel*> {};

TEST_P(ConvKernels, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *find_kernel("conv_ref");
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    const Case c = make_case(seed);
    if (kernel.arithmetic.computes_in == Precision::bf16 && !c.rounded) continue;
    // Winograd's sums of inputs spread an infinity, as NaN, over a tile (docs/numerics.md).
    if (c.special && std::string_view(kernel.name).find("winograd") != std::string_view::npos) continue;
    const auto got = test::run_kernel(kernel, &c.p, c.in, {{DType::f32, c.out}}, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    const auto want = test::run_kernel(reference, &c.p, c.in, {{DType::f32, c.out}}, {.threads = 1, .seed = seed + 1});
    ASSERT_EQ(want.problem, "");
    // Activations map errors of a sum to errors at most about as large, while they may shrink the values: errors are
    // measured against the sums.
    ConvParams linear = c.p;
    linear.act = {};
    const double scale = largest(test::run_kernel(reference, &linear, c.in, {{DType::f32, c.out}}).outputs[0]);
    ASSERT_EQ(got.problem, "") << c.text;
    ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]) * largest(want.outputs[0]), 2e-5 * scale) << c.text;
    const auto again = test::run_kernel(kernel, &c.p, c.in, {{DType::f32, c.out}}, {.threads = 2, .seed = seed});
    ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes) << "one and two threads differ, " << c.text;
  }
  // Those that take f16 alone have a test of their own.
  if (ran == 0 && kernel.device != DeviceKind::cpu) GTEST_SKIP() << "it takes no f32";
  EXPECT_GT(ran, 10) << "the kernel took almost none of the cases";
}

TEST_P(ConvKernels, AgreesWithTheReferenceInHalves) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *find_kernel("conv_ref");
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    Case c = make_case(seed);
    for (Tensor& t : c.in) t = halved(t);
    const auto got = test::run_kernel(kernel, &c.p, c.in, {{DType::f16, c.out}}, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    ASSERT_EQ(got.problem, "") << c.text;
    const auto want = test::run_kernel(reference, &c.p, c.in, {{DType::f16, c.out}}, {.threads = 1, .seed = seed + 1});
    ASSERT_EQ(want.problem, "");
    ConvParams linear = c.p;
    linear.act = {};
    const double scale = largest(widened(test::run_kernel(reference, &linear, c.in, {{DType::f16, c.out}}).outputs[0]));
    // Results that round to neighbours are 2^-10 of themselves apart, and are no larger than the sums.
    const Tensor mine = widened(got.outputs[0]), theirs = widened(want.outputs[0]);
    ASSERT_LE(test::relative_error(mine, theirs) * largest(theirs), 2e-3 * scale) << c.text;
  }
  if (ran == 0) GTEST_SKIP() << "it takes no f16";
  // Those that are for layers of a kind are shown these in the tests below.
  const std::string_view name = kernel.name;
  if (name == "conv_patch_cuda" || name == "conv_thin_cuda") return;
  EXPECT_GT(ran, 10) << "the kernel took almost none of the cases";
}

TEST_P(ConvKernels, AgreesWithTheReferenceOnDepthwiseLayers) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *find_kernel("conv_ref");
  int ran = 0;
  for (const bool half : {false, true})
    for (std::uint32_t seed = kernel.device == DeviceKind::cpu ? 4 : 0; seed < 64; ++seed) {
      Case c = make_depthwise_case(seed);
      if (kernel.arithmetic.computes_in == Precision::bf16 || kernel.reference) continue;
      if (half)
        for (Tensor& t : c.in) t = halved(t);
      const DType type = half ? DType::f16 : DType::f32;
      const auto got = test::run_kernel(kernel, &c.p, c.in, {{type, c.out}}, {.threads = 1, .seed = seed});
      if (!got.refusal.empty()) continue;
      ++ran;
      ASSERT_EQ(got.problem, "") << c.text;
      const auto want = test::run_kernel(reference, &c.p, c.in, {{type, c.out}}, {.threads = 1, .seed = seed + 1});
      const Tensor mine = half ? widened(got.outputs[0]) : got.outputs[0],
                   theirs = half ? widened(want.outputs[0]) : want.outputs[0];
      // Of sums of up to 25 products of numbers below 1, which stay below 16.
      ASSERT_LE(test::relative_error(mine, theirs) * largest(theirs), half ? 8e-3 : 4e-5) << c.text;
    }
  if (ran == 0) GTEST_SKIP() << "it takes none of these";
}

TEST_P(ConvKernels, AgreesWithTheReferenceOnPicturesAndPointsInHalves) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  if (kernel.device == DeviceKind::cpu) GTEST_SKIP() << "it takes no f16";
  const Kernel& reference = *find_kernel("conv_ref");
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 160; ++seed) {
    Case c = seed < 80 ? make_picture_case(seed) : make_point_case(seed - 80);
    for (Tensor& t : c.in) t = halved(t);
    const auto got = test::run_kernel(kernel, &c.p, c.in, {{DType::f16, c.out}}, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    ASSERT_EQ(got.problem, "") << c.text;
    const auto want = test::run_kernel(reference, &c.p, c.in, {{DType::f16, c.out}}, {.threads = 1, .seed = seed + 1});
    ASSERT_EQ(want.problem, "");
    // Results that round to neighbours are 2^-10 of themselves apart; of sums of up to 1048 products of numbers
    // below 1.
    const Tensor mine = widened(got.outputs[0]), theirs = widened(want.outputs[0]);
    ASSERT_LE(test::relative_error(mine, theirs) * largest(theirs), c.in[1].shape[1] > 320 ? 6.4e-2 : 3.2e-2) << c.text;
  }
  if (ran == 0) GTEST_SKIP() << "it takes none of these";
}

std::vector<const Kernel*> kernels() {
  const auto list = kernels_of("Conv");
  return {list.begin(), list.end()};
}
INSTANTIATE_TEST_SUITE_P(Conv, ConvKernels, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
