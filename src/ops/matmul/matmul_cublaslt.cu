// Matrix products by cuBLASLt: f16, bf16 and f32 on tensor cores or, for f32, on cores of full precision (no TF32).
// Bound by products at 790 TFLOP/s (f16) and 60 (f32), small ones by the launch. A bias for each column, a residual of
// the output's size and ReLU are its own epilogues; what else follows a product is a kernel of ours over the output, in
// place: at most one more rounding than a node of its own would have. GELU is its own only in the form that it computes
// (tanh).
#include <algorithm>

#include "backend/cuda/cublaslt.h"
#include "ops/matmul/matmul_problem.cuh"
#include "ops/shared/gpu_overlap.cuh"

namespace monza::ops {
namespace {

using namespace gpu;
using backend::LtEpilogue;
using backend::LtMatrix;
using backend::LtProduct;

/// What follows the sums in `out`, element by element; `p` holds what the library has left to do.
template <typename T>
__global__ void finish_product_kernel(Product p, std::int64_t count) {
  for_each(count, [&](std::int64_t i) {
    const std::int64_t n = i % p.n, m = i / p.n % p.m, batch = i / p.n / p.m;
    const auto extra = [&](const Product::Operand& o) {
      return o.data == nullptr ? 0.0F : load(o.as<T>() + p.offset(o, batch) + m * o.row + n * o.column);
    };
    T* out = const_cast<T*>(p.out.as<T>()) + p.offset(p.out, batch) + m * p.out.row + n * p.out.column;
    store(out, p.finish(load(out), extra(p.bias), extra(p.residual)));
  });
}

/// The same of an activation alone, 16 bytes a thread.
template <typename T, typename F>
__device__ __forceinline__ void activate_vectors(T* out, std::int64_t vectors, F&& f) {
  constexpr int kEach = 16 / sizeof(T);
  struct alignas(16) Vector {
    T v[kEach];
  };
  for_each(vectors, [&](std::int64_t i) {
    Vector x = reinterpret_cast<const Vector*>(out)[i];
#pragma unroll
    for (int j = 0; j < kEach; ++j) store(&x.v[j], f(load(&x.v[j])));
    reinterpret_cast<Vector*>(out)[i] = x;
  });
}
template <typename T>
__global__ void activate_kernel(T* out, std::int64_t vectors, Activation act) {
  await_previous();
  activate_vectors(out, vectors, [&](float x) { return activate<float>(act, x); });
}
template <typename T>
__global__ void gelu_kernel(T* out, std::int64_t vectors) {
  await_previous();
  activate_vectors(out, vectors, [](float x) { return gelu(x); });
}

/// Of strides that the library does not take, and sums of nothing: a thread an output.
template <typename T>
__global__ void plain_product_kernel(Product p, std::int64_t count) {
  for_each(count, [&](std::int64_t i) {
    const std::int64_t n = i % p.n, m = i / p.n % p.m, batch = i / p.n / p.m;
    const auto extra = [&](const Product::Operand& o) {
      return o.data == nullptr ? 0.0F : load(o.as<T>() + p.offset(o, batch) + m * o.row + n * o.column);
    };
    const T* a = p.a.as<T>() + p.offset(p.a, batch) + m * p.a.row;
    const T* b = p.b.as<T>() + p.offset(p.b, batch) + n * p.b.column;
    float sum = 0;
    for (std::int64_t k = 0; k < p.k; ++k) sum = fmaf(load(a + k * p.a.column), load(b + k * p.b.row), sum);
    T* out = const_cast<T*>(p.out.as<T>()) + p.offset(p.out, batch) + m * p.out.row + n * p.out.column;
    store(out, p.finish(sum, extra(p.bias), extra(p.residual)));
  });
}

/// Puts in the library's product what of the rest it can do, and takes that out of `p`.
void fuse(Product& p, LtProduct& lt) {
  const auto everywhere = [&](const Product::Operand& o) {  // one vector for all batches
    for (int i = 0; i < p.batch_rank; ++i)
      if (o.batch[i] != 0) return false;
    return true;
  };
  if (p.bias.data != nullptr && (p.bias.row == 0 || p.m == 1) && (p.bias.column == 1 || p.n == 1) &&
      everywhere(p.bias)) {
    lt.bias = p.bias.data;
    p.bias.data = nullptr;
  }
  const bool linear = p.act.kind == ActivationKind::none;
  if (p.residual.data != nullptr && (!p.residual_after || linear)) {
    bool transposed = false;
    lt.c = LtMatrix::of(p.residual.data, p.n, p.m, p.residual.column, p.residual.row, transposed);
    if (transposed) lt.c.data = nullptr;
    if (lt.c.data != nullptr) p.residual.data = nullptr;
  }
  if (p.bias.data != nullptr || (p.residual.data != nullptr && !p.residual_after)) return;
  if (p.act.kind == ActivationKind::relu) lt.epilogue = LtEpilogue::relu;
  else if (p.act.kind == ActivationKind::gelu_tanh) lt.epilogue = LtEpilogue::gelu_tanh;
  else return;
  p.act = {};
}

/// Calls f(batch) for batches that lie evenly, with the first of each: the innermost axis is one batch of the
/// library's.
template <typename F>
bool each_batch(const Product& p, F&& f) {
  std::int64_t index[kMaxRank] = {};
  const std::int64_t calls = p.batch_rank == 0 ? 1 : p.batches / p.extent[0];
  for (std::int64_t call = 0; call < calls; ++call) {
    if (!f(static_cast<const std::int64_t*>(index), call)) return false;
    for (int axis = 1; axis < p.batch_rank; ++axis) {
      if (++index[axis] < p.extent[axis]) break;
      index[axis] = 0;
    }
  }
  return true;
}

std::size_t workspace(double m, double n) {
  // Some parts of the sums over k, but no more than what the library's own choices are made for.
  constexpr double kMost = 32 << 20;
  return static_cast<std::size_t>(std::min(kMost, 1e6 + 32 * m * n)) / 256 * 256;
}

template <typename T>
Status run_product(const KernelContext& c, int choice) noexcept {
  const Product whole(c);
  if (whole.count() == 0) return {};
  const cudaStream_t stream = stream_of(c);
  const unsigned blocks = blocks_for(whole.count());
  Product rest = whole;
  // Columns of the library are our rows: out^T = b^T a^T.
  LtProduct lt{.dtype = c.in[0].dtype,
               .m = whole.n,
               .n = whole.m,
               .k = whole.k,
               .batches = whole.batch_rank == 0 ? 1 : whole.extent[0],
               .alpha = whole.alpha,
               .choice = choice,
               .workspace = c.scratch,
               .workspace_bytes = workspace(static_cast<double>(whole.m), static_cast<double>(whole.n))};
  bool transposed = false;
  lt.d = LtMatrix::of(whole.out.data, whole.n, whole.m, whole.out.column, whole.out.row, transposed);
  lt.a = LtMatrix::of(whole.b.data, whole.n, whole.k, whole.b.column, whole.b.row, lt.a_transposed);
  lt.b = LtMatrix::of(whole.a.data, whole.k, whole.m, whole.a.column, whole.a.row, lt.b_transposed);
  bool done = false;
  if (!transposed && whole.k > 0 && lt.a.data != nullptr && lt.b.data != nullptr && lt.d.data != nullptr) {
    fuse(rest, lt);
    rest.alpha = 1;
    Status status;
    done = each_batch(whole, [&](const std::int64_t* index, std::int64_t) {
      LtProduct part = lt;
      const auto place = [&](LtMatrix& m, const Product::Operand& o) {
        if (m.data == nullptr) return;
        if (whole.batch_rank > 0) m.batch = o.batch[0];
        std::int64_t offset = 0;
        for (int axis = 1; axis < whole.batch_rank; ++axis) offset += index[axis] * o.batch[axis];
        m.data = static_cast<const T*>(m.data) + offset;
      };
      place(part.a, whole.b);
      place(part.b, whole.a);
      place(part.c, whole.residual);
      place(part.d, whole.out);
      bool put = false;
      status = backend::cublaslt_multiply(part, stream, put);
      return put && status.ok();
    });
    if (!status) return status;
  }
  if (!done) {
    plain_product_kernel<T><<<blocks, kThreads, 0, stream>>>(whole, whole.count());
    return launched();
  }
  const bool more = rest.bias.data != nullptr || rest.residual.data != nullptr;
  if (!more && rest.act.kind == ActivationKind::none) return {};
  const std::int64_t count = whole.count();
  constexpr std::int64_t kEach = 16 / sizeof(T);
  if (!more && whole.batches == 1 && (whole.out.row == whole.n || whole.m == 1) && count % kEach == 0 &&
      reinterpret_cast<std::uintptr_t>(whole.out.data) % 16 == 0) {
    auto* const out = static_cast<T*>(const_cast<void*>(whole.out.data));
    const std::int64_t vectors = count / kEach;
    if (sizeof(T) == 2 && rest.act.kind == ActivationKind::gelu_erf)
      launch_early(c, gelu_kernel<T>, blocks_for(vectors), kThreads, 0, out, vectors);
    else launch_early(c, activate_kernel<T>, blocks_for(vectors), kThreads, 0, out, vectors, rest.act);
  } else {
    finish_product_kernel<T><<<blocks, kThreads, 0, stream>>>(rest, count);
  }
  return launched();
}

template <int kChoice>
Status run_cublaslt(const KernelContext& c) noexcept {
  switch (c.in[0].dtype) {
    case DType::f16: return run_product<__half>(c, kChoice);
    case DType::bf16: return run_product<__nv_bfloat16>(c, kChoice);
    case DType::f32: return run_product<float>(c, kChoice);
    default: return kOtherType;
  }
}

std::size_t scratch_cublaslt(const KernelQuery& q) noexcept {
  // Which axes become rows is only known with the strides: all of them may.
  double rows = 1;
  const Shape& out = q.out[0].shape;
  for (int i = 0; i + 1 < out.rank; ++i) rows *= static_cast<double>(out[i]);
  return workspace(rows, out.rank > 0 ? static_cast<double>(out[out.rank - 1]) : 1);
}

Refusal accepts_cublaslt(const KernelQuery& q) noexcept {
  const DType type = q.input(0).dtype;
  if ((type != DType::f16 && type != DType::bf16 && type != DType::f32) || q.input(1).dtype != type)
    return "its element types are not f16, bf16 or f32";
  return backend::cublaslt_facts().missing.empty() ? nullptr : "cuBLASLt is missing (monza doctor says why)";
}

/// `choice`: which of the algorithms that the library proposes for the product.
template <int kChoice>
consteval Kernel cublaslt_kernel(const char* name) {
  return {.name = name,
          .op = "MatMul",
          .device = DeviceKind::cuda,
          .batch_invariant = false,
          .in{Port::strided},
          .out{Port::rows},
          .accepts = accepts_cublaslt,
          .scratch_bytes = scratch_cublaslt,
          .run = run_cublaslt<kChoice>};
}

}  // namespace

extern const Kernel matmul_cublaslt_cuda = cublaslt_kernel<0>("matmul_cublaslt_cuda");
extern const Kernel matmul_cublaslt_second_cuda = cublaslt_kernel<1>("matmul_cublaslt_second_cuda");
extern const Kernel matmul_cublaslt_third_cuda = cublaslt_kernel<2>("matmul_cublaslt_third_cuda");

}  // namespace monza::ops
