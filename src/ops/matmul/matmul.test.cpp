// Every kernel of MatMul against the reference, over random shapes, views, broadcasting and activations.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/matmul/matmul.params.h"
#include "support/kernel_check.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"
#include "tensor/float_convert.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace monza {
namespace {

using test::Tensor;

struct Case {
  MatMulParams p;
  std::vector<Tensor> in;
  Shape out;
  std::string text;
  bool rounded = false;  ///< the factors are bf16 numbers
};

Case make_case(std::uint32_t seed) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  MatMulParams& p = c.p;
  const std::int64_t m = pick({1, 1, 2, 3, 13, 14, 15, 29, 113, 150, 0}),
                     n = pick({1, 3, 8, 16, 17, 32, 33, 48, 65, 130, 300}),
                     k = pick({1, 2, 5, 16, 33, 64, 255, 256, 257, 700, 704, 0});
  const int batch_rank = pick({0, 0, 1, 2});
  const bool vector_a = rng() % 12 == 0, vector_b = rng() % 12 == 0;
  Shape a, b, batch;
  const bool constant = rng() % 2, shared = rng() % 2;
  for (int i = 0; i < batch_rank; ++i) {
    const std::int64_t extent = pick({1, 2, 3});
    const bool in_a = !vector_a, in_b = !vector_b && !shared;
    if (in_a) a[a.rank++] = in_b && rng() % 4 == 0 ? 1 : extent;
    if (in_b) b[b.rank++] = in_a && rng() % 4 == 0 ? 1 : extent;
    if (in_a || in_b) batch[batch.rank++] = std::max(in_a ? a[a.rank - 1] : 1, in_b ? b[b.rank - 1] : 1);
  }
  p.trans_a = !vector_a && rng() % 4 == 0;
  p.trans_b = !vector_b && rng() % 3 == 0;
  if (vector_a) {
    a = Shape{k};
  } else {
    a[a.rank++] = p.trans_a ? k : m;
    a[a.rank++] = p.trans_a ? m : k;
  }
  if (vector_b) {
    b = Shape{k};
  } else {
    b[b.rank++] = p.trans_b ? n : k;
    b[b.rank++] = p.trans_b ? k : n;
  }
  c.out = batch;
  if (!vector_a) c.out[c.out.rank++] = m;
  if (!vector_b) c.out[c.out.rank++] = n;
  if (rng() % 3 == 0) p.alpha = 0.25f;
  if (rng() % 2) {
    do p.act.kind = static_cast<ActivationKind>(rng() % 15);
    while (p.act.kind == ActivationKind::prelu);
    p.act.alpha = p.act.kind == ActivationKind::clip ? -0.5f : 0.3f;
    p.act.beta = 0.6f;
  }
  c.in = {test::random_f32(a, rng), test::random_f32(b, rng), {}, {}};
  if (seed % 8 == 7) test::sprinkle(c.in[0], rng, 60, false);
  if (rng() % 3 == 0) {  // factors that bf16 holds exactly, so that rounding them changes nothing
    c.rounded = true;
    for (int i = 0; i < 2; ++i)
      for (std::int64_t e = 0; e < c.in[static_cast<std::size_t>(i)].shape.numel(); ++e)
        c.in[static_cast<std::size_t>(i)].as<float>()[e] =
            bf16_to_f32(f32_to_bf16(c.in[static_cast<std::size_t>(i)].as<float>()[e]));
  }
  c.in[1].constant = constant;
  if (rng() % 2 && c.out.rank > 0) c.in[2] = test::random_f32(rng() % 4 ? Shape{c.out[c.out.rank - 1]} : c.out, rng);
  if (rng() % 3 == 0) {
    Shape r = c.out;
    if (r.rank > 1 && rng() % 4 == 0) r[static_cast<int>(rng() % static_cast<unsigned>(r.rank - 1))] = 1;
    c.in[3] = test::random_f32(r, rng);
    p.residual_after = rng() % 2;
  }
  c.text = "seed " + std::to_string(seed) + ": a " + to_string(a) + (p.trans_a ? "^T" : "") + " b " + to_string(b) +
           (p.trans_b ? "^T" : "") + " out " + to_string(c.out) + " activation " +
           std::to_string(static_cast<int>(p.act.kind));
  return c;
}

class MatMulKernels : public ::testing::TestWithParam<const Kernel*> {};

/// The types that kernels compute in, and how far from the reference they may be: results are rounded to the narrow
/// ones.
struct Accuracy {
  DType dtype;
  double error;
};
constexpr Accuracy kAccuracies[] = {{DType::f32, 2e-5},  {DType::f16, 2e-3}, {DType::bf16, 1.6e-2},
                                    {DType::f64, 1e-12}, {DType::i32, 0},    {DType::u64, 0}};

