// Einsum: parameters.
#pragma once

#include <cstdint>

#include "tensor/shape.h"

namespace monza {

/// Einsum(x...): labels are numbers; an output element is the sum, over the labels that it does not have, of the
/// product of the operands' elements.
struct EinsumParams {
  static constexpr int kMaxOperands = 8;
  static constexpr int kMaxLabels = 16;
  std::int32_t operands = 0;
  std::int32_t labels = 0;  ///< the first out_rank of them are the output's axes, in order
  std::int32_t out_rank = 0;
  std::int32_t label[kMaxOperands][kMaxRank] = {};  ///< of each axis of each operand
};

}  // namespace monza
