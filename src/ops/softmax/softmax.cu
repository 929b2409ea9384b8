// Softmax, LogSoftmax and Hardmax on a GPU, over any strides: one thread, a warp or a block a row, three passes; short
// rows in registers.
#include "ops/shared/gpu_kernel.cuh"
#include "ops/shared/gpu_overlap.cuh"
#include "ops/shared/gpu_rows.cuh"
#include "ops/softmax/softmax.params.h"

namespace monza::ops {
namespace {

using namespace gpu;

/// e^v for v <= 0; what would be subnormal in float is 0.
__device__ __forceinline__ float exp_negative(float v) { return v < -87.3f ? 0.0f : expf(v); }
__device__ __forceinline__ double exp_negative(double v) { return exp(v); }

template <typename T>
__global__ void softmax_kernel(SoftmaxKind kind, Axes<2> rows, Axes<2> row, int lanes, const T* x, T* y) {
  using C = computed_t<T>;
  for_each_row(rows.count, lanes, [&](std::int64_t r, int lane, bool active) {
    std::int64_t at[2] = {}, e[2];
    if (active) rows.at(r, at);
    const std::int64_t n = active ? row.count : 0;
    C largest = -C(INFINITY), sum = 0;
    for (std::int64_t i = lane; i < n; i += lanes) {
      row.at(i, e);
      const C v = load(x + at[0] + e[0]);
      largest = v > largest ? v : largest;  // a NaN comes back in the sum
    }
    largest = largest_over_lanes(largest, lanes);
    for (std::int64_t i = lane; i < n; i += lanes) {
      row.at(i, e);
      sum += exp_negative(load(x + at[0] + e[0]) - largest);
    }
    sum = sum_over_lanes(sum, lanes);
    const C shift = log(sum);
    for (std::int64_t i = lane; i < n; i += lanes) {
      row.at(i, e);
      const C v = load(x + at[0] + e[0]) - largest;
      store(y + at[1] + e[1], kind == SoftmaxKind::softmax ? exp_negative(v) / sum : v - shift);
    }
  });
}

/// Short rows whose elements do not lie side by side: a thread holds a row, so that it is read once, all of it under
/// way together.
template <int kMost, typename T>
__global__ void softmax_short_kernel(SoftmaxKind kind, Axes<2> rows, int n, std::int64_t x_step, std::int64_t y_step,
                                     const T* x, T* y) {
  using C = computed_t<T>;
  await_previous();
  for_each(rows.count, [&](std::int64_t r) {
    std::int64_t at[2];
    rows.at(r, at);
    C v[kMost], largest = -C(INFINITY), sum = 0;
#pragma unroll
    for (int i = 0; i < kMost; ++i) v[i] = i < n ? load(x + at[0] + i * x_step) : -C(INFINITY);
#pragma unroll
    for (int i = 0; i < kMost; ++i) largest = v[i] > largest ? v[i] : largest;  // a NaN comes back in the sum
#pragma unroll
    for (int i = 0; i < kMost; ++i) {
      v[i] -= largest;
      const C e = exp_negative(v[i]);
      if (i < n) sum += e;  // a row of minus infinities alone is NaN
      if (kind == SoftmaxKind::softmax) v[i] = e;
    }
    const C shift = log(sum);
#pragma unroll
    for (int i = 0; i < kMost; ++i)
      if (i < n) store(y + at[1] + i * y_step, kind == SoftmaxKind::softmax ? v[i] / sum : v[i] - shift);
  });
}

/// The largest element, the first one of equals; a NaN is larger than all.
template <typename C>
struct Largest {
  C value;
  std::int64_t index;
};
template <typename C>
__device__ Largest<C> larger(const Largest<C>& a, const Largest<C>& b) {
  const bool nan_a = a.value != a.value, nan_b = b.value != b.value;
  const bool equal = nan_a == nan_b && (nan_a || a.value == b.value);
  if (equal) return a.index < b.index ? a : b;
  return nan_a || (!nan_b && a.value > b.value) ? a : b;
}

template <typename T>
__global__ void hardmax_kernel(Axes<2> rows, Axes<2> row, const T* x, T* y) {
  using C = computed_t<T>;
  __shared__ Largest<C> of_thread[kThreads];
  for_each_row(rows.count, kThreads, [&](std::int64_t r, int lane, bool) {
    std::int64_t at[2], e[2];
    rows.at(r, at);
    Largest<C> best{-C(INFINITY), 0};  // of minus infinities alone, the first
    for (std::int64_t i = lane; i < row.count; i += kThreads) {
      row.at(i, e);
      best = larger(best, {load(x + at[0] + e[0]), i});
    }
    __syncthreads();
    of_thread[lane] = best;
    __syncthreads();
    for (int k = 0; k < kThreads; ++k) best = larger(best, of_thread[k]);
    for (std::int64_t i = lane; i < row.count; i += kThreads) {
      row.at(i, e);
      store(y + at[1] + e[1], i == best.index ? C(1) : C(0));
    }
  });
}

Status run_softmax(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SoftmaxParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  std::uint32_t mask = 0;
  for (int a = p.axis; a < p.end; ++a) mask |= 1u << a;
  Axes<2> rows, row;
  rows.add(x.shape, ~mask, {x.stride, y.stride});
  row.add(x.shape, mask, {x.stride, y.stride});
  if (rows.count == 0 || row.count == 0) return {};
  const cudaStream_t stream = stream_of(c);
  const bool known = with_float(x.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if (p.kind == SoftmaxKind::hardmax) {
      hardmax_kernel<<<blocks_for_rows(rows.count, kThreads), kThreads, 0, stream>>>(rows, row, x.as<T>(), y.as<T>());
      return;
    }
    if (row.count <= 32 && row.rank == 1 && (rows.count >= 4096 || !row.contiguous(0))) {
      const auto kernel = row.count <= 16 ? softmax_short_kernel<16, T> : softmax_short_kernel<32, T>;
      launch_early(c, kernel, blocks_for(rows.count, 128), 128, 0, p.kind, rows, static_cast<int>(row.count),
                   row.stride[0][0], row.stride[1][0], x.as<T>(), y.as<T>());
      return;
    }
    const int lanes = lanes_for(rows.count, row.count, row.contiguous(0));
    softmax_kernel<<<blocks_for_rows(rows.count, lanes), kThreads, 0, stream>>>(p.kind, rows, row, lanes, x.as<T>(),
                                                                                y.as<T>());
  });
  return known ? launched() : kOtherType;
}

Refusal accepts_softmax(const KernelQuery& q) noexcept {
  return is_stored_float(q.in[0].dtype) ? nullptr : "its element type has no CUDA kernel";
}

}  // namespace

extern const Kernel softmax_cuda = gpu::plain_kernel("softmax_cuda", "Softmax", run_softmax, accepts_softmax, 1);
extern const Kernel log_softmax_cuda =
    gpu::plain_kernel("log_softmax_cuda", "LogSoftmax", run_softmax, accepts_softmax, 1);
extern const Kernel hardmax_cuda = gpu::plain_kernel("hardmax_cuda", "Hardmax", run_softmax, accepts_softmax, 1);

}  // namespace monza::ops
