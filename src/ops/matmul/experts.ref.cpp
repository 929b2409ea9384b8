// ExpertMatMul: one element at a time, summed in double.
#include <algorithm>

#include "kernel/kernel.h"
#include "ops/matmul/experts.params.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

/// Row `row` of the weights, all experts' rows counted.
double element(const TensorView& w, std::int64_t row, const float* x) {
  const std::int64_t k = w.shape[2];
  double sum = 0;
  if (!is_block_encoding(w.dtype)) {
    const ElementAccess& access = element_access(w.dtype);
    for (std::int64_t i = 0; i < k; ++i) sum += access.load(w.data, row * k + i) * x[i];
    return sum;
  }
  const BlockEncoding& encoding = block_encoding(w.dtype);
  const std::byte* block = w.as<std::byte>() + row * block_row_bytes(encoding, k);
  float values[kMostBlockElements];
  for (std::int64_t i = 0; i < k; i += encoding.elements, block += encoding.bytes) {
    encoding.decode(block, values);
    const std::int64_t n = std::min<std::int64_t>(k - i, encoding.elements);
    for (std::int64_t j = 0; j < n; ++j) sum += static_cast<double>(values[j]) * x[i + j];
  }
  return sum;
}

Status run(const KernelContext& c) noexcept {
  if (const Status s = check_choices(c); !s) return s;
  const TensorView &x = c.in[0], &w = c.in[1], &chosen = c.in[2], &out = c.out[0];
  const std::int64_t rows = chosen.shape.numel(), n = w.shape[1], k = w.shape[2];
  const std::int64_t shared = x.shape.rank == 2 ? chosen.shape[1] : 1;  // choices that have a row of x together
  parallel_for(*c.parallel, rows, [&](std::int64_t i, int) {
    const std::int64_t expert = chosen.as<std::int64_t>()[i];
    for (std::int64_t o = 0; o < n; ++o)
      out.as<float>()[i * n + o] = static_cast<float>(element(w, expert * n + o, x.as<float>() + i / shared * k));
  });
  return {};
}

}  // namespace

Status check_choices(const KernelContext& c) noexcept {
  const TensorView& chosen = c.in[2];
  for (std::int64_t i = 0; i < chosen.shape.numel(); ++i)
    if (const std::int64_t expert = chosen.as<std::int64_t>()[i]; expert < 0 || expert >= c.in[1].shape[0])
      return {StatusCode::out_of_range, "a choice is none of the experts"};
  return {};
}

extern const Kernel experts_ref{.name = "experts_ref", .op = "ExpertMatMul", .reference = true, .run = run};

}  // namespace monza::ops
