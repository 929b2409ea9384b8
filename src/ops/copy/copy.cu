// Copy on a GPU: elements under other strides. Bound by memory, 2 bytes moved for each; where the innermost axes of the two
// sides differ, one of them is gathered in sectors of 32 bytes (a tile through shared memory would mend that).
#include "ops/shared/gpu.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

template <typename T>
__global__ void copy_kernel(gpu::Walk<1> walk, const T* x, T* y) {
  gpu::for_each(walk.count, [&](std::int64_t i) {
    std::int64_t at[2];
    walk.at(i, at);
    y[at[0]] = x[at[1]];
  });
}

Status run_copy(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  const gpu::Walk<1> walk(y, {&x});
  if (walk.count == 0) return {};
  const bool known = gpu::with_size(dtype_bits(y.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    copy_kernel<T><<<gpu::blocks_for(walk.count), gpu::kThreads, 0, gpu::stream_of(c)>>>(walk, x.as<T>(), y.as<T>());
  });
  return known ? gpu::launched() : gpu::kOtherType;
}

Refusal accepts_copy(const KernelQuery& q) noexcept {
  const int bits = dtype_bits(q.in[0].dtype);
  if (bits < 8 || bits > 64) return "its element type has no CUDA kernel";
  if (q.in[0].layout != Layout::strided || q.out[0].layout != Layout::strided) return "blocks of channels are for CPUs";
  return nullptr;
}

}  // namespace

extern const Kernel copy_cuda;
const Kernel copy_cuda{.name = "copy_cuda",
                       .op = "Copy",
                       .device = DeviceKind::cuda,
                       .in{Port::strided},
                       .out{Port::strided},
                       .accepts = accepts_copy,
                       .run = run_copy};

}  // namespace monza::ops
