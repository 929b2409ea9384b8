// Every kernel of QConv and ConvInteger against its reference: bit for bit where the output is an integer.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/qconv/qconv.params.h"
#include "support/kernel_check.h"
#include "tensor/shape.h"

namespace monza {
namespace {

using test::Tensor;

Tensor random_bytes(DType type, const Shape& shape, std::mt19937& rng) {
  Tensor t = test::make_tensor(type, shape);
  for (auto& b : t.bytes) b = static_cast<std::byte>(rng());
  return t;
}
Tensor random_scale(const Shape& shape, std::mt19937& rng, float low, float high) {
  return test::random_f32(shape, rng, low, high);
}

/// The largest |a - b| over the largest |b|, or over 1 where that is larger: GELU of very negative sums is all but 0.
double error_against_one(const Tensor& a, const Tensor& b) {
  double error = 0, largest = 1;
  for (std::int64_t i = 0; i < b.shape.numel(); ++i) {
    error = std::max(error, std::abs(static_cast<double>(a.as<float>()[i]) - b.as<float>()[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b.as<float>()[i])));
  }
  return error / largest;
}

struct Case {
  QConvParams p;
  std::vector<Tensor> in;
  Shape out;
  DType out_type = DType::i32;
  std::string text;
};

Case make_case(std::uint32_t seed, bool quantized) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  QConvParams& p = c.p;
  p.spatial = pick({2, 2, 2, 2, 1, 3});
  const int kind = pick({0, 0, 0, 1, 1, 2, 2, 3});  // plain, 1x1, depthwise, grouped
  std::int64_t channels = pick({1, 2, 3, 4, 7, 16, 17, 24, 32, 48, 100, 160}),
               filters = pick({1, 3, 8, 16, 20, 31, 32, 33, 48, 64, 80, 130});
  if (kind == 2) {
    filters = channels;
    p.group = static_cast<std::int32_t>(channels);
  } else if (kind == 3) {
    p.group = pick({2, 3});
    channels = p.group * pick({1, 2, 5, 16});
    filters = p.group * pick({1, 2, 5, 16, 33});
  }
  Shape x, w;
  x.rank = w.rank = c.out.rank = p.spatial + 2;
  x[0] = c.out[0] = pick({1, 1, 2, 3, 0});
  x[1] = channels;
  w[0] = c.out[1] = filters;
  w[1] = channels / p.group;
  if (rng() % 8 == 0) p.padding = rng() % 2 ? ConvParams::Padding::same_upper : ConvParams::Padding::same_lower;
  for (int i = 0; i < p.spatial; ++i) {
    const int k = kind == 1 ? 1 : pick({1, 2, 3, 3, 3, 5, 7});
    p.stride[i] = pick({1, 1, 1, 2, 3});
    p.dilation[i] = pick({1, 1, 1, 2});
    const int reach = (k - 1) * p.dilation[i] + 1;
    x[i + 2] = p.spatial == 3 ? pick({1, 2, 5, 6}) : pick({1, 2, 3, 7, 8, 13, 14, 15, 29});
    w[i + 2] = k;
    if (p.padding == ConvParams::Padding::given) {
      p.pad_begin[i] = pick({0, 1, k / 2, k / 2});
      p.pad_end[i] = pick({0, 1, k / 2, k / 2});
      while (x[i + 2] + p.pad_begin[i] + p.pad_end[i] < reach) ++p.pad_end[i];
      c.out[i + 2] = (x[i + 2] + p.pad_begin[i] + p.pad_end[i] - reach) / p.stride[i] + 1;
    } else {
      c.out[i + 2] = (x[i + 2] + p.stride[i] - 1) / p.stride[i];
    }
  }
  const DType x_type = rng() % 2 ? DType::u8 : DType::i8, w_type = rng() % 3 ? DType::i8 : DType::u8;
  Tensor xt = random_bytes(x_type, x, rng), wt = random_bytes(w_type, w, rng), xz, wz;
  wt.constant = true;
  if (rng() % 4) xz = random_bytes(x_type, Shape{}, rng);
  if (rng() % 2) wz = random_bytes(w_type, rng() % 2 ? Shape{filters} : Shape{}, rng);
  c.text = "seed " + std::to_string(seed) + ": x " + to_string(x) + " w " + to_string(w) + " group " +
           std::to_string(p.group);
  if (!quantized) {
    c.in = {xt, wt, xz, wz};
    return c;
  }
  const float w_scale = 1.0F / (60.0F * std::sqrt(static_cast<float>(w.count(1, w.rank))));
  c.in.resize(14);
  c.in[QInput::x] = xt;
  c.in[QInput::x_scale] = random_scale(Shape{}, rng, 0.01F, 0.03F);
  c.in[QInput::x_zero] = xz;
  c.in[QInput::w] = wt;
  c.in[QInput::w_scale] = random_scale(rng() % 2 ? Shape{filters} : Shape{1}, rng, w_scale, 2 * w_scale);
  c.in[QInput::w_zero] = wz;
  const int bias = pick({0, 1, 2});
  if (bias == 1) c.in[QInput::bias] = test::random_f32(Shape{filters}, rng);
  if (bias == 2) {
    c.in[QInput::bias] = test::make_tensor(DType::i32, Shape{filters});
    for (std::int64_t i = 0; i < filters; ++i)
      c.in[QInput::bias].as<std::int32_t>()[i] = static_cast<std::int32_t>(rng() % 20001) - 10000;
  }
  const bool residual = rng() % 3 == 0, f32 = rng() % 3 == 0;
  c.out_type = DType::f32;
  if (f32) {
    p.act.kind = static_cast<ActivationKind>(pick({0, 1, 2, 3, 4, 5, 7}));
    if (residual) {
      c.in[QInput::residual] = test::random_f32(c.out, rng);
      p.residual_after = rng() % 2;
    }
  } else {
    p.act.kind = static_cast<ActivationKind>(pick({0, 1, 2}));
    c.out_type = rng() % 2 ? DType::u8 : DType::i8;
    c.in[QInput::y_scale] = random_scale(Shape{}, rng, 0.01F, 0.03F);
    c.in[QInput::y_zero] = random_bytes(c.out_type, Shape{}, rng);
    if (residual) {
      const DType r_type = rng() % 2 ? DType::u8 : DType::i8;
      c.in[QInput::residual] = random_bytes(r_type, c.out, rng);
      c.in[QInput::r_scale] = random_scale(Shape{}, rng, 0.01F, 0.03F);
      c.in[QInput::r_zero] = random_bytes(r_type, Shape{1}, rng);
      if (rng() % 2) {
        c.in[QInput::mid_scale] = random_scale(Shape{}, rng, 0.01F, 0.03F);
        if (rng() % 2) c.in[QInput::mid_zero] = random_bytes(rng() % 2 ? DType::u8 : DType::i8, Shape{}, rng);
      }
    }
  }
  p.act.alpha = p.act.kind == ActivationKind::clip ? -0.5F : 0.0F;
  p.act.beta = p.act.kind == ActivationKind::clip ? 0.9F : 0.0F;
  c.text += " activation " + std::to_string(static_cast<int>(p.act.kind));
  return c;
}

class QConvKernels : public ::testing::TestWithParam<const Kernel*> {};

TEST_P(QConvKernels, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (!covers(cpu_info().isa, kernel.needs)) GTEST_SKIP() << "this CPU lacks " << isa_name(kernel.needs);
  const bool quantized = std::string_view(kernel.op) == "QConv";
  const Kernel& reference = *find_kernel(quantized ? "qconv_ref" : "conv_integer_ref");
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 600; ++seed) {
    const Case c = make_case(seed, quantized);
    const auto got = test::run_kernel(kernel, &c.p, c.in, {{c.out_type, c.out}}, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    const auto want = test::run_kernel(reference, &c.p, c.in, {{c.out_type, c.out}}, {.threads = 1, .seed = seed + 1});
    ASSERT_EQ(want.problem, "") << c.text;
    ASSERT_EQ(got.problem, "") << c.text;
    if (c.out_type == DType::f32) {
      ASSERT_LE(error_against_one(got.outputs[0], want.outputs[0]), 2e-5) << c.text;
    } else {
      ASSERT_EQ(got.outputs[0].bytes, want.outputs[0].bytes) << c.text;
    }
    const auto again = test::run_kernel(kernel, &c.p, c.in, {{c.out_type, c.out}}, {.threads = 2, .seed = seed});
    ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes) << "one and two threads differ, " << c.text;
  }
  EXPECT_GT(ran, 10) << "the kernel took almost none of the cases";
}

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> all;
  for (const char* op : {"QConv", "ConvInteger"})
    for (const Kernel* k : kernels_of(op)) all.push_back(k);
  return all;
}
INSTANTIATE_TEST_SUITE_P(QConv, QConvKernels, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
