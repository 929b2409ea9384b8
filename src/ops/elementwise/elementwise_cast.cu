// Cast and Pow on a GPU, whose operands may differ in type: elements are looked at by the type that the launch names.
#include "ops/elementwise/elementwise.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_overlap.cuh"
#include "ops/shared/gpu_vectors.cuh"

namespace monza::ops {
namespace {

using namespace gpu;

__global__ void cast_kernel(Walk<1> walk, const void* x, DType from, void* y, DType to) {
  for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[2];
    walk.at(i, at);
    if (integral(from)) {
      const std::int64_t v = load_integer(x, from, at[1]);
      if (integral(to)) store_integer(y, to, at[0], v);
      else if (to == DType::f32)  // one rounding only
        static_cast<float*>(y)[at[0]] =
            from == DType::u64 ? static_cast<float>(static_cast<std::uint64_t>(v)) : static_cast<float>(v);
      else
        store_float(y, to, at[0],
                    from == DType::u64 ? static_cast<double>(static_cast<std::uint64_t>(v)) : static_cast<double>(v));
    } else {
      const double v = load_float(x, from, at[1]);
      if (to == DType::boolean) static_cast<std::uint8_t*>(y)[at[0]] = v != 0;
      else if (integral(to)) store_integer(y, to, at[0], truncate(v, to));
      else store_float(y, to, at[0], v);
    }
  });
}

/// Between floats of at most 32 bits, which is what models do in every inference.
template <typename From, typename To>
__global__ void cast_float_kernel(Walk<1> walk, const From* x, To* y) {
  for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[2];
    walk.at(i, at);
    store(y + at[0], load(x + at[1]));
  });
}

template <typename From, typename To>
__global__ void cast_vectors_kernel(Walk<1> walk, const From* x, To* y) {
  constexpr int kEach = 4;
  await_previous();
  for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[2];
    walk.at(i, at);
    const auto from = load_vector<kEach>(x + at[1], walk.stride[1][0] == 0);
    Channels<To, kEach> to;
#pragma unroll
    for (int j = 0; j < kEach; ++j) store(&to.v[j], load(&from.v[j]));
    *reinterpret_cast<Channels<To, kEach>*>(y + at[0]) = to;
  });
}
template <typename From, typename To>
__global__ void __launch_bounds__(kThreads) cast_tiles_kernel(WalkTiles tiles, const From* x, To* y) {
  await_previous();
  for_each_in_tiles(tiles, x, y, [](From v) {
    To to;
    store(&to, load(&v));
    return to;
  });
}
template <typename From, typename To>
void cast_float(const Walk<1>& walk, const From* x, To* y, const KernelContext& c) {
  Walk<1> vectors = walk;
  if (walk_in_vectors<1>(vectors, 4, {sizeof(To), sizeof(From)}, {y, x})) {
    launch_early(c, cast_vectors_kernel<From, To>, blocks_for(vectors.count), kThreads, 0, vectors, x, y);
    return;
  }
  const WalkTiles tiles(walk);
  if (tiles.count != 0)
    launch_early(c, cast_tiles_kernel<From, To>, blocks_for(tiles.count, 1), kThreads, 0, tiles, x, y);
  else cast_float_kernel<<<blocks_for(walk.count), kThreads, 0, stream_of(c)>>>(walk, x, y);
}

Status run_cast(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  Walk<1> walk(y, {&x});
  if (walk.count == 0) return {};
  order_by_output(walk);
  const unsigned blocks = blocks_for(walk.count);
  const cudaStream_t stream = stream_of(c);
  if (x.dtype == DType::f32 && y.dtype == DType::f16) cast_float(walk, x.as<float>(), y.as<__half>(), c);
  else if (x.dtype == DType::f16 && y.dtype == DType::f32) cast_float(walk, x.as<__half>(), y.as<float>(), c);
  else cast_kernel<<<blocks, kThreads, 0, stream>>>(walk, x.data, x.dtype, y.data, y.dtype);
  return launched();
}

Refusal accepts_cast(const KernelQuery& q) noexcept {
  return is_number(q.in[0].dtype) && is_number(q.out[0].dtype) ? nullptr : "its element types have no CUDA kernel";
}

/// The base's type is the result's; the exponent may have another.
__global__ void pow_kernel(Walk<2> walk, const void* x, DType base, const void* e, DType exponent, void* y) {
  for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[3];
    walk.at(i, at);
    if (integral(base) && integral(exponent)) {
      const std::int64_t b = load_integer(x, base, at[1]), n = load_integer(e, exponent, at[2]);
      std::uint64_t result = 1, square = static_cast<std::uint64_t>(b);
      if (!is_unsigned(base) && n < 0) {
        result = b == 1 ? 1 : b == -1 ? (n % 2 != 0 ? ~std::uint64_t{0} : 1) : 0;
      } else {
        for (auto k = static_cast<std::uint64_t>(n); k != 0; k >>= 1, square *= square)
          if (k & 1) result *= square;
      }
      store_integer(y, base, at[0], static_cast<std::int64_t>(result));
      return;
    }
    const double n =
        integral(exponent) ? static_cast<double>(load_integer(e, exponent, at[2])) : load_float(e, exponent, at[2]);
    const double b = integral(base) ? static_cast<double>(load_integer(x, base, at[1])) : load_float(x, base, at[1]);
    if (base == DType::f32)
      static_cast<float*>(y)[at[0]] =
          n == 2 ? static_cast<float>(b) * static_cast<float>(b) : static_cast<float>(pow(b, n));
    else if (integral(base)) store_integer(y, base, at[0], truncate(pow(b, n), base));
    else store_float(y, base, at[0], pow(b, n));
  });
}

Status run_pow(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &e = c.in[1], &y = c.out[0];
  const Walk<2> walk(y, {&x, &e});
  if (walk.count == 0) return {};
  pow_kernel<<<blocks_for(walk.count), kThreads, 0, stream_of(c)>>>(walk, x.data, x.dtype, e.data, e.dtype, y.data);
  return launched();
}

Refusal accepts_pow(const KernelQuery& q) noexcept {
  return is_number(q.in[0].dtype) && is_number(q.in[1].dtype) ? nullptr : "its element types have no CUDA kernel";
}

}  // namespace

extern const Kernel cast_cuda{.name = "cast_cuda",
                              .op = "Cast",
                              .device = DeviceKind::cuda,
                              .in{Port::strided},
                              .out{Port::strided},
                              .accepts = accepts_cast,
                              .run = run_cast};
extern const Kernel pow_cuda{.name = "pow_cuda",
                             .op = "Pow",
                             .device = DeviceKind::cuda,
                             .in{Port::strided},
                             .out{Port::strided},
                             .accepts = accepts_pow,
                             .run = run_pow};

}  // namespace monza::ops