TEST_P(MatMulKernels, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *find_kernel("matmul_ref");
  int ran = 0;
  std::string refusal;
  for (const auto& [dtype, error] : kAccuracies) {
    // The reference against itself says nothing new of the other types.
    if (dtype != DType::f32 && &kernel == &reference) break;
    SCOPED_TRACE(dtype_name(dtype));
    for (std::uint32_t seed = 0; seed < 500; ++seed) {
      Case c = make_case(seed);
      if (kernel.arithmetic.computes_in == Precision::bf16 && !c.rounded) continue;
      for (Tensor& t : c.in) {
        if (t.dtype == DType::invalid) continue;
        if (!is_float(dtype))  // not only zeros
          for (std::int64_t i = 0; i < t.shape.numel(); ++i) t.as<float>()[i] *= 1000;
        t = test::converted(t, dtype);
      }
      const std::vector<std::pair<DType, Shape>> out{{dtype, c.out}};
      const auto got = test::run_kernel(kernel, &c.p, c.in, out, {.threads = 1, .seed = seed});
      if (!got.refusal.empty()) {
        refusal = got.refusal;
        continue;
      }
      const auto want = test::run_kernel(reference, &c.p, c.in, out, {.threads = 1, .seed = seed + 1});
      if (!want.refusal.empty()) continue;
      ++ran;
      ASSERT_EQ(want.problem, "");
      ASSERT_EQ(got.problem, "") << c.text;
      ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), error) << c.text;
      const auto again = test::run_kernel(kernel, &c.p, c.in, out, {.threads = 2, .seed = seed});
      ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes) << "one and two threads differ, " << c.text;
    }
  }
  if (ran == 0 && refusal.starts_with("needs a GPU of")) GTEST_SKIP() << refusal;
  EXPECT_GT(ran, 10) << "the kernel took almost none of the cases";
}

/// Operands that lie as copies of boxes take them, of more than a tile: what the random cases seldom are.
TEST_P(MatMulKernels, AgreesWithTheReferenceOnWholeOperands) {
  const Kernel& kernel = *GetParam();
  if (kernel.device == DeviceKind::cpu) GTEST_SKIP() << "the cases above have such operands";
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *find_kernel("matmul_ref");
  int ran = 0;
  std::string refusal;
  for (const auto& [dtype, error] : kAccuracies)
    for (std::uint32_t seed = 0; is_float(dtype) && dtype != DType::f64 && seed < 24; ++seed) {
      std::mt19937 rng(seed);
      const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
      const std::int64_t batch = pick({1, 1, 1, 3}), m = pick({1, 64, 100, 150}), n = pick({8, 64, 96, 136}),
                         k = pick({8, 200, 520, 768});
      const bool shared = rng() % 2;  // one second factor for all of the batch
      MatMulParams p;
      p.trans_b = rng() % 2;
      p.alpha = rng() % 3 == 0 ? 0.25F : 1;
      p.act.kind = static_cast<ActivationKind>(
          pick({static_cast<int>(ActivationKind::none), static_cast<int>(ActivationKind::relu),
                static_cast<int>(ActivationKind::gelu_erf), static_cast<int>(ActivationKind::silu),
                static_cast<int>(ActivationKind::clip), static_cast<int>(ActivationKind::tanh)}));
      p.act.alpha = -15;
      p.act.beta = 20;
      p.residual_after = rng() % 2;
      const Shape b = p.trans_b ? Shape{n, k} : Shape{k, n};
      std::vector<Tensor> in{test::random_f32(Shape{batch, m, k}, rng),
                             test::random_f32(shared ? b : Shape{batch, b[0], b[1]}, rng),
                             {},
                             {}};
      if (rng() % 3 != 0) in[2] = test::random_f32(Shape{n}, rng);
      if (rng() % 2) in[3] = test::random_f32(Shape{batch, m, n}, rng);
      for (Tensor& t : in)
        if (t.dtype != DType::invalid) t = test::converted(t, dtype);
      in[1].constant = rng() % 2;
      SCOPED_TRACE(fmt::format("{} seed {}: {} x {} x {} x {} activation {}", dtype_name(dtype), seed, batch, m, k, n,
                               static_cast<int>(p.act.kind)));
      const std::vector<std::pair<DType, Shape>> out{{dtype, Shape{batch, m, n}}};
      const auto got = test::run_kernel(kernel, &p, in, out, {.whole = true, .seed = seed});
      if (!got.refusal.empty()) {
        refusal = got.refusal;
        continue;
      }
      const auto want = test::run_kernel(reference, &p, in, out, {.seed = seed});
      ++ran;
      ASSERT_EQ(want.refusal + want.problem + got.problem, "");
      ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), error);
      const auto again = test::run_kernel(kernel, &p, in, out, {.whole = true, .seed = seed});
      ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes) << "two runs differ";
    }
  if (ran == 0 && refusal.starts_with("needs a GPU of")) GTEST_SKIP() << refusal;
  EXPECT_GT(ran, 10) << "the kernel took almost none of the cases: " << refusal;
}

