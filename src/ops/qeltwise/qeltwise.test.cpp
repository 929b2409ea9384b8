// Every kernel of quantised sums and averages, and of per-tensor quantisation, against its reference: bit for bit.
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "monza/engine.h"
#include "ops/qeltwise/qeltwise.params.h"
#include "ops/quantize/quantize.params.h"
#include "support/kernel_check.h"
#include "support/onnx_notation.h"
#include "support/temporary.h"
#include "tensor/shape.h"

namespace monza {
namespace {

using test::Tensor;

Tensor random_bytes(DType type, const Shape& shape, std::mt19937& rng) {
  Tensor t = test::make_tensor(type, shape);
  for (auto& b : t.bytes) b = static_cast<std::byte>(rng());
  return t;
}

struct Case {
  QEltwiseParams eltwise;
  QuantizeParams quantize;
  const void* params = nullptr;
  std::vector<Tensor> in;
  std::vector<std::pair<DType, Shape>> out;
};

void fill(Case& c, const std::string& op, std::uint32_t seed) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  const auto eight = [&] { return rng() % 2 ? DType::u8 : DType::i8; };
  const auto scale = [&] { return test::random_f32(Shape{}, rng, 0.01F, 0.05F); };
  const Shape x{pick({0, 1, 2}), pick({1, 3, 3, 3, 16, 31, 64, 100}), pick({1, 2, 7, 30}), pick({1, 5, 14, 40})};
  const DType a = eight(), b = eight(), y = eight();
  c.params = &c.quantize;
  if (op == "QAdd") {
    c.params = &c.eltwise;
    c.eltwise.act.kind = static_cast<ActivationKind>(pick({0, 1, 2}));
    if (c.eltwise.act.kind == ActivationKind::clip) c.eltwise.act.alpha = -1, c.eltwise.act.beta = 2;
    c.in = {random_bytes(a, x, rng),
            scale(),
            random_bytes(a, Shape{}, rng),
            random_bytes(b, x, rng),
            scale(),
            {},
            scale(),
            random_bytes(y, Shape{}, rng)};
    c.out = {{y, x}};
  } else if (op == "QGlobalAveragePool") {
    c.params = &c.eltwise;
    c.in = {random_bytes(a, x, rng), scale(), random_bytes(a, Shape{}, rng), scale(), random_bytes(y, Shape{1}, rng)};
    c.out = {{y, Shape{x[0], x[1], 1, 1}}};
  } else if (op == "DequantizeLinear") {
    c.in = {random_bytes(a, x, rng), scale(), random_bytes(a, Shape{}, rng)};
    c.out = {{DType::f32, x}};
  } else {
    c.in = {test::random_f32(x, rng, -5, 6)};
    if (rng() % 4 == 0)  // halves, which round to even, and what no integer can hold
      for (std::int64_t i = 0; i < x.numel(); ++i)
        c.in[0].as<float>()[i] = static_cast<float>(static_cast<int>(rng() % 1000) - 500) / 2;
    if (x.numel() > 3 && op == "QuantizeLinear") {
      c.in[0].as<float>()[1] = std::numeric_limits<float>::quiet_NaN();
      c.in[0].as<float>()[2] = -std::numeric_limits<float>::infinity();
    }
    c.out = {{DType::u8, x}, {DType::f32, Shape{}}, {DType::u8, Shape{}}};
    if (op == "QuantizeLinear") {
      c.in.push_back(rng() % 4 == 0 ? test::random_f32(Shape{1}, rng, 1, 1) : scale());
      c.in.push_back(random_bytes(y, Shape{1}, rng));
      c.out = {{y, x}};
    }
  }
}

class QEltwiseKernels : public ::testing::TestWithParam<const Kernel*> {};

TEST_P(QEltwiseKernels, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *kernels_of(kernel.op).back();
  ASSERT_TRUE(reference.reference);
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 150; ++seed) {
    Case c;
    fill(c, kernel.op, seed);
    const std::string text = "seed " + std::to_string(seed) + ": " + to_string(c.in[0].shape);
    const auto got = test::run_kernel(kernel, c.params, c.in, c.out, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    ASSERT_EQ(got.problem, "") << text;
    const auto want = test::run_kernel(reference, c.params, c.in, c.out, {.threads = 1, .seed = seed + 1});
    ASSERT_EQ(want.problem, "") << text;
    const auto again = test::run_kernel(kernel, c.params, c.in, c.out, {.threads = 2, .seed = seed});
    for (std::size_t i = 0; i < c.out.size(); ++i) {
      ASSERT_EQ(got.outputs[i].bytes, want.outputs[i].bytes) << "output " << i << ", " << text;
      ASSERT_EQ(got.outputs[i].bytes, again.outputs[i].bytes) << "one and two threads differ, " << text;
    }
  }
  EXPECT_GT(ran, 10) << "the kernel took almost none of the cases";
}

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> all;
  for (const char* op : {"QAdd", "QGlobalAveragePool", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})
    for (const Kernel* k : kernels_of(op)) all.push_back(k);
  return all;
}
INSTANTIATE_TEST_SUITE_P(QEltwise, QEltwiseKernels, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

/// The engine of a model in the tests' notation.
Engine engine_of(const std::string& text) {
  const test::NotedModel noted = test::parse_onnx_notation(text);
  const test::TemporaryFolder folder;
  const std::string path = folder / "m.onnx";
  std::ofstream(path, std::ios::binary) << noted.model.SerializeAsString();
  return Engine::build(path, noted.options);
}

TEST(QLinearAdd, OperandsBroadcast) {
  const Engine engine = engine_of(
      "one: f32[] = 1 half: f32[] = 0.5 zero: u8[] = 0 "
      "com.microsoft.QLinearAdd(a: u8[2,1], one, zero, b: u8[3], half, zero, half, zero)");
  Context context = engine.create_context();
  std::uint8_t a[] = {1, 100}, b[] = {10, 20, 90};
  ASSERT_TRUE(context.bind_input("a", {DType::u8, {2, 1}, a, sizeof a}));
  ASSERT_TRUE(context.bind_input("b", {DType::u8, {3}, b, sizeof b}));
  ASSERT_TRUE(context.run());
  const TensorRef y = context.output(0);
  ASSERT_EQ(y.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(std::vector<std::uint8_t>(y.as<std::uint8_t>(), y.as<std::uint8_t>() + 6),
            (std::vector<std::uint8_t>{12, 22, 92, 210, 220, 255}));
}

// Three channels are what a picture has; three channels at most are none: a kernel must take the least extents, too.
TEST(QuantizePicture, IsNotTakenWhereTheChannelsVary) {
  const Engine engine = engine_of(
      "scale: f32[] = 0.5 zero: u8[] = 1 QuantizeLinear(x: f32[n,c,1,2], scale, zero) "
      "--min-shape x=1x1x1x2 --max-shape x=2x3x1x2");
  Context context = engine.create_context();
  float x[] = {0, 1, 2, 3};
  ASSERT_TRUE(context.bind_input("x", {DType::f32, {1, 2, 1, 2}, x, sizeof x}));
  const Status status = context.run();
  ASSERT_TRUE(status) << context.describe(status);
  const auto* y = context.output(0).as<std::uint8_t>();
  EXPECT_EQ(std::vector<std::uint8_t>(y, y + 4), (std::vector<std::uint8_t>{1, 3, 5, 7}));
}

}  // namespace
}  // namespace monza
