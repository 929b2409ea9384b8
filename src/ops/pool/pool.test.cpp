// Every kernel of MaxPool and AveragePool against the reference, over random shapes, windows and element types.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/cpu.h"
#include "base/error.h"
#include "ir/graph.h"
#include "ir/text.h"
#include "kernel/registry.h"
#include "ops/pool/pool.params.h"
#include "support/kernel_check.h"

namespace monza {
namespace {

using test::Tensor;

struct Case {
  PoolParams p;
  Tensor x;
  Shape out;
};

Case make_case(std::uint32_t seed, DType type) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  Case c;
  PoolParams& p = c.p;
  p.spatial = pick({2, 2, 2, 1, 3});
  p.global = pick({0, 0, 0, 1});
  p.count_include_pad = pick({0, 1});
  Shape x;
  x.rank = c.out.rank = p.spatial + 2;
  x[0] = c.out[0] = pick({1, 1, 2, 0});
  x[1] = c.out[1] = pick({1, 3, 7, 8, 16, 17, 31, 32, 33, 63, 64, 65, 100, 128, 130, 260});
  for (int i = 0; i < p.spatial; ++i) {
    x[i + 2] = pick({1, 2, 3, 5, 8, 13});
    c.out[i + 2] = 1;
    if (p.global) continue;
    p.kernel[i] = pick({1, 2, 3, 3, 5});
    p.stride[i] = pick({1, 1, 2, 3});
    p.dilation[i] = pick({1, 1, 1, 2});
    p.pad_begin[i] = std::min(pick({0, 0, 1, 2}), p.kernel[i] - 1);
    p.pad_end[i] = std::min(pick({0, 0, 1, 2}), p.kernel[i] - 1);
    const std::int64_t room = x[i + 2] + p.pad_begin[i] + p.pad_end[i] - (p.kernel[i] - 1) * p.dilation[i] - 1;
    if (room < 0) {
      x[i + 2] -= room;
      c.out[i + 2] = 1;
    } else {
      // Sometimes one more window that reaches over the end, as ceil_mode gives.
      c.out[i + 2] = room / p.stride[i] + 1;
      if (rng() % 3 == 0 && room % p.stride[i] != 0 && c.out[i + 2] * p.stride[i] < x[i + 2] + p.pad_begin[i])
        ++c.out[i + 2];
    }
  }
  if (type == DType::f32) {
    c.x = test::random_f32(x, rng);
    if (rng() % 4 == 0) test::sprinkle(c.x, rng, 1 + static_cast<int>(rng() % 100), false);
  } else {
    c.x = test::make_tensor(type, x);
    for (std::byte& b : c.x.bytes) b = static_cast<std::byte>(rng());
  }
  return c;
}

void check_all(const char* op, DType type, std::uint32_t seeds) {
  const auto kernels = kernels_of(op);
  const Kernel& reference = *kernels.back();
  ASSERT_TRUE(reference.reference);
  for (const Kernel* kernel : kernels) {
    if (!test::lacking(*kernel).empty()) continue;
    int ran = 0;
    for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
      const Case c = make_case(seed, type);
      const auto expected = test::run_kernel(reference, &c.p, {c.x}, {{type, c.out}});
      ASSERT_EQ(expected.problem, "") << op << " seed " << seed;
      const auto got = test::run_kernel(*kernel, &c.p, {c.x}, {{type, c.out}},
                                        {.threads = 1 + static_cast<int>(seed % 3), .seed = seed});
      if (!got.refusal.empty()) continue;
      ASSERT_EQ(got.problem, "") << kernel->name << " seed " << seed;
      ++ran;
      if (type == DType::f32)
        ASSERT_LE(test::relative_error(got.outputs[0], expected.outputs[0]), 1e-6) << kernel->name << " seed " << seed;
      else ASSERT_EQ(got.outputs[0].bytes, expected.outputs[0].bytes) << kernel->name << " seed " << seed;
    }
    const bool blocked = kernel->in[0] == Port::blocked8 || kernel->in[0] == Port::blocked16;
    EXPECT_EQ(ran > 0, type == DType::f32 || !blocked) << kernel->name;
  }
}

