// Matrix products on a GPU, plainly: a thread an output element, summed in double (integers in 64 bits); any strides.
// For types, layouts and small products that the tiled kernels leave.
#include <type_traits>

#include "ops/matmul/matmul_problem.cuh"
#include "ops/shared/gpu_any.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

/// Integer products wrap as two's complement, so unsigned arithmetic serves both signs.
template <typename T>
using wide_t = std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>;

template <typename T>
__device__ __forceinline__ wide_t<T> wide(T v) {
  if constexpr (std::is_integral_v<T> || std::is_same_v<T, double>) return static_cast<wide_t<T>>(v);
  else return static_cast<double>(static_cast<float>(v));
}

template <typename T>
__device__ void finish_element(const Product& p, wide_t<T> sum, std::int64_t batch, std::int64_t m, std::int64_t n) {
  const auto extra = [&](const Product::Operand& o) -> wide_t<T> {
    return o.data == nullptr ? wide_t<T>(0) : wide(o.as<T>()[p.offset(o, batch) + m * o.row + n * o.column]);
  };
  const wide_t<T> add = extra(p.bias), more = extra(p.residual);
  T* to = const_cast<T*>(p.out.as<T>()) + p.offset(p.out, batch) + m * p.out.row + n * p.out.column;
  if constexpr (std::is_integral_v<T>) {
    if (p.alpha != 1)  // truncates as a cast does
      sum = static_cast<std::uint64_t>(
          truncate(static_cast<double>(static_cast<std::int64_t>(sum)) * p.alpha, DType::i64));
    *to = static_cast<T>(sum + add + more);
  } else {
    store(to, static_cast<computed_t<T>>(p.finish(sum, add, more)));
  }
}

template <typename T>
__global__ void matmul_kernel(Product p, std::int64_t count) {
  for_each(count, [&](std::int64_t i) {
    const std::int64_t n = i % p.n, m = i / p.n % p.m, batch = i / p.n / p.m;
    const T* a = p.a.as<T>() + p.offset(p.a, batch) + m * p.a.row;
    const T* b = p.b.as<T>() + p.offset(p.b, batch) + n * p.b.column;
    wide_t<T> sum = 0;
    for (std::int64_t k = 0; k < p.k; ++k, a += p.a.column, b += p.b.row) sum += wide(*a) * wide(*b);
    finish_element<T>(p, sum, batch, m, n);
  });
}

/// Element i of a block of 32, as block_encoding.h has them.
__device__ __forceinline__ float block_element(const std::uint8_t* block, DType type, int i) {
  const float d = __half2float(__ushort_as_half(static_cast<unsigned short>(block[0] | block[1] << 8)));
  if (type == DType::q8_0) return d * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
  const int pair = block[2 + i % 16];
  return d * static_cast<float>((i < 16 ? pair & 15 : pair >> 4) - 8);
}

/// b in rows of whole blocks that follow each other: a warp an output element.
__global__ void matmul_blocks_kernel(Product p, DType type, std::int64_t count) {
  const int lane = threadIdx.x % 32, block_bytes = type == DType::q8_0 ? 34 : 18;
  const std::int64_t row_blocks = (p.k + 31) / 32;
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * (blockDim.x / 32);
  for (std::int64_t i = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / 32; i < count;
       i += warps) {
    const std::int64_t n = i % p.n, m = i / p.n % p.m, batch = i / p.n / p.m;
    const float* a = p.a.as<float>() + p.offset(p.a, batch) + m * p.a.row;
    // Element strides divide by K to count rows.
    const std::int64_t row = (p.k != 0 ? p.offset(p.b, batch) / p.k : 0) + n;
    const std::uint8_t* b = p.b.as<std::uint8_t>() + row * row_blocks * block_bytes;
    double sum = 0;
    for (std::int64_t k = lane; k < p.k; k += 32, b += block_bytes)
      sum += static_cast<double>(a[k * p.a.column]) * static_cast<double>(block_element(b, type, lane));
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffU, sum, step);
    if (lane == 0) finish_element<float>(p, sum, batch, m, n);
  }
}

Status run_matmul(const KernelContext& c) noexcept {
  const Product p(c);
  const std::int64_t count = p.count();
  if (count == 0) return {};
  const cudaStream_t stream = stream_of(c);
  const DType type = c.in[1].dtype;
  if (is_block_encoding(type)) {
    matmul_blocks_kernel<<<blocks_for(count * 32), kThreads, 0, stream>>>(p, type, count);
    return launched();
  }
  const auto launch = [&](auto t) {
    matmul_kernel<typename decltype(t)::type><<<blocks_for(count), kThreads, 0, stream>>>(p, count);
  };
  switch (type) {
    case DType::i32: launch(Type<std::int32_t>{}); break;
    case DType::u32: launch(Type<std::uint32_t>{}); break;
    case DType::i64:
    case DType::u64: launch(Type<std::uint64_t>{}); break;
    default:
      if (!with_float(type, launch)) return kOtherType;
  }
  return launched();
}

Refusal accepts(const KernelQuery& q) noexcept {
  const auto& p = *static_cast<const MatMulParams*>(q.params);
  const DType a = q.input(0).dtype, b = q.input(1).dtype;
  if (is_stored_float(a)) {
    const bool blocks = b == DType::q4_0 || b == DType::q8_0;
    return b == a || (blocks && a == DType::f32) ? nullptr : "its element types have no CUDA kernel";
  }
  if (a != DType::i32 && a != DType::u32 && a != DType::i64 && a != DType::u64)
    return "its element types have no CUDA kernel";
  return p.act.kind == ActivationKind::none ? nullptr : "an activation of integers";
}

}  // namespace

extern const Kernel matmul_cuda{.name = "matmul_cuda",
                                .op = "MatMul",
                                .device = DeviceKind::cuda,
                                .in{Port::strided},
                                .out{Port::strided},
                                .accepts = accepts,
                                .run = run_matmul};

}  // namespace monza::ops
