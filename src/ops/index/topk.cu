// TopK on a GPU over any strides: a block a row. A row that fits shared memory is sorted there; of a longer one the
// k-th element is found first, eight bits of it a pass, and only what comes before it is sorted, in scratch memory if
// need be.
#include "ops/index/index.params.h"
#include "ops/shared/gpu_any.cuh"
#include "ops/shared/gpu_rows.cuh"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using namespace gpu;

constexpr std::int64_t kSorted = 2048;  ///< entries in shared memory
constexpr std::int64_t kBlocks = 132 * 2;

struct Entry {
  std::uint64_t order;  ///< the larger, the earlier
  std::int64_t index;   ///< -1: there is none
};
__device__ bool before(const Entry& a, const Entry& b) {
  if (a.index < 0 || b.index < 0) return a.index >= 0;
  return a.order != b.order ? a.order > b.order : a.index < b.index;
}

std::int64_t power_of_two(std::int64_t least) {
  std::int64_t p = 1;
  while (p < least) p *= 2;
  return p;
}

/// Sorts `count` (a power of two) entries, all threads of a block together.
__device__ void sort(Entry* entry, std::int64_t count) {
  for (std::int64_t size = 2; size <= count; size *= 2)
    for (std::int64_t step = size / 2; step > 0; step /= 2) {
      __syncthreads();
      for (std::int64_t i = threadIdx.x; i < count; i += kThreads) {
        const std::int64_t j = i ^ step;
        if (j <= i) continue;
        const Entry a = entry[i], b = entry[j];
        if (before(b, a) != ((i & size) == 0)) continue;
        entry[i] = b;
        entry[j] = a;
      }
    }
  __syncthreads();
}

/// A row of n elements.
struct Row {
  const void* x;
  DType type;
  std::int64_t at, step, n;
  bool largest;
  __device__ std::uint64_t order(std::int64_t i) const {
    const std::uint64_t o = order_of(x, type, at + i * step);
    return largest ? o : ~o;
  }
};

/// The order of the k-th element, and how many of those that are like it are among the first k.
struct Threshold {
  std::uint64_t order;
  std::int64_t equals;
};
__device__ Threshold find_threshold(const Row& row, std::int64_t k) {
  __shared__ unsigned long long counts[256];
  __shared__ Threshold found;
  Threshold t{0, k};
  for (int shift = 56; shift >= 0; shift -= 8) {
    const std::uint64_t above = shift == 56 ? 0 : ~std::uint64_t{0} << (shift + 8);
    __syncthreads();
    counts[threadIdx.x] = 0;
    __syncthreads();
    for (std::int64_t i = threadIdx.x; i < row.n; i += kThreads) {
      const std::uint64_t o = row.order(i);
      if ((o & above) == t.order) atomicAdd(&counts[o >> shift & 255], 1ull);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      int digit = 255;
      auto left = static_cast<unsigned long long>(t.equals);
      for (; digit > 0 && counts[digit] < left; --digit) left -= counts[digit];
      found = {t.order | static_cast<std::uint64_t>(digit) << shift, static_cast<std::int64_t>(left)};
    }
    __syncthreads();
    t = found;
  }
  return t;
}

/// The first k entries, in any order.
__device__ void collect(const Row& row, std::int64_t k, Entry* entry) {
  const Threshold t = find_threshold(row, k);
  __shared__ unsigned long long larger;
  __shared__ int of_warp[kThreads / 32];
  if (threadIdx.x == 0) larger = 0;
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  std::int64_t equals = 0;  // so far, of all threads
  for (std::int64_t base = 0; base < row.n; base += kThreads) {
    const std::int64_t i = base + threadIdx.x;
    const std::uint64_t o = i < row.n ? row.order(i) : 0;
    const bool equal = i < row.n && o == t.order;
    if (i < row.n && o > t.order) entry[atomicAdd(&larger, 1ull)] = {o, i};
    const unsigned votes = __ballot_sync(0xffffffffu, equal);
    __syncthreads();
    if (lane == 0) of_warp[warp] = __popc(votes);
    __syncthreads();
    std::int64_t place = equals + __popc(votes & ((1u << lane) - 1));
    for (int w = 0; w < kThreads / 32; ++w) {
      if (w < warp) place += of_warp[w];
      equals += of_warp[w];
    }
    if (equal && place < t.equals) entry[k - t.equals + place] = {o, i};
  }
  __syncthreads();
}

