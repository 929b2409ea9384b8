// Every kernel of QuantizeLinear, DynamicQuantizeLinear and DequantizeLinear against its reference, to the last bit.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "ir/op.h"
#include "kernel/registry.h"
#include "ops/quantize/quantize.params.h"
#include "passes/pass.h"
#include "support/engine_from_text.h"
#include "support/kernel_check.h"
#include "support/kernel_suite.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"
#include "tensor/float_convert.h"

namespace monza {
namespace {

using test::Tensor;

/// Numbers whose quotients by `scale` are anywhere, on halves, next to halves, out of range, or none.
Tensor random_numbers(const Shape& shape, float scale, bool hostile, std::mt19937& rng) {
  Tensor t = test::random_f32(shape, rng, -300 * scale, 300 * scale);
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    float& v = t.as<float>()[i];
    const float half = (static_cast<float>(rng() % 600) - 300 + 0.5F) * scale;
    switch (rng() % (hostile ? 12 : 6)) {
      case 0: v = half; break;
      case 1: v = std::nextafter(half, 1e38F); break;
      case 2: v = std::nextafter(half, -1e38F); break;
      case 6: v = std::numeric_limits<float>::quiet_NaN(); break;
      case 7: v = rng() % 2 ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity(); break;
      case 8: v = rng() % 2 ? 3.4e38F : -3.4e38F; break;
      case 9: v = rng() % 2 ? 1e-45F : -1e-38F; break;
      default: break;
    }
  }
  return t;
}

Tensor one_scale(float value) {
  Tensor t = test::make_tensor(DType::f32, Shape{});
  t.as<float>()[0] = value;
  return t;
}

class QuantizeKernels : public ::testing::TestWithParam<const Kernel*> {};
MONZA_MAY_LACK_KERNELS(QuantizeKernels);

TEST_P(QuantizeKernels, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *kernels_of(kernel.op).back();
  const std::string_view op = kernel.op;
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 rng(seed);
    const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
    const Shape shape{pick({1, 1, 2, 0}), pick({1, 3, 3, 5}), pick({1, 2, 7, 33}), pick({1, 5, 16, 67, 129})};
    const float scales[] = {0.003921569F, 0.0187F, 1.0F, 3.7F, 1e-6F, 1e-30F, 1e-39F, 1e30F};
    const float scale = scales[rng() % 8] * (seed % 2 ? 1.0F : 1.0F + static_cast<float>(rng() % 1000) / 1000);
    const DType type = op != "DynamicQuantizeLinear" && rng() % 2 ? DType::i8 : DType::u8;
    QuantizeParams p;
    std::vector<Tensor> in;
    std::vector<std::pair<DType, Shape>> out;
    Tensor zero = test::make_tensor(type, Shape{});
    zero.bytes[0] = static_cast<std::byte>(rng());
    if (rng() % 4 == 0) zero = Tensor{};
    if (op == "QuantizeLinear") {
      in = {random_numbers(shape, scale, true, rng), one_scale(scale), zero};
      out = {{type, shape}};
    } else if (op == "DynamicQuantizeLinear") {
      in = {random_numbers(shape, scale, false, rng)};
      out = {{DType::u8, shape}, {DType::f32, Shape{}}, {DType::u8, Shape{}}};
    } else {
      Tensor x = test::make_tensor(type, shape);
      for (auto& b : x.bytes) b = static_cast<std::byte>(rng());
      in = {x, one_scale(scale), zero};
      out = {{DType::f32, shape}};
    }
    const auto got = test::run_kernel(kernel, &p, in, out, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    const auto want = test::run_kernel(reference, &p, in, out, {.threads = 1, .seed = seed + 1});
    const std::string text = "seed " + std::to_string(seed) + ": " + to_string(shape) + " by " + std::to_string(scale);
    ASSERT_EQ(got.problem, "") << text;
    ASSERT_EQ(want.problem, "") << text;
    for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(got.outputs[i].bytes, want.outputs[i].bytes) << text;
    const auto again = test::run_kernel(kernel, &p, in, out, {.threads = 2, .seed = seed});
    for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(got.outputs[i].bytes, again.outputs[i].bytes) << text;
  }
  EXPECT_GT(ran, 50) << "the kernel took almost none of the cases";
}

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> list;
  for (const char* op : {"QuantizeLinear", "DynamicQuantizeLinear", "DequantizeLinear"})
    for (const Kernel* k : kernels_of(op))
      if (!k->reference) list.push_back(k);
  return list;
}
INSTANTIATE_TEST_SUITE_P(Kernels, QuantizeKernels, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(DequantizeBlocks, GivesTheElementsOfEveryEncoding) {
  std::mt19937 rng(3);
  for (const DType encoding : block_encodings()) {
    const int whole = 3 * block_encoding(encoding).elements;
    for (const std::int64_t k : {whole, whole - 5, 1, 0}) {
      SCOPED_TRACE(std::string(dtype_name(encoding)) + ", rows of " + std::to_string(k));
      std::vector<float> dense;
      Tensor x = test::random_blocks(encoding, 6, k, rng, dense);
      x.shape = Shape{2, 3, k};
      for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
        const auto got =
            test::run_kernel(*find_kernel("dequantize_blocks_ref"), nullptr, {x}, {{type, x.shape}}, {.threads = 2});
        ASSERT_EQ(got.refusal + got.problem, "");
        for (std::size_t i = 0; i < dense.size(); ++i) {
          if (type == DType::f32) ASSERT_EQ(got.outputs[0].as<float>()[i], dense[i]) << i;
          else
            ASSERT_EQ(got.outputs[0].as<std::uint16_t>()[i],
                      type == DType::f16 ? f32_to_f16(dense[i]) : f32_to_bf16(dense[i]))
                << i;
        }
      }
    }
  }
}

