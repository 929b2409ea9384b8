// Fused activations over their whole range, by way of the matrix product kernels: a 1x1 product with B = 1 is the
// identity.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/matmul/matmul.params.h"
#include "support/kernel_check.h"

namespace monza {
namespace {

TEST(Activation, VectorsFollowTheFormulas) {
  std::vector<float> xs;
  for (int i = -4000; i <= 4000; ++i) xs.push_back(static_cast<float>(i) * 0.005f);
  for (float x = 1e-6f; x < 80; x *= 1.1f) xs.insert(xs.end(), {x, -x});
  xs.insert(xs.end(), {0.0f, -0.0f, 100.0f, -100.0f, 1e10f, -1e10f, 1e30f, -1e30f, 1e-40f, -1e-40f, -87.5f, -88.5f,
                       -103.0f, -104.0f, NAN, INFINITY, -INFINITY, std::numeric_limits<float>::max(),
                       std::numeric_limits<float>::lowest()});
  const auto count = static_cast<std::int64_t>(xs.size());
  test::Tensor a = test::make_tensor(DType::f32, Shape{count, 1}), b = test::make_tensor(DType::f32, Shape{1, 1});
  std::copy(xs.begin(), xs.end(), a.as<float>());
  *b.as<float>() = 1.0f;
  int kernels = 0;
  for (const Kernel* kernel : kernels_of("MatMul")) {
    if (!test::lacking(*kernel).empty() || kernel->arithmetic.computes_in != Precision::fp32) continue;
    for (int kind = 0; kind <= static_cast<int>(ActivationKind::mish); ++kind) {
      MatMulParams p;
      p.act.kind = static_cast<ActivationKind>(kind);
      p.act.alpha = p.act.kind == ActivationKind::clip ? -0.5f : 0.3f;
      p.act.beta = 0.6f;
      if (p.act.kind == ActivationKind::prelu) continue;  // needs a slope, which MatMul has not
      const auto got = test::run_kernel(*kernel, &p, {a, b}, {{DType::f32, Shape{count, 1}}});
      if (!got.refusal.empty()) continue;
      ++kernels;
      for (std::int64_t i = 0; i < count; ++i) {
        const double x = xs[static_cast<std::size_t>(i)], want = activate(p.act, x), y = got.outputs[0].as<float>()[i];
        // x * sigmoid(x) and its kin are NaN at minus infinity, as the formula is.
        if (std::isnan(want) || std::isinf(static_cast<float>(want))) {
          EXPECT_TRUE(std::isnan(want) ? std::isnan(y) : y == static_cast<float>(want))
              << kernel->name << " kind " << kind << " at " << x << " gives " << y << ", not " << want;
          continue;
        }
        // GELU multiplies erf's rounding by x.
        const bool gelu = p.act.kind == ActivationKind::gelu_erf || p.act.kind == ActivationKind::gelu_tanh;
        const double absolute = gelu ? 3e-7 * std::min(std::max(1.0, std::abs(x)), 6.0) : 3e-7;
        ASSERT_NEAR(y, want, 6e-7 * std::abs(want) + absolute) << kernel->name << " kind " << kind << " at " << x;
      }
    }
  }
  EXPECT_GE(kernels, 14);
}

}  // namespace
}  // namespace monza
