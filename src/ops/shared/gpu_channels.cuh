// Channels-last tensors: vectors of 16 bytes of a pixel's channels.
#pragma once

#include "ops/shared/gpu.cuh"

namespace monza::gpu {

/// Elements from one pixel to the next of a channels-last view.
inline std::int64_t pixel_pitch(const TensorView& v) {
  for (int i = v.shape.rank - 1; i >= 2; --i)
    if (v.shape[i] > 1) return v.stride[i];
  return v.shape[0] > 1 ? v.stride[0] : v.shape[1];
}

/// A whole vector of 16 bytes begins at every `16 / sizeof(T)`-th channel of every pixel; `channels` are those that
/// belong together.
template <typename T>
bool in_vectors(const TensorView& v, std::int64_t channels) {
  constexpr std::int64_t kEach = 16 / sizeof(T);
  return channels % kEach == 0 && pixel_pitch(v) % kEach == 0 && reinterpret_cast<std::uintptr_t>(v.data) % 16 == 0;
}

/// Channels that are read and written at once.
template <typename T, int kEach>
struct __align__(kEach * sizeof(T)) Channels {
  T v[kEach];
};

/// Whole and rest of a division of numbers that are not negative: that of 32 bits is several times faster.
struct Division {
  std::int64_t whole, rest;
  __device__ __forceinline__ Division(std::int64_t a, std::int64_t by)
      : whole((a | by) >> 32 == 0
                  ? static_cast<std::int64_t>(static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(by))
                  : a / by),
        rest(a - whole * by) {}
};

}  // namespace monza::gpu
