// Every Attention kernel against the reference, in each type that it takes: heads, lengths beyond a block of keys,
// masks, causal rows, grouped heads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernel/registry.h"
#include "ops/attention/attention.params.h"
#include "ops/attention/linear_attention.params.h"
#include "support/kernel_check.h"
#include "support/kernel_suite.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza {
namespace {

using test::Tensor;

struct Case {
  AttentionParams p;
  std::vector<Tensor> in;
  Shape out;
  std::string text;
};

Case make_case(std::uint32_t seed) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  const std::int64_t batch = pick({1, 1, 2}), kv_heads = pick({1, 2, 3}), heads = kv_heads * pick({1, 1, 2});
  const std::int64_t rows = pick({1, 2, 7, 28, 113, 130}), size = pick({1, 4, 16, 33, 64}),
                     v_size = rng() % 2 ? size : pick({1, 8, 20});
  c.p.causal = rng() % 4 == 0;
  const std::int64_t keys = c.p.causal ? rows : pick({1, 3, 17, 128, 256, 257, 530});
  if (rng() % 3 == 0) c.p.scale = 0.3f;
  Shape q{batch, heads, rows, size}, k{batch, kv_heads, keys, size}, v{batch, kv_heads, keys, v_size};
  c.out = Shape{batch, heads, rows, v_size};
  if (rng() % 2) {
    c.p.q_heads = static_cast<std::int32_t>(heads);
    c.p.kv_heads = static_cast<std::int32_t>(kv_heads);
    q = Shape{batch, rows, heads * size};
    k = Shape{batch, keys, kv_heads * size};
    v = Shape{batch, keys, kv_heads * v_size};
    c.out = Shape{batch, rows, heads * v_size};
  }
  for (const Shape& s : {q, k, v}) c.in.push_back(test::random_f32(s, rng, -2, 2));
  // Scores that are NaN or infinite: some, or all of a row.
  if (seed % 4 == 3)
    for (int i = 0; i < 2; ++i)
      test::sprinkle(c.in[static_cast<std::size_t>(i)], rng, seed % 8 == 3 ? 20 : 2000, false);
  const int mask = static_cast<int>(rng() % 4);
  if (mask > 0) {
    Shape s{rng() % 2 ? batch : 1, rng() % 2 ? heads : 1, rng() % 2 ? rows : 1, rng() % 5 ? keys : (keys + 1) / 2};
    if (rng() % 4 == 0) s = Shape{rng() % 2 ? rows : 1, keys};
    if (mask == 1) {
      c.in.push_back(test::random_f32(s, rng, -3, 3));
      for (std::int64_t i = 0; i < s.numel(); ++i)
        if (rng() % 4 == 0) c.in[3].as<float>()[i] = rng() % 2 ? -INFINITY : -20.f;
      // Rows that may attend to nothing.
      for (std::int64_t i = 0; i < s.numel(); ++i)
        if (i / s[s.rank - 1] % 3 == 1) c.in[3].as<float>()[i] = -INFINITY;
    } else {
      c.in.push_back(test::make_tensor(DType::boolean, s));
      // Rows that may attend to nothing come out as zeros, or not as numbers.
      for (std::int64_t i = 0; i < s.numel(); ++i) c.in[3].as<std::uint8_t>()[i] = rng() % (mask == 2 ? 3 : 40) == 0;
    }
  }
  c.p.nan_rows = rng() % 4 == 0;
  if (rng() % 3 == 0) c.p.masked = static_cast<float>(pick({-1, -10000}));
  c.text = "seed " + std::to_string(seed) + ": q " + to_string(q) + " k " + to_string(k) + " v " + to_string(v);
  return c;
}

