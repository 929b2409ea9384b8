// The reference of ConvTranspose against scattering, its definition read the other way.
#include <gtest/gtest.h>

#include <random>

#include "kernel/registry.h"
#include "ops/convtranspose/convtranspose.params.h"
#include "support/kernel_check.h"

namespace monza {
namespace {

TEST(ConvTransposeReference, IsTheScatterOfItsInputs) {
  std::mt19937 rng(3);
  for (int round = 0; round < 40; ++round) {
    const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
    ConvTransposeParams p;
    p.group = pick({1, 1, 2});
    const std::int64_t channels = p.group * pick({1, 3}), filters = p.group * pick({1, 2});
    Shape x{2, channels, pick({1, 4, 5}), pick({1, 3, 6})},
        w{channels, filters / p.group, pick({1, 2, 3}), pick({2, 3, 4})}, out{2, filters, 0, 0};
    for (int i = 0; i < 2; ++i) {
      p.stride[i] = pick({1, 2, 3});
      p.dilation[i] = pick({1, 2});
      p.pad_begin[i] = pick({0, 1});
      const auto extent =
          (x[i + 2] - 1) * p.stride[i] + (w[i + 2] - 1) * p.dilation[i] + 1 - p.pad_begin[i] + pick({-1, 0, 1});
      out[i + 2] = std::max<std::int64_t>(extent, 0);
    }
    const test::Tensor tx = test::random_f32(x, rng), tw = test::random_f32(w, rng),
                       bias = test::random_f32(Shape{filters}, rng);
    test::Tensor want = test::make_tensor(DType::f32, out);
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t m = 0; m < filters; ++m)
        for (std::int64_t i = 0; i < out[2] * out[3]; ++i)
          want.as<float>()[(n * filters + m) * out[2] * out[3] + i] = bias.as<float>()[m];
    const std::int64_t per_group = channels / p.group;
    for (std::int64_t n = 0; n < 2; ++n)
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t ih = 0; ih < x[2]; ++ih)
          for (std::int64_t iw = 0; iw < x[3]; ++iw)
            for (std::int64_t m = 0; m < w[1]; ++m)
              for (std::int64_t kh = 0; kh < w[2]; ++kh)
                for (std::int64_t kw = 0; kw < w[3]; ++kw) {
                  const std::int64_t oh = ih * p.stride[0] - p.pad_begin[0] + kh * p.dilation[0];
                  const std::int64_t ow = iw * p.stride[1] - p.pad_begin[1] + kw * p.dilation[1];
                  if (oh < 0 || oh >= out[2] || ow < 0 || ow >= out[3]) continue;
                  want.as<float>()[((n * filters + c / per_group * w[1] + m) * out[2] + oh) * out[3] + ow] +=
                      tx.as<float>()[((n * channels + c) * x[2] + ih) * x[3] + iw] *
                      tw.as<float>()[((c * w[1] + m) * w[2] + kh) * w[3] + kw];
                }
    for (const Kernel* kernel : kernels_of("ConvTranspose")) {
      const auto got =
          test::run_kernel(*kernel, &p, {tx, tw, bias}, {{DType::f32, out}}, {.threads = 2, .seed = rng()});
      if (!got.refusal.empty()) continue;
      ASSERT_EQ(got.problem, "");
      ASSERT_LE(test::relative_error(got.outputs[0], want), 1e-5) << kernel->name;
    }
  }
}

}  // namespace
}  // namespace monza
