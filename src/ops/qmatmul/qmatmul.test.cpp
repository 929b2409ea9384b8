// Every kernel of QMatMul and MatMulInteger against its reference: bit for bit where the output is an integer.
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/qmatmul/qmatmul.params.h"
#include "support/quantized_cases.h"
#include "tensor/shape.h"

namespace monza {
namespace {

using test::QuantizedCase;
using test::random_bytes;
using test::Tensor;

QuantizedCase make_case(std::uint32_t seed, bool quantized) {
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  QuantizedCase c;
  const auto params = std::make_shared<QMatMulParams>();
  QMatMulParams& p = *params;
  c.params = params;
  const std::int64_t rows = pick({0, 1, 1, 2, 3, 5, 6, 7, 13, 48, 100, 197}),
                     depth = pick({1, 2, 3, 4, 5, 16, 31, 64, 65, 128, 192, 333});
  const std::int64_t columns = pick({1, 2, 7, 8, 15, 16, 17, 32, 48, 63, 64, 65, 96, 130, 200});
  Shape a{rows, depth}, b{depth, columns};
  c.out = Shape{rows, columns};
  const int form = pick({0, 0, 0, 1, 2, 3});
  if (form == 1) {  // a batch of activations
    a = Shape{2, rows, depth};
    c.out = Shape{2, rows, columns};
  } else if (form == 2) {  // a vector
    a = Shape{depth};
    c.out = Shape{columns};
  } else if (form == 3 && !(rng() % 2)) {  // a batch on both sides
    a = Shape{3, rows, depth};
    b = Shape{3, depth, columns};
    c.out = Shape{3, rows, columns};
  }
  if (b.rank == 2 && rng() % 3 == 0) {
    p.trans_b = 1;
    b = Shape{columns, depth};
  }
  const DType a_type = rng() % 2 ? DType::u8 : DType::i8, b_type = rng() % 3 ? DType::i8 : DType::u8;
  Tensor at = random_bytes(a_type, a, rng), bt = random_bytes(b_type, b, rng), az, bz;
  bt.constant = rng() % 8 != 0;
  if (rng() % 4) az = random_bytes(a_type, quantized || rng() % 4 || form == 2 ? Shape{} : Shape{rows}, rng);
  if (rng() % 2) bz = random_bytes(b_type, rng() % 2 ? Shape{columns} : Shape{1}, rng);
  c.text = "seed " + std::to_string(seed) + ": a " + to_string(a) + " b " + to_string(b) + " trans_b " +
           std::to_string(p.trans_b);
  c.in = {at, bt, az, bz};
  if (quantized) test::add_quantization(c, p.act, p.residual_after, columns, depth, rng);
  return c;
}

class QMatMulKernels : public ::testing::TestWithParam<const Kernel*> {};

TEST_P(QMatMulKernels, AgreesWithTheReference) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const bool quantized = std::string_view(kernel.op) == "QMatMul";
  const Kernel& reference = *find_kernel(quantized ? "qmatmul_ref" : "matmul_integer_ref");
  test::expect_agreement(kernel, reference, [&](std::uint32_t seed) { return make_case(seed, quantized); });
}

std::vector<const Kernel*> kernels() {
  std::vector<const Kernel*> all;
  for (const char* op : {"QMatMul", "MatMulInteger"})
    for (const Kernel* k : kernels_of(op)) all.push_back(k);
  return all;
}
INSTANTIATE_TEST_SUITE_P(QMatMul, QMatMulKernels, ::testing::ValuesIn(kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace monza
