// NegativeLogLikelihoodLoss on a GPU over any strides, summed in double by one block. A run cannot tell of a target
// that is no class: it gives NaN.
#include "ops/loss/loss.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_rows.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

struct Loss {
  double value, weight;
};
/// Operands: target, x without its classes, output.
__device__ Loss loss_at(const NllParams& p, const std::int64_t (&at)[3], const TensorView& x, const TensorView& target,
                        const TensorView& weight) {
  const std::int64_t label = load_integer(target.data, target.dtype, at[0]);
  if (p.ignores && label == p.ignore_index) return {0, 0};
  if (label < 0 || label >= x.shape[1]) return {NAN, NAN};
  const double w = weight.data != nullptr ? load_float(weight.data, weight.dtype, label * weight.stride[0]) : 1;
  return {-w * load_float(x.data, x.dtype, at[1] + label * x.stride[1]), w};
}

__global__ void each_kernel(NllParams p, Axes<3> all, TensorView x, TensorView target, TensorView weight,
                            TensorView y) {
  for_each(all.count, [&](std::int64_t i) {
    std::int64_t at[3];
    all.at(i, at);
    store_float(y.data, y.dtype, at[2], loss_at(p, at, x, target, weight).value);
  });
}

/// One block.
__global__ void sum_kernel(NllParams p, Axes<3> all, TensorView x, TensorView target, TensorView weight, TensorView y) {
  Loss sum{0, 0};
  for_each(all.count, [&](std::int64_t i) {
    std::int64_t at[3];
    all.at(i, at);
    const Loss loss = loss_at(p, at, x, target, weight);
    sum.value += loss.value;
    sum.weight += loss.weight;
  });
  sum.value = sum_over_lanes(sum.value, kThreads);
  sum.weight = sum_over_lanes(sum.weight, kThreads);
  if (threadIdx.x != 0) return;
  store_float(y.data, y.dtype, 0, p.reduction == NllParams::Reduction::sum ? sum.value : sum.value / sum.weight);
}

Status run(const KernelContext& c) noexcept {
  const auto& p = c.params_as<NllParams>();
  const TensorView &x = c.in[0], &target = c.in[1], &y = c.out[0];
  const bool each = p.reduction == NllParams::Reduction::none;
  std::int64_t of_x[kMaxRank] = {}, of_y[kMaxRank] = {};
  for (int a = 0; a < target.shape.rank; ++a) {
    of_x[a] = x.stride[a == 0 ? 0 : a + 1];
    if (each) of_y[a] = y.stride[a];
  }
  Axes<3> all;
  all.add(target.shape, ~0u, {target.stride, of_x, of_y});
  const TensorView weight = c.has_input(2) ? c.in[2] : TensorView{};
  if (!each) {
    sum_kernel<<<1, kThreads, 0, stream_of(c)>>>(p, all, x, target, weight, y);
  } else if (all.count > 0) {
    each_kernel<<<blocks_for(all.count), kThreads, 0, stream_of(c)>>>(p, all, x, target, weight, y);
  }
  return launched();
}

Refusal accepts(const KernelQuery& q) noexcept {
  return is_stored_float(q.in[0].dtype) && integral(q.in[1].dtype) ? nullptr : "its element types have no CUDA kernel";
}

}  // namespace

extern const Kernel nll_loss_cuda{.name = "nll_loss_cuda",
                                  .op = "NegativeLogLikelihoodLoss",
                                  .device = DeviceKind::cuda,
                                  .in{Port::strided},
                                  .out{Port::strided},
                                  .accepts = accepts,
                                  .run = run};

}  // namespace monza::ops
