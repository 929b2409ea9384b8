// Copy on a GPU: elements under other strides, as gpu_move.cuh moves them. Bound by memory: every byte is read and
// written once.
#include "ops/shared/gpu_move.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

Status run_copy(const KernelContext& c) noexcept {
  const TensorView &x = c.in[0], &y = c.out[0];
  gpu::MoveAxes axes;
  axes.add(y.shape, ~0u, {x.stride, y.stride});
  return gpu::move_elements(axes, dtype_bits(y.dtype), x.data, y.data, gpu::stream_of(c));
}

Refusal accepts_copy(const KernelQuery& q) noexcept {
  if (!gpu::moves(dtype_bits(q.in[0].dtype))) return "its element type has no CUDA kernel";
  if (q.in[0].layout != Layout::strided || q.out[0].layout != Layout::strided) return "blocks of channels are for CPUs";
  return nullptr;
}

}  // namespace

extern const Kernel copy_cuda{.name = "copy_cuda",
                              .op = "Copy",
                              .device = DeviceKind::cuda,
                              .in{Port::strided},
                              .out{Port::strided},
                              .accepts = accepts_copy,
                              .run = run_copy};

}  // namespace monza::ops
