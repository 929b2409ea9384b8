// LayerNormalization and RMSNormalization along contiguous rows of at most 8192 elements of f32 or f16: a few threads,
// a warp or a block hold a row in registers, so that it is read once and written once. Bound by memory: 8 bytes an
// element of f32, 4 of f16, so 4.2 TB/s take 16 us for 8192 rows of 1024 f32, 8 us of f16; scale and bias stay in the
// caches.
#include "ops/norm/norm.params.h"
#include "ops/shared/gpu_overlap.cuh"
#include "ops/shared/gpu_rows.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

/// A row of scales or biases, asked for together with the row that they meet later.
template <typename Form, typename T>
struct Weights {
  static constexpr bool kPacked = Form::V > 1;
  uint4 whole[kPacked ? Form::E / Form::V : 1];

  __device__ __forceinline__ void load(const T* w, int n, int lane, int lanes) {
    if constexpr (kPacked) {
#pragma unroll
      for (int j = 0; j < Form::E; j += Form::V)
        if (const int i = row_index<Form>(j, lane, lanes); i < n)
          whole[j / Form::V] = *reinterpret_cast<const uint4*>(w + i);
    }
  }
  __device__ __forceinline__ float at(int j, const T* w, int n, int lane, int lanes) const {
    if constexpr (kPacked) return gpu::load(reinterpret_cast<const T*>(&whole[j / Form::V]) + j % Form::V);
    const int i = row_index<Form>(j, lane, lanes);
    return i < n ? gpu::load(w + i) : 0;
  }
};

template <typename Form, typename T>
__global__ void __launch_bounds__(kThreads, sizeof(T) == 2 && Form::E <= 24 ? 4 : 2)
    norm_rows_kernel(bool rms, float epsilon, std::int64_t rows, int n, int lanes, const T* x, const T* scale,
                     const T* bias, T* y) {
  constexpr int E = Form::E;
  constexpr int kLine = 128 / sizeof(T);
  for (int i = static_cast<int>(threadIdx.x) * kLine; i < n; i += static_cast<int>(blockDim.x) * kLine) {
    if (scale != nullptr) prefetch_line(scale + i);
    if (bias != nullptr) prefetch_line(bias + i);
  }
  await_previous();
  for_each_row(rows, lanes, [&](std::int64_t r, int lane, bool active) {
    const int own = active ? n : 0;
    const std::int64_t at = active ? r * n : 0;
    float v[E];
    Weights<Form, T> scales, biases;
    load_row<Form>(x + at, own, lane, lanes, 0, v);
    if (scale != nullptr) scales.load(scale, own, lane, lanes);
    if (bias != nullptr) biases.load(bias, own, lane, lanes);
    float sum = 0, squares = 0;
    if (!rms) {
#pragma unroll
      for (int j = 0; j < E; ++j) sum += v[j];
      const float mean = sum_over_lanes(sum, lanes) / static_cast<float>(n);
#pragma unroll
      for (int j = 0; j < E; ++j)
        if (row_index<Form>(j, lane, lanes) < n) v[j] -= mean;
    }
    // The rounding of the mean is left in the differences: their own mean mends it.
    float rest = 0;
#pragma unroll
    for (int j = 0; j < E; ++j) {
      rest += v[j];
      squares += v[j] * v[j];
    }
    squares = sum_over_lanes(squares, lanes) / static_cast<float>(n);
    rest = rms ? 0 : sum_over_lanes(rest, lanes) / static_cast<float>(n);
    const float variance = squares - rest * rest, inverse = 1 / sqrtf((variance < 0 ? 0 : variance) + epsilon);
#pragma unroll
    for (int j = 0; j < E; ++j) v[j] = (v[j] - rest) * inverse;
    if (scale != nullptr) {
#pragma unroll
      for (int j = 0; j < E; ++j) v[j] *= scales.at(j, scale, own, lane, lanes);
    }
    if (bias != nullptr) {
#pragma unroll
      for (int j = 0; j < E; ++j) v[j] += biases.at(j, bias, own, lane, lanes);
    }
    store_row<Form>(y + at, own, lane, lanes, v);
  });
}

Status run_rows(const KernelContext& c) noexcept {
  const auto& p = c.params_as<LayerNormParams>();
  const TensorView &x = c.in[0], &y = c.out[0];
  const std::int64_t rows = x.shape.count(0, p.axis), n = x.shape.count(p.axis, x.shape.rank);
  if (rows == 0 || n == 0) return {};
  const void *scale = c.has_input(1) ? c.in[1].data : nullptr, *bias = c.has_input(2) ? c.in[2].data : nullptr;
  const auto whole = [](const void* data) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0; };
  const bool vectors = whole(x.data) && whole(y.data) && whole(scale) && whole(bias);
  const auto launch = [&](auto type) {
    using T = typename decltype(type)::type;
    const auto run = [&](auto form, int lanes) {
      // Few rows are spread over as many multiprocessors as there are.
      int threads = kThreads;
      while (threads > 32 && threads > lanes && rows * lanes / threads < kProcessors) threads /= 2;
      launch_early(c, norm_rows_kernel<decltype(form), T>, blocks_for(rows * lanes, threads), threads, 0, p.rms != 0,
                   p.epsilon, rows, static_cast<int>(n), lanes, x.as<T>(), static_cast<const T*>(scale),
                   static_cast<const T*>(bias), y.as<T>());
    };
    constexpr int kVector = 16 / sizeof(T);
    // Between two forms of rows in general: transformers have many of 768.
    if (vectors && n % kVector == 0 && n > 512 && n <= 768) run(RowForm<kVector, 24>{}, 32);
    else with_row_form<T>(n, vectors, run);
  };
  if (x.dtype == DType::f32) launch(Type<float>{});
  else launch(Type<__half>{});
  return launched();
}

/// The axes from `axis` on, and no others.
bool is_row_of(const Shape& vector, const Shape& x, int axis) {
  for (int a = 0; a < vector.rank; ++a) {
    const int own = x.rank - vector.rank + a;
    if (vector[a] != (own < axis ? 1 : x[own])) return false;
  }
  return vector.rank >= x.rank - axis;
}

Refusal accepts_rows(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const LayerNormParams*>(q.params);
  const OperandDesc& x = q.in[0];
  if (x.dtype != DType::f32 && x.dtype != DType::f16) return "computes f32 and f16 only";
  if (q.out[0].dtype != x.dtype) return "input and output differ in type";
  if (q.out_count > 1 && (q.out[1].present() || (q.out_count > 2 && q.out[2].present())))
    return "the moments are outputs";
  for (int i = 1; i < 3; ++i)
    if (q.has_input(i) && (q.in[i].dtype != x.dtype || !is_row_of(q.in[i].shape, x.shape, p.axis)))
      return "scale or bias is no row of the input's type";
  if (x.shape.count(p.axis, x.shape.rank) > kLongestRow) return "a row is longer than the registers of a block";
  return nullptr;
}

}  // namespace

extern const Kernel layer_norm_rows_cuda{.name = "layer_norm_rows_cuda",
                                         .op = "LayerNormalization",
                                         .device = DeviceKind::cuda,
                                         .accepts = accepts_rows,
                                         .run = run_rows};
extern const Kernel rms_norm_rows_cuda{.name = "rms_norm_rows_cuda",
                                       .op = "RMSNormalization",
                                       .device = DeviceKind::cuda,
                                       .accepts = accepts_rows,
                                       .run = run_rows};

}  // namespace monza::ops
