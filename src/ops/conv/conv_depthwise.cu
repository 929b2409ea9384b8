// Depthwise convolution of channels-last tensors on a GPU, summed in float. Bound by memory: input and output once from
// DRAM at 4.2 TB/s. Windows that networks have are computed by tiles of outputs (conv_depthwise_tiles.cuh), others by a
// thread for 16 bytes of channels of one pixel, which leaves the taps' overlap to the caches and is bound by
// instructions.
#include "ops/conv/conv_depthwise_tiles.cuh"
#include "ops/conv/conv_gpu.cuh"
#include "ops/conv/conv_gpu.params.h"

namespace monza::ops {

extern const Packing conv_gpu_taps_f32, conv_gpu_taps_f16;

namespace {

using namespace gpu;

template <typename T>
struct Job {
  ConvGeometry g;
  ConvOut<T> o;
  const T* x = nullptr;
  const T* w = nullptr;
  int width = 0;  ///< of a packed tap
};

template <typename T, int kEach>
__global__ void conv_depthwise_kernel(const Job<T> job) {
  using Vector = Channels<T, kEach>;
  const ConvGeometry& s = job.g;
  const int vectors = s.groups / kEach;
  for_each(static_cast<std::int64_t>(s.pixels) * vectors, [&](std::int64_t i) {
    const Division at(i, vectors);
    const int pixel = static_cast<int>(at.whole), channel = static_cast<int>(at.rest) * kEach;
    int rest = pixel / s.out[2];
    const int u0 = (pixel - rest * s.out[2]) * s.stride[2] - s.pad[2];
    const int row = rest;
    rest = row / s.out[1];
    const int y0 = (row - rest * s.out[1]) * s.stride[1] - s.pad[1];
    const int n = rest / s.out[0], z0 = (rest - n * s.out[0]) * s.stride[0] - s.pad[0];
    const T* x = job.x + n * s.x_image + channel;
    const T* w = job.w + channel;
    float sum[kEach];
#pragma unroll
    for (int j = 0; j < kEach; ++j) sum[j] = 0;
    for (int d = 0; d < s.k[0]; ++d) {
      const int z = z0 + d * s.dilation[0];
      for (int h = 0; h < s.k[1]; ++h) {
        const int y = y0 + h * s.dilation[1];
        const bool inside = static_cast<unsigned>(z) < static_cast<unsigned>(s.in[0]) &&
                            static_cast<unsigned>(y) < static_cast<unsigned>(s.in[1]);
        if (!inside) {
          w += s.k[2] * job.width;
          continue;
        }
        const T* line = x + z * s.xs[0] + y * s.xs[1];
#pragma unroll 4
        for (int v = 0; v < s.k[2]; ++v, w += job.width) {
          const int u = u0 + v * s.dilation[2];
          if (static_cast<unsigned>(u) >= static_cast<unsigned>(s.in[2])) continue;
          const Vector a = *reinterpret_cast<const Vector*>(line + u * s.xs[2]),
                       b = *reinterpret_cast<const Vector*>(w);
#pragma unroll
          for (int j = 0; j < kEach; ++j) sum[j] = fmaf(load(&a.v[j]), load(&b.v[j]), sum[j]);
        }
      }
    }
    const ConvOut<T>& o = job.o;
    const QuickActivation act(o.act);
    T* to = o.out + pixel * o.pitch + channel;
    const T* r = o.residual == nullptr ? nullptr : o.residual + pixel * o.residual_pitch + channel;
    if (act.quick) {
      Vector more, result;
      if (r != nullptr) more = *reinterpret_cast<const Vector*>(r);
#pragma unroll
      for (int j = 0; j < kEach; ++j) {
        const float add = r != nullptr ? load(&more.v[j]) : 0.0f, value = sum[j] + o.bias_of(channel + j);
        store(&result.v[j], o.residual_after ? act(value) + add : act(value + add));
      }
      *reinterpret_cast<Vector*>(to) = result;
    } else {
#pragma unroll 1
      for (int j = 0; j < kEach; ++j)
        store(to + j, o.finish(sum[j] + o.bias_of(channel + j), r != nullptr ? load(r + j) : 0.0f, channel + j));
    }
  });
}

template <typename T>
Status run_conv_depthwise(const KernelContext& c) noexcept {
  if (c.out[0].shape.numel() == 0) return {};
  const Job<T> job{.g = conv_geometry(c),
                   .o = conv_out<T>(c),
                   .x = c.in[0].as<T>(),
                   .w = c.in[1].as<T>(),
                   .width = static_cast<int>(ConvTaps(c.params_as<ConvParams>(), c.in[1].shape).width())};
  if (fits_depthwise_tiles(job.g, job.o, job.x)) {
    run_depthwise_tiles(job.g, job.o, job.x, job.w, job.width, c);
    return launched();
  }
  // Here every channel is a group.
  const auto vectors = [&](int i) { return in_vectors<T>(i < 0 ? c.out[0] : c.in[i], job.g.groups); };
  constexpr int kEach = 16 / sizeof(T);
  const bool wide = vectors(-1) && vectors(0) && (!c.has_input(3) || vectors(3));
  const std::int64_t count = static_cast<std::int64_t>(job.g.pixels) * job.g.groups;
  if (wide) conv_depthwise_kernel<T, kEach><<<blocks_for(count / kEach, 128), 128, 0, stream_of(c)>>>(job);
  else conv_depthwise_kernel<T, 1><<<blocks_for(count, 128), 128, 0, stream_of(c)>>>(job);
  return launched();
}

template <typename T, DType kType>
Refusal accepts_conv_depthwise(const KernelQuery& q) noexcept {
  if (const Refusal r = conv_refusal(q, kType)) return r;
  const Shape& w = q.input(1).shape;
  return w[1] == 1 && w[0] == static_cast<const ConvParams*>(q.params)->group ? nullptr
                                                                              : "not one filter for each channel";
}

}  // namespace

extern const Kernel conv_depthwise_cuda{
    .name = "conv_depthwise_cuda",
    .op = "Conv",
    .device = DeviceKind::cuda,
    .version = 2,
    .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
    .out{Port::channels_last},
    .packings = &conv_gpu_taps_f32,
    .packing_count = 1,
    .accepts = accepts_conv_depthwise<float, DType::f32>,
    .run = run_conv_depthwise<float>};
extern const Kernel conv_depthwise_half_cuda{
    .name = "conv_depthwise_half_cuda",
    .op = "Conv",
    .device = DeviceKind::cuda,
    .version = 2,
    .in{Port::channels_last, Port::packed, Port::dense, Port::channels_last, Port::dense},
    .out{Port::channels_last},
    .packings = &conv_gpu_taps_f16,
    .packing_count = 1,
    .accepts = accepts_conv_depthwise<__half, DType::f16>,
    .run = run_conv_depthwise<__half>};

}  // namespace monza::ops
