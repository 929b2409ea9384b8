// Attention's operands as CUDA kernels take them, what hides keys, and the outputs that keep the keys.
#pragma once

#include <cmath>

#include "ops/attention/attention.params.h"
#include "ops/shared/gpu_any.cuh"

namespace monza::gpu {

/// An operand with its four logical axes [batch, heads, length, size], whatever its rank.
struct Heads {
  void* data = nullptr;
  std::int64_t extent[4] = {}, stride[4] = {};
  Heads() = default;
  Heads(const TensorView& v, std::int64_t heads) : data(v.data) {
    if (v.shape.rank == 4) {
      for (int i = 0; i < 4; ++i) {
        extent[i] = v.shape[i];
        stride[i] = v.stride[i];
      }
      return;
    }
    const std::int64_t size = v.shape[2] / heads;
    const std::int64_t extents[] = {v.shape[0], heads, v.shape[1], size};
    const std::int64_t strides[] = {v.stride[0], size * v.stride[2], v.stride[1], v.stride[2]};
    for (int i = 0; i < 4; ++i) {
      extent[i] = extents[i];
      stride[i] = strides[i];
    }
  }
  __device__ std::int64_t at(std::int64_t b, std::int64_t h, std::int64_t l, std::int64_t d) const {
    return b * stride[0] + h * stride[1] + l * stride[2] + d * stride[3];
  }
};

/// A key or value sequence: the past and what is new.
struct Sequence {
  Heads past, fresh;
  std::int64_t past_length = 0;
};

/// Row l of a sequence, and the step between its elements.
template <typename T>
__device__ __forceinline__ const T* row_of(const Sequence& s, std::int64_t b, std::int64_t h, std::int64_t l,
                                           std::int64_t& step) {
  const bool old = l < s.past_length;
  const Heads& part = old ? s.past : s.fresh;
  step = part.stride[3];
  return static_cast<const T*>(part.data) + part.at(b, h, old ? l : l - s.past_length, 0);
}

struct Attention {
  AttentionParams p;
  double scale = 1;
  Heads q, y, scores;
  Sequence k, v;
  std::int64_t keys = 0, group = 1;
  const void* mask = nullptr;
  DType mask_type = DType::invalid, scores_type = DType::invalid;
  std::int64_t mask_stride[4] = {}, mask_keys = 0;
  const std::int64_t* lengths = nullptr;
  std::int64_t length_stride = 0;
  bool has_past = false;

  explicit Attention(const KernelContext& c);

  /// Keys that are valid for a sequence, and the place among them of its query 0. A length may be any number: within
  /// bounds that lie beyond every position, so that it can be counted with.
  __device__ __forceinline__ void bounds(std::int64_t b, std::int64_t& valid, std::int64_t& shift) const {
    constexpr std::int64_t kFar = std::int64_t{1} << 60;
    valid = keys;
    shift = k.past_length;
    if (lengths == nullptr) return;
    valid = lengths[b * length_stride];
    valid = valid < -kFar ? -kFar : valid > kFar ? kFar : valid;
    if (!has_past) shift = valid - q.extent[2];
  }

  /// Keys [begin, end) that rows [first, last) may see, or more.
  __device__ __forceinline__ void visible(std::int64_t first, std::int64_t last, std::int64_t valid, std::int64_t shift,
                                          std::int64_t& begin, std::int64_t& end) const {
    begin = 0;
    end = keys < valid ? keys : valid;
    if (mask != nullptr && mask_keys < end) end = mask_keys;
    if (p.causal && last + shift < end) end = last + shift;
    if (p.right_window >= 0 && last + shift + p.right_window < end) end = last + shift + p.right_window;
    if (p.left_window >= 0 && first + shift - p.left_window > begin) begin = first + shift - p.left_window;
  }
  /// Nothing hides a key before `to`, which is in a tile of visible ones, from rows from `first` on.
  __device__ __forceinline__ bool open(std::int64_t first, std::int64_t to, std::int64_t end,
                                       std::int64_t shift) const {
    return mask == nullptr && to <= end && (!p.causal || to <= first + shift + 1) && p.left_window < 0 &&
           p.right_window < 0;
  }

  /// Whether a mask of floats that all queries share, or none, leaves a key.
  __device__ __noinline__ bool attends(std::int64_t b, std::int64_t h) const {
    const auto* const row = static_cast<const float*>(mask) + b * mask_stride[0] + h * mask_stride[1];
    bool any = false;
    for (std::int64_t j = 0; j < keys && !any; ++j) any = mask == nullptr || row[j] != -INFINITY;
    return any;
  }

