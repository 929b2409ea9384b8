// TopK of f32 along any axis: the best k lie in a heap whose root is the worst of them, and a row is read once. What
// cannot beat the root is passed over eight elements at a time where the row is contiguous.
//
// Of n drawn elements about k (1 + ln(n / k)) enter the heap; for few of many the floor is reading the row.
#include <immintrin.h>

#include <bit>

#include "kernel/kernel.h"
#include "ops/index/index.params.h"
#include "tensor/walk.h"

namespace monza::ops {
namespace {

/// Of two keys the larger stands first: by value, NaN above all numbers and -0 as 0, then by the lower index.
using Key = std::uint64_t;

template <bool kLargest>
MONZA_INLINE Key key_of(float v, std::int64_t index) {
  const auto bits = std::bit_cast<std::uint32_t>(v + 0.0f);
  std::uint32_t order = (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
  if (v != v) order = 0xffffffffu;
  if (!kLargest) order = ~order;
  return Key{order} << 32 | (0xffffffffu - static_cast<std::uint32_t>(index));
}
MONZA_INLINE std::int64_t index_of(Key key) { return 0xffffffffu - static_cast<std::uint32_t>(key); }

/// Lets the key at `at` sink below smaller ones, in a heap of n whose root is the smallest.
MONZA_INLINE void sink(Key* heap, std::int64_t n, std::int64_t at) {
  const Key key = heap[at];
  for (std::int64_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && heap[child + 1] < heap[child]) ++child;
    if (heap[child] >= key) break;
    heap[at] = heap[child];
  }
  heap[at] = key;
}

/// The keys of the best k of n elements, best first.
template <bool kLargest>
void best_of(const float* x, std::int64_t step, std::int64_t n, std::int64_t k, Key* heap) {
  for (std::int64_t i = 0; i < k; ++i) heap[i] = key_of<kLargest>(x[i * step], i);
  for (std::int64_t i = k / 2; i-- > 0;) sink(heap, k, i);
  const auto offer = [&](std::int64_t i) {
    if (const Key key = key_of<kLargest>(x[i * step], i); key > heap[0]) {
      heap[0] = key;
      sink(heap, k, 0);
    }
  };
  std::int64_t i = k;
  if (step == 1)
    for (; i + 8 <= n; i += 8) {
      const __m256 root = _mm256_set1_ps(x[index_of(heap[0])]);
      const __m256 v = _mm256_loadu_ps(x + i);
      // Not below the root, which NaN is not either: the keys decide. A root that is NaN lets all of them pass.
      const __m256 far = kLargest ? _mm256_cmp_ps(v, root, _CMP_NLE_UQ) : _mm256_cmp_ps(v, root, _CMP_NGE_UQ);
      for (auto some = static_cast<unsigned>(_mm256_movemask_ps(far)); some != 0; some &= some - 1)
        offer(i + std::countr_zero(some));
    }
  for (; i < n; ++i) offer(i);
  for (std::int64_t left = k; --left > 0;) {
    const Key worst = heap[0];
    heap[0] = heap[left];
    heap[left] = worst;
    sink(heap, left, 0);
  }
}

std::size_t scratch_topk(const KernelQuery& q) noexcept {
  const int axis = static_cast<const TopKParams*>(q.params)->axis;
  return static_cast<std::size_t>(q.out[0].shape[axis]) * sizeof(Key) * static_cast<std::size_t>(q.threads);
}

Status run_topk(const KernelContext& c) noexcept {
  const auto& p = c.params_as<TopKParams>();
  const TensorView &x = c.in[0], &values = c.out[0];
  const bool with_indices = c.out_count > 1 && c.out[1].data != nullptr;
  const std::int64_t n = x.shape[p.axis], k = values.shape[p.axis], step = x.stride[p.axis];
  Shape outer = x.shape;
  outer[p.axis] = 1;
  if (k == 0) return {};
  parallel_for(*c.parallel, outer.numel(), [&](std::int64_t row, int worker) {
    Key* const heap = reinterpret_cast<Key*>(c.scratch) + worker * k;
    Walk<2> walk(outer, x.stride, values.stride);
    walk.seek(row);
    const float* from = x.as<float>() + walk.offset[0];
    if (p.largest) best_of<true>(from, step, n, k, heap);
    else best_of<false>(from, step, n, k, heap);
    float* to = values.as<float>() + walk.offset[1];
    for (std::int64_t i = 0; i < k; ++i) to[i * values.stride[p.axis]] = from[index_of(heap[i]) * step];
    if (!with_indices) return;
    std::int64_t* at = c.out[1].as<std::int64_t>();
    for (int a = 0; a < outer.rank; ++a) at += walk.index[a] * c.out[1].stride[a];
    for (std::int64_t i = 0; i < k; ++i) at[i * c.out[1].stride[p.axis]] = index_of(heap[i]);
  });
  return {};
}

Refusal accepts_topk(const KernelQuery& q) noexcept {
  if (q.input(0).dtype != DType::f32) return "takes f32";
  const int axis = static_cast<const TopKParams*>(q.params)->axis;
  return q.input(0).shape[axis] < (std::int64_t{1} << 32) ? nullptr : "the axis has 2^32 elements or more";
}

}  // namespace

extern const Kernel topk_heap_avx2{.name = "topk_heap_avx2",
                                   .op = "TopK",
                                   .needs = Isa::avx2,
                                   .in{Port::strided},
                                   .out{Port::strided},
                                   .accepts = accepts_topk,
                                   .scratch_bytes = scratch_topk,
                                   .run = run_topk};

}  // namespace monza::ops