TEST(Pool, MaxOfFloats) { check_all("MaxPool", DType::f32, 300); }
TEST(Pool, MaxOfUnsignedBytes) { check_all("MaxPool", DType::u8, 200); }
TEST(Pool, MaxOfSignedBytes) { check_all("MaxPool", DType::i8, 200); }
TEST(Pool, AverageOfFloats) { check_all("AveragePool", DType::f32, 300); }

/// The extent that a pooling of [1, 1, `in`] has by its definition: of a known extent, or of the symbol n that is `in`.
std::int64_t extent_of(const std::string& attributes, std::int64_t in, bool symbolic) {
  const auto graph = ir::parse("graph \"t\" (%x: f32[1,1," + (symbolic ? "n" : std::to_string(in)) +
                               "]) {\n%y = MaxPool(%x) {" + attributes + "}\nreturn (y: %y)\n}\n");
  const ir::Expr e = graph->value(graph->outputs()[0].value).type.shape[2];
  return ir::evaluate(e, [&](const ir::Atom&) { return in; });
}

TEST(PoolExtents, FollowTheStandardsFormulaForFixedShapesAndRanges) {
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    std::mt19937 rng(seed);
    const auto pick = [&](int most) { return static_cast<std::int64_t>(rng() % static_cast<unsigned>(most)); };
    const std::int64_t in = pick(9), kernel = 1 + pick(4), stride = 1 + pick(4), dilation = 1 + pick(2), ceil = pick(2);
    const std::int64_t begin = pick(3), end = pick(3), reach = (kernel - 1) * dilation + 1;
    const double positions = static_cast<double>(in + begin + end - reach) / static_cast<double>(stride) + 1;
    auto want = static_cast<std::int64_t>(ceil ? std::ceil(positions) : std::floor(positions));
    while (ceil && want > 0 && (want - 1) * stride >= in + begin) --want;
    const std::string text = fmt::format("kernel_shape=[{}], strides=[{}], dilations=[{}], pads=[{}, {}], ceil_mode={}",
                                         kernel, stride, dilation, begin, end, ceil);
    EXPECT_EQ(extent_of(text, in, true), want) << text << " of " << in;
    if (want < 0) EXPECT_THROW(extent_of(text, in, false), Error) << text << " of " << in;
    else EXPECT_EQ(extent_of(text, in, false), want) << text << " of " << in;
  }
}

/// A damaged engine asked for such a window. Whoever walks over all of its 2^60 positions does not come back.
TEST(Pool, WindowsFarLargerThanTheInputCostNoMore) {
  PoolParams p;
  p.spatial = 2;
  p.count_include_pad = 1;
  for (int i = 0; i < 2; ++i) {
    p.kernel[i] = 1 << 30;
    p.pad_begin[i] = (1 << 30) - 1;
  }
  Tensor x = test::make_tensor(DType::f32, Shape{1, 1, 1, 3});
  for (int i = 0; i < 3; ++i) x.as<float>()[i] = static_cast<float>(1 + i);
  int ran = 0;
  for (const char* op : {"MaxPool", "AveragePool", "LpPool"})
    for (const Kernel* kernel : kernels_of(op)) {
      if (!test::lacking(*kernel).empty()) continue;
      const auto got = test::run_kernel(*kernel, &p, {x}, {{DType::f32, Shape{1, 1, 1, 3}}});
      if (!got.refusal.empty()) continue;
      ++ran;
      ASSERT_EQ(got.problem, "") << kernel->name;
      // The last window ends at the last element, and so covers 1, 2, 3.
      const float mean = 6 / 0x1p60F, norm = std::sqrt(1.0F + 4.0F + 9.0F);
      EXPECT_FLOAT_EQ(got.outputs[0].as<float>()[2], op[0] == 'M' ? 3.0F : op[0] == 'A' ? mean : norm) << kernel->name;
    }
  EXPECT_GE(ran, 3);
}

}  // namespace
}  // namespace monza