/// Those that take weights in blocks take nothing else, and have tests of their own.
bool of_blocks(const Kernel* k) { return std::string_view(k->name).starts_with("matmul_blocks"); }

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> list;
  for (const Kernel* k : kernels_of("MatMul"))
    if (!of_blocks(k)) list.push_back(k);
  return list;
}
INSTANTIATE_TEST_SUITE_P(MatMul, MatMulKernels, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(MatMulReference, TakesEveryBlockEncoding) {
  std::mt19937 rng(7);
  for (const DType dtype : block_encodings()) {
    SCOPED_TRACE(dtype_name(dtype));
    const int whole = 3 * block_encoding(dtype).elements;
    for (const std::int64_t k : {std::int64_t{whole}, std::int64_t{whole - 5}, std::int64_t{1}, std::int64_t{0}}) {
      constexpr std::int64_t kM = 3, kN = 5;
      std::vector<float> dense;
      const Tensor b = test::random_blocks(dtype, kN, k, rng, dense);
      const Tensor a = test::random_f32(Shape{kM, k}, rng);
      MatMulParams p;
      p.trans_b = 1;
      const auto got = test::run_kernel(*find_kernel("matmul_ref"), &p, {a, b}, {{DType::f32, Shape{kM, kN}}});
      ASSERT_EQ(got.refusal + got.problem, "");
      for (std::int64_t m = 0; m < kM; ++m)
        for (std::int64_t n = 0; n < kN; ++n) {
          double sum = 0;
          for (std::int64_t i = 0; i < k; ++i)
            sum += static_cast<double>(a.as<float>()[m * k + i]) * dense[static_cast<std::size_t>(n * k + i)];
          EXPECT_FLOAT_EQ(got.outputs[0].as<float>()[m * kN + n], static_cast<float>(sum));
        }
    }
  }
}

/// What the byte kernels should give: rows rounded group by group as they say, then exact products, in double.
std::vector<double> rounded_product(const float* a, std::int64_t m, std::int64_t k, const std::vector<float>& w,
                                    std::int64_t n) {
  std::vector<double> x(static_cast<std::size_t>(m * k)), y(static_cast<std::size_t>(m * n));
  for (std::int64_t at = 0; at < m * k; at += 32) {
    float largest = 0;
    bool finite = true;
    for (int i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(a[at + i])), finite &= std::isfinite(a[at + i]);
    for (int i = 0; i < 32; ++i) {
      const float q = largest < 1e-30f ? 0 : std::nearbyint(a[at + i] * (127.0f / largest));
      x[static_cast<std::size_t>(at + i)] = finite ? static_cast<double>(q) * (largest / 127.0f) : NAN;
    }
  }
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      for (std::int64_t e = 0; e < k; ++e)
        y[static_cast<std::size_t>(i * n + j)] +=
            x[static_cast<std::size_t>(i * k + e)] * static_cast<double>(w[static_cast<std::size_t>(j * k + e)]);
  return y;
}

class BlockKernels : public ::testing::TestWithParam<const Kernel*> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(BlockKernels);  // where no kernel of this processor takes blocks

TEST_P(BlockKernels, MultiplyBytesExactly) {
  const Kernel& kernel = *GetParam();
  if (!covers(cpu_info().isa, kernel.needs)) GTEST_SKIP() << "needs " << isa_name(kernel.needs);
  std::mt19937 rng(11);
  int taken = 0;
  for (const DType dtype : block_encodings()) {
    SCOPED_TRACE(dtype_name(dtype));
    const std::int64_t block = block_encoding(dtype).elements;
    for (const std::int64_t n : {1, 16, 37})
      for (const std::int64_t m : {1, 2, 3, 8, 13}) {
        const std::int64_t k = block * static_cast<std::int64_t>(1 + rng() % 3);
        std::vector<float> dense;
        const Tensor w = test::random_blocks(dtype, n, k, rng, dense);
        Tensor a = test::random_f32(Shape{m, k}, rng, -3, 3);
        const bool odd = rng() % 3 == 0;
        if (odd) test::sprinkle(a, rng, 60, false);
        const bool extras = rng() % 2 == 0;
        MatMulParams p;
        p.trans_b = 1;
        std::vector<Tensor> in = {a, w};
        if (extras) {
          p.alpha = 0.5f;
          p.act.kind = ActivationKind::relu;
          in.push_back(test::random_f32(Shape{n}, rng));
          in.push_back(test::random_f32(Shape{m, n}, rng));
          in[2].constant = true;
        }
        const auto got = test::run_kernel(kernel, &p, in, {{DType::f32, Shape{m, n}}}, {.threads = 2});
        if (got.refusal == "the weight is in no encoding that has panels") continue;
        ASSERT_EQ(got.refusal + got.problem, "");
        ++taken;
        const std::vector<double> want = rounded_product(a.as<float>(), m, k, dense, n);
        for (std::size_t i = 0; i < want.size(); ++i) {
          double size = 1e-6, y = want[i];
          for (std::int64_t e = 0; e < k; ++e)
            size += std::fabs(static_cast<double>(a.as<float>()[static_cast<std::int64_t>(i) / n * k + e]) *
                              dense[static_cast<std::size_t>(static_cast<std::int64_t>(i) % n * k + e)]);
          if (extras) {
            const double bias = in[2].as<float>()[i % static_cast<std::size_t>(n)], residual = in[3].as<float>()[i];
            y = std::max(0.0, y * 0.5 + bias + residual);
            size += std::fabs(bias) + std::fabs(residual);
          }
          const float result = got.outputs[0].as<float>()[i];
          if (std::isnan(want[i])) EXPECT_TRUE(std::isnan(result) || (extras && result == 0)) << i;
          else ASSERT_NEAR(result, y, 2e-6 * size) << "m " << m << ", n " << n << ", k " << k << ", element " << i;
        }
      }
  }
  EXPECT_EQ(taken, 8 * 3 * 5);
}

TEST_P(BlockKernels, ARowIsTheSameInAnyBatch) {
  const Kernel& kernel = *GetParam();
  if (!covers(cpu_info().isa, kernel.needs)) GTEST_SKIP() << "needs " << isa_name(kernel.needs);
  std::mt19937 rng(12);
  for (const DType dtype : {DType::q4_0, DType::q8_0, DType::q4_k, DType::q6_k}) {
    constexpr std::int64_t kM = 13, kN = 40, kK = 512;
    std::vector<float> dense;
    const Tensor w = test::random_blocks(dtype, kN, kK, rng, dense), a = test::random_f32(Shape{kM, kK}, rng);
    MatMulParams p;
    p.trans_b = 1;
    const auto all = test::run_kernel(kernel, &p, {a, w}, {{DType::f32, Shape{kM, kN}}}, {.threads = 2});
    for (std::int64_t row = 0; row < kM; ++row) {
      Tensor one = test::make_tensor(DType::f32, Shape{1, kK});
      std::memcpy(one.bytes.data(), a.as<float>() + row * kK, kK * 4);
      const auto got = test::run_kernel(kernel, &p, {one, w}, {{DType::f32, Shape{1, kN}}}, {});
      ASSERT_EQ(std::memcmp(got.outputs[0].as<float>(), all.outputs[0].as<float>() + row * kN, kN * 4), 0) << row;
    }
  }
}

TEST_P(BlockKernels, SayWhatTheyRefuse) {
  const auto refusal = [&](const Shape& a, DType type, const Shape& w, std::int32_t trans_a = 0) {
    MatMulParams p;
    p.trans_a = trans_a;
    p.trans_b = 1;
    const OperandDesc in[] = {{.dtype = DType::f32, .shape = a}, {.dtype = type, .constant = true, .shape = w}};
    const OperandDesc out{.dtype = DType::f32, .shape = {a[0], w[0]}};
    KernelQuery q;
    q.params = &p;
    q.in = in;
    q.in_count = 2;
    q.out = &out;
    q.out_count = 1;
    const Refusal r = GetParam()->accepts(q);
    return std::string(r == nullptr ? "taken" : r);
  };
  EXPECT_EQ(refusal({3, 64}, DType::q4_0, {5, 64}), "taken");
  EXPECT_EQ(refusal({3, 60}, DType::q4_0, {5, 60}), "a row of the weight is no number of blocks");
  EXPECT_EQ(refusal({3, 64}, DType::q4_k, {5, 64}), "a row of the weight is no number of blocks");
  EXPECT_EQ(refusal({2, 3, 64}, DType::q4_0, {5, 64}), "not rows of f32 times one matrix");
  EXPECT_EQ(refusal({64, 64}, DType::q4_0, {5, 64}, 1), "not rows of f32 times one matrix");
  EXPECT_EQ(refusal({3, 64}, DType::iq1_s, {5, 64}), "the weight is in no encoding that has panels");
}

std::vector<const Kernel*> block_kernels() {
  std::vector<const Kernel*> list;
  for (const Kernel* k : kernels_of("MatMul"))
    if (of_blocks(k)) list.push_back(k);
  return list;
}
INSTANTIATE_TEST_SUITE_P(MatMul, BlockKernels, ::testing::ValuesIn(block_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
