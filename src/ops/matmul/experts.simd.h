// The order in which kernels of ExpertMatMul take rows: expert by expert, so that a weight is read once for all of its
// rows.
#pragma once

#include <cstdint>

#include "kernel/kernel.h"
#include "ops/matmul/experts.params.h"

namespace monza::ops {
namespace {

/// A row of x and where its product goes: `choice` counts the choices of all rows.
struct ChoiceOrder {
  std::int64_t choices = 0, experts = 0, shared = 1;  ///< `shared` choices in a row have a row of x together
  std::int32_t* begin = nullptr;                      ///< [experts + 1], into `choice`
  std::int32_t* choice = nullptr;                     ///< [choices], expert by expert, in order within one

  std::int64_t row_of(std::int64_t at) const { return choice[at] / shared; }
};

MONZA_INLINE std::size_t order_bytes(std::int64_t choices, std::int64_t experts) {
  return (static_cast<std::size_t>(choices + experts + 1) * sizeof(std::int32_t) + 63) / 64 * 64;
}

/// In memory of order_bytes().
MONZA_INLINE ChoiceOrder order_of(const KernelContext& c, std::byte* memory) {
  const TensorView &x = c.in[0], &chosen = c.in[2];
  ChoiceOrder o;
  o.choices = chosen.shape[0] * chosen.shape[1];
  o.experts = c.in[1].shape[0];
  o.shared = x.shape.rank == 2 ? chosen.shape[1] : 1;
  o.begin = reinterpret_cast<std::int32_t*>(memory);
  o.choice = o.begin + o.experts + 1;
  const std::int64_t* of = chosen.as<std::int64_t>();
  for (std::int64_t e = 0; e <= o.experts; ++e) o.begin[e] = 0;
  for (std::int64_t i = 0; i < o.choices; ++i) ++o.begin[of[i] + 1];
  for (std::int64_t e = 0; e < o.experts; ++e) o.begin[e + 1] += o.begin[e];
  for (std::int64_t i = 0; i < o.choices; ++i) o.choice[o.begin[of[i]]++] = static_cast<std::int32_t>(i);
  for (std::int64_t e = o.experts; e > 0; --e) o.begin[e] = o.begin[e - 1];  // each is the next one's begin by now
  o.begin[0] = 0;
  return o;
}

}  // namespace
}  // namespace monza::ops