  /// A score as it is after masks: -inf where the key is hidden. `attends`: the key counts as one that may be attended
  /// to.
  template <typename C>
  __device__ __forceinline__ C masked(C score, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j,
                                      std::int64_t valid, std::int64_t position, bool& attends) const {
    const C none = -INFINITY;
    if ((p.causal && j > position) || (p.left_window >= 0 && position - j > p.left_window) ||
        (p.right_window >= 0 && j - position > p.right_window) || j >= valid)
      return none;
    if (mask != nullptr) {
      if (j >= mask_keys) return none;
      const std::int64_t at = b * mask_stride[0] + h * mask_stride[1] + i * mask_stride[2] + j * mask_stride[3];
      if (mask_type == DType::boolean) {
        if (static_cast<const std::uint8_t*>(mask)[at] == 0) {
          if (p.masked == -INFINITY) return none;
          score = p.masked;
        }
      } else {
        const C bias = static_cast<C>(load_float(mask, mask_type, at));
        attends = attends || bias != none;
        return score + bias;
      }
    }
    attends = true;
    return score;
  }
};

inline Attention::Attention(const KernelContext& c) : p(c.params_as<AttentionParams>()) {
  q = Heads(c.in[0], p.q_heads);
  k.fresh = Heads(c.in[1], p.kv_heads);
  v.fresh = Heads(c.in[2], p.kv_heads);
  has_past = c.has_input(4);
  if (has_past) {
    k.past = Heads(c.in[4], 0);
    v.past = Heads(c.in[5], 0);
    k.past_length = v.past_length = c.in[4].shape[2];
  }
  y = Heads(c.out[0], p.q_heads);
  keys = k.past_length + k.fresh.extent[2];
  group = q.extent[1] / k.fresh.extent[1];
  scale = p.scale != 0 ? p.scale : 1 / std::sqrt(static_cast<double>(q.extent[3]));
  if (c.has_input(3)) {
    const TensorView& m = c.in[3];
    mask = m.data;
    mask_type = m.dtype;
    mask_keys = m.shape[m.shape.rank - 1];
    for (int a = 0; a < m.shape.rank; ++a) mask_stride[4 - m.shape.rank + a] = m.shape[a] == 1 ? 0 : m.stride[a];
  }
  if (c.has_input(6)) {
    lengths = c.in[6].as<std::int64_t>();
    length_stride = c.in[6].stride[0];
  }
  if (c.out_count > 3 && c.out[3].present()) {
    scores = Heads(c.out[3], 0);
    scores_type = c.out[3].dtype;
  }
}

/// The past and what is new, one after the other.
static __global__ void present_kernel(Sequence s, DType from, Heads to, DType type, std::int64_t count) {
  for_each(count, [&](std::int64_t e) {
    const std::int64_t d = e % to.extent[3], l = e / to.extent[3] % to.extent[2],
                       h = e / to.extent[3] / to.extent[2] % to.extent[1],
                       b = e / to.extent[3] / to.extent[2] / to.extent[1];
    const bool old = l < s.past_length;
    const Heads& part = old ? s.past : s.fresh;
    store_float(to.data, type, to.at(b, h, l, d),
                load_float(part.data, from, part.at(b, h, old ? l : l - s.past_length, d)));
  });
}

/// Launches what writes the outputs 1 and 2 where they are wanted.
inline void launch_present(const KernelContext& c, const Attention& s, cudaStream_t stream) {
  for (int which = 1; which < 3 && which < c.out_count; ++which) {
    if (!c.out[which].present()) continue;
    const std::int64_t count = c.out[which].shape.numel();
    if (count == 0) continue;
    present_kernel<<<blocks_for(count), kThreads, 0, stream>>>(which == 1 ? s.k : s.v, c.in[which].dtype,
                                                               Heads(c.out[which], 0), c.out[which].dtype, count);
  }
}

/// Why the operands' element types are not taken, or null.
inline Refusal refuse_attention_types(const KernelQuery& q) noexcept {
  constexpr Refusal kOther = "its element types have no CUDA kernel";
  if (!is_stored_float(q.input(0).dtype)) return kOther;
  for (const int i : {1, 2, 4, 5})
    if (q.has_input(i) && q.input(i).dtype != q.input(0).dtype) return kOther;
  if (q.has_input(3) && !is_stored_float(q.input(3).dtype) && q.input(3).dtype != DType::boolean) return kOther;
  for (int i = 1; i < q.out_count; ++i)
    if (q.out[i].present() && !is_stored_float(q.out[i].dtype)) return kOther;
  return nullptr;
}

/// For kernels that hold whole rows of heads and no row of scores.
inline Refusal refuse_large_heads(const KernelQuery& q, std::int64_t most) noexcept {
  const auto& p = *static_cast<const AttentionParams*>(q.params);
  if (q.out_count > 3 && q.out[3].present()) return "the scores are wanted";
  const Shape &query = q.input(0).shape, &value = q.input(2).shape;
  const std::int64_t size = p.q_heads ? query[2] / p.q_heads : query[3],
                     v_size = p.q_heads ? value[2] / p.kv_heads : value[3];
  return size <= most && v_size <= most ? nullptr : "its heads are too large";
}

}  // namespace monza::gpu
