// Random cases for the kernels of integer products (MatMulInteger and QMatMul, ConvInteger and QConv): what their
// operands have in common, and the comparison of a kernel with its reference on many of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ops/shared/activation.params.h"
#include "support/kernel_check.h"

namespace monza::test {

struct QuantizedCase {
  std::shared_ptr<void> params;  ///< the operator's
  std::vector<Tensor> in;
  Shape out;
  DType out_type = DType::i32;
  int most_steps = 0;  ///< that an integer may be off: 1 behind an activation that is a series
  std::string text;
};

/// Any bit patterns.
Tensor random_bytes(DType type, const Shape& shape, std::mt19937& rng);

/// Turns the operands x, w, x_zero and w_zero, which `c.in` holds in this order, into those of a quantised product
/// (QInput) of `depth` terms a sum and `channels` channels: scales, perhaps a bias, an activation and a residual, and
/// an output of floats or integers.
void add_quantization(QuantizedCase& c, Activation& act, std::int32_t& residual_after, std::int64_t channels,
                      std::int64_t depth, std::mt19937& rng);

/// Holds `kernel` against `reference` on `cases` of seeds from 0: bit for bit where the output is an integer (but for
/// QuantizedCase::most_steps), and at one and two threads. Kernels take what they can; a failure if that is next to
/// nothing.
void expect_agreement(const Kernel& kernel, const Kernel& reference,
                      const std::function<QuantizedCase(std::uint32_t seed)>& cases);

}  // namespace monza::test
