// Einsum on a GPU, plainly: a thread an output element, all indices of the labels summed over; in double, or exactly
// for integers.
#include "ops/einsum/einsum.params.h"
#include "ops/shared/gpu_any.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

struct Loops {
  int operands = 0, labels = 0, out_rank = 0;
  std::int64_t count = 1, terms = 1;
  std::int64_t extent[EinsumParams::kMaxLabels] = {};
  std::int64_t stride[EinsumParams::kMaxOperands][EinsumParams::kMaxLabels] =
      {};  ///< a repeated label adds its strides up
  std::int64_t out_stride[kMaxRank] = {};
  const void* in[EinsumParams::kMaxOperands] = {};
};

__global__ void einsum_kernel(Loops l, void* y, DType type) {
  const bool exact = integral(type);
  for_each(l.count, [&](std::int64_t element) {
    std::int64_t at[EinsumParams::kMaxOperands] = {}, to = 0, rest = element;
    for (int k = l.out_rank - 1; k >= 0; --k) {
      const std::int64_t whole = rest / l.extent[k], index = rest - whole * l.extent[k];
      rest = whole;
      to += index * l.out_stride[k];
      for (int i = 0; i < l.operands; ++i) at[i] += index * l.stride[i][k];
    }
    std::int64_t index[EinsumParams::kMaxLabels] = {};
    double sum = 0;
    std::uint64_t whole = 0;
    for (std::int64_t term = 0; term < l.terms; ++term) {
      double product = 1;
      std::uint64_t factor = 1;
      for (int i = 0; i < l.operands; ++i) {
        if (exact) factor *= static_cast<std::uint64_t>(load_integer(l.in[i], type, at[i]));
        else product *= load_float(l.in[i], type, at[i]);
      }
      sum += product;
      whole += factor;
      for (int k = l.labels - 1; k >= l.out_rank; --k) {  // on to the next term
        const bool wraps = ++index[k] == l.extent[k];
        for (int i = 0; i < l.operands; ++i) at[i] += wraps ? (1 - l.extent[k]) * l.stride[i][k] : l.stride[i][k];
        if (!wraps) break;
        index[k] = 0;
      }
    }
    if (exact) store_integer(y, type, to, static_cast<std::int64_t>(whole));
    else store_float(y, type, to, sum);
  });
}

Status run_einsum(const KernelContext& c) noexcept {
  const auto& p = c.params_as<EinsumParams>();
  const TensorView& out = c.out[0];
  Loops l;
  l.operands = p.operands;
  l.labels = p.labels;
  l.out_rank = p.out_rank;
  for (int k = 0; k < p.labels; ++k) l.extent[k] = 1;
  for (int i = 0; i < p.operands; ++i) {
    l.in[i] = c.in[i].data;
    for (int a = 0; a < c.in[i].shape.rank; ++a) {
      if (c.in[i].shape[a] == 1) continue;
      l.extent[p.label[i][a]] = c.in[i].shape[a];
      l.stride[i][p.label[i][a]] += c.in[i].stride[a];
    }
  }
  for (int k = 0; k < p.out_rank; ++k) {
    l.extent[k] = out.shape[k];
    l.out_stride[k] = out.stride[k];
    l.count *= out.shape[k];
  }
  for (int k = p.out_rank; k < p.labels; ++k) l.terms *= l.extent[k];
  if (l.count == 0) return {};
  einsum_kernel<<<blocks_for(l.count), kThreads, 0, stream_of(c)>>>(l, out.data, out.dtype);
  return launched();
}

Refusal accepts(const KernelQuery& q) noexcept {
  for (int i = 0; i < q.in_count; ++i)
    if (q.input(i).dtype != q.out[0].dtype) return "its element types have no CUDA kernel";
  return is_number(q.out[0].dtype) ? nullptr : "its element types have no CUDA kernel";
}

}  // namespace

extern const Kernel einsum_cuda{.name = "einsum_cuda",
                                .op = "Einsum",
                                .device = DeviceKind::cuda,
                                .in{Port::strided},
                                .out{Port::strided},
                                .accepts = accepts,
                                .run = run_einsum};

}  // namespace monza::ops