/// Operands: x, values, indices.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    topk_kernel(bool largest, Axes<3> rows, TensorView x, TensorView values, TensorView indices, int axis,
                std::int64_t size, Entry* scratch) {
  __shared__ Entry shared[kSorted];
  const std::int64_t n = x.shape[axis], k = values.shape[axis];
  Entry* entry = size <= kSorted ? shared : scratch + blockIdx.x * size;
  for (std::int64_t r = blockIdx.x; r < rows.count; r += gridDim.x) {
    std::int64_t at[3];
    rows.at(r, at);
    const Row row{x.data, x.dtype, at[0], x.stride[axis], n, largest};
    __syncthreads();
    for (std::int64_t i = threadIdx.x; i < size; i += kThreads)
      entry[i] = n <= size && i < n ? Entry{row.order(i), i} : Entry{0, -1};
    __syncthreads();
    if (n > size) collect(row, k, entry);
    sort(entry, size);
    for (std::int64_t i = threadIdx.x; i < k; i += kThreads) {
      const std::int64_t from = entry[i].index;
      values.as<T>()[at[1] + i * values.stride[axis]] = x.as<T>()[row.at + from * row.step];
      if (indices.data != nullptr) indices.as<std::int64_t>()[at[2] + i * indices.stride[axis]] = from;
    }
  }
}

/// Entries that are sorted: all of a row where they fit shared memory, else k.
std::int64_t sorted_size(std::int64_t n, std::int64_t k) { return power_of_two(n <= kSorted ? n : k); }

Status run_topk(const KernelContext& c) noexcept {
  const auto& p = c.params_as<TopKParams>();
  const TensorView &x = c.in[0], &values = c.out[0];
  const TensorView indices = c.out_count > 1 && c.out[1].data != nullptr ? c.out[1] : TensorView{};
  Axes<3> rows;
  rows.add(x.shape, ~(1u << p.axis), {x.stride, values.stride, indices.stride});
  if (rows.count == 0 || values.shape[p.axis] == 0) return {};
  const std::int64_t size = sorted_size(x.shape[p.axis], values.shape[p.axis]);
  const auto blocks = static_cast<unsigned>(rows.count < kBlocks ? rows.count : kBlocks);
  const bool known = with_size(dtype_bits(x.dtype), [&](auto type) {
    using T = typename decltype(type)::type;
    topk_kernel<T><<<blocks, kThreads, 0, stream_of(c)>>>(p.largest != 0, rows, x, values, indices, p.axis, size,
                                                          reinterpret_cast<Entry*>(c.scratch));
  });
  return known ? launched() : kOtherType;
}

std::size_t scratch_topk(const KernelQuery& q) noexcept {
  const int axis = static_cast<const TopKParams*>(q.params)->axis;
  const std::int64_t k = q.out[0].shape[axis];
  if (k <= kSorted) return 0;
  std::int64_t rows = 1;
  for (int a = 0; a < q.in[0].shape.rank; ++a)
    if (a != axis) rows *= q.in[0].shape[a];
  return static_cast<std::size_t>((rows < kBlocks ? rows : kBlocks) * power_of_two(k)) * sizeof(Entry);
}

Refusal accepts_topk(const KernelQuery& q) noexcept {
  return is_number(q.in[0].dtype) ? nullptr : "its element type has no CUDA kernel";
}

}  // namespace

extern const Kernel topk_cuda{.name = "topk_cuda",
                              .op = "TopK",
                              .device = DeviceKind::cuda,
                              .in{Port::strided},
                              .out{Port::strided},
                              .accepts = accepts_topk,
                              .scratch_bytes = scratch_topk,
                              .run = run_topk};

}  // namespace monza::ops
