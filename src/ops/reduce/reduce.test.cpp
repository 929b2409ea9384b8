// Every reduction kernel against its reference.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernel/registry.h"
#include "ops/reduce/reduce.params.h"
#include "support/kernel_check.h"
#include "support/kernel_suite.h"

namespace monza {
namespace {

constexpr std::pair<const char*, ReduceKind> kKinds[] = {{"ReduceSum", ReduceKind::sum},
                                                         {"ReduceMean", ReduceKind::mean},
                                                         {"ReduceMax", ReduceKind::max},
                                                         {"ReduceMin", ReduceKind::min},
                                                         {"ReduceL1", ReduceKind::l1},
                                                         {"ReduceL2", ReduceKind::l2},
                                                         {"ReduceSumSquare", ReduceKind::sum_square},
                                                         {"ReduceProd", ReduceKind::prod},
                                                         {"ReduceLogSum", ReduceKind::log_sum},
                                                         {"ReduceLogSumExp", ReduceKind::log_sum_exp}};

class Reduce : public ::testing::TestWithParam<const Kernel*> {};
MONZA_MAY_LACK_KERNELS(Reduce);

TEST_P(Reduce, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *kernels_of(kernel.op).back();
  ReduceParams p;
  for (const auto& [name, kind] : kKinds)
    if (std::string(kernel.op) == name) p.kind = kind;
  for (std::uint32_t seed = 0; seed < 120; ++seed) {
    std::mt19937 rng(seed);
    const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
    Shape shape, out;
    const int rank = static_cast<int>(rng() % 6);
    p.axes = rank == 0 ? 0 : rng() % (1u << rank);
    const bool keep = rng() % 2;
    for (int i = 0; i < rank; ++i) {
      const int extent =
          seed % 20 == 19 && p.kind != ReduceKind::mean ? pick({0, 1, 4}) : pick({1, 2, 5, i == rank - 1 ? 130 : 7});
      shape[shape.rank++] = extent;
      if (!(p.axes >> i & 1)) out[out.rank++] = extent;
      else if (keep) out[out.rank++] = 1;
    }
    auto x = test::random_f32(shape, rng);
    if (p.kind == ReduceKind::log_sum)  // a sum near 0 has a logarithm that its last bit decides
      for (std::int64_t i = 0; i < shape.numel(); ++i) x.as<float>()[i] = std::abs(x.as<float>()[i]) + 0.1F;
    const double tolerance = p.kind == ReduceKind::prod ? 2e-5 : 2e-6;  // each factor rounds
    const bool extreme = p.kind == ReduceKind::max || p.kind == ReduceKind::min;
    if (seed % 5 == 4) test::sprinkle(x, rng, seed % 2 ? 5 : 100, extreme);
    const auto got = test::run_kernel(kernel, &p, {x}, {{DType::f32, out}}, {.threads = 1, .seed = seed});
    ASSERT_EQ(got.refusal, "");
    ASSERT_EQ(got.problem, "") << to_string(shape) << " axes " << p.axes;
    const auto want = test::run_kernel(reference, &p, {x}, {{DType::f32, out}});
    ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), tolerance)
        << to_string(shape) << " axes " << p.axes << " seed " << seed;
    const auto again = test::run_kernel(kernel, &p, {x}, {{DType::f32, out}}, {.threads = 2, .seed = seed});
    ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes);
  }
}

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> list;
  for (const auto& [op, kind] : kKinds)
    for (const Kernel* k : kernels_of(op))
      if (!k->reference) list.push_back(k);
  return list;
}
INSTANTIATE_TEST_SUITE_P(Kernels, Reduce, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(Scans, AgreeWithTheirReferences) {
  for (const char* op : {"ArgMax", "ArgMin", "CumSum"})
    for (const Kernel* kernel : kernels_of(op)) {
      if (kernel->reference || !test::lacking(*kernel).empty()) continue;
      for (std::uint32_t seed = 0; seed < 300; ++seed) {
        std::mt19937 rng(seed);
        const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
        Shape shape;
        const int rank = 1 + static_cast<int>(rng() % 4),
                  axis = static_cast<int>(rng() % static_cast<std::uint32_t>(rank));
        const bool sums = std::string(op) == "CumSum";
        for (int a = 0; a < rank; ++a)
          shape[shape.rank++] = seed % 20 == 19 && (sums || a != axis)
                                    ? pick({0, 1, 4})
                                    : pick({1, 2, 9, a == axis ? 131 : 5, a == rank - 1 ? 1100 : 3});
        auto x = test::random_f32(shape, rng);
        ArgParams arg;
        CumulativeParams cumulative;
        std::vector<test::Tensor> in;
        std::pair<DType, Shape> out{DType::f32, shape};
        if (sums) {
          cumulative.exclusive = rng() % 2;
          cumulative.reverse = rng() % 2;
          if (rng() % 3 == 0) {
            x = test::make_tensor(DType::i64, shape);
            for (auto& b : x.bytes) b = std::byte(rng());
            out.first = DType::i64;
          }
          in = {x, test::make_tensor(DType::i64, Shape{})};
          in[1].as<std::int64_t>()[0] = rng() % 2 ? axis : axis - rank;
        } else {
          arg = {.axis = axis, .largest = std::string(op) == "ArgMax", .last = static_cast<std::int32_t>(rng() % 2)};
          for (std::int64_t i = 0; i < shape.numel() && seed % 2; ++i)  // equal elements
            x.as<float>()[i] = static_cast<float>(static_cast<int>(rng() % 5)) - 2;
          if (seed % 3 == 0) test::sprinkle(x, rng, seed % 2 ? 6 : 60);
          out = {DType::i64, shape};
          for (int a = axis; a + 1 < rank; ++a) out.second[a] = out.second[a + 1];
          --out.second.rank;
          in = {x};
        }
        const void* params = sums ? static_cast<const void*>(&cumulative) : &arg;
        const auto got = test::run_kernel(*kernel, params, in, {out}, {.threads = 1, .seed = seed});
        ASSERT_EQ(got.refusal, "");
        ASSERT_EQ(got.problem, "") << kernel->name << " seed " << seed;
        const auto want = test::run_kernel(*kernels_of(op).back(), params, in, {out}, {.seed = seed + 1});
        ASSERT_EQ(got.outputs[0].bytes, want.outputs[0].bytes)
            << kernel->name << " " << to_string(shape) << " axis " << axis << " seed " << seed;
        const auto again = test::run_kernel(*kernel, params, in, {out}, {.threads = 2, .seed = seed});
        ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes);
      }
    }
}

}  // namespace
}  // namespace monza