/// The first element whose bits differ, -1: none. NaN is like any other: which of two operands gives it its sign
/// depends on how the rows are cut into tiles, and so on the number of threads.
std::int64_t first_other_bits(const test::Tensor& a, const test::Tensor& b) {
  const ElementAccess& access = element_access(a.dtype);
  for (std::int64_t i = 0; i < a.shape.numel(); ++i) {
    const double x = access.load(a.bytes.data(), i), y = access.load(b.bytes.data(), i);
    if (std::memcmp(&x, &y, sizeof x) != 0 && !(std::isnan(x) && std::isnan(y))) return i;
  }
  return -1;
}

/// The types that kernels compute in, and how far from the reference they may be: weights and results are rounded to
/// the narrow ones.
struct Accuracy {
  DType dtype;
  double error;
};
constexpr Accuracy kAccuracies[] = {{DType::f32, 2e-6}, {DType::f16, 2e-3}, {DType::bf16, 1.6e-2}, {DType::f64, 1e-12}};

class Attention : public ::testing::TestWithParam<const Kernel*> {};
MONZA_MAY_LACK_KERNELS(Attention);

TEST_P(Attention, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *find_kernel("attention_ref");
  int types = 0;
  for (const auto& [dtype, error] : kAccuracies) {
    SCOPED_TRACE(dtype_name(dtype));
    for (std::uint32_t seed = 0; seed < 80; ++seed) {
      Case c = make_case(seed);
      for (Tensor& t : c.in)
        if (t.dtype == DType::f32) t = test::converted(t, dtype);
      const std::vector<std::pair<DType, Shape>> out{{dtype, c.out}};
      const auto got = test::run_kernel(kernel, &c.p, c.in, out, {.threads = 1, .seed = seed});
      if (seed == 0) {
        if (!got.refusal.empty()) break;
        ++types;
      }
      ASSERT_EQ(got.refusal, "") << c.text;
      ASSERT_EQ(got.problem, "") << c.text;
      const auto want = test::run_kernel(reference, &c.p, c.in, out);
      ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), error) << c.text;
      const auto again = test::run_kernel(kernel, &c.p, c.in, out, {.threads = 3, .seed = seed});
      ASSERT_EQ(first_other_bits(got.outputs[0], again.outputs[0]), -1) << "one and three threads differ, " << c.text;
    }
  }
  EXPECT_GT(types, 0) << "the kernel takes no type";
}

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> list;
  for (const Kernel* k : kernels_of("Attention"))
    if (!k->reference) list.push_back(k);
  return list;
}
INSTANTIATE_TEST_SUITE_P(Kernels, Attention, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

/// What the random cases above leave out: past keys and the outputs that keep them, lengths, windows, a cap, the
/// scores.
TEST(AttentionDevices, MatchTheReferenceWithPastAndLengths) {
  for (const Kernel* kernel : kernels()) {
    if (kernel->device == DeviceKind::cpu || !test::lacking(*kernel).empty()) continue;
    for (const auto& [dtype, error] : kAccuracies)
      for (std::uint32_t seed = 0; seed < 40; ++seed) {
        SCOPED_TRACE(std::string(kernel->name) + ", " + std::string(dtype_name(dtype)) + ", seed " +
                     std::to_string(seed));
        std::mt19937 rng(seed);
        const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
        const std::int64_t batch = 2, kv_heads = 2, heads = kv_heads * pick({1, 3}), rows = pick({1, 5, 70}),
                           size = pick({8, 40, 64, 96}), fresh = pick({1, 5, 70}), past = pick({0, 3, 64, 90});
        AttentionParams p;
        p.causal = pick({0, 1});
        if (rng() % 3 == 0) p.softcap = 3;
        if (rng() % 3 == 0) p.left_window = pick({0, 10, 70});
        if (rng() % 3 == 0) p.right_window = pick({0, 10});
        p.scores = static_cast<AttentionParams::Scores>(rng() % 4);
        std::vector<Tensor> in(7);
        in[0] = test::random_f32(Shape{batch, heads, rows, size}, rng, -2, 2);
        in[1] = test::random_f32(Shape{batch, kv_heads, fresh, size}, rng, -2, 2);
        in[2] = test::random_f32(Shape{batch, kv_heads, fresh, size}, rng, -2, 2);
        if (past > 0)
          for (const int i : {4, 5})
            in[static_cast<std::size_t>(i)] = test::random_f32(Shape{batch, kv_heads, past, size}, rng, -2, 2);
        for (Tensor& t : in)
          if (t.dtype != DType::invalid) t = test::converted(t, dtype);
        const std::int64_t keys = past + fresh;
        if (rng() % 2) {
          in[6] = test::make_tensor(DType::i64, Shape{batch});
          for (std::int64_t b = 0; b < batch; ++b)
            in[6].as<std::int64_t>()[b] = static_cast<std::int64_t>(rng() % static_cast<unsigned>(keys + 3)) - 1;
        }
        std::vector<std::pair<DType, Shape>> out{
            {dtype, in[0].shape}, {dtype, {batch, kv_heads, keys, size}}, {dtype, {batch, kv_heads, keys, size}}};
        if (rng() % 4 == 0) out.emplace_back(dtype, Shape{batch, heads, rows, keys});
        const auto got = test::run_kernel(*kernel, &p, in, out, {.seed = seed});
        if (!got.refusal.empty()) continue;
        const auto want = test::run_kernel(*find_kernel("attention_ref"), &p, in, out);
        ASSERT_EQ(got.problem + want.problem, "");
        for (std::size_t i = 0; i < out.size(); ++i)
          ASSERT_LE(test::relative_error(got.outputs[i], want.outputs[i]), error) << "output " << i;
      }
  }
}

/// What transformers ask for most: whole rows of heads of 64, and no mask or one of floats that all queries share.
TEST(AttentionDevices, MatchTheReferenceWithSharedMasks) {
  for (const Kernel* kernel : kernels()) {
    if (kernel->device == DeviceKind::cpu || !test::lacking(*kernel).empty()) continue;
    for (const auto& [dtype, error] : kAccuracies)
      for (std::uint32_t seed = 0; seed < 24; ++seed) {
        SCOPED_TRACE(std::string(kernel->name) + ", " + std::string(dtype_name(dtype)) + ", seed " +
                     std::to_string(seed));
        std::mt19937 rng(seed);
        const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
        const bool many = seed % 8 == 0;  // heads, so that they fill a GPU
        const std::int64_t batch = many ? 12 : 2, heads = many ? 12 : 3, rows = many ? 17 : pick({1, 16, 113, 128}),
                           keys = pick({1, 63, 64, 128, 197});
        AttentionParams p;
        p.q_heads = p.kv_heads = static_cast<std::int32_t>(heads);
        p.nan_rows = pick({0, 1});
        std::vector<Tensor> in(4);
        in[0] = test::random_f32(Shape{batch, rows, heads * 64}, rng, -2, 2);
        in[1] = test::random_f32(Shape{batch, keys, heads * 64}, rng, -2, 2);
        in[2] = test::random_f32(Shape{batch, keys, heads * 64}, rng, -2, 2);
        for (int i = 0; i < 3; ++i)
          in[static_cast<std::size_t>(i)] = test::converted(in[static_cast<std::size_t>(i)], dtype);
        if (const int mask = pick({0, 1, 2, 3}); mask > 0) {
          in[3] = test::random_f32(Shape{rng() % 2 ? batch : 1, 1, 1, keys}, rng, -3, 3);
          for (std::int64_t i = 0; mask > 1 && i < in[3].shape.numel(); ++i)
            if (mask == 3 || rng() % 3 == 0) in[3].as<float>()[i] = rng() % 2 ? -INFINITY : -8.F;
        }
        const auto got = test::run_kernel(*kernel, &p, in, {{dtype, in[0].shape}}, {.whole = true});
        if (!got.refusal.empty()) continue;
        const auto want = test::run_kernel(*find_kernel("attention_ref"), &p, in, {{dtype, in[0].shape}});
        ASSERT_EQ(got.problem + want.problem, "");
        ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), error);
      }
  }
}

