// Convolution in f16 on Hopper's warp groups (ops/shared/gpu_hopper_product.cuh), over channels-last images. What does
// not lie as bulk copies need it goes to the kernel for any GPU, which reads the same weights.
#include "ops/conv/conv_hopper.cuh"
#include "ops/conv/conv_tiles.cuh"

namespace monza::ops {

extern const Packing conv_gpu_rows_f16;
extern const Kernel conv_tensor_cuda;

namespace {

using namespace gpu;

Status run_conv_hopper(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  const HopperConv job(c);
  if (!job.fits) return conv_tensor_cuda.run(c);
  launch_conv(job, stream_of(c));
  return launched();
}

/// Of the kernel that takes what does not fit.
std::size_t scratch_conv_hopper(const KernelQuery& q) noexcept { return conv_tensor_cuda.scratch_bytes(q); }

Refusal accepts_conv_hopper(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_tensor_cuda.accepts(q)) return r;
  if (!hopper()) return "needs a GPU of compute capability 9.0";
  const auto& p = *static_cast<const ConvParams*>(q.params);
  if (p.group != 1) return "has groups";
  if (p.spatial > 2) return "more than two spatial axes";
  if (q.has_input(4)) return "an activation has slopes";
  if (q.input(1).shape[1] % 8 != 0) return "channels are no whole vectors of 8";
  return nullptr;
}

}  // namespace

extern const Kernel conv_hopper_cuda{
    .name = "conv_hopper_cuda",
    .op = "Conv",
    .device = DeviceKind::cuda,
    .batch_invariant = false,  // how layers are split depends on the number of pixels
    .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
    .out{Port::channels_last},
    .packings = &conv_gpu_rows_f16,
    .packing_count = 1,
    .accepts = accepts_conv_hopper,
    .scratch_bytes = scratch_conv_hopper,
    .run = run_conv_hopper};

}  // namespace monza::ops
