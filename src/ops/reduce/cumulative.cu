// CumSum and CumProd on a GPU over any strides: a warp a row, 32 elements at a time. Which axis a row lies along is
// known on the device only.
#include "ops/reduce/reduce.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_rows.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

template <typename C>
__device__ C join(C a, C b, int product) {
  return product ? a * b : a + b;
}

/// C: double, or uint64_t for integers.
template <typename C>
__global__ void cumulative_kernel(CumulativeParams p, TensorView x, TensorView y, TensorView axis_at) {
  constexpr bool kWhole = C(-1) > C(0);
  const int rank = x.shape.rank, lane = static_cast<int>(threadIdx.x) % 32;
  std::int64_t axis = load_integer(axis_at.data, axis_at.dtype, 0);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return;
  const int a = static_cast<int>(axis);
  Shape outer = x.shape;
  outer[a] = 1;
  const std::int64_t extent = x.shape[a];
  std::int64_t rows = 1;
  for (int i = 0; i < rank; ++i) rows *= outer[i];
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * blockDim.x / 32;
  for (std::int64_t row = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32; row < rows;
       row += warps) {
    std::int64_t index[kMaxRank];
    unravel(outer, row, index);
    const std::int64_t from = offset_of(x, index), to = offset_of(y, index);
    C total = static_cast<C>(p.product);
    for (std::int64_t base = 0; base < extent; base += 32) {
      const std::int64_t e = base + lane, at = p.reverse ? extent - 1 - e : e;
      C v = static_cast<C>(p.product);
      if (e < extent) {
        if constexpr (kWhole) v = static_cast<C>(load_integer(x.data, x.dtype, from + at * x.stride[a]));
        else v = load_float(x.data, x.dtype, from + at * x.stride[a]);
      }
      for (int distance = 1; distance < 32; distance *= 2) {
        const C before = __shfl_up_sync(0xffffffffu, v, distance);
        if (lane >= distance) v = join(before, v, p.product);
      }
      v = join(total, v, p.product);
      const C before = __shfl_up_sync(0xffffffffu, v, 1), own = !p.exclusive ? v : lane == 0 ? total : before;
      if (e < extent) {
        if constexpr (kWhole) store_integer(y.data, y.dtype, to + at * y.stride[a], static_cast<std::int64_t>(own));
        else store_float(y.data, y.dtype, to + at * y.stride[a], own);
      }
      total = __shfl_sync(0xffffffffu, v, 31);
    }
  }
}

Status run_cumulative(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t count = x.shape.numel();
  if (count == 0 || x.shape.rank == 0) return {};
  const unsigned blocks = blocks_for(count);
  if (is_stored_float(x.dtype))
    cumulative_kernel<double><<<blocks, kThreads, 0, stream_of(c)>>>(c.params_as<CumulativeParams>(), x, y, c.in[1]);
  else
    cumulative_kernel<std::uint64_t>
        <<<blocks, kThreads, 0, stream_of(c)>>>(c.params_as<CumulativeParams>(), x, y, c.in[1]);
  return launched();
}

Refusal accepts_cumulative(const KernelQuery& q) noexcept {
  if (q.in[0].dtype == DType::boolean || !is_number(q.in[0].dtype)) return "its element type has no CUDA kernel";
  return integral(q.in[1].dtype) ? nullptr : "the axis has another type than CUDA kernels read";
}

}  // namespace

extern const Kernel cum_sum_cuda{.name = "cum_sum_cuda",
                                 .op = "CumSum",
                                 .device = DeviceKind::cuda,
                                 .in{Port::strided},
                                 .out{Port::strided},
                                 .accepts = accepts_cumulative,
                                 .run = run_cumulative};
extern const Kernel cum_prod_cuda{.name = "cum_prod_cuda",
                                  .op = "CumProd",
                                  .device = DeviceKind::cuda,
                                  .in{Port::strided},
                                  .out{Port::strided},
                                  .accepts = accepts_cumulative,
                                  .run = run_cumulative};

}  // namespace monza::ops
