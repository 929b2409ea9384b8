// Softmax and LogSoftmax along a contiguous last axis of at most 8192 elements of f32 or f16: a few threads, a warp or
// a block hold a row in registers, so that it is read once and written once. Bound by memory: 8 bytes an element of
// f32, 4 of f16, so 4.2 TB/s take 16 us for 8192 rows of 1024 f32, 8 us of f16; about 20 instructions an element, a
// third of that.
#include "ops/shared/gpu_rows.cuh"
#include "ops/softmax/softmax.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

__device__ __forceinline__ float exp_negative(float v) { return v < -87.3f ? 0.0f : expf(v); }

template <typename Form, typename T>
__global__ void __launch_bounds__(kThreads, 2)
    softmax_rows_kernel(bool logarithm, Axes<2> rows, int n, int lanes, const T* x, T* y) {
  constexpr int E = Form::E;
  for_each_row(rows.count, lanes, [&](std::int64_t r, int lane, bool active) {
    std::int64_t at[2] = {};
    if (active) rows.at(r, at);
    const int own = active ? n : 0;
    float v[E];
    load_row<Form>(x + at[0], own, lane, lanes, -INFINITY, v);
    float largest = v[0], sum = 0;
#pragma unroll
    for (int j = 1; j < E; ++j) largest = fmaxf(largest, v[j]);  // a NaN comes back in the sum
    largest = largest_over_lanes(largest, lanes);
#pragma unroll
    for (int j = 0; j < E; ++j) {
      const float d = v[j] - largest, e = exp_negative(d);
      v[j] = logarithm ? d : e;
      sum += e;  // beyond the row 0, or NaN where all of the row is
    }
    sum = sum_over_lanes(sum, lanes);
    const float factor = 1.0f / sum, shift = logf(sum);
#pragma unroll
    for (int j = 0; j < E; ++j) v[j] = logarithm ? v[j] - shift : v[j] * factor;
    store_row<Form>(y + at[1], own, lane, lanes, v);
  });
}

Status run_rows(const KernelContext& c) noexcept {
  const auto& p = c.params_as<SoftmaxParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const int last = x.shape.rank - 1;
  const std::int64_t n = x.shape[last];
  Axes<2> rows;
  rows.add(x.shape, (1u << last) - 1, {x.stride, y.stride});
  if (rows.count == 0 || n == 0) return {};
  const cudaStream_t stream = stream_of(c);
  const auto launch = [&](auto type) {
    using T = typename decltype(type)::type;
    const bool vectors = rows_are_aligned(x, sizeof(T)) && rows_are_aligned(y, sizeof(T));
    with_row_form<T>(n, vectors, [&](auto form, int lanes) {
      softmax_rows_kernel<decltype(form)><<<blocks_for_rows(rows.count, lanes), kThreads, 0, stream>>>(
          p.kind == SoftmaxKind::log_softmax, rows, static_cast<int>(n), lanes, x.as<T>(), y.as<T>());
    });
  };
  if (x.dtype == DType::f32) launch(Type<float>{});
  else launch(Type<__half>{});
  return launched();
}

Refusal accepts_rows(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const SoftmaxParams*>(q.params);
  const OperandDesc& x = q.in[0];
  if (x.dtype != DType::f32 && x.dtype != DType::f16) return "computes f32 and f16 only";
  if (p.end != p.axis + 1 || p.end != x.shape.rank) return "the axis is not the last one";
  if (x.shape[p.axis] > kLongestRow) return "a row is longer than the registers of a block";
  return nullptr;
}

}  // namespace

extern const Kernel softmax_rows_cuda{.name = "softmax_rows_cuda",
                                      .op = "Softmax",
                                      .device = DeviceKind::cuda,
                                      .in{Port::rows},
                                      .out{Port::rows},
                                      .accepts = accepts_rows,
                                      .run = run_rows,
                                      .in_place_inputs = 1};
extern const Kernel log_softmax_rows_cuda{.name = "log_softmax_rows_cuda",
                                          .op = "LogSoftmax",
                                          .device = DeviceKind::cuda,
                                          .in{Port::rows},
                                          .out{Port::rows},
                                          .accepts = accepts_rows,
                                          .run = run_rows,
                                          .in_place_inputs = 1};

}  // namespace monza::ops
