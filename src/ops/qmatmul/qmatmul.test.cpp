// Every kernel of QMatMul and MatMulInteger against its reference: bit for bit where the output is an integer.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/qmatmul/qmatmul.params.h"
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
  QMatMulParams p;
  std::vector<Tensor> in;
  Shape out;
  DType out_type = DType::i32;
  std::string text;
};

Case make_case(std::uint32_t seed, bool quantized) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  QMatMulParams& p = c.p;
  const std::int64_t rows = pick({0, 1, 1, 2, 3, 5, 6, 7, 13, 48, 100, 197}),
                     depth = pick({1, 2, 3, 4, 5, 16, 31, 64, 65, 128, 192, 333});
  const std::int64_t columns = pick({1, 2, 7, 8, 15, 16, 17, 32, 48, 63, 64, 65, 96, 130, 200});
  Shape a{rows, depth}, b{depth, columns};
  c.out = Shape{rows, columns};
  const int form = pick({0, 0, 0, 1, 2, 3});
  if (form == 1) {  // a batch of activations
    a = Shape{2, rows, depth};
    c.out = Shape{2, rows, columns};
  } else if (form == 2) {  // a vector
    a = Shape{depth};
    c.out = Shape{columns};
  } else if (form == 3 && !(rng() % 2)) {  // a batch on both sides
    a = Shape{3, rows, depth};
    b = Shape{3, depth, columns};
    c.out = Shape{3, rows, columns};
  }
  if (b.rank == 2 && rng() % 3 == 0) {
    p.trans_b = 1;
    b = Shape{columns, depth};
  }
  const DType a_type = rng() % 2 ? DType::u8 : DType::i8, b_type = rng() % 3 ? DType::i8 : DType::u8;
  Tensor at = random_bytes(a_type, a, rng), bt = random_bytes(b_type, b, rng), az, bz;
  bt.constant = rng() % 8 != 0;
  if (rng() % 4) az = random_bytes(a_type, quantized || rng() % 4 || form == 2 ? Shape{} : Shape{rows}, rng);
  if (rng() % 2) bz = random_bytes(b_type, rng() % 2 ? Shape{columns} : Shape{1}, rng);
  c.text = "seed " + std::to_string(seed) + ": a " + to_string(a) + " b " + to_string(b) + " trans_b " +
           std::to_string(p.trans_b);
  if (!quantized) {
    c.in = {at, bt, az, bz};
    return c;
  }
  const float w_scale = 1.0F / (60.0F * std::sqrt(static_cast<float>(depth)));
  c.in.resize(14);
  c.in[QInput::x] = at;
  c.in[QInput::x_scale] = random_scale(Shape{1}, rng, 0.01F, 0.03F);
  c.in[QInput::x_zero] = az;
  c.in[QInput::w] = bt;
  c.in[QInput::w_scale] = random_scale(rng() % 2 ? Shape{columns} : Shape{1}, rng, w_scale, 2 * w_scale);
  c.in[QInput::w_zero] = bz;
  const int bias = pick({0, 1, 2});
  if (bias == 1) c.in[QInput::bias] = test::random_f32(Shape{columns}, rng);
  if (bias == 2) {
    c.in[QInput::bias] = test::make_tensor(DType::i32, Shape{columns});
    for (std::int64_t i = 0; i < columns; ++i)
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

class QMatMulKernels : public ::testing::TestWithParam<const Kernel*> {};

TEST_P(QMatMulKernels, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (!covers(cpu_info().isa, kernel.needs)) GTEST_SKIP() << "this CPU lacks " << isa_name(kernel.needs);
  const bool quantized = std::string_view(kernel.op) == "QMatMul";
  const Kernel& reference = *find_kernel(quantized ? "qmatmul_ref" : "matmul_integer_ref");
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
  for (const char* op : {"QMatMul", "MatMulInteger"})
    for (const Kernel* k : kernels_of(op)) all.push_back(k);
  return all;
}
INSTANTIATE_TEST_SUITE_P(QMatMul, QMatMulKernels, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
