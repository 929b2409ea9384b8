// GroupNormalization and InstanceNormalization of f32 and f16 on a GPU over any strides: a block takes a group, or a
// part of one, whose sums then meet in scratch memory. Bound by memory: x is read twice, the second time from the L2
// cache where it fits that, and written once; 12 bytes an element of f32, so 4.2 TB/s take 192 us for 2^26 of them.
// Sums are in double: their additions are half as fast as loads on an H200.
#include "ops/norm/norm.params.h"
#include "ops/shared/gpu_rows.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

struct Sums {
  double sum, squares;
};
constexpr std::int64_t kMostSplits = 64;
constexpr std::int64_t kBlocks = std::int64_t{gpu::kProcessors} * 4;  ///< that fill a GPU

/// What a launch does with each part of a group.
enum Phase : int { kSum = 1, kApply = 2, kBoth = 3 };

/// V elements that lie side by side.
template <int V, typename T>
__device__ __forceinline__ void load_some(const T* p, float (&v)[V]) {
  if constexpr (V == 1) {
    v[0] = load(p);
  } else {
    const uint4 whole = *reinterpret_cast<const uint4*>(p);
    const T* part = reinterpret_cast<const T*>(&whole);
#pragma unroll
    for (int k = 0; k < V; ++k) v[k] = load(part + k);
  }
}
template <int V, typename T>
__device__ __forceinline__ void store_some(T* p, const float (&v)[V]) {
  if constexpr (V == 1) {
    store(p, v[0]);
  } else {
    uint4 whole;
    T* part = reinterpret_cast<T*>(&whole);
#pragma unroll
    for (int k = 0; k < V; ++k) store(part + k, v[k]);
    *reinterpret_cast<uint4*>(p) = whole;
  }
}

/// Operands: x, y, and the channel, counted in the group for its elements.
template <int V, typename T>
__global__ void __launch_bounds__(kThreads)
    group_norm_kernel(Phase phase, float epsilon, Axes<3> groups, Axes<3> group, int splits, const T* x, const T* scale,
                      std::int64_t scale_step, const T* bias, std::int64_t bias_step, T* y, Sums* parts) {
  const std::int64_t vectors = group.count / V, work = groups.count * splits;
  for (std::int64_t w = blockIdx.x; w < work; w += gridDim.x) {
    const std::int64_t g = w / splits, split = w - g * splits;
    const std::int64_t begin = vectors * split / splits + threadIdx.x, end = vectors * (split + 1) / splits;
    std::int64_t at[3], e[3];
    groups.at(g, at);
    float v[V];
    Sums s{0, 0};
    if (phase & kSum) {
      for (std::int64_t i = begin; i < end; i += kThreads) {
        group.at(i * V, e);
        load_some<V>(x + at[0] + e[0], v);
#pragma unroll
        for (int k = 0; k < V; ++k) {
          s.sum += v[k];
          s.squares += static_cast<double>(v[k]) * v[k];
        }
      }
      s.sum = sum_over_lanes(s.sum, kThreads);
      s.squares = sum_over_lanes(s.squares, kThreads);
      if (phase == kSum && threadIdx.x == 0) parts[w] = s;
    }
    if (phase == kSum) continue;
    if (phase == kApply) {
      for (int k = 0; k < splits; ++k) {
        s.sum += parts[g * splits + k].sum;
        s.squares += parts[g * splits + k].squares;
      }
    }
    const double n = static_cast<double>(group.count), mean = s.sum / n, variance = s.squares / n - mean * mean;
    const float inverse = static_cast<float>(1 / sqrt((variance < 0 ? 0 : variance) + epsilon));
    // The mean in two floats, of which the first leaves nothing behind where it is taken from a number near it.
    const float high = static_cast<float>(mean), low = static_cast<float>(mean - high);
    const std::int64_t channel_step = group.rank > 0 ? group.stride[2][0] : 0;
    for (std::int64_t i = begin; i < end; i += kThreads) {
      group.at(i * V, e);
      load_some<V>(x + at[0] + e[0], v);
#pragma unroll
      for (int k = 0; k < V; ++k) {
        const std::int64_t channel = at[2] + e[2] + k * channel_step;
        v[k] = (v[k] - high - low) * (load(scale + channel * scale_step) * inverse) + load(bias + channel * bias_step);
      }
      store_some<V>(y + at[1] + e[1], v);
    }
  }
}

