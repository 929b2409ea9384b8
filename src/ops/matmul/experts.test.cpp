// Every kernel of ExpertMatMul against the reference, and the reference against plain products.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <set>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "support/kernel_check.h"
#include "support/kernel_suite.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

using test::Tensor;

struct ExpertCase {
  Tensor x, w, chosen;
  Shape out;
  std::vector<float> dense;  ///< the weights
};

ExpertCase draw_experts(DType type, std::mt19937& rng) {
  const auto pick = [&](std::initializer_list<std::int64_t> list) { return *(list.begin() + rng() % list.size()); };
  const std::int64_t experts = pick({1, 3, 8}), outputs = pick({16, 48, 4, 20, 7}), n = pick({1, 2, 9, 33, 0}),
                     used = pick({1, 2, 4});
  const std::int64_t unit = is_block_encoding(type) ? block_encoding(type).elements : 16;
  const std::int64_t k = is_block_encoding(type) ? unit * pick({1, 2, 4}) : pick({16, 64, 272, 5});
  ExpertCase c;
  c.x = test::random_f32(rng() % 2 ? Shape{n, k} : Shape{n, used, k}, rng);
  if (is_block_encoding(type)) {
    c.w = test::random_blocks(type, experts * outputs, k, rng, c.dense);
  } else {
    c.w = test::converted(test::random_f32(Shape{experts * outputs, k}, rng), type);
    const Tensor wide = test::converted(c.w, DType::f32);
    c.dense.assign(wide.as<float>(), wide.as<float>() + experts * outputs * k);
    c.w.constant = true;
  }
  c.w.shape = Shape{experts, outputs, k};
  c.chosen = test::make_tensor(DType::i64, Shape{n, used});
  for (std::int64_t i = 0; i < n * used; ++i)
    c.chosen.as<std::int64_t>()[i] = static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(experts));
  c.out = Shape{n, used, outputs};
  return c;
}

test::KernelRun run_experts(const Kernel& kernel, const ExpertCase& c, int threads) {
  return test::run_kernel(kernel, nullptr, {c.x, c.w, c.chosen}, {{DType::f32, c.out}}, {.threads = threads});
}

std::vector<DType> expert_types() {
  std::vector<DType> types = block_encodings();
  types.insert(types.end(), {DType::f32, DType::f16, DType::bf16});
  return types;
}

TEST(ExpertMatMul, IsEachChoicesProduct) {
  std::mt19937 rng(3);
  for (const DType type : expert_types())
    for (int draw = 0; draw < 6; ++draw) {
      const ExpertCase c = draw_experts(type, rng);
      const auto got = run_experts(*find_kernel("experts_ref"), c, 2);
      ASSERT_EQ(got.refusal + got.problem, "");
      const std::int64_t used = c.out[1], outputs = c.out[2], k = c.w.shape[2];
      for (std::int64_t i = 0; i < c.out.numel(); ++i) {
        const std::int64_t choice = i / outputs, expert = c.chosen.as<std::int64_t>()[choice];
        const float* x = c.x.as<float>() + (c.x.shape.rank == 2 ? choice / used : choice) * k;
        double sum = 0;
        for (std::int64_t e = 0; e < k; ++e)
          sum +=
              static_cast<double>(x[e]) * c.dense[static_cast<std::size_t>((expert * outputs + i % outputs) * k + e)];
        ASSERT_NEAR(got.outputs[0].as<float>()[i], sum, 1e-5 * (1 + std::fabs(sum))) << dtype_name(type);
      }
    }
}

TEST(ExpertMatMul, RefusesChoicesThatAreNone) {
  std::mt19937 rng(4);
  for (const Kernel* kernel : kernels_of("ExpertMatMul")) {
    if (!covers(cpu_info().isa, kernel->needs)) continue;
    for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{3}, INT64_MAX}) {
      ExpertCase c;
      std::vector<float> dense;
      c.x = test::random_f32(Shape{2, 32}, rng);
      c.w = kernel->packing_count > 0 ? test::random_blocks(DType::q8_0, 3 * 16, 32, rng, dense)
                                      : test::random_f32(Shape{3, 16, 32}, rng);
      c.w.shape = Shape{3, 16, 32};
      c.chosen = test::make_tensor(DType::i64, Shape{2, 1});
      c.chosen.as<std::int64_t>()[0] = 0, c.chosen.as<std::int64_t>()[1] = wrong;
      c.out = Shape{2, 1, 16};
      const auto got = run_experts(*kernel, c, 1);
      EXPECT_NE(got.problem.find("a choice is none of the experts"), std::string::npos) << kernel->name << got.refusal;
    }
  }
}

class ExpertKernels : public ::testing::TestWithParam<const Kernel*> {};
MONZA_MAY_LACK_KERNELS(ExpertKernels);