TEST(RotaryDevices, MatchTheReference) {
  const auto all = kernels_of("RotaryEmbedding");
  for (const Kernel* kernel : all) {
    if (kernel->device == DeviceKind::cpu || !test::lacking(*kernel).empty()) continue;
    for (const auto& [dtype, error] : kAccuracies)
      for (std::uint32_t seed = 0; seed < 16; ++seed) {
        std::mt19937 rng(seed);
        RotaryParams p;
        p.interleaved = rng() % 2;
        if (rng() % 2) p.dim = 6;
        const std::int64_t batch = 2, heads = 3, rows = 5, size = 10, half = (p.dim != 0 ? p.dim : size) / 2;
        const bool flat = rng() % 2, positions = rng() % 2;
        if (flat) p.heads = heads;
        const Shape x = flat ? Shape{batch, rows, heads * size} : Shape{batch, heads, rows, size};
        const Shape table = positions ? Shape{11, half} : Shape{batch, rows, half};
        std::vector<Tensor> in{
            test::random_f32(x, rng), test::random_f32(table, rng), test::random_f32(table, rng), {}};
        for (int i = 0; i < 3; ++i)
          in[static_cast<std::size_t>(i)] = test::converted(in[static_cast<std::size_t>(i)], dtype);
        if (positions) {
          in[3] = test::make_tensor(DType::i64, Shape{batch, rows});
          for (std::int64_t i = 0; i < batch * rows; ++i) in[3].as<std::int64_t>()[i] = rng() % 11;
        }
        const auto got = test::run_kernel(*kernel, &p, in, {{dtype, x}}, {.seed = seed});
        const auto want = test::run_kernel(*all.back(), &p, in, {{dtype, x}});
        ASSERT_EQ(got.refusal + got.problem + want.problem, "") << "seed " << seed;
        ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), error) << "seed " << seed;
      }
  }
}