Status run_group_norm(const KernelContext& c) noexcept {
  const auto& p = c.params_as<GroupNormParams>();
  const TensorView &x = c.in[0], &y = c.out[0], &scale = c.in[1], &bias = c.in[2];
  const std::int64_t channels = x.shape[1], count = p.groups == 0 ? channels : p.groups;
  if (count == 0 || x.shape.numel() == 0) return {};
  const std::int64_t per_group = channels / count, none[kMaxRank] = {};
  Axes<3> groups, group;
  const bool channels_last = x.stride[1] == 1 && x.shape.rank > 2;
  if (channels_last) group.add(per_group, {x.stride[1], y.stride[1], 1});
  group.add(x.shape, ~3u, {x.stride, y.stride, none});
  if (!channels_last) group.add(per_group, {x.stride[1], y.stride[1], 1});
  groups.add(count, {per_group * x.stride[1], per_group * y.stride[1], per_group});
  groups.add(x.shape, 1u, {x.stride, y.stride, none});

  std::int64_t splits = (kBlocks + groups.count - 1) / groups.count;
  if (splits > group.count / 4096) splits = group.count / 4096;
  splits = splits < 1 ? 1 : splits > kMostSplits ? kMostSplits : splits;
  const cudaStream_t stream = stream_of(c);
  auto* parts = reinterpret_cast<Sums*>(c.scratch);
  const auto launch = [&](auto type) {
    using T = typename decltype(type)::type;
    constexpr int kVector = 16 / sizeof(T);
    bool vectors = group.rank > 0 && group.stride[0][0] == 1 && group.stride[1][0] == 1 &&
                   group.extent[0] % kVector == 0 &&
                   (reinterpret_cast<std::uintptr_t>(x.data) | reinterpret_cast<std::uintptr_t>(y.data)) % 16 == 0;
    for (int k = 0; k < 2; ++k) {
      for (int a = 1; a < group.rank; ++a) vectors = vectors && group.stride[k][a] % kVector == 0;
      for (int a = 0; a < groups.rank; ++a) vectors = vectors && groups.stride[k][a] % kVector == 0;
    }
    const auto run_phase = [&](Phase phase) {
      const unsigned blocks = blocks_for(groups.count * splits, 1);
      const auto start = [&](auto kernel) {
        kernel<<<blocks, kThreads, 0, stream>>>(phase, p.epsilon, groups, group, static_cast<int>(splits),
                                                x.as<const T>(), scale.as<const T>(), scale.stride[0],
                                                bias.as<const T>(), bias.stride[0], y.as<T>(), parts);
      };
      if (vectors) start(group_norm_kernel<kVector, T>);
      else start(group_norm_kernel<1, T>);
    };
    if (splits == 1) {
      run_phase(kBoth);
    } else {
      run_phase(kSum);
      run_phase(kApply);
    }
  };
  if (x.dtype == DType::f32) launch(Type<float>{});
  else launch(Type<__half>{});
  return launched();
}

/// A part has at least 4096 elements; there are not many more parts than blocks that fill a GPU.
std::size_t scratch_group_norm(const KernelQuery& q) noexcept {
  const std::int64_t parts = q.in[0].shape.numel() / 4096, most = 2 * kBlocks;
  return static_cast<std::size_t>(parts < most ? parts : most) * sizeof(Sums);
}

Refusal accepts_group_norm(const KernelQuery& q) noexcept {
  const DType type = q.in[0].dtype;
  if (type != DType::f32 && type != DType::f16) return "computes f32 and f16 only";
  return q.in[1].dtype == type && q.in[2].dtype == type ? nullptr : "scale or bias has another type than the input";
}

}  // namespace

extern const Kernel group_norm_fast_cuda{.name = "group_norm_fast_cuda",
                                         .op = "GroupNormalization",
                                         .device = DeviceKind::cuda,
                                         .in{Port::strided},
                                         .out{Port::strided},
                                         .accepts = accepts_group_norm,
                                         .scratch_bytes = scratch_group_norm,
                                         .run = run_group_norm};
extern const Kernel instance_norm_fast_cuda{.name = "instance_norm_fast_cuda",
                                            .op = "InstanceNormalization",
                                            .device = DeviceKind::cuda,
                                            .in{Port::strided},
                                            .out{Port::strided},
                                            .accepts = accepts_group_norm,
                                            .scratch_bytes = scratch_group_norm,
                                            .run = run_group_norm};

}  // namespace monza::ops
