// What CUDA kernels of every family are made of: launches, loops over strided operands, numbers in storage types.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/launch.h"
#include "kernel/kernel.h"

namespace monza::gpu {

inline const backend::CudaLaunch& launch_of(const KernelContext& c) {
  return *static_cast<const backend::CudaLaunch*>(c.launch);
}
inline cudaStream_t stream_of(const KernelContext& c) { return launch_of(c).stream; }

/// How a kernel says that the data is wrong: it goes on with something harmless, and the run fails.
class FaultReport {
 public:
  explicit FaultReport(const KernelContext& c, backend::Fault fault = backend::Fault::index)
      : word_(launch_of(c).fault), value_(backend::fault_word(launch_of(c).step, fault)) {}
  __device__ void raise() const { *reinterpret_cast<volatile std::int32_t*>(word_) = value_; }

 private:
  std::int32_t* word_;
  std::int32_t value_;
};

/// What became of the launches before: a failure here is one of the launch (its shape, memory for its code).
inline Status launched() noexcept {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? Status{} : Status{StatusCode::unavailable, cudaGetErrorString(error)};
}

/// Multiprocessors of a large GPU. Work is cut for as many on every GPU, as results may depend on the cut.
inline constexpr int kProcessors = 132;
inline constexpr int kThreads = 256;  ///< of a block of a loop

/// Blocks for `count` elements, one a thread; grid-stride loops (`for_each`) take any number.
inline unsigned blocks_for(std::int64_t count, int threads = kThreads) {
  constexpr std::int64_t kMost = std::int64_t{kProcessors} * 32;  // more would only wait
  const std::int64_t blocks = (count + threads - 1) / threads;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < kMost ? blocks : kMost);
}

/// a / b of numbers that are not negative: 32-bit division is several times faster than that of 64 bits.
__device__ __forceinline__ std::int64_t divide(std::int64_t a, std::int64_t b) {
  return (a | b) >> 32 == 0 ? static_cast<std::int64_t>(static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b))
                            : a / b;
}

/// Calls f(i) for all i below count, over the threads of all blocks.
template <typename F>
__device__ __forceinline__ void for_each(std::int64_t count, F&& f) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) f(i);
}

/// The elements of an output and where N inputs, broadcast to it by numpy's rules, have theirs: axes merged where all
/// operands allow it, the innermost first. Operand 0 is the output.
template <int N>
struct Walk {
  int rank = 0;
  std::int64_t count = 1;
  std::int64_t extent[kMaxRank] = {};
  std::int64_t stride[N + 1][kMaxRank] = {};

  Walk(const TensorView& out, const TensorView* const (&in)[N]) {
    for (int a = out.shape.rank - 1; a >= 0; --a) {
      const std::int64_t e = out.shape[a];
      count *= e;
      if (e == 1) continue;
      std::int64_t s[N + 1] = {out.stride[a]};
      for (int k = 0; k < N; ++k) {
        const int own = a - (out.shape.rank - in[k]->shape.rank);
        s[k + 1] = own < 0 || in[k]->shape[own] == 1 ? 0 : in[k]->stride[own];
      }
      bool merges = rank > 0;
      for (int k = 0; merges && k <= N; ++k) merges = s[k] == stride[k][rank - 1] * extent[rank - 1];
      if (merges) {
        extent[rank - 1] *= e;
        continue;
      }
      extent[rank] = e;
      for (int k = 0; k <= N; ++k) stride[k][rank] = s[k];
      ++rank;
    }
  }
  /// Offsets, in elements, of the i-th element in the output's order.
  __device__ __forceinline__ void at(std::int64_t i, std::int64_t (&offset)[N + 1]) const {
#pragma unroll
    for (int k = 0; k <= N; ++k) offset[k] = 0;
    for (int a = 0; a < rank; ++a) {
      const std::int64_t whole = divide(i, extent[a]);
      const std::int64_t x = i - whole * extent[a];
      i = whole;
#pragma unroll
      for (int k = 0; k <= N; ++k) offset[k] += x * stride[k][a];
    }
  }
};

/// The index of element i of a tensor of that shape in row-major order.
__device__ __forceinline__ void unravel(const Shape& shape, std::int64_t i, std::int64_t* index) {
  for (int a = shape.rank - 1; a >= 0; --a) {
    const std::int64_t whole = divide(i, shape[a]);
    index[a] = i - whole * shape[a];
    i = whole;
  }
}
__device__ __forceinline__ std::int64_t offset_of(const TensorView& v, const std::int64_t* index) {
  std::int64_t at = 0;
  for (int a = 0; a < v.shape.rank; ++a) at += index[a] * v.stride[a];
  return at;
}

/// What a storage type is computed in: narrow floats in float.
template <typename T>
struct Computed {
  using type = float;
};
template <>
struct Computed<double> {
  using type = double;
};
template <typename T>
using computed_t = typename Computed<T>::type;

template <typename T>
__device__ __forceinline__ computed_t<T> load(const T* p) {
  return static_cast<computed_t<T>>(*p);
}
template <typename T>
__device__ __forceinline__ void store(T* p, computed_t<T> v) {
  *p = static_cast<T>(v);
}

template <typename T>
struct Type {
  using type = T;
};
/// f(Type<T>{}) for the floats that tensors are stored in; false for other types.
template <typename F>
bool with_float(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32: f(Type<float>{}); return true;
    case DType::f16: f(Type<__half>{}); return true;
    case DType::bf16: f(Type<__nv_bfloat16>{}); return true;
    case DType::f64: f(Type<double>{}); return true;
    default: return false;
  }
}
/// Any type of that many bits, to move elements that are not looked at.
template <typename F>
bool with_size(int bits, F&& f) {
  switch (bits) {
    case 8: f(Type<std::uint8_t>{}); return true;
    case 16: f(Type<std::uint16_t>{}); return true;
    case 32: f(Type<std::uint32_t>{}); return true;
    case 64: f(Type<std::uint64_t>{}); return true;
    default: return false;
  }
}

inline bool is_stored_float(DType t) {
  return t == DType::f32 || t == DType::f16 || t == DType::bf16 || t == DType::f64;
}
/// Floats, and integers and booleans of whole bytes.
inline bool is_number(DType t) { return is_stored_float(t) || (t >= DType::i8 && t <= DType::boolean); }

inline constexpr Status kOtherType{StatusCode::internal,
                                   "a CUDA kernel was given another element type than it accepts"};

}  // namespace monza::gpu