TEST(LinearAttentionDevices, MatchTheReference) {
  const auto all = kernels_of("LinearAttention");
  for (const Kernel* kernel : all) {
    if (kernel->device == DeviceKind::cpu || !test::lacking(*kernel).empty()) continue;
    for (const auto& [dtype, error] : kAccuracies)
      for (std::uint32_t seed = 0; seed < 16; ++seed) {
        std::mt19937 rng(seed);
        LinearAttentionParams p;
        p.kv_heads = 2;
        p.q_heads = rng() % 2 ? 2 : 4;
        const std::int64_t batch = 2, length = 6, size = 8, v_size = 5;
        const Shape state{batch, p.kv_heads, size, v_size}, y{batch, length, p.q_heads * v_size};
        std::vector<Tensor> in(6);
        in[0] = test::random_f32(Shape{batch, length, p.q_heads * size}, rng);
        in[1] = test::random_f32(Shape{batch, length, p.kv_heads * size}, rng);
        in[2] = test::random_f32(Shape{batch, length, p.kv_heads * v_size}, rng);
        if (rng() % 2) in[3] = test::random_f32(state, rng);
        if (rng() % 2) in[4] = test::random_f32(Shape{batch, length, p.kv_heads * (rng() % 2 ? size : 1)}, rng, -1, 0);
        if (rng() % 2) in[5] = test::random_f32(Shape{batch, length, rng() % 2 ? p.kv_heads : 1}, rng, 0, 1);
        for (Tensor& t : in)
          if (t.dtype != DType::invalid) t = test::converted(t, dtype);
        const std::vector<std::pair<DType, Shape>> out{{dtype, y}, {dtype, state}};
        const auto got = test::run_kernel(*kernel, &p, in, out, {.seed = seed});
        const auto want = test::run_kernel(*all.back(), &p, in, out);
        ASSERT_EQ(got.refusal + got.problem + want.problem, "") << "seed " << seed;
        for (std::size_t i = 0; i < 2; ++i)
          ASSERT_LE(test::relative_error(got.outputs[i], want.outputs[i]), error) << "seed " << seed;
      }
  }
}

}  // namespace
}  // namespace monza