TEST(DequantizeRows, GivesTheRowsThatAreAskedFor) {
  std::mt19937 rng(5);
  for (const DType encoding : block_encodings())
    for (const std::int64_t k : {2 * block_encoding(encoding).elements, block_encoding(encoding).elements - 3, 0}) {
      SCOPED_TRACE(std::string(dtype_name(encoding)) + ", rows of " + std::to_string(k));
      std::vector<float> dense;
      const Tensor x = test::random_blocks(encoding, 5, k, rng, dense);
      const auto rows = [&](const std::vector<std::int64_t>& picks) {
        Tensor indices = test::make_tensor(DType::i64, Shape{static_cast<std::int64_t>(picks.size())});
        std::copy(picks.begin(), picks.end(), indices.as<std::int64_t>());
        return test::run_kernel(*find_kernel("dequantize_rows_ref"), nullptr, {x, indices},
                                {{DType::f32, Shape{static_cast<std::int64_t>(picks.size()), k}}}, {.threads = 2});
      };
      const std::vector<std::int64_t> picks = {4, 0, 4, 2};
      const auto got = rows(picks);
      ASSERT_EQ(got.refusal + got.problem, "");
      for (std::size_t i = 0; i < picks.size(); ++i)
        for (std::int64_t j = 0; j < k; ++j)
          ASSERT_EQ(got.outputs[0].as<float>()[static_cast<std::int64_t>(i) * k + j],
                    dense[static_cast<std::size_t>(picks[i] * k + j)]);
      for (const std::int64_t outside : {std::int64_t{-1}, std::int64_t{5}, INT64_MAX})
        EXPECT_NE(rows({0, outside}).problem.find("an index lies outside the table"), std::string::npos) << outside;
      EXPECT_EQ(rows({}).problem, "");
    }
}

TEST(DequantizeBlocks, OfAWeightIsDoneInTheRun) {
  // Not folded: the engine holds the blocks.
  std::mt19937 rng(4);
  std::vector<float> dense;
  const Tensor blocks = test::random_blocks(DType::q4_0, 64, 100, rng, dense);
  const auto model = std::make_shared<ir::Model>();
  const ir::OriginSet here{model->add_origin("w", "DequantizeBlocks")};
  ir::Graph graph(model);
  const ir::ValueId w = graph.add_constant("w", ir::make_constant(blocks.dtype, blocks.shape, blocks.bytes), here);
  const ir::ValueId y = graph.add_node(ir::get_op("DequantizeBlocks"), {w}, {}, 1, here).outputs[0];
  graph.add_output("y", y);
  graph.infer_all();
  optimize(graph, {.strict_rewrites = true});
  const Engine engine = test::engine_from_graph(graph);
  EXPECT_EQ(engine.stats().weights_bytes, 64 * 4 * 18);  // a row of 100 is four blocks
  Context context = engine.create_context();
  ASSERT_TRUE(context.run());
  const TensorRef got = context.output("y");
  ASSERT_EQ(got.shape, (std::vector<std::int64_t>{64, 100}));
  EXPECT_TRUE(std::equal(dense.begin(), dense.end(), got.as<float>()));
}

}  // namespace
}  // namespace monza
