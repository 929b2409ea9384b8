// Every elementwise kernel against its reference: random shapes, broadcasting, views, one and two threads.
#include <gtest/gtest.h>

#include <cmath>
#include <iterator>
#include <random>
#include <string_view>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/elementwise/elementwise.def.h"
#include "support/kernel_check.h"
#include "support/kernel_suite.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

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
    p.binary.kind = b->kind == BinaryKind::mod && rng() % 2 ? BinaryKind::fmod : b->kind;
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

/// Kernels of f32, and those of other types.
std::vector<const Kernel*> kernels(bool plain) {
  std::vector<const Kernel*> list;
  for (const Kernel* k : all_kernels()) {
    const std::string op = k->op;
    const bool mine = ops::find_unary(op) || ops::find_binary(op) || op == "Clip" || op == "Where" || op == "Cast";
    const bool is_plain = std::string_view(k->name).find("_plain_") != std::string_view::npos;
    if (mine && !k->reference && is_plain == plain && (plain || (op != "Where" && op != "Cast"))) list.push_back(k);
  }
  return list;
}
INSTANTIATE_TEST_SUITE_P(Kernels, Elementwise, ::testing::ValuesIn(kernels(false)),
                         [](const auto& info) { return std::string(info.param->name); });

class PlainElementwise : public ::testing::TestWithParam<const Kernel*> {
 protected:
  int types_ = 0;
};
MONZA_MAY_LACK_KERNELS(PlainElementwise);

/// Small numbers, so that some are equal, and the ends of the type, what overflows and what is no number among them.
Tensor plain_values(DType type, const Shape& shape, std::mt19937& rng) {
  Tensor t = test::make_tensor(type, shape);
  const ElementAccess& access = element_access(type);
  static constexpr double kOdd[] = {NAN,
                                    INFINITY,
                                    -INFINITY,
                                    -0.0,
                                    1e300,
                                    3e9,
                                    -3e9,
                                    1e19,
                                    -1e19,
                                    65504,
                                    65519,
                                    65520,
                                    1e-7,
                                    -2.5,
                                    2147483647,
                                    -2147483648.0,
                                    300,
                                    9.3e18,
                                    -9223372036854775808.0,
                                    0.49999997};
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    double v = static_cast<double>(rng() % 9) - 4;
    if (is_float(type)) v += 0.25 * static_cast<double>(rng() % 4);
    if (rng() % 5 == 0) v = kOdd[rng() % std::size(kOdd)];
    access.store(t.bytes.data(), i, v);
    // Any byte that is not 0 is true.
    if (type == DType::boolean && t.as<std::uint8_t>()[i] != 0) t.as<std::uint8_t>()[i] = rng() % 2 ? 1 : 0x80;
    if (type == DType::i64 && rng() % 8 == 0) t.as<std::int64_t>()[i] = static_cast<std::int64_t>(rng()) << 31;
  }
  return t;
}

