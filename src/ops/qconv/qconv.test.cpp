// Every kernel of QConv and ConvInteger against its reference: bit for bit where the output is an integer.
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/qconv/qconv.params.h"
#include "support/quantized_cases.h"
#include "tensor/shape.h"

namespace monza {
namespace {

using test::QuantizedCase;
using test::random_bytes;
using test::Tensor;

QuantizedCase make_case(std::uint32_t seed, bool quantized) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  QuantizedCase c;
  const auto params = std::make_shared<QConvParams>();
  QConvParams& p = *params;
  c.params = params;
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
  c.in = {xt, wt, xz, wz};
  if (quantized) test::add_quantization(c, p.act, p.residual_after, filters, w.count(1, w.rank), rng);
  return c;
}

class QConvKernels : public ::testing::TestWithParam<const Kernel*> {};

TEST_P(QConvKernels, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const bool quantized = std::string_view(kernel.op) == "QConv";
  const Kernel& reference = *find_kernel(quantized ? "qconv_ref" : "conv_integer_ref");
  test::expect_agreement(kernel, reference, [&](std::uint32_t seed) { return make_case(seed, quantized); });
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
