// Every elementwise kernel against its reference: random shapes, broadcasting, views, one and two threads.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/elementwise/elementwise.def.h"
#include "support/kernel_check.h"
#include "support/kernel_suite.h"

namespace monza {
namespace {

using test::Tensor;

/// The parameters of an operator as its definition would fill them.
struct Params {
  UnaryParams unary;
  BinaryParams binary;
  bool is_unary = false;
  const void* data() const { return is_unary ? static_cast<const void*>(&unary) : &binary; }
};
Params params_of(const std::string& op, std::mt19937& rng) {
  Params p;
  if (const ops::UnaryOp* u = ops::find_unary(op)) {
    p.is_unary = true;
    p.unary.kind = u->kind;
    if (u->kind == UnaryKind::gelu_erf && rng() % 2) p.unary.kind = UnaryKind::gelu_tanh;
    const ir::AttrSchema numbers = u->kind == UnaryKind::gelu_erf ? ir::AttrSchema{} : u->schema();
    if (!numbers.empty()) p.unary.alpha = rng() % 2 ? static_cast<float>(numbers[0].number) : 0.3f;
    if (numbers.size() > 1) p.unary.beta = static_cast<float>(numbers[1].number);
  } else if (const ops::BinaryOp* b = ops::find_binary(op)) {
    p.binary.kind = b->kind;
  }
  return p;
}

class Elementwise : public ::testing::TestWithParam<const Kernel*> {};
MONZA_MAY_LACK_KERNELS(Elementwise);

TEST_P(Elementwise, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *kernels_of(kernel.op).back();
  ASSERT_TRUE(reference.reference);
  const std::string op = kernel.op;
  const bool positive = op == "Log" || op == "Sqrt" || op == "Pow";
  // Gelu's 1 + erf(x) rounds to a unit of 1's last place before x multiplies it.
  const float absolute = op == "Gelu" ? 6e-7f : 2e-7f;
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    std::mt19937 rng(seed);
    const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
    const Params p = params_of(op, rng);
    Shape shape;
    const int rank = static_cast<int>(rng() % 5);
    for (int i = 0; i < rank; ++i)
      shape[shape.rank++] = seed % 30 == 29 ? pick({0, 1, 5}) : pick({1, 2, 3, 7, 16, 33, i == rank - 1 ? 300 : 4});
    const float reach = seed % 4 == 0 ? 100.f : seed % 4 == 1 ? 0.01f : 4.f;
    const bool special = seed % 3 == 2;  // not numbers and the ends of the line, in every place of vectors and tails
    const auto operand = [&](const Shape& s) {
      Tensor t = test::random_f32(s, rng, positive && !special ? 1e-3f : -reach, reach);
      if (special) test::sprinkle(t, rng, 4);
      return t;
    };
    std::vector<Tensor> in{operand(shape)};
    if (op == "Clip") {
      if (rng() % 2) in.push_back(test::random_f32(Shape{}, rng, -1, 0));
      else in.push_back({});
      if (rng() % 2) in.push_back(test::random_f32(Shape{}, rng, 0, 1));
      for (std::size_t i = 1; special && i < in.size(); ++i)
        if (in[i].dtype == DType::f32) test::sprinkle(in[i], rng, 3);
    } else if (op == "Pow") {
      Tensor e = test::make_tensor(DType::f32, Shape{});
      e.as<float>()[0] = static_cast<float>(pick({1, 2, 3, -1, 5})) * (rng() % 3 ? 1.f : 0.5f);
      if (special) test::sprinkle(e, rng, 3);
      in.push_back(std::move(e));
    } else if (!p.is_unary) {
      Shape other = shape;
      if (rng() % 2)  // some axes broadcast, leading ones may be missing
        for (int i = 0; i < other.rank; ++i)
          if (rng() % 2) other[i] = 1;
      if (rng() % 4 == 0) {
        Shape tail;
        for (int i = other.rank / 2; i < other.rank; ++i) tail[tail.rank++] = other[i];
        other = tail;
      }
      in.push_back(operand(other));
      if (op != "PRelu" && rng() % 2) std::swap(in[0], in[1]);
    }
    const std::vector<std::pair<DType, Shape>> out{{DType::f32, shape}};
    const auto got = test::run_kernel(kernel, p.data(), in, out, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    const auto want = test::run_kernel(reference, p.data(), in, out, {.threads = 1, .seed = seed + 1});
    ASSERT_EQ(want.problem, "");
    ASSERT_EQ(got.problem, "") << "seed " << seed;
    ASSERT_EQ(test::difference(got.outputs[0], want.outputs[0], 2e-6, absolute), "") << "seed " << seed;
    const auto again = test::run_kernel(kernel, p.data(), in, out, {.threads = 2, .seed = seed});
    ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes) << "one and two threads differ, seed " << seed;
  }
  EXPECT_GT(ran, 10) << "the kernel took almost none of the cases";
}

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> list;
  for (const Kernel* k : all_kernels()) {
    const std::string op = k->op;
    const bool mine = ops::find_unary(op) || ops::find_binary(op) || op == "Clip";
    if (mine && !k->reference) list.push_back(k);
  }
  return list;
}
INSTANTIATE_TEST_SUITE_P(Kernels, Elementwise, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
