// Every Attention kernel against the reference: heads, lengths beyond a block of keys, masks, causal rows, grouped
// heads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "kernel/registry.h"
#include "ops/attention/attention.params.h"
#include "support/kernel_check.h"
#include "support/kernel_suite.h"

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
  for (std::int64_t i = 0; i < a.shape.numel(); ++i) {
    const float x = a.as<float>()[i], y = b.as<float>()[i];
    if (std::memcmp(&x, &y, sizeof x) != 0 && !(std::isnan(x) && std::isnan(y))) return i;
  }
  return -1;
}

class Attention : public ::testing::TestWithParam<const Kernel*> {};
MONZA_MAY_LACK_KERNELS(Attention);

TEST_P(Attention, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (!covers(cpu_info().isa, kernel.needs)) GTEST_SKIP() << "this CPU lacks " << isa_name(kernel.needs);
  const Kernel& reference = *find_kernel("attention_ref");
  for (std::uint32_t seed = 0; seed < 80; ++seed) {
    const Case c = make_case(seed);
    const auto got = test::run_kernel(kernel, &c.p, c.in, {{DType::f32, c.out}}, {.threads = 1, .seed = seed});
    ASSERT_EQ(got.refusal, "") << c.text;
    ASSERT_EQ(got.problem, "") << c.text;
    const auto want = test::run_kernel(reference, &c.p, c.in, {{DType::f32, c.out}});
    ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), 2e-6) << c.text;
    const auto again = test::run_kernel(kernel, &c.p, c.in, {{DType::f32, c.out}}, {.threads = 3, .seed = seed});
    ASSERT_EQ(first_other_bits(got.outputs[0], again.outputs[0]), -1) << "one and three threads differ, " << c.text;
  }
}

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> list;
  for (const Kernel* k : kernels_of("Attention"))
    if (!k->reference) list.push_back(k);
  return list;
}
INSTANTIATE_TEST_SUITE_P(Kernels, Attention, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
