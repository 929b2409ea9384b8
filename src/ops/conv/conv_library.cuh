// What kernels that call a library for a convolution do themselves: what follows it, and convolutions that the library
// does not take.
#pragma once

#include "ops/conv/conv_gpu.cuh"
#include "ops/conv/conv_gpu.params.h"

namespace monza::gpu {

/// Does to sums what `o` says. They may lie in the output itself.
template <typename T, int kEach>
__global__ void finish_conv_kernel(ConvOut<T> o, const T* sums, std::int64_t sums_pitch, std::int64_t pixels,
                                   int filters) {
  using Vector = Channels<T, kEach>;
  const QuickActivation act(o.act);
  const int vectors = filters / kEach;
  for_each(pixels * vectors, [&](std::int64_t i) {
    const Division at(i, vectors);
    const int m = static_cast<int>(at.rest) * kEach;
    Vector v = *reinterpret_cast<const Vector*>(sums + at.whole * sums_pitch + m), more;
    const bool add = o.residual != nullptr;
    if (add) more = *reinterpret_cast<const Vector*>(o.residual + at.whole * o.residual_pitch + m);
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const float sum = load(&v.v[j]) + o.bias_of(m + j), residual = add ? load(&more.v[j]) : 0.0f;
      if (act.quick) store(&v.v[j], o.residual_after ? act(sum) + residual : act(sum + residual));
      else store(&v.v[j], o.finish(sum, residual, m + j));
    }
    *reinterpret_cast<Vector*>(o.out + at.whole * o.pitch + m) = v;
  });
}

/// Channels of pixels that have gaps between them, without gaps.
template <typename T, int kEach>
__global__ void close_gaps_kernel(const T* from, std::int64_t pitch, T* to, std::int64_t pixels, int channels) {
  using Vector = Channels<T, kEach>;
  const int vectors = channels / kEach;
  for_each(pixels * vectors, [&](std::int64_t i) {
    const Division at(i, vectors);
    const auto channel = static_cast<int>(at.rest) * kEach;
    *reinterpret_cast<Vector*>(to + at.whole * channels + channel) =
        *reinterpret_cast<const Vector*>(from + at.whole * pitch + channel);
  });
}

/// A thread an output: of sizes and strides that the library refuses. `w` is laid out as ConvFilters.
template <typename T>
__global__ void plain_conv_kernel(ConvGeometry g, ConvOut<T> o, const T* x, const T* w) {
  const int filters = g.groups * g.filters;
  for_each(static_cast<std::int64_t>(g.pixels) * filters, [&](std::int64_t i) {
    const Division at(i, filters);
    const int m = static_cast<int>(at.rest), first = m / g.filters * g.channels;
    int rest = static_cast<int>(at.whole);
    const int u0 = rest % g.out[2] * g.stride[2] - g.pad[2];
    rest /= g.out[2];
    const int y0 = rest % g.out[1] * g.stride[1] - g.pad[1];
    rest /= g.out[1];
    const int z0 = rest % g.out[0] * g.stride[0] - g.pad[0];
    const T* image = x + rest / g.out[0] * g.x_image + first * g.x_channel;
    const T* factor = w + static_cast<std::int64_t>(m) * g.taps * g.channels;
    float sum = 0;
    for (int tap = 0; tap < g.taps; ++tap, factor += g.channels) {
      const int u = u0 + tap % g.k[2] * g.dilation[2], y = y0 + tap / g.k[2] % g.k[1] * g.dilation[1],
                z = z0 + tap / g.k[2] / g.k[1] * g.dilation[0];
      if (static_cast<unsigned>(u) >= static_cast<unsigned>(g.in[2]) ||
          static_cast<unsigned>(y) >= static_cast<unsigned>(g.in[1]) ||
          static_cast<unsigned>(z) >= static_cast<unsigned>(g.in[0]))
        continue;
      const T* line = image + z * g.xs[0] + y * g.xs[1] + u * g.xs[2];
      for (int channel = 0; channel < g.channels; ++channel)
        sum = fmaf(load(line + channel * g.x_channel), load(factor + channel), sum);
    }
    const float residual = o.residual != nullptr ? load(o.residual + at.whole * o.residual_pitch + m) : 0.0f;
    store(o.out + at.whole * o.pitch + m, o.finish(sum + o.bias_of(m), residual, m));
  });
}

/// Whether pixels begin at whole vectors of 16 bytes.
template <typename T>
bool in_whole_vectors(const T* data, std::int64_t pitch) {
  return data == nullptr || (pitch * sizeof(T) % 16 == 0 && reinterpret_cast<std::uintptr_t>(data) % 16 == 0);
}

/// Puts what `o` says of the sums into the stream; nothing where that is nothing.
template <typename T>
Status finish_conv(const ConvOut<T>& o, const T* sums, std::int64_t sums_pitch, std::int64_t pixels, int filters,
                   cudaStream_t stream) {
  if (o.bias == nullptr && o.residual == nullptr && o.act.kind == ActivationKind::none && sums == o.out) return {};
  const std::int64_t count = pixels * filters;
  constexpr int kEach = 16 / sizeof(T);
  if (filters % kEach == 0 && in_whole_vectors(o.out, o.pitch) && in_whole_vectors(sums, sums_pitch) &&
      in_whole_vectors(o.residual, o.residual_pitch))
    finish_conv_kernel<T, kEach>
        <<<blocks_for(count / kEach), kThreads, 0, stream>>>(o, sums, sums_pitch, pixels, filters);
  else finish_conv_kernel<T, 1><<<blocks_for(count), kThreads, 0, stream>>>(o, sums, sums_pitch, pixels, filters);
  return launched();
}

template <typename T>
Status close_gaps(const T* from, std::int64_t pitch, T* to, std::int64_t pixels, int channels, cudaStream_t stream) {
  constexpr int kEach = 16 / sizeof(T);
  const std::int64_t count = pixels * channels;
  if (channels % kEach == 0 && in_whole_vectors(from, pitch))
    close_gaps_kernel<T, kEach><<<blocks_for(count / kEach), kThreads, 0, stream>>>(from, pitch, to, pixels, channels);
  else close_gaps_kernel<T, 1><<<blocks_for(count), kThreads, 0, stream>>>(from, pitch, to, pixels, channels);
  return launched();
}

}  // namespace monza::gpu