TEST_P(PlainElementwise, GivesTheBitsOfTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *kernels_of(kernel.op).back();
  const std::string op = kernel.op;
  constexpr DType kTypes[] = {DType::f32, DType::f64, DType::f16, DType::i64, DType::i32, DType::u8, DType::boolean};
  const bool tests =
      op == "IsNaN" || op == "IsInf" || op == "Equal" || op.starts_with("Less") || op.starts_with("Greater");
  for (const DType from : kTypes)
    for (const DType to : kTypes) {
      if (op != "Cast" && to != (tests ? DType::boolean : from)) continue;
      int ran = 0;
      bool taken = true;
      for (std::uint32_t seed = 0; seed < 12 && taken; ++seed) {
        std::mt19937 rng(seed);
        const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
        Shape shape;
        const int rank = static_cast<int>(rng() % 4);
        for (int i = 0; i < rank; ++i)
          shape[shape.rank++] = seed == 11 ? pick({0, 1, 5}) : pick({1, 2, 3, 17, i == rank - 1 ? 300 : 4});
        const auto broadcast = [&] {
          Shape other = shape;
          for (int i = 0; i < other.rank; ++i)
            if (rng() % 3 == 0) other[i] = 1;
          return other;
        };
        Params p = params_of(op, rng);
        p.unary.beta = rng() % 2 ? 1.f : 0.f;
        p.unary.alpha = rng() % 2 ? 1.f : 0.f;
        const CastParams cast;
        std::vector<Tensor> in;
        if (op == "Where") in.push_back(plain_values(DType::boolean, broadcast(), rng));
        in.push_back(plain_values(from, p.is_unary || op == "Cast" ? shape : broadcast(), rng));
        if (!p.is_unary && op != "Cast") in.push_back(plain_values(from, broadcast(), rng));
        // What nothing broadcasts to has the shape all the same.
        if (in.size() > 1) in.back() = plain_values(from, rng() % 2 ? shape : in.back().shape, rng);
        Shape out_shape = shape;
        for (int i = 0; i < out_shape.rank && in.size() > 1; ++i) {
          std::int64_t most = 1;
          for (const Tensor& t : in)
            if (t.shape[i] != 1) most = t.shape[i];
          out_shape[i] = most;
        }
        const void* params = op == "Cast" ? static_cast<const void*>(&cast) : p.data();
        const std::vector<std::pair<DType, Shape>> out{{to, out_shape}};
        const auto got =
            test::run_kernel(kernel, params, in, out, {.threads = 1 + static_cast<int>(seed % 2), .seed = seed});
        taken = got.refusal.empty();
        if (!taken) break;
        ++ran;
        const auto want = test::run_kernel(reference, params, in, out, {.seed = seed + 1});
        ASSERT_EQ(got.problem + want.problem, "") << "seed " << seed;
        if (is_float(to)) {
          ASSERT_EQ(test::difference(test::converted(got.outputs[0], DType::f32),
                                     test::converted(want.outputs[0], DType::f32), 0, 0),
                    "")
              << dtype_name(from) << " to " << dtype_name(to) << " seed " << seed;
        } else {
          ASSERT_EQ(got.outputs[0].bytes, want.outputs[0].bytes)
              << dtype_name(from) << " to " << dtype_name(to) << " seed " << seed;
        }
      }
      types_ += ran > 0 ? 1 : 0;
    }
  EXPECT_GT(types_, op == "Cast" ? 35 : 0) << "the kernel took almost none of the types";
}

INSTANTIATE_TEST_SUITE_P(Kernels, PlainElementwise, ::testing::ValuesIn(kernels(true)),
                         [](const auto& info) { return std::string(info.param->name); });

#if defined(__x86_64__)
TEST(PlainElementwiseMessages, SayWhatIsConverted) {
  const Kernel& kernel = *find_kernel("cast_plain_avx2");
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const auto refusal = [&](DType from, DType to) {
    const CastParams p;
    return test::run_kernel(kernel, &p, {test::make_tensor(from, Shape{2})}, {{to, Shape{2}}}).refusal;
  };
  EXPECT_EQ(refusal(DType::f64, DType::f16), "converts to f16 from f32");
  EXPECT_EQ(refusal(DType::i8, DType::f32), "converts f32, f64, i64, i32, u8 and booleans, and from f16");
  const BinaryParams add;
  const Tensor floats = test::make_tensor(DType::f32, Shape{2});
  EXPECT_EQ(test::run_kernel(*find_kernel("add_plain_avx2"), &add, {floats, floats}, {{DType::f32, Shape{2}}}).refusal,
            "takes i64 and i32");
  const UnaryParams inverse{UnaryKind::logical_not};
  EXPECT_EQ(test::run_kernel(*find_kernel("not_plain_avx2"), &inverse, {floats}, {{DType::boolean, Shape{2}}}).refusal,
            "takes booleans");
  const BinaryParams equal{BinaryKind::equal};
  const Tensor halves = test::make_tensor(DType::f16, Shape{2});
  EXPECT_EQ(test::run_kernel(*find_kernel("equal_plain_avx2"), &equal, {halves, halves}, {{DType::boolean, Shape{2}}})
                .refusal,
            "compares f32, i64, i32 and u8");
}
#endif

}  // namespace
}  // namespace monza
