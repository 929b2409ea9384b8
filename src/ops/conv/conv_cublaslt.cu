// Convolutions of one tap by cuBLASLt: of channels-last tensors they are matrix products [pixels, channels] x
// [channels, filters]. Bound by products at 790 TFLOP/s (f16) and 60 (f32, no TF32), or by 4.2 TB/s. Bias, residual,
// ReLU and GELU (tanh) are the library's epilogues; other activations are a kernel of ours over the output.
#include <algorithm>

#include "backend/cuda/cublaslt.h"
#include "ops/conv/conv_library.cuh"

namespace monza::ops {

extern const Packing conv_gpu_filters_f32, conv_gpu_filters_f16;

namespace {

using namespace gpu;
using backend::LtEpilogue;

std::size_t workspace(double pixels, double filters) {
  constexpr double kMost = 32 << 20;
  return static_cast<std::size_t>(std::min(kMost, 1e6 + 32 * pixels * filters)) / 256 * 256;
}
std::size_t scratch_conv(const KernelQuery& q) noexcept {
  const Shape& out = q.out[0].shape;
  double pixels = static_cast<double>(out[0]);
  for (int i = 2; i < out.rank; ++i) pixels *= static_cast<double>(out[i]);
  return workspace(pixels, static_cast<double>(out[1]));
}

template <typename T, int kChoice>
Status run_conv(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  const ConvGeometry g = conv_geometry(c);
  const ConvOut<T> o = conv_out<T>(c);
  ConvOut<T> rest = o;
  const cudaStream_t stream = stream_of(c);
  const std::int64_t pixels = g.pixels, channels = g.channels, filters = g.filters;
  const T* const x = c.in[0].as<T>();
  const T* const w = c.in[1].as<T>();
  backend::LtProduct lt{.dtype = c.in[0].dtype,
                        .m = filters,
                        .n = pixels,
                        .k = channels,
                        .a = {w, channels, filters, channels},
                        .b = {x, channels, pixels, g.x_pitch},
                        .d = {o.out, filters, pixels, o.pitch},
                        .a_transposed = true,
                        .bias = o.bias,
                        .choice = kChoice,
                        .workspace = c.scratch,
                        .workspace_bytes = workspace(static_cast<double>(pixels), static_cast<double>(filters))};
  rest.bias = nullptr;
  if (o.residual != nullptr && (!o.residual_after || o.act.kind == ActivationKind::none)) {
    lt.c = {o.residual, filters, pixels, o.residual_pitch};
    rest.residual = nullptr;
  }
  if (o.act.kind == ActivationKind::relu || o.act.kind == ActivationKind::gelu_tanh) {
    lt.epilogue = o.act.kind == ActivationKind::relu ? LtEpilogue::relu : LtEpilogue::gelu_tanh;
    rest.act = {};
  }
  bool done = false;
  if (const Status status = backend::cublaslt_multiply(lt, stream, done); !status) return status;
  if (done) return finish_conv<T>(rest, o.out, o.pitch, pixels, g.filters, stream);
  plain_conv_kernel<T><<<blocks_for(pixels * filters), kThreads, 0, stream>>>(g, o, x, w);
  return launched();
}

template <DType kType>
Refusal accepts_conv(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_refusal(q, kType)) return r;
  const auto& p = *static_cast<const ConvParams*>(q.params);
  if (p.group != 1) return "more than one group";
  const Shape &x = q.input(0).shape, &w = q.input(1).shape, &out = q.out[0].shape;
  for (int i = 0; i < p.spatial; ++i)
    if (w[i + 2] != 1 || p.stride[i] != 1 || x[i + 2] != out[i + 2] ||
        conv_pad_begin(p, i, x[i + 2], w[i + 2], out[i + 2]) != 0)
      return "not one tap, stride 1 and no pads";
  return backend::cublaslt_facts().missing.empty() ? nullptr : "cuBLASLt is missing (monza doctor says why)";
}

template <typename T, DType kType, int kChoice>
consteval Kernel conv_kernel(const char* name, const Packing& packing) {
  return {.name = name,
          .op = "Conv",
          .device = DeviceKind::cuda,
          .batch_invariant = false,
          .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
          .out{Port::channels_last},
          .packings = &packing,
          .packing_count = 1,
          .accepts = accepts_conv<kType>,
          .scratch_bytes = scratch_conv,
          .run = run_conv<T, kChoice>};
}

}  // namespace

extern const Kernel conv_cublaslt_cuda = conv_kernel<float, DType::f32, 0>("conv_cublaslt_cuda", conv_gpu_filters_f32);
extern const Kernel conv_cublaslt_half_cuda =
    conv_kernel<__half, DType::f16, 0>("conv_cublaslt_half_cuda", conv_gpu_filters_f16);
extern const Kernel conv_cublaslt_half_second_cuda =
    conv_kernel<__half, DType::f16, 1>("conv_cublaslt_half_second_cuda", conv_gpu_filters_f16);

}  // namespace monza::ops
