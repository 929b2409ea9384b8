// Every reduction kernel against its reference.
#include <gtest/gtest.h>

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
                                                         {"ReduceSumSquare", ReduceKind::sum_square}};

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
    const bool extreme = p.kind == ReduceKind::max || p.kind == ReduceKind::min;
    if (seed % 5 == 4) test::sprinkle(x, rng, seed % 2 ? 5 : 100, extreme);
    const auto got = test::run_kernel(kernel, &p, {x}, {{DType::f32, out}}, {.threads = 1, .seed = seed});
    ASSERT_EQ(got.refusal, "");
    ASSERT_EQ(got.problem, "") << to_string(shape) << " axes " << p.axes;
    const auto want = test::run_kernel(reference, &p, {x}, {{DType::f32, out}});
    ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), 2e-6)
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

}  // namespace
}  // namespace monza