TEST_P(ExpertKernels, AgreeWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (!covers(cpu_info().isa, kernel.needs)) GTEST_SKIP() << "needs " << isa_name(kernel.needs);
  std::mt19937 rng(5);
  int taken = 0;
  for (const DType type : expert_types())
    for (int draw = 0; draw < 30; ++draw) {
      const ExpertCase c = draw_experts(type, rng);
      const auto got = run_experts(kernel, c, 1 + draw % 3);
      if (!got.refusal.empty()) continue;
      ASSERT_EQ(got.problem, "");
      ++taken;
      const auto want = run_experts(*find_kernel("experts_ref"), c, 1);
      const std::int64_t outputs = c.out[2], k = c.w.shape[2];
      // Kernels in bytes round x, whose elements are below 1, by up to 1/254 of a group's largest.
      const double rounding = kernel.arithmetic.computes_in == Precision::int8 ? 1.0 / 250 : 1e-6;
      for (std::int64_t i = 0; i < c.out.numel(); ++i) {
        const std::int64_t expert = c.chosen.as<std::int64_t>()[i / outputs];
        double size = 0;
        for (std::int64_t e = 0; e < k; ++e)
          size += std::fabs(c.dense[static_cast<std::size_t>((expert * outputs + i % outputs) * k + e)]);
        ASSERT_NEAR(got.outputs[0].as<float>()[i], want.outputs[0].as<float>()[i], rounding * (size + 1e-3))
            << dtype_name(type) << ", element " << i;
      }
    }
  EXPECT_GT(taken, 10);
}

TEST_P(ExpertKernels, InABatchAsAlone) {
  const Kernel& kernel = *GetParam();
  if (!covers(cpu_info().isa, kernel.needs)) GTEST_SKIP() << "needs " << isa_name(kernel.needs);
  std::mt19937 rng(6);
  for (const DType type : {DType::q4_k, DType::q8_0, DType::bf16}) {
    ExpertCase c = draw_experts(type, rng);
    while (c.out[0] < 9 || c.x.shape.rank != 2) c = draw_experts(type, rng);
    const auto all = run_experts(kernel, c, 2);
    if (!all.refusal.empty()) continue;
    for (std::int64_t row = 0; row < c.out[0]; ++row) {
      ExpertCase one = c;
      const std::int64_t k = c.w.shape[2], used = c.out[1], size = used * c.out[2];
      one.x = test::make_tensor(DType::f32, Shape{1, k});
      one.chosen = test::make_tensor(DType::i64, Shape{1, used});
      one.out = Shape{1, used, c.out[2]};
      std::memcpy(one.x.as<float>(), c.x.as<float>() + row * k, static_cast<std::size_t>(k) * 4);
      std::memcpy(one.chosen.as<std::int64_t>(), c.chosen.as<std::int64_t>() + row * used,
                  static_cast<std::size_t>(used) * 8);
      const auto alone = run_experts(kernel, one, 1);
      ASSERT_EQ(std::memcmp(alone.outputs[0].as<float>(), all.outputs[0].as<float>() + row * size,
                            static_cast<std::size_t>(size) * 4),
                0)
          << dtype_name(type) << ", row " << row;
    }
  }
}

std::vector<const Kernel*> fast_expert_kernels() {
  std::vector<const Kernel*> fast;
  for (const Kernel* kernel : kernels_of("ExpertMatMul"))
    if (!kernel->reference) fast.push_back(kernel);
  return fast;
}

TEST(ExpertMatMul, SayWhyTheyRefuse) {
  const auto refusals = [](DType type, std::int64_t n, std::int64_t k, bool constant) {
    std::set<std::string> all;
    const OperandDesc in[] = {{.dtype = DType::f32, .shape = {2, k}},
                              {.dtype = type, .constant = constant, .shape = {3, n, k}},
                              {.dtype = DType::i64, .shape = {2, 1}}};
    KernelQuery query;
    query.in = in;
    query.in_count = 3;
    for (const Kernel* kernel : kernels_of("ExpertMatMul"))
      if (kernel->accepts != nullptr) all.insert(kernel->accepts(query) == nullptr ? "" : kernel->accepts(query));
    return all;
  };
  if (fast_expert_kernels().empty()) GTEST_SKIP() << "there is only the reference";
  using Said = std::set<std::string>;
  EXPECT_EQ(refusals(DType::f16, 6, 32, true),
            (Said{"the weights are in no encoding that has panels", "the weights' rows are no multiple of 4"}));
  EXPECT_EQ(refusals(DType::f16, 8, 24, true), (Said{"the weights are in no encoding that has panels",
                                                     "a row of the weights is no multiple of 16 elements"}));
  EXPECT_EQ(refusals(DType::q8_0, 16, 32, false), (Said{"the weights are not constant", "the weights are not floats"}));
  EXPECT_EQ(refusals(DType::q4_k, 16, 128, true),
            (Said{"a row of the weights is no number of blocks", "the weights are not floats"}));
  EXPECT_EQ(refusals(DType::q8_0, 20, 32, true),
            (Said{"an expert's rows are no number of panels", "the weights are not floats"}));
  EXPECT_EQ(refusals(DType::q8_0, 16, 32, true), (Said{"", "the weights are not floats"}));
}

INSTANTIATE_TEST_SUITE_P(ExpertMatMul, ExpertKernels, ::testing::ValuesIn(fast_expert_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
